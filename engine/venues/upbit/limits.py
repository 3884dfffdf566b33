"""Public calls from one address: 10 per second and group. Source: Upbit API reference, Rate Limits.

429 ends the second; going on leads to 418 with a block that grows.
"""

from engine.net.limits import Header, Kind, Limits, Rule

LIMITS = Limits(
    host="upbit",
    rules=tuple(
        Rule(name=group, kind=Kind.COUNT, most=10, window_s=1.0, paths=paths)
        for group, paths in (
            ("market", ("/v1/market",)),
            ("candle", ("/v1/candles",)),
            ("trade", ("/v1/trades",)),
            ("ticker", ("/v1/ticker",)),
            ("orderbook", ("/v1/orderbook",)),
        )
    ),
    headers=(Header(name="Remaining-Req", says="groups"),),
    bans=((418, 60.0),),
)
