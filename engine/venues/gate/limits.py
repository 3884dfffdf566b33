"""Public calls from one address: 200 per 10 s and endpoint. Source: Gate API v4, Frequency limit; probed headers."""

from engine.net.limits import Header, Kind, Limits, Rule

LIMITS = Limits(
    host="gate",
    rules=(Rule(name="endpoint", kind=Kind.ENDPOINT, most=200, window_s=10.0),),
    headers=(Header(name="X-Gate-RateLimit-Requests-Remain", says="left", limit="X-Gate-RateLimit-Limit"),),
    retry_s=2.0,
)
