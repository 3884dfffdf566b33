"""Public calls from one address: a bucket of 1,200, 20 per second flow in. Source: Coinone API; probed."""

from engine.net.limits import Header, Kind, Limits, Rule

LIMITS = Limits(
    host="coinone",
    rules=(Rule(name="public", kind=Kind.BUCKET, most=1_200, window_s=60.0),),
    headers=(Header(name="Public-Ratelimit-Remaining", says="left"),),
)
