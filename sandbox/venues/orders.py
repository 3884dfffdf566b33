"""What a venue keeps about an order, and the reasons for which it says no."""

from decimal import Decimal
from enum import Enum

from msgspec import Struct, field
from msgspec.structs import replace

from sandbox.venues.ledger import ZERO
from sandbox.venues.rules import Stp


class Side(Enum):
    BUY = "bid"
    SELL = "ask"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class Kind(Enum):
    LIMIT = "limit"
    MARKET = "market"  # quantity given, price open
    BUDGET = "budget"  # quote amount given, quantity open
    BEST = "best"  # like MARKET or BUDGET, at the best opposite price where the venue stops there


class Tif(Enum):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


class State(Enum):
    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"


class End(Enum):
    """Why a cancelled order ended."""

    USER = "user"
    TIF = "tif"  # IOC remainder, FOK that could not, post-only that would have taken
    SELF_TRADE = "self_trade"
    REDUCE_ONLY = "reduce_only"  # nothing is left to reduce
    LIQUIDATION = "liquidation"
    REFUSED = "refused"  # a stop that went off, and whose order was not taken


class Reason(Enum):
    """Why a venue refuses; each dialect has its own code for it."""

    UNKNOWN_MARKET = "unknown_market"
    BAD_TICK = "bad_tick"
    BAD_LOT = "bad_lot"
    BELOW_MIN_QTY = "below_min_qty"
    BELOW_MIN_NOTIONAL = "below_min_notional"
    ABOVE_MAX_NOTIONAL = "above_max_notional"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    WOULD_TAKE = "would_take"
    WOULD_TRIGGER = "would_trigger"  # a stop whose price is there already
    NO_LIQUIDITY = "no_liquidity"
    UNKNOWN_ORDER = "unknown_order"
    ALREADY_CLOSED = "already_closed"
    REDUCE_ONLY = "reduce_only"  # it would open, or make larger
    BAD_LEVERAGE = "bad_leverage"
    ON_REQUEST = "on_request"  # a fault asked for by the test


class Refused(Exception):
    """The venue understood and said no."""

    def __init__(self, reason: Reason, detail: str, *, side: Side | None = None, code: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.side = side
        self.code = code  # the dialect's own code, where the test asked for one


class OrderRequest(Struct, frozen=True, kw_only=True):
    account: str
    symbol: str
    side: Side
    kind: Kind
    tif: Tif = Tif.GTC
    price: Decimal | None = None
    qty: Decimal | None = None  # base asset, or contracts of a perpetual
    budget: Decimal | None = None  # quote asset, without the fee
    client_id: str = ""
    stp: Stp | None = None  # None: the venue's default
    reduce_only: bool = False  # of a perpetual
    stop: Decimal | None = None  # waits until the last price is there
    take_ratio: Decimal = Decimal(1)  # a fault: only this share may trade at once


class Fill(Struct, frozen=True, kw_only=True):
    id: int
    order_id: int
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    at_ms: int
    realised: Decimal = ZERO  # of a perpetual: the result of what this closed, before the fee


class Order(Struct, kw_only=True):
    id: int
    account: str
    symbol: str
    side: Side
    kind: Kind
    tif: Tif
    price: Decimal | None
    qty: Decimal | None
    budget: Decimal | None
    client_id: str
    stp: Stp
    created_ms: int
    updated_ms: int
    state: State = State.OPEN
    end: End | None = None
    filled: Decimal = ZERO
    funds: Decimal = ZERO  # quote value of the fills
    fee: Decimal = ZERO
    fee_asset: str = ""
    held: Decimal = ZERO
    hold_asset: str = ""
    prevented: Decimal = ZERO  # quantity taken away by self-trade prevention
    reduce_only: bool = False
    stop: Decimal | None = None  # it waits for this price, or did
    rank: int = 0  # its place among orders at its price
    contract: Decimal = Decimal(1)  # base per unit of quantity
    fills: list[Fill] = field(default_factory=list)

    @property
    def open_qty(self) -> Decimal:
        """Quantity still wanted; zero for an order by budget, which counts money instead."""
        return ZERO if self.qty is None else self.qty - self.filled - self.prevented

    @property
    def average(self) -> Decimal:
        return self.funds / (self.filled * self.contract) if self.filled else ZERO

    def add(self, fill: Fill, funds: Decimal) -> None:
        """`funds` is the fill's quote value."""
        self.filled += fill.qty
        self.funds += funds
        self.fee += fill.fee
        self.updated_ms = fill.at_ms
        self.fills.append(fill)


class Print(Struct, frozen=True):
    """One public trade; `aggressor` is the side that took."""

    symbol: str
    price: Decimal
    qty: Decimal
    aggressor: Side
    at_ms: int


def as_it_is(order: Order) -> Order:
    """A copy that stays."""
    return replace(order, fills=list(order.fills))


def as_of(order: Order, fills: int) -> Order:
    """When so many of its fills had been made."""
    made = order.fills[:fills]
    is_last = order.state is State.FILLED and fills == len(order.fills) and fills > 0
    return replace(
        order,
        fills=made,
        filled=sum((fill.qty for fill in made), ZERO),
        funds=sum((fill.price * fill.qty for fill in made), ZERO) * order.contract,
        fee=sum((fill.fee for fill in made), ZERO),
        updated_ms=made[-1].at_ms if made else order.created_ms,
        state=State.FILLED if is_last else State.OPEN,
        end=None,
    )
