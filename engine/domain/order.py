"""Orders and trades as values. A trade is one intent carried out by one or more legs."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from engine.domain.errors import VenueRefused
from engine.domain.market import Product


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class TimeInForce(StrEnum):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"

    @property
    def ends_at_once(self) -> bool:
        """Its remainder never stands in the book."""
        return self in (TimeInForce.IOC, TimeInForce.FOK)


class OrderKind(StrEnum):
    LIMIT = "limit"
    MARKET = "market"  # `price` still bounds what is reserved, and what is spent where a venue takes an amount to buy
    STOP_LOSS = "stop_loss"  # rests at the venue until its last price reaches `stop_price`; then a limit at `price`


class OrderStatus(StrEnum):
    PLANNED = "planned"  # journaled, not yet handed to the socket
    SENT = "sent"  # bytes may have left
    OPEN = "open"  # the venue acknowledged it; it may hold partial fills
    UNKNOWN = "unknown"  # sent, no answer: both outcomes stay reserved
    FILLED = "filled"
    CANCELLED = "cancelled"  # ended by the venue or by us, possibly with partial fills (IOC remainder too)
    REJECTED = "rejected"  # a definitive no from the venue
    NOT_PLACED = "not_placed"  # proved by evidence, or stopped before the socket


class LegRole(StrEnum):
    """Why an order of a trade exists."""

    ENTRY = "entry"
    CHASE = "chase"
    HEDGE = "hedge"  # on a perpetual, against an exposure that its own markets would not take back
    UNWIND = "unwind"
    FLATTEN = "flatten"


class OrderRequest(Struct, frozen=True, kw_only=True):
    """One order as it will be sent. `cid` is deterministic: a restart recomputes it."""

    cid: str
    trade_id: str
    leg: int
    role: LegRole
    venue: str
    symbol: str
    side: Side
    qty: Decimal  # base asset, a multiple of the instrument's qty_step
    price: Decimal  # quote per base, a multiple of the instrument's tick
    tif: TimeInForce
    kind: OrderKind = OrderKind.LIMIT
    stop_price: Decimal | None = None  # quote per base, on the tick; of a STOP_LOSS alone
    reduce_only: bool = False  # may only make a perpetual's position smaller
    late_ms: int = 0  # so long its venue may accept it after its sender is gone, by the rules that it was made under


class Abilities(Struct, frozen=True, kw_only=True):
    """What a venue's order entry can do by itself. The desk holds the rest (a stop, an IOC) or refuses it."""

    kinds: frozenset[OrderKind] = frozenset({OrderKind.LIMIT})
    tifs: frozenset[TimeInForce] = frozenset(TimeInForce)  # of a limit order
    reduce_only: bool = False
    amend: bool = False  # an open order can be changed and keeps its place in the queue
    moves: bool = False  # an open order's price can be changed in place
    countdown: bool = False  # it can be told to cancel everything unless it hears from us in time
    expiry: bool = False  # a request names the time after which it is refused
    holds_stops: bool = False  # what a stop may cost is held while it waits; else its balance shows nothing of it

    def why_not(self, order: OrderRequest) -> str:
        """Why the venue would not take such an order, as one clause; "" where it would."""
        if order.kind not in self.kinds:
            return f"it takes no {order.kind.value.replace('_', '-')} orders"
        if order.kind is not OrderKind.MARKET and order.tif not in self.tifs:
            return f"it takes no {order.tif.value.upper().replace('_', '-')} orders"
        if order.kind is OrderKind.STOP_LOSS and (order.stop_price is None or order.tif is not TimeInForce.GTC):
            return "a stop-loss needs its stop price and rests until then"
        if order.kind is not OrderKind.STOP_LOSS and order.stop_price is not None:
            return "only a stop-loss has a stop price"
        if order.reduce_only and not self.reduce_only:
            return "it has no reduce-only orders"
        return ""

    def check(self, order: OrderRequest) -> None:
        """Before a request is made. Raises VenueRefused ("unsupported")."""
        why = self.why_not(order)
        if why:
            raise VenueRefused("unsupported", f"{order.venue}: {why}")


class Fee(Struct, frozen=True):
    asset: str
    amount: Decimal  # positive: paid by us


class OrderReport(Struct, frozen=True, kw_only=True):
    """The venue's word on one order. Quantities are cumulative, so a repeat changes nothing."""

    cid: str
    venue: str
    symbol: str
    side: Side
    status: OrderStatus  # OPEN, FILLED, CANCELLED or REJECTED
    venue_order_id: str
    filled_qty: Decimal  # base, cumulative
    filled_quote: Decimal  # quote, cumulative, before fees
    fees: tuple[Fee, ...]  # cumulative per asset
    venue_ts_ms: int = 0


class Policy(StrEnum):
    SIMULTANEOUS = "simultaneous"
    HARD_LEG_FIRST = "hard_leg_first"


class LegWish(Struct, frozen=True, kw_only=True):
    """One leg of an intent as detection sees it."""

    venue: str
    symbol: str
    side: Side
    vwap_est: float  # quote per base at the wished size


class Intent(Struct, frozen=True, kw_only=True):
    """What a strategy wishes. Estimates only: legs are priced again from the levels before an order is made."""

    key: str  # identity of the opportunity: "kimchi:BTC:binance>upbit"
    strategy: str
    legs: tuple[LegWish, ...]
    qty_est: float  # base asset, equal on every leg
    gross_est: float  # ratio, before fees
    net_est: float  # ratio, after taker fees of every leg and the strategy's own charges
    min_net_est: float  # ratio: below it the strategy no longer wishes this
    profit_krw_est: float  # expected profit at qty_est in KRW
    notional_krw_est: float  # of the larger leg
    confidence_est: float  # 0..1 (domain.md §4)
    policy: Policy = Policy.SIMULTANEOUS
    hard_leg: int = 0  # index into legs, for HARD_LEG_FIRST
    tif: TimeInForce = TimeInForce.IOC  # POST_ONLY rests at the best price for rest_ms; single-leg intents only
    rest_ms: int = 0
    # Named figures for the card and for /why: k_fx, k_usdt, tether_premium, fx, usdt_krw, depth_usd, weight_target, ...
    facts: dict[str, float] = {}
    # "anomaly" (gross > cap): needs a manual confirm even in auto mode; "closes": only makes a position smaller;
    # "stop": of those a stop-loss, whose own limit says how far from the market it may go
    flags: tuple[str, ...] = ()
    parent_id: str = ""  # of a person's order, and which of its slices this is
    slice: int = 0


class PlannedLeg(Struct, frozen=True, kw_only=True):
    """One leg priced exactly, ready to become an order."""

    venue: str
    symbol: str
    base: str
    quote: str
    side: Side
    qty: Decimal
    limit_price: Decimal  # IOC at VWAP ± band, on the tick
    planned_vwap: Decimal
    fee_bps: Decimal
    quote_krw: Decimal  # KRW per 1 quote asset when planned
    stop_price: Decimal | None = None  # rests at the venue until then: the prices above are those of then
    product: Product = Product.SPOT
    reduce_only: bool = False  # closes a position


class TradePlan(Struct, frozen=True, kw_only=True):
    """Both legs and what to do when one fails, in one value: journaled before the first byte leaves."""

    trade_id: str
    strategy: str
    opportunity_id: str
    key: str
    legs: tuple[PlannedLeg, ...]
    policy: Policy
    hard_leg: int
    tif: TimeInForce
    rest_ms: int  # a resting order is cancelled after it
    expected_profit_krw: Decimal
    expected_net: Decimal  # ratio
    naked_deadline_ms: int  # chase until then, unwind after
    max_chase: int
    max_unwind: int
    band_bps: Decimal
    actor: str  # "auto" or "telegram:1001"
    created_ms: int  # wall clock, UTC
    facts: dict[str, float] = {}
    parent_id: str = ""
    slice: int = 0
    hedges: tuple[PlannedLeg, ...] = ()  # perpetuals that may take an exposure over: sized then, so 0 here

    def leg(self, index: int) -> PlannedLeg:
        """An order's leg: those of the trade, then its hedges."""
        return self.legs[index] if index < len(self.legs) else self.hedges[index - len(self.legs)]


class TradeState(StrEnum):
    WORKING = "working"  # entry orders under way
    NAKED = "naked"  # exposure without its partner: chasing, then unwinding
    CLOSED = "closed"
    DEAD_LETTER = "dead_letter"  # a remainder for a person; its pair is blocked
