"""A person's order as values: what was asked, the slices that it is carried out in, and how it moves."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from engine.domain.order import OrderKind, Side, TimeInForce

BEST = "best"  # in place of a venue: the router chooses for each slice


class Template(StrEnum):
    """How a person's order is carried out."""

    SWEEP = "sweep"  # all at once from the book, as far as the band
    IOC = "ioc"  # one try at a limit price
    FOK = "fok"  # the same, whole or not at all
    LIMIT = "limit"  # rests at its price
    LADDER = "ladder"  # post-only rungs away from the touch
    TWAP = "twap"
    VWAP = "vwap"
    ICEBERG = "iceberg"  # one small resting piece after the other
    BUCKETS = "buckets"  # one bucket each time the price has come a step towards us
    STOP = "stop"  # held, here or at the venue, until the price reaches its stop


class Ask(Struct, frozen=True, kw_only=True):
    """What a person asks for. Sizes are in the base asset, prices in the quote asset of its market."""

    template: Template
    side: Side
    base: str
    qty: Decimal
    venue: str  # or BEST
    price: Decimal | None = None  # never worse than it; None: the touch of now and `band_bps`
    stop: Decimal | None = None
    band_bps: Decimal = Decimal(30)
    over_ms: int = 0  # how long; 0: the template's own time
    parts: int = 0  # slices, rungs or buckets; 0: the template's own number
    shown: Decimal = Decimal(0)  # of an iceberg; 0: a tenth
    follow: bool = False  # what rests moves with the touch, never beyond `price` or the band
    reduce_only: bool = False  # of a perpetual: it may only make a position smaller
    curve: tuple[float, ...] = ()  # of a VWAP: turnover by hour of the day, UTC, 24 of any unit

    def __post_init__(self) -> None:
        if not self.qty.is_finite() or self.qty <= 0:
            raise ValueError(f"the size must be positive: {self.qty}")
        for name, value in (("price", self.price), ("stop", self.stop)):
            if value is not None and (not value.is_finite() or value <= 0):
                raise ValueError(f"{name} must be positive: {value}")
        if not 0 <= self.band_bps <= 200:
            raise ValueError(f"band_bps must lie in [0, 200]: {self.band_bps}")
        if not 0 <= self.over_ms <= 86_400_000:
            raise ValueError(f"over_ms must lie within a day: {self.over_ms}")
        if not 0 <= self.parts <= 200:
            raise ValueError(f"parts must lie in [0, 200]: {self.parts}")
        if not self.shown.is_finite() or self.shown < 0:
            raise ValueError(f"shown must not be negative: {self.shown}")
        if self.curve and (len(self.curve) != 24 or min(self.curve) < 0 or not 0 < sum(self.curve) < float("inf")):
            raise ValueError("curve must be 24 hourly volumes, none negative")


class Slice(Struct, frozen=True, kw_only=True):
    """One piece of a person's order; a child order is made of it when its time has come."""

    qty: Decimal  # base asset
    at_ms: int = 0  # of running time since the start
    tif: TimeInForce = TimeInForce.IOC
    kind: OrderKind = OrderKind.LIMIT
    price: Decimal | None = None  # None: from the book when its time has come, never worse than the parent's limit
    stop_price: Decimal | None = None  # of a stop that rests at the venue
    rest_ms: int = 0
    in_turn: bool = False  # not before all earlier slices have ended
    trigger: Decimal | None = None  # not before the price is there; then for good
    gap: Decimal | None = None  # follows the touch so far away from it (quote per base); None: stays at its price
    rising: bool = False  # the trigger is reached from below: by the ask of a buy, else from above


class ParentPlan(Struct, frozen=True, kw_only=True):
    """What is journaled before the first child: a restart goes on where it was."""

    parent_id: str
    ask: Ask
    venue: str  # or BEST
    symbol: str  # of the market whose prices `limit` is in
    quote: str
    limit: Decimal  # quote per base: no child is ever worse
    quote_krw: Decimal  # KRW per 1 quote asset when planned
    slices: tuple[Slice, ...]
    actor: str
    created_ms: int  # wall clock, UTC


class ParentState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"  # its children are being taken back
    DONE = "done"
    CANCELLED = "cancelled"


class ParentMove(Struct, frozen=True, kw_only=True):
    """A change of a person's order that a restart must hear again."""

    parent_id: str
    state: ParentState
    reason: str
    ran_ms: int
    pulled: tuple[int, ...] = ()  # slices whose children were taken back by a pause: they are sent again
    triggered: tuple[int, ...] = ()
    awaited: tuple[int, ...] = ()  # slices that rested when the desk went down, and are not known to stand since
