"""Public calls from one address: a pool of 2,000 weights per 30 s, spot and futures. Source: KuCoin API, Rate Limit.

Over it 429 without Retry-After; a header names the milliseconds to the next window.
"""

from engine.net.limits import Cost, Header, Kind, Limits, Rule

LIMITS = Limits(
    host="kucoin",
    rules=(Rule(name="public", kind=Kind.WEIGHT, most=2_000, window_s=30.0),),
    costs=(
        Cost("/api/v1/market/allTickers", 15),
        Cost("/api/v1/bullet-public", 10),
        Cost("/api/v1/market/orderbook/level2_20", 2),
        Cost("/api/v1/market/orderbook/level2_100", 4),
        Cost("/api/v1/level2/depth20", 5),
        Cost("/api/v1/timestamp", 3),
        Cost("/api/", 5),
    ),
    headers=(Header(name="gw-ratelimit-remaining", says="left", rule="public", limit="gw-ratelimit-limit"),),
    reset_ms_header="gw-ratelimit-reset",
    retry_s=5.0,
)
