"""What each venue allows: markets, ticks, lots, minimums, fees and its rules for client ids."""

from decimal import Decimal
from enum import Enum

from msgspec import Struct


class FeeFrom(Enum):
    """Which side of a fill pays the fee."""

    QUOTE = "quote"  # Korea: always the quote asset, on top of a buy
    RECEIVED = "received"  # Binance, OKX: the asset that comes in


class ClientIds(Enum):
    """How a venue treats a client id that it has seen before."""

    BURNT_FOR_EVER = "burnt_for_ever"  # Upbit: even where the first request failed
    RETURNS_FIRST = "returns_first"  # Bithumb: the first order is the answer
    UNIQUE_AMONG_OPEN = "unique_among_open"  # Binance: a filled order frees its id
    REFUSED = "refused"  # OKX: 51016


class Stp(Enum):
    """What happens when an order meets another order of the same account."""

    NONE = "none"
    CANCEL_MAKER = "cancel_maker"
    CANCEL_TAKER = "cancel_taker"
    CANCEL_BOTH = "cancel_both"
    REDUCE = "reduce"  # both sides shrink by the smaller quantity
    REDUCE_TAKER = "reduce_taker"  # Bithumb: only the colliding quantity of the new order goes


class Band(Struct, frozen=True):
    """`tick` holds for prices at or above `from_price`."""

    from_price: Decimal
    tick: Decimal


class Perp(Struct, frozen=True, kw_only=True):
    """What makes a market a linear perpetual. Sizes in its book count contracts."""

    contract: Decimal = Decimal(1)  # base per contract
    interval_ms: int = 28_800_000  # of funding
    leverage: int = 20  # before the account chooses
    max_leverage: int = 100
    maintenance: Decimal = Decimal("0.005")  # of the notional at the mark


class MarketRules(Struct, frozen=True, kw_only=True):
    """One market; `symbol` is the venue's own spelling, `bands` highest first."""

    symbol: str
    base: str
    quote: str
    bands: tuple[Band, ...]
    lot: Decimal
    min_qty: Decimal
    min_notional: Decimal
    max_notional: Decimal
    perp: Perp | None = None  # None: a spot market

    def tick_at(self, price: Decimal) -> Decimal:
        return next((band.tick for band in self.bands if price >= band.from_price), self.bands[-1].tick)


class VenueRules(Struct, frozen=True, kw_only=True):
    venue: str
    maker_fee: Decimal  # plain ratio: 0.0005 is 0.05 %
    taker_fee: Decimal
    fee_from: FeeFrom
    fee_quantum: Decimal  # fees are cut to this, never rounded up
    client_ids: ClientIds
    stp: Stp  # where the request names none
    refuses_taking_post_only: bool  # True: an error; False: accepted, then cancelled
    best_is_first_level: bool  # `best` orders never walk beyond the first level
    markets: dict[str, MarketRules]
    margined: bool = False  # its perpetuals are traded on margin; else they are only watched
    cuts_reduce_only: bool = False  # a reduce-only order shrinks to the position when it comes; else when it trades
    stops_apart: bool = False  # a stop has an id and lists of its own, and the order that it makes has others
    repeats_stop_ids: bool = False  # a stop's client id may come again: it is a mere text there
    stops_either_way: bool = False  # a stop names no direction: it waits for its price from where the market stands
    holds_stops: bool = False  # what a stop may cost is held while it waits
    stops_name_child: bool = False  # apart, and yet the order that a stop makes bears its client id
    stops_at_once: bool = False  # a stop whose price is there already goes off; else it is refused
    counts_reduce_only: bool = False  # those that rest use the position up: another finds what they leave


def bands(text: str) -> tuple[Band, ...]:
    """`"1000000:1000 500000:500"` -> bands, highest first."""
    pairs = (part.split(":") for part in text.split())
    return tuple(Band(Decimal(start), Decimal(tick)) for start, tick in pairs)


# Upbit, policy of 2025-07-31.
UPBIT_KRW = bands(
    "1000000:1000 500000:500 100000:100 50000:50 10000:10 5000:5 1000:1 100:1 10:0.1 1:0.01 0.1:0.001 "
    "0.01:0.0001 0.001:0.00001 0.0001:0.000001 0.00001:0.0000001 0:0.00000001"
)
BITHUMB_KRW = bands("1000000:1000 500000:500 100000:100 50000:50 10000:10 5000:5 100:1 10:0.01 1:0.001 0:0.0001")
BTC_QUOTED = bands("0:0.00000001")
UPBIT_USDT = bands("10:0.01 1:0.001 0.1:0.0001 0.01:0.00001 0.001:0.000001 0.0001:0.0000001 0:0.00000001")
_EIGHT = Decimal("0.00000001")


_MINIMUMS = {"KRW": Decimal(5000), "BTC": Decimal("0.00005"), "USDT": Decimal("0.5")}
_MAXIMUMS = {"KRW": Decimal(1_000_000_000), "BTC": Decimal(20), "USDT": Decimal(1_000_000)}


def _korean(symbol: str, krw: tuple[Band, ...]) -> MarketRules:
    """`KRW-BTC`: quote first."""
    quote, base = symbol.split("-")
    return MarketRules(
        symbol=symbol,
        base=base,
        quote=quote,
        bands={"KRW": krw, "BTC": BTC_QUOTED, "USDT": UPBIT_USDT}[quote],
        lot=_EIGHT,
        min_qty=_EIGHT,
        min_notional=_MINIMUMS[quote],
        max_notional=_MAXIMUMS[quote],
    )


def _usdt(symbol: str, base: str, tick: str, lot: str, min_qty: str, min_notional: str) -> MarketRules:
    return MarketRules(
        symbol=symbol,
        base=base,
        quote="USDT",
        bands=bands(f"0:{tick}"),
        lot=Decimal(lot),
        min_qty=Decimal(min_qty),
        min_notional=Decimal(min_notional),
        max_notional=Decimal(9_000_000),
    )


def upbit(symbols: tuple[str, ...]) -> VenueRules:
    return VenueRules(
        venue="upbit",
        maker_fee=Decimal("0.0005"),
        taker_fee=Decimal("0.0005"),
        fee_from=FeeFrom.QUOTE,
        fee_quantum=_EIGHT,
        client_ids=ClientIds.BURNT_FOR_EVER,
        stp=Stp.NONE,
        refuses_taking_post_only=False,
        best_is_first_level=False,
        markets={symbol: _korean(symbol, UPBIT_KRW) for symbol in symbols},
    )


def bithumb(symbols: tuple[str, ...], fee: Decimal) -> VenueRules:
    """`fee` is the account's: 0.0025, or 0.0004 while the free discount lasts."""
    return VenueRules(
        venue="bithumb",
        maker_fee=fee,
        taker_fee=fee,
        fee_from=FeeFrom.QUOTE,
        fee_quantum=Decimal("0.01"),
        client_ids=ClientIds.RETURNS_FIRST,
        stp=Stp.REDUCE_TAKER,
        refuses_taking_post_only=False,
        best_is_first_level=True,
        markets={symbol: _korean(symbol, BITHUMB_KRW) for symbol in symbols},
    )


def binance() -> VenueRules:
    markets = (
        _usdt("BTCUSDT", "BTC", "0.01", "0.00001", "0.00001", "5"),
        _usdt("ETHUSDT", "ETH", "0.01", "0.0001", "0.0001", "5"),
        _usdt("XRPUSDT", "XRP", "0.0001", "0.1", "0.1", "5"),
    )
    return VenueRules(
        venue="binance",
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
        fee_from=FeeFrom.RECEIVED,
        fee_quantum=_EIGHT,
        client_ids=ClientIds.UNIQUE_AMONG_OPEN,
        stp=Stp.CANCEL_MAKER,
        holds_stops=True,
        refuses_taking_post_only=True,
        best_is_first_level=False,
        markets={market.symbol: market for market in markets},
    )


def _swap(symbol: str, base: str, tick: str, lot: str, contract: str, hours: int) -> MarketRules:
    return MarketRules(
        symbol=symbol,
        base=base,
        quote="USDT",
        bands=bands(f"0:{tick}"),
        lot=Decimal(lot),
        min_qty=Decimal(lot),
        min_notional=Decimal(0),
        max_notional=Decimal(9_000_000),
        perp=Perp(contract=Decimal(contract), interval_ms=hours * 3_600_000),
    )


def okx() -> VenueRules:
    markets = (
        _usdt("BTC-USDT", "BTC", "0.1", "0.00000001", "0.00001", "0"),
        _usdt("ETH-USDT", "ETH", "0.01", "0.000001", "0.0001", "0"),
        _usdt("XRP-USDT", "XRP", "0.0001", "0.000001", "1", "0"),
    )
    return VenueRules(
        venue="okx",
        maker_fee=Decimal("0.0008"),
        taker_fee=Decimal("0.001"),
        fee_from=FeeFrom.RECEIVED,
        fee_quantum=Decimal("0.000000000001"),
        client_ids=ClientIds.REFUSED,
        stp=Stp.CANCEL_MAKER,
        stops_apart=True,
        refuses_taking_post_only=False,
        best_is_first_level=False,
        markets={market.symbol: market for market in markets},
    )


def okx_swap() -> VenueRules:
    markets = (
        _swap("BTC-USDT-SWAP", "BTC", "0.1", "0.01", "0.01", 8),
        _swap("ETH-USDT-SWAP", "ETH", "0.01", "0.01", "0.1", 8),
        _swap("XRP-USDT-SWAP", "XRP", "0.0001", "0.01", "100", 4),
    )
    return VenueRules(
        venue="okx_swap",
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        fee_from=FeeFrom.QUOTE,
        fee_quantum=Decimal("0.000000000001"),
        client_ids=ClientIds.REFUSED,
        stp=Stp.CANCEL_MAKER,
        stops_apart=True,
        refuses_taking_post_only=False,
        best_is_first_level=False,
        markets={market.symbol: market for market in markets},
        margined=True,
        cuts_reduce_only=True,
    )


def kraken() -> VenueRules:
    """Public only: what ccxt is asked to speak where there is no native feed."""
    markets = (
        _usdt("BTC/USDT", "BTC", "0.1", "0.00000001", "0.00005", "0.5"),
        _usdt("ETH/USDT", "ETH", "0.01", "0.00000001", "0.001", "0.5"),
        _usdt("XRP/USDT", "XRP", "0.00001", "0.00000001", "2", "0.5"),
    )
    return VenueRules(
        venue="kraken",
        maker_fee=Decimal("0.0025"),
        taker_fee=Decimal("0.004"),
        fee_from=FeeFrom.QUOTE,
        fee_quantum=_EIGHT,
        client_ids=ClientIds.UNIQUE_AMONG_OPEN,
        stp=Stp.CANCEL_TAKER,
        refuses_taking_post_only=False,
        best_is_first_level=False,
        markets={market.symbol: market for market in markets},
    )
