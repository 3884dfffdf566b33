"""A trade that passes every rule, to be spoiled one field at a time."""

from decimal import Decimal

from msgspec import structs

from engine.domain.order import PlannedLeg, Side
from engine.risk.limits import Held
from engine.risk.situation import Seen, Situation

D = Decimal

BUY = PlannedLeg(
    venue="binance",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    side=Side.BUY,
    qty=D("0.005"),
    limit_price=D("68050"),
    planned_vwap=D("68000"),
    fee_bps=D(10),
    quote_krw=D(1395),
)
SELL = PlannedLeg(
    venue="upbit",
    symbol="KRW-BTC",
    base="BTC",
    quote="KRW",
    side=Side.SELL,
    qty=D("0.005"),
    limit_price=D("95950000"),
    planned_vwap=D("96000000"),
    fee_bps=D(5),
    quote_krw=D(1),
)
SEEN_BUY = Seen(
    ready=True,
    best_bid=67_990.0,
    best_ask=68_000.0,
    median_mid=67_900.0,
    pays="USDT",
    needed=D("340.6"),
    available=D(9_000),
)
SEEN_SELL = Seen(
    ready=True, best_bid=96e6, best_ask=96.01e6, median_mid=95.9e6, pays="BTC", needed=D("0.005"), available=D(1)
)
GOOD = Situation(
    key="kimchi:BTC:binance>upbit",
    strategy="kimchi",
    seen=(SEEN_BUY, SEEN_SELL),
    equity_krw=D(100_000_000),
    usd_krw=D(1_380),
    btc_krw=D(96_000_000),
)


def situation(**changes: object) -> Situation:
    """`buy_...` and `sell_...` change what is seen around a leg, everything else the situation itself."""
    seen = list(GOOD.seen)
    for number, prefix in enumerate(("buy_", "sell_")):
        mine = {name.removeprefix(prefix): value for name, value in changes.items() if name.startswith(prefix)}
        seen[number] = structs.replace(seen[number], **mine)
    rest = {name: value for name, value in changes.items() if not name.startswith(("buy_", "sell_"))}
    return structs.replace(GOOD, seen=tuple(seen), **rest)


def held(coin="0", total="0", **venues: str) -> Held:
    return Held(coin_krw=D(coin), total_krw=D(total), venue_krw={name: D(amount) for name, amount in venues.items()})
