"""Public calls from one address, weighed. Source: Binance Spot API, General Info > Limits.

The venue allows an address 6,000 per minute, counting signed calls and other processes too; its header tells how many.
Requirement C7 keeps the lower number of R021 for what we ask in public. After 429 comes 418: two minutes to three days.
"""

from engine.net.limits import Cost, Header, Kind, Limits, Rule

LIMITS = Limits(
    host="binance",
    rules=(
        Rule(name="weight", kind=Kind.WEIGHT, most=1_200, window_s=60.0),
        Rule(name="address", kind=Kind.WEIGHT, most=6_000, window_s=60.0),
        Rule(name="requests", kind=Kind.COUNT, most=61_000, window_s=300.0),
    ),
    costs=(
        Cost("/api/v3/depth", 250, "limit", ((100, 5), (500, 25), (1_000, 50))),
        Cost("/api/v3/exchangeInfo", 20),
        Cost("/api/v3/klines", 2),
        Cost("/api/v3/aggTrades", 4),
        Cost("/api/v3/ticker/24hr", 80),
        Cost("/api/v3/ticker", 4),
    ),
    headers=(Header(name="X-MBX-USED-WEIGHT-1M", says="used", rule="address"),),
    retry_s=10.0,
    bans=((418, 120.0),),
)
