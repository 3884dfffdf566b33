"""Public calls from one address, weighed: 2,400 per minute. Source: Binance USD-M Futures API."""

from engine.net.limits import Cost, Header, Kind, Limits, Rule

LIMITS = Limits(
    host="binance_usdm",
    rules=(Rule(name="weight", kind=Kind.WEIGHT, most=2_400, window_s=60.0),),
    costs=(
        Cost("/fapi/v1/depth", 20, "limit", ((50, 2), (100, 5), (500, 10), (1_000, 20))),
        Cost("/fapi/v1/klines", 10, "limit", ((99, 1), (499, 2), (1_000, 5), (1_500, 10))),
        Cost("/fapi/v1/premiumIndex", 10),
        Cost("/fapi/v1/ticker", 40),
    ),
    headers=(Header(name="X-MBX-USED-WEIGHT-1M", says="used", rule="weight"),),
    retry_s=10.0,
    bans=((418, 120.0),),
)
