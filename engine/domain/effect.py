"""What the core asks the shell to do. Carried out in order; answers come back as events."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from engine.domain.event import OrderNotSent, OrderReported, ParentMoved, ParentOpened, TradeSettled
from engine.domain.margin_event import FundingBooked, HedgeLost, MarginAligned
from engine.domain.market import Balance
from engine.domain.order import OrderKind, OrderReport, OrderRequest, TradePlan
from engine.domain.position import FundingPaid, Holding


class Submit(Struct, frozen=True, kw_only=True, tag=True):
    """Journal (fsync) all orders in one record, look at the latch for each order, then send them side by side."""

    plan: TradePlan | None  # on the first record of a trade
    orders: tuple[OrderRequest, ...]
    trigger_ns: int  # when the event that caused this was seen: frame -> wire is measured from it


class Remember(Struct, frozen=True, kw_only=True, tag=True):
    """Journal an event that the core itself decided: a restart must hear it again."""

    event: (
        TradeSettled
        | OrderNotSent
        | OrderReported
        | ParentOpened
        | ParentMoved
        | FundingBooked
        | MarginAligned
        | HedgeLost
    )


class Cancel(Struct, frozen=True, kw_only=True, tag=True):
    cid: str
    venue: str
    symbol: str
    venue_order_id: str  # "" when not known: cancel by client id
    kind: OrderKind = OrderKind.LIMIT


class Amend(Struct, frozen=True, kw_only=True, tag=True):
    """Change the price of an open order in place; the latch and the last step are looked at as before a send."""

    cid: str
    venue: str
    symbol: str
    venue_order_id: str
    qty: Decimal  # base, in all, fills included
    price: Decimal


class LookUp(Struct, frozen=True, kw_only=True, tag=True):
    """Ask the venue for the order by client id, on the look-ups' own share of the rate budget."""

    cid: str
    venue: str
    symbol: str
    kind: OrderKind = OrderKind.LIMIT


class FetchBalances(Struct, frozen=True, kw_only=True, tag=True):
    """Balances; of an account of perpetuals its funding and its positions before them."""

    venue: str
    funding_since_ms: int = 0  # UTC; 0: not asked for


class FetchOpenOrders(Struct, frozen=True, kw_only=True, tag=True):
    venue: str


class Arm(Struct, frozen=True, kw_only=True, tag=True):
    """Set the venue's own timer, which cancels every order of the account when it runs out; 0 disarms."""

    venue: str
    timeout_s: int


class RenewStream(Struct, frozen=True, kw_only=True, tag=True):
    """A venue's private stream stands and does not tell: give its connection up and make another."""

    venue: str
    reason: str


class OpenLedger(Struct, frozen=True, kw_only=True, tag=True):
    """Journal the adopted opening balances of a venue."""

    venue: str
    balances: tuple[Balance, ...]
    holdings: tuple[Holding, ...] = ()
    paid: tuple[FundingPaid, ...] = ()
    asked_ms: int = 0  # UTC: when they were asked for


class StoreSetting(Struct, frozen=True, kw_only=True, tag=True):
    """Store one run-time setting under its version: durable, undoable, read back at start."""

    name: str
    version: int
    value: bytes  # JSON
    actor: str
    wall_ms: int


class LatchChanged(Struct, frozen=True, kw_only=True, tag=True):
    """The halt level changed: the shell writes the durable latch at once."""

    level: int
    reason: str
    actor: str
    wall_ms: int


class Severity(StrEnum):
    INFO = "info"
    WARN = "warn"
    CRIT = "crit"


class Notice(Struct, frozen=True, kw_only=True, tag=True):
    """One thing that people may want to see: goes to the event stream of the control door.

    `kind` names the shape of `body` (JSON of a struct in engine.domain.view); `key` lets a newer one replace an older.
    """

    kind: str
    key: str
    severity: Severity
    wall_ms: int
    body: bytes


class Record(Struct, frozen=True, kw_only=True, tag=True):
    """One row for the SQL store, upserted by `key`. `row` is JSON of the view that `table` names.

    signals: OpportunityView, trades: TradeView, orders: OrderView, refusals: RefusalView, snapshots: list[BalanceView].
    """

    table: str  # signals | trades | orders | refusals | snapshots
    key: str
    wall_ms: int
    row: bytes


class Reply(Struct, frozen=True, kw_only=True, tag=True):
    """The answer to a command: handed to its caller at once, kept for a repeated request id."""

    request_id: str
    ok: bool
    rule: str  # "" when ok, else the name of what refused
    text: str  # one English sentence with the numbers
    body: bytes  # JSON


class OrderView(Struct, frozen=True, kw_only=True):
    """An order with its state, for lists and rows."""

    request: OrderRequest
    status: str
    report: OrderReport | None
    reason: str
    sent_ms: int
    done_ms: int
    latency_us: int  # sent -> its end
    to_send_us: int = 0  # the event that decided it -> handed to the venue's client


Effect = (
    Submit
    | Remember
    | Cancel
    | Amend
    | LookUp
    | FetchBalances
    | FetchOpenOrders
    | Arm
    | RenewStream
    | OpenLedger
    | StoreSetting
    | LatchChanged
    | Notice
    | Record
    | Reply
)
