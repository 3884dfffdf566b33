"""Public calls from one address: 150 per second and category. Source: Bithumb API 2.1, limits; probed headers."""

from engine.net.limits import Header, Kind, Limits, Rule

LIMITS = Limits(
    host="bithumb",
    rules=tuple(
        Rule(name=category, kind=Kind.BUCKET, most=150, window_s=1.0, paths=paths)
        for category, paths in (
            ("orderbook", ("/v1/orderbook",)),
            ("ticker", ("/v1/ticker",)),
            ("candle", ("/v1/candles",)),
            ("trade", ("/v1/trades",)),
            ("other", ("/v1/market", "/v1/notices", "/v2/", "/public/")),
        )
    ),
    headers=(Header(name="x-ratelimit-remaining", says="left", limit="x-ratelimit-burst-capacity"),),
)
