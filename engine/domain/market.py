"""What a market is: instruments, levels, rates."""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from engine.domain.money import TickBand

# One price level: (price in quote per 1 base, size in base). Floats: books are for detection (architecture.md §4).
Levels = Sequence[tuple[float, float]]


def plain(value: object) -> object:
    """msgspec's `enc_hook`: levels in whatever compact form, as the list they stand for. Raises NotImplementedError."""
    if isinstance(value, Sequence):
        return list(value)
    raise NotImplementedError(type(value).__name__)


class FeeSide(StrEnum):
    """In which asset the venue takes its fee."""

    QUOTE = "quote"  # Korean venues: KRW on both sides
    RECEIVED = "received"  # most global venues: base when buying, quote when selling


class Product(StrEnum):
    SPOT = "spot"
    PERP = "perp"  # linear perpetual


class Instrument(Struct, frozen=True, kw_only=True):
    """One market of one venue with its rules, as the venue states them.

    `base` is the asset by the desk's own identity map (configs/instruments.yaml), never the venue's ticker alone.
    """

    venue: str
    symbol: str  # the venue's own spelling: KRW-BTC, BTCUSDT, BTC-USDT
    base: str
    quote: str
    ticks: tuple[TickBand, ...]
    qty_step: Decimal  # base asset
    min_qty: Decimal  # base asset
    min_notional: Decimal  # quote asset
    maker_fee_bps: Decimal
    taker_fee_bps: Decimal
    fee_side: FeeSide
    source: str = "config"  # account | venue | config: where these rules came from
    tick_source: str = ""  # and their ticks; "": as `source`
    fee_source: str = ""  # and their fees; "": as `source`
    as_of_ms: int = 0  # when that source was asked, UTC; 0: the configuration has no clock
    product: Product = Product.SPOT
    contract_size: Decimal = Decimal(1)  # of `base` in one unit of size: 0.01 where a contract is 0.01 BTC
    price_per: Decimal = Decimal(1)  # of `base` that one price is for: 1000 for 1000SHIB


class Balance(Struct, frozen=True):
    """What one account holds of one asset. `total` = free + held by open orders."""

    asset: str
    free: Decimal
    total: Decimal


class Gate(StrEnum):
    """Whether coins may pass. A closed one is a veto at once, an open one only a hint (domain.md §10)."""

    OPEN = "open"
    CLOSED = "closed"
    DELAYED = "delayed"
    UNKNOWN = "unknown"


class Wallet(Struct, frozen=True, kw_only=True):
    """One way into and out of a venue: an asset on a network."""

    asset: str
    network: str  # the venue's own spelling; "" where it names none
    deposit: Gate
    withdraw: Gate
    fee: Decimal | None = None  # of a withdrawal, in the asset
    min_withdraw: Decimal | None = None
    confirmations: int | None = None


class Loan(Struct, frozen=True, kw_only=True):
    """What a venue charges who borrows a coin, to sell it or to buy with it."""

    asset: str
    hourly: Decimal  # fraction of the loan per hour
    limit: Decimal | None = None  # the most that it lends, in the asset


class MarketWarning(Struct, frozen=True, kw_only=True):
    """What a venue says against one of its markets."""

    symbol: str
    kind: str  # warning | caution | delisting | suspended
    text: str  # the venue's own word: GLOBAL_PRICE_DIFFERENCES
    at_ms: int = 0  # of a delisting, UTC; 0: not told
