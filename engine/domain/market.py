"""What a market is: instruments, levels, rates."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from engine.domain.money import TickBand

# One price level: (price in quote per 1 base, size in base). Floats: books are for detection (architecture.md §4).
Levels = list[tuple[float, float]]


class FeeSide(StrEnum):
    """In which asset the venue takes its fee."""

    QUOTE = "quote"  # Korean venues: KRW on both sides
    RECEIVED = "received"  # most global venues: base when buying, quote when selling


class Instrument(Struct, frozen=True, kw_only=True):
    """One market of one venue with its rules, as the venue states them."""

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
    source: str = "config"  # venue | config: where these rules came from


class Balance(Struct, frozen=True):
    """What one account holds of one asset. `total` = free + held by open orders."""

    asset: str
    free: Decimal
    total: Decimal
