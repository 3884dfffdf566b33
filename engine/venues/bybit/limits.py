"""Public calls from one address: 600 per 5 s; over it 403, and ten minutes of quiet. Source: Bybit V5 API."""

from engine.net.limits import Header, Kind, Limits, Rule

LIMITS = Limits(
    host="bybit",
    rules=(
        Rule(name="address", kind=Kind.COUNT, most=600, window_s=5.0),
        Rule(name="endpoint", kind=Kind.ENDPOINT, most=50, window_s=1.0),
    ),
    headers=(Header(name="X-Bapi-Limit-Status", says="left", rule="endpoint", limit="X-Bapi-Limit"),),
    bans=((403, 600.0),),
)
