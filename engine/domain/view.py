"""What people see: the bodies of notices, replies and stored rows. Numbers are exact where they were exact."""

from decimal import Decimal

from msgspec import Struct

from engine.domain.board import LockView, WarningView


class LegView(Struct, frozen=True, kw_only=True):
    venue: str
    symbol: str
    base: str
    quote: str
    side: str  # buy | sell
    qty: Decimal  # base
    price: Decimal  # planned VWAP, quote per base
    limit_price: Decimal
    fee_bps: Decimal


class OpportunityView(Struct, frozen=True, kw_only=True):
    """Notice `opportunity`. Ratios are plain: 0.0124 is 1.24 %. Absent facts are simply not in `facts`.

    facts: k_fx, k_usdt, tether_premium, fx, fx_age_ms, usdt_krw, gross, depth_usd, book_age_ms, weight_target,
    weight_now, target_krw ... as the strategy gives them.
    """

    id: str
    key: str
    strategy: str
    coin: str
    mode: str  # alert | confirm | auto
    state: str  # live | executing | executed | skipped | expired | refused
    legs: tuple[LegView, ...]
    notional_krw: Decimal
    gross: float
    net: float
    profit_krw: Decimal
    confidence: float
    flags: tuple[str, ...]
    facts: dict[str, float]
    reason: str  # why it ended, or why it cannot be executed now: "rule: numbers"
    trade_id: str
    opened_ms: int
    updated_ms: int
    expires_ms: int
    locks: tuple[LockView, ...] = ()  # what keeps the coin from being carried from the buying to the selling leg
    warnings: tuple[WarningView, ...] = ()  # of its markets


class TokenView(Struct, frozen=True, kw_only=True):
    """Body of the reply to IssueToken: the quote that the token is bound to."""

    token: str
    opportunity: OpportunityView
    fraction: Decimal
    net_floor: float  # the re-quote at the tap must not be below
    profit_krw: Decimal
    notional_krw: Decimal
    expires_ms: int


class FillView(Struct, frozen=True, kw_only=True):
    """One leg of a trade: planned beside done. Entry, chase and unwind orders of the leg are folded together."""

    venue: str
    symbol: str
    base: str
    quote: str
    side: str
    status: str  # of its newest order
    planned_qty: Decimal
    planned_price: Decimal
    filled_qty: Decimal  # of entry and chase
    fill_price: Decimal  # VWAP, 0 when nothing filled
    fees: dict[str, Decimal]
    slippage_bps: float  # against the plan, positive = worse for us
    unwound_qty: Decimal
    orders: int
    unknowns: int  # orders of this leg that had no answer at some time
    is_hedge: bool = False  # a perpetual that took an exposure over; what was taken back is in `unwound_qty`


class PnlView(Struct, frozen=True, kw_only=True):
    """A trade's result in KRW at its plan's rates (domain.md §12): net = spread - slippage - fees + unwind."""

    expected_krw: Decimal
    net_krw: Decimal
    spread_krw: Decimal  # capture as planned, on what was filled
    slippage_krw: Decimal  # positive = lost against the plan
    fees_krw: Decimal
    unwind_krw: Decimal  # result of chase and unwind orders beyond the plan


class TradeView(Struct, frozen=True, kw_only=True):
    """Notice `trade`: the receipt, renewed with every change until it is closed."""

    id: str
    opportunity_id: str
    strategy: str
    key: str
    actor: str
    state: str  # working | naked | closed | dead_letter
    outcome: str  # "" | balanced | unwound | hedged | nothing_filled | dead_letter
    legs: tuple[FillView, ...]
    naked_qty: Decimal  # base asset; 0 when balanced
    naked_krw: Decimal = Decimal(0)  # what it is worth at the market of now, else as planned
    pnl: PnlView
    facts: dict[str, float]
    opened_ms: int
    closed_ms: int
    reason: str


class ParentView(Struct, frozen=True, kw_only=True):
    """Notice `parent`: a person's order and how far it is. In a preview nothing has happened yet."""

    id: str
    template: str
    side: str
    base: str
    qty: Decimal  # base, in all slices
    venue: str  # or "best"
    symbol: str
    quote: str
    limit: Decimal  # quote per base: no child is ever worse
    stop: Decimal | None
    state: str  # running | paused | cancelling | done | cancelled
    reason: str
    slices: int
    sent: int  # slices that have had a child
    children: int  # orders under way now
    filled_qty: Decimal
    filled_krw: Decimal
    fees_krw: Decimal
    price: Decimal  # average, quote per base where all was traded in one quote; 0 while nothing is
    cost_krw: Decimal  # of all: what a preview expects, fees included
    fee_krw: Decimal
    over_ms: int  # running time of the last slice
    ran_ms: int
    route: tuple[str, ...]  # why which venue, newest choice
    actor: str
    opened_ms: int
    updated_ms: int
    follows: bool = False  # what rests moves with the touch
    reduces: bool = False  # of a perpetual: it can only make a position smaller
    margin_krw: Decimal = Decimal(0)  # of a perpetual, in a preview: what is kept aside for it
    stop_at: str = ""  # of a stop, who waits for its price: venue | desk | nobody


class ParentQuote(Struct, frozen=True, kw_only=True):
    """Body of the reply to PreviewParent."""

    token: str
    order: ParentView
    expires_ms: int


class NakedView(Struct, frozen=True, kw_only=True):
    """What a trade has open without a partner: the leg that leads."""

    trade_id: str
    venue: str
    symbol: str
    base: str
    side: str
    qty: Decimal  # base
    krw: Decimal  # at the market of now, else as planned
    is_letter: bool  # it waits for a person in the dead-letter queue already


class AlertView(Struct, frozen=True, kw_only=True):
    """Notice `alert`: something a person should know. `rule` names it; texts are the reader's business."""

    rule: str  # venue_down, ledger_mismatch, order_unknown, naked, dead_letter, halted, resumed, journal, fx, ...
    venue: str = ""
    symbol: str = ""
    trade_id: str = ""
    text: str = ""  # one English sentence with the numbers
    numbers: dict[str, str] = {}
    kind: str = "desk"  # what it is muted by (engine.domain.alerting.KIND_OF); "desk" cannot be
    coin: str = ""
    only: str = ""  # the one actor that it is for; "": everybody
    heard: dict[str, int] = {}  # per owner of alert settings: -1 held back, else how many were before it


class RefusalView(Struct, frozen=True, kw_only=True):
    """Notice `refusal` and rows of /why: which rule said no, with its numbers."""

    id: str
    wall_ms: int
    strategy: str
    key: str
    opportunity_id: str
    rule: str
    text: str
    numbers: dict[str, str]


class CurvePoint(Struct, frozen=True):
    premium_pct: Decimal
    weight: Decimal


class StrategyView(Struct, frozen=True, kw_only=True):
    name: str
    mode: str
    version: int  # of its stored settings; 0 = as configured
    params: dict[str, object]  # every parameter as JSON
    curve: tuple[CurvePoint, ...]  # () where the strategy has none
    now: dict[str, float]  # newest figures: premium, weight_target, weight_now, target_krw, ...
    trades_today: int
    open_opportunities: int


class VenueView(Struct, frozen=True, kw_only=True):
    venue: str
    connected: bool
    ready: bool  # reconciled and allowed to trade
    blocked: str  # why not: "" | "reconciling" | "ledger_mismatch: ..." | breaker name
    books: int
    books_usable: int
    age_ms: float  # of its freshest book
    unknown_orders: int


class BalanceView(Struct, frozen=True, kw_only=True):
    venue: str
    asset: str
    ledger: Decimal
    venue_total: Decimal
    free: Decimal
    reserved: Decimal
    difference: Decimal
    krw: Decimal  # at the newest rate; 0 when no rate is known
    age_ms: int  # of the venue's word


class WatchdogView(Struct, frozen=True, kw_only=True):
    """`premia watchdog`, as its own file tells."""

    known: bool = False  # one has run here
    alive: bool = False  # and has looked within the last seconds
    beat_age_ms: int = 0
    sight: str = ""  # what it sees of the engine: unarmed | alive | missing
    act: str = ""  # its last word: acting | trouble | clean | back
    act_ms: int = 0  # wall clock, UTC


class PerpView(Struct, frozen=True, kw_only=True):
    """One open perpetual: the ledger's position at the venue's mark, and what its account says of it."""

    venue: str
    symbol: str
    base: str
    quote: str
    qty: Decimal  # base; a short is negative
    entry: Decimal
    mark: Decimal
    worth_krw: Decimal  # at the newest rate; 0 when no rate is known
    unrealised: Decimal  # quote
    unrealised_krw: Decimal
    funding: Decimal  # quote, received so far; negative: paid
    liquidation: Decimal | None  # None: the venue names none
    margin_usage: Decimal  # maintenance margin of the whole account as a share of its equity
    leverage: int
    hedge_of: tuple[str, ...]  # trades whose hedge it is, or a part of it
    difference: Decimal  # base: the venue's word minus ours
    age_ms: int  # of the venue's word; -1: none yet


class StatusView(Struct, frozen=True, kw_only=True):
    instance: str
    wall_ms: int
    uptime_ms: int
    level: int  # kill latch
    level_reason: str
    ready: bool
    venues: tuple[VenueView, ...]
    strategies: dict[str, str]  # name -> mode
    opportunities: int
    working_trades: int
    dead_letters: int
    unknown_orders: int
    breakers: dict[str, str]  # name -> closed | open | half_open
    fx: float
    fx_age_ms: int
    fx_degraded: str
    usdt_krw: float
    pnl_today_krw: Decimal
    trades_today: int
    steps: int
    events: dict[str, int]  # counts per kind since start
    watchdog: WatchdogView = WatchdogView()
