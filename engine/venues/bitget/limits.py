"""Public calls from one address: 6,000 per minute in all, 20 per second and endpoint. Source: Bitget API."""

from engine.net.limits import Header, Kind, Limits, Rule

LIMITS = Limits(
    host="bitget",
    rules=(
        Rule(name="address", kind=Kind.COUNT, most=6_000, window_s=60.0),
        Rule(name="endpoint", kind=Kind.ENDPOINT, most=20, window_s=1.0),
    ),
    headers=(Header(name="x-mbx-used-remain-limit", says="left", rule="endpoint"),),
)
