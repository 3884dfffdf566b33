"""Everything that can happen, through one door. `seen_ns` is our monotonic clock; wall time comes with `Tick`."""

from decimal import Decimal

from msgspec import Struct

from engine.domain.account_event import AccountEvent
from engine.domain.command import Command
from engine.domain.margin_event import FundingBooked, FundingReported, HedgeLost, MarginAligned, PositionsReported
from engine.domain.market import Balance, Instrument, Levels, Loan, MarketWarning, Wallet
from engine.domain.order import Abilities, OrderReport, OrderRequest, Side, TradePlan
from engine.domain.parent import ParentMove, ParentPlan
from engine.domain.past import Past
from engine.domain.position import FundingPaid, Holding
from engine.domain.stream_event import ForeignOrder, OrderStirred, OrderStreamState


class BookSnapshot(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A whole book; it replaces what was known. Sides sorted best first, no zero sizes."""

    venue: str
    symbol: str
    bids: Levels
    asks: Levels
    venue_ts_ms: int  # the venue's clock: for display and skew only, never for age
    seen_ns: int


class BookDelta(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Changed levels, already proved to follow the last update; size 0 deletes. Any order."""

    venue: str
    symbol: str
    bids: Levels
    asks: Levels
    venue_ts_ms: int
    seen_ns: int


class BookLost(Struct, frozen=True, kw_only=True, tag=True):
    """The book can no longer be trusted: unusable until the next snapshot."""

    venue: str
    symbol: str
    reason: str  # gap | bad_frame | reconnect | silent | crossed
    seen_ns: int


class TradePrint(Struct, frozen=True, kw_only=True, tag=True):
    """A public trade."""

    venue: str
    symbol: str
    price: float
    qty: float
    taker_side: Side
    trade_id: str
    venue_ts_ms: int
    seen_ns: int


class PerpState(Struct, frozen=True, kw_only=True, tag=True):
    """What a venue last said of one perpetual. None: not said on this connection.

    Rates are fractions per interval. The shown rate is the venue's word for the settlement at `next_funding_ms`; what
    is charged may differ: book funding from the ledger.
    """

    venue: str
    symbol: str
    mark: float | None = None
    index: float | None = None
    funding_rate: float | None = None
    predicted_rate: float | None = None  # for the settlement after the next, where the venue names one
    interval_ms: int | None = None
    next_funding_ms: int | None = None  # UTC
    venue_ts_ms: int = 0
    seen_ns: int


class DayTicker(Struct, frozen=True, kw_only=True, tag=True):
    """The last price and the turnover of the last 24 hours."""

    venue: str
    symbol: str
    last: float
    quote_volume: float  # in the quote asset
    venue_ts_ms: int
    seen_ns: int


class FeedAlive(Struct, frozen=True, kw_only=True, tag=True):
    """Proof of life of a venue's data socket (a pong or any frame), at most a few per second."""

    venue: str
    seen_ns: int
    line: str = ""  # which of the venue's connections; "" where it has one alone


class FeedState(Struct, frozen=True, kw_only=True, tag=True):
    """A venue's market data came or went; or, while it is there, which of its connections carries which books."""

    venue: str
    connected: bool
    reason: str
    seen_ns: int
    line: str = ""
    symbols: tuple[str, ...] = ()  # from now on proved alive by `line`


class FxRate(Struct, frozen=True, kw_only=True, tag=True):
    """KRW per 1 USD from one source."""

    source: str
    rate: Decimal
    as_of_ms: int  # the source's own time, wall clock UTC
    is_daily: bool = False  # a fixing once per working day: it may lag a moving market without being wrong
    seen_ns: int


class WalletsReported(Struct, frozen=True, kw_only=True, tag=True):
    """Everything that a venue says of its deposits and withdrawals; replaces what it said before."""

    venue: str
    wallets: tuple[Wallet, ...]
    source: str  # the endpoint's name, for people
    seen_ns: int


class WarningsReported(Struct, frozen=True, kw_only=True, tag=True):
    """Every warning that a venue shows on its markets; replaces what it said before."""

    venue: str
    warnings: tuple[MarketWarning, ...]
    seen_ns: int


class LoansReported(Struct, frozen=True, kw_only=True, tag=True):
    """Everything that a venue lends to us of what we asked for; replaces what it said before."""

    venue: str
    loans: tuple[Loan, ...]
    source: str  # the endpoint's name, for people
    seen_ns: int


class InstrumentsLoaded(Struct, frozen=True, kw_only=True, tag=True):
    venue: str
    instruments: tuple[Instrument, ...]
    doubtful: dict[str, str] = {}  # symbol -> why it is not certain which asset it is: neither compared nor traded
    seen_ns: int


class OrderSent(Struct, frozen=True, kw_only=True, tag=True):
    """The request is being handed to the socket now."""

    cid: str
    seen_ns: int


class OrderNotSent(Struct, frozen=True, kw_only=True, tag=True):
    """Definitely never left: latch, journal failure, or connection refused before the first byte."""

    cid: str
    reason: str
    seen_ns: int
    rule: str = ""  # of the guard before the send that stopped it; its numbers
    numbers: dict[str, str] = {}


class OrderReported(Struct, frozen=True, kw_only=True, tag=True):
    """The venue's word: the answer to a placement, a look-up, a sweep or a private stream."""

    report: OrderReport
    seen_ns: int
    by_stream: bool = False


class OrderRefused(Struct, frozen=True, kw_only=True, tag=True):
    """A definitive no to the placement."""

    cid: str
    code: str
    text: str
    about_rules: bool = False  # tick, lot or minimum: ours are not the venue's any more
    seen_ns: int


class OrderLost(Struct, frozen=True, kw_only=True, tag=True):
    """Sent, and no answer came: UNKNOWN."""

    cid: str
    reason: str
    # Our monotonic clock: after it the venue can no longer accept the request (its expiry, or our bound for late ones).
    final_after_ns: int
    seen_ns: int


class OrderMissing(Struct, frozen=True, kw_only=True, tag=True):
    """A look-up by client id was answered cleanly: not found."""

    cid: str
    asked_ns: int  # when the look-up was sent
    seen_ns: int


class CancelRefused(Struct, frozen=True, kw_only=True, tag=True):
    """The venue would not cancel (often: already filled): read the order again."""

    cid: str
    text: str
    seen_ns: int


class BalancesReported(Struct, frozen=True, kw_only=True, tag=True):
    venue: str
    balances: tuple[Balance, ...]  # every asset that is not zero
    asked_ns: int  # a fill between asking and answer makes a comparison void
    seen_ns: int


class OpenOrdersReported(Struct, frozen=True, kw_only=True, tag=True):
    """All open orders of the account; ids that are not ours are shown, never touched."""

    venue: str
    reports: tuple[OrderReport, ...]
    asked_ns: int
    seen_ns: int


class VenueFailed(Struct, frozen=True, kw_only=True, tag=True):
    """A private call other than a placement failed (balances, look-up, cancel, open orders)."""

    venue: str
    call: str
    reason: str
    retry_ms: int = 0  # before then the venue, or our budget there, hears nothing; 0: nobody said
    seen_ns: int


class RateUsed(Struct, frozen=True, kw_only=True, tag=True):
    """How much of one of a venue's rate limits is used: 1 is all. Once a second at most, while it matters."""

    venue: str
    name: str
    used: float
    seen_ns: int


class JournalState(Struct, frozen=True, kw_only=True, tag=True):
    """The journal can or cannot be written."""

    writable: bool
    reason: str
    seen_ns: int


class Tick(Struct, frozen=True, kw_only=True, tag=True):
    """Time passes: every 100 ms."""

    seen_ns: int
    wall_ms: int  # UTC
    local_day: int  # days since 1970-01-01 in the configured time zone: the daily loss window


class IntentJournaled(Struct, frozen=True, kw_only=True, tag=True):
    """Recovery only: a durable intent read back. `plan` stands on a trade's first record."""

    plan: TradePlan | None
    orders: tuple[OrderRequest, ...]
    seen_ns: int


class TradeSettled(Struct, frozen=True, kw_only=True, tag=True):
    """A trade reached its end, journaled so that a restart neither repeats nor forgets it."""

    trade_id: str
    state: str  # TradeState: closed or dead_letter
    outcome: str
    reason: str = ""
    wall_ms: int
    seen_ns: int
    written_off: Decimal | None = None  # signed base that people have closed by hand so far; None: as before


class ParentOpened(Struct, frozen=True, kw_only=True, tag=True):
    """A person's order begins: journaled before its first child."""

    plan: ParentPlan
    seen_ns: int


class ParentMoved(Struct, frozen=True, kw_only=True, tag=True):
    """A person's order was paused, resumed, cancelled, has gone off, or is over."""

    move: ParentMove
    seen_ns: int


class VenueAble(Struct, frozen=True, kw_only=True, tag=True):
    """What a venue's order entry can do by itself: told once per start, before the journal is read."""

    venue: str
    abilities: Abilities
    seen_ns: int


class LedgerOpened(Struct, frozen=True, kw_only=True, tag=True):
    """The balances adopted as a venue's opening ones: journaled once per venue, and again when a person accepts."""

    venue: str
    balances: tuple[Balance, ...]
    holdings: tuple[Holding, ...] = ()  # of an account of perpetuals
    paid: tuple[FundingPaid, ...] = ()  # the newest funding: what is in these balances already
    asked_ms: int = 0  # UTC: when they were asked for
    seen_ns: int


class PastRecalled(Struct, frozen=True, kw_only=True, tag=True):
    """Recovery only: the sums of a checkpoint, in place of the entries that it folded."""

    past: Past
    seen_ns: int


class SettingStored(Struct, frozen=True, kw_only=True, tag=True):
    """Recovery only: the newest stored version of one run-time setting."""

    name: str  # "strategy.kimchi", "halt", "mute.kimchi:BTC"
    version: int
    value: bytes  # JSON
    seen_ns: int


class Started(Struct, frozen=True, kw_only=True, tag=True):
    """The first event of a process: identity, seed, clock. All recovery events follow, then `Recovered`."""

    instance: str
    seed: int
    wall_ms: int
    utc_offset_ms: int  # of the configured time zone, to place what the journal recalls into local days
    seen_ns: int


class Recovered(Struct, frozen=True, kw_only=True, tag=True):
    """The journal has been read to its end: ask the venues, reconcile, only then trade."""

    seen_ns: int
    alone_ns: int = 0  # since then nobody else can have sent anything: the lease is ours; 0: since `seen_ns`


class Commanded(Struct, frozen=True, kw_only=True, tag=True):
    """An operator's command, already authenticated."""

    request_id: str
    actor: str  # "telegram:1001", "cli", "schedule"
    role: str  # viewer | trader | owner
    command: Command
    seen_ns: int


MarketEvent = BookSnapshot | BookDelta | BookLost | TradePrint | PerpState | DayTicker | FeedAlive | FeedState | FxRate
OrderEvent = OrderSent | OrderNotSent | OrderReported | OrderRefused | OrderLost | OrderMissing | CancelRefused
Event = (
    MarketEvent
    | OrderEvent
    | InstrumentsLoaded
    | WalletsReported
    | WarningsReported
    | LoansReported
    | BalancesReported
    | PositionsReported
    | FundingReported
    | FundingBooked
    | MarginAligned
    | HedgeLost
    | OpenOrdersReported
    | OrderStirred
    | ForeignOrder
    | OrderStreamState
    | VenueFailed
    | RateUsed
    | AccountEvent
    | JournalState
    | Tick
    | IntentJournaled
    | TradeSettled
    | ParentOpened
    | ParentMoved
    | VenueAble
    | LedgerOpened
    | PastRecalled
    | SettingStored
    | Started
    | Recovered
    | Commanded
)
