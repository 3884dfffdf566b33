"""A small world for tables of cases: two Korean and two global venues, BTC on each, USDT in KRW, two FX sources."""

from decimal import Decimal

from engine.domain.event import BookSnapshot, FxRate
from engine.domain.market import FeeSide, Instrument
from engine.domain.money import NS_PER_MS, NS_PER_S, TickBand
from engine.market.fx import FxRules
from engine.market.view import Market, VenueRules
from engine.strategies.sight import LastAction, Sight

NOW_NS = 1_000 * NS_PER_S
# A Wednesday at noon in Seoul: the interbank market is open.
WALL_MS = 1_770_778_800_000
USDT_SYMBOLS = (("upbit", "KRW-USDT"), ("bithumb", "KRW-USDT"))
PLENTY = {
    (venue, asset): amount
    for venue in ("upbit", "bithumb", "binance", "okx")
    for asset, amount in (("BTC", 100.0), ("KRW", 1e12), ("USDT", 1e9))
}


def instrument(venue: str, symbol: str, base: str, quote: str, **changes: object) -> Instrument:
    rules = {
        "ticks": (TickBand(Decimal(0), Decimal("0.01")),),
        "qty_step": Decimal("0.00000001"),
        "min_qty": Decimal(0),
        "min_notional": Decimal(0),
        "maker_fee_bps": Decimal(0),
        "taker_fee_bps": Decimal(0),
        "fee_side": FeeSide.QUOTE,
    }
    return Instrument(venue=venue, symbol=symbol, base=base, quote=quote, **(rules | changes))  # type: ignore[arg-type]


def market(fees_bps: dict[str, str] | None = None, **changes: object) -> Market:
    """Instruments of all four venues, no books yet. `fees_bps` per venue, default 0; `changes` for every instrument."""
    ages = {"upbit": 2_000, "bithumb": 2_000, "binance": 500, "okx": 500}
    made = Market({venue: VenueRules(max_book_age_ms=age) for venue, age in ages.items()}, FxRules())
    made.wall_ms = WALL_MS
    spellings = {
        "upbit": (("KRW-BTC", "BTC", "KRW"), ("KRW-USDT", "USDT", "KRW")),
        "bithumb": (("KRW-BTC", "BTC", "KRW"), ("KRW-USDT", "USDT", "KRW")),
        "binance": (("BTCUSDT", "BTC", "USDT"),),
        "okx": (("BTC-USDT", "BTC", "USDT"),),
    }
    for venue, rows in spellings.items():
        fee = Decimal((fees_bps or {}).get(venue, "0"))
        for symbol, base, quote in rows:
            made.instruments[venue, symbol] = instrument(
                venue, symbol, base, quote, **({"taker_fee_bps": fee} | changes)
            )
    return made


def book(
    made: Market,
    venue: str,
    symbol: str,
    bids: list[tuple[float, float]],
    asks: list[tuple[float, float]],
    age_ms: int = 0,
) -> None:
    seen_ns = NOW_NS - age_ms * NS_PER_MS
    made.take_book(BookSnapshot(venue=venue, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=0, seen_ns=seen_ns))


def fx(made: Market, *rates: str, age_ms: int = 0) -> None:
    for number, rate in enumerate(rates):
        seen_ns = NOW_NS - age_ms * NS_PER_MS
        made.take(FxRate(source=f"source{number}", rate=Decimal(rate), as_of_ms=WALL_MS, seen_ns=seen_ns))


def sight(
    made: Market,
    available: dict[tuple[str, str], float] | None = None,
    last: dict[str, LastAction] | None = None,
) -> Sight:
    return Sight(
        market=made,
        available=PLENTY if available is None else available,
        last=last or {},
        usdt_symbols=USDT_SYMBOLS,
        now_ns=NOW_NS,
    )
