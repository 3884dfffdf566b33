"""What the door shows: engine.domain.view field by field, as pydantic models. Decimals travel as JSON strings."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _without_absent(value: object) -> object:
    """An estimate that is not a finite number travels as null; an absent fact is simply not in the mapping."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


Facts = Annotated[dict[str, float], BeforeValidator(_without_absent)]


class Message(BaseModel):
    """Root of everything at the door. Unknown fields are ignored: an older bot may read a newer engine."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LegView(Message):
    venue: str
    symbol: str
    base: str
    quote: str
    side: str
    qty: Decimal
    price: Decimal
    limit_price: Decimal
    fee_bps: Decimal


class LockView(Message):
    """A venue that lets the coin not out, or not in."""

    direction: str
    venue: str
    way: str
    source: str
    age_ms: int


class WarningView(Message):
    """What a venue says against a market."""

    venue: str
    symbol: str
    kind: str
    text: str
    at_ms: int


class OpportunityView(Message):
    """A card. Ratios are plain: 0.0124 is 1.24 %."""

    id: str
    key: str
    strategy: str
    coin: str
    mode: str
    state: str
    legs: tuple[LegView, ...]
    notional_krw: Decimal
    gross: float
    net: float
    profit_krw: Decimal
    confidence: float
    flags: tuple[str, ...]
    facts: Facts
    reason: str
    trade_id: str
    opened_ms: int
    updated_ms: int
    expires_ms: int
    locks: tuple[LockView, ...] = ()
    warnings: tuple[WarningView, ...] = ()


class TokenView(Message):
    """The quote that a confirm token is bound to."""

    token: str
    opportunity: OpportunityView
    fraction: Decimal
    net_floor: float
    profit_krw: Decimal
    notional_krw: Decimal
    expires_ms: int


class FillView(Message):
    """One leg of a trade: planned beside done."""

    venue: str
    symbol: str
    base: str
    quote: str
    side: str
    status: str
    planned_qty: Decimal
    planned_price: Decimal
    filled_qty: Decimal
    fill_price: Decimal
    fees: dict[str, Decimal]
    slippage_bps: float
    unwound_qty: Decimal
    orders: int
    unknowns: int
    is_hedge: bool = False


class PnlView(Message):
    """A trade's result in KRW: net = spread - fees - slippage ± unwind."""

    expected_krw: Decimal
    net_krw: Decimal
    spread_krw: Decimal
    slippage_krw: Decimal
    fees_krw: Decimal
    unwind_krw: Decimal


class TradeView(Message):
    """The receipt, renewed with every change until it is closed."""

    id: str
    opportunity_id: str
    strategy: str
    key: str
    actor: str
    state: str
    outcome: str
    legs: tuple[FillView, ...]
    naked_qty: Decimal
    naked_krw: Decimal = Decimal(0)
    pnl: PnlView
    facts: Facts
    opened_ms: int
    closed_ms: int
    reason: str


class ParentView(Message):
    """A person's order and how far it is. Prices in its quote asset, sizes in its coin."""

    id: str
    template: str
    side: str
    base: str
    qty: Decimal
    venue: str
    symbol: str
    quote: str
    limit: Decimal
    stop: Decimal | None
    state: str  # draft | running | paused | cancelling | done | cancelled
    reason: str
    slices: int
    sent: int
    children: int
    filled_qty: Decimal
    filled_krw: Decimal
    fees_krw: Decimal
    price: Decimal
    cost_krw: Decimal
    fee_krw: Decimal
    over_ms: int
    ran_ms: int
    route: tuple[str, ...]
    actor: str
    opened_ms: int
    updated_ms: int
    follows: bool = False
    reduces: bool = False
    margin_krw: Decimal = Decimal(0)
    stop_at: str = ""


class ParentQuote(Message):
    """Body of the answer to a preview: what the tap on `token` would begin."""

    token: str
    order: ParentView
    expires_ms: int


class NakedView(Message):
    """What a trade has open without a partner: the leg that leads."""

    trade_id: str
    venue: str
    symbol: str
    base: str
    side: str
    qty: Decimal
    krw: Decimal
    is_letter: bool


class AlertView(Message):
    """Something a person should know. `rule` names it."""

    rule: str
    venue: str = ""
    symbol: str = ""
    trade_id: str = ""
    text: str = ""
    numbers: dict[str, str] = {}
    kind: str = "desk"
    coin: str = ""
    only: str = ""
    heard: dict[str, int] = {}


class RefusalView(Message):
    """Which rule said no, with its numbers."""

    id: str
    wall_ms: int
    strategy: str
    key: str
    opportunity_id: str
    rule: str
    text: str
    numbers: dict[str, str]


class CurvePoint(Message):
    premium_pct: Decimal
    weight: Decimal


class StrategyView(Message):
    name: str
    mode: str
    version: int
    params: dict[str, Any]
    curve: tuple[CurvePoint, ...]
    now: Facts
    trades_today: int
    open_opportunities: int


class VenueView(Message):
    venue: str
    connected: bool
    ready: bool
    blocked: str
    books: int
    books_usable: int
    age_ms: float | None  # null: no book was ever seen
    unknown_orders: int


class BalanceView(Message):
    venue: str
    asset: str
    ledger: Decimal
    venue_total: Decimal
    free: Decimal
    reserved: Decimal
    difference: Decimal
    krw: Decimal
    age_ms: int


class WatchdogView(Message):
    """The process that cancels what rests when the engine is gone."""

    known: bool = False
    alive: bool = False
    beat_age_ms: int = 0
    sight: str = ""
    act: str = ""
    act_ms: int = 0


class StatusView(Message):
    instance: str
    wall_ms: int
    uptime_ms: int
    level: int
    level_reason: str
    ready: bool
    venues: tuple[VenueView, ...]
    strategies: dict[str, str]
    opportunities: int
    working_trades: int
    dead_letters: int
    unknown_orders: int
    breakers: dict[str, str]
    fx: float
    fx_age_ms: int
    fx_degraded: str
    usdt_krw: float
    pnl_today_krw: Decimal
    trades_today: int
    steps: int
    events: dict[str, int]
    watchdog: WatchdogView = WatchdogView()


class Fee(Message):
    asset: str
    amount: Decimal


class OrderRequest(Message):
    cid: str
    trade_id: str
    leg: int
    role: str
    venue: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    tif: str
    kind: str = "limit"
    stop_price: Decimal | None = None
    reduce_only: bool = False
    late_ms: int = 0  # so long its venue may accept it after its sender is gone


class OrderReport(Message):
    cid: str
    venue: str
    symbol: str
    side: str
    status: str
    venue_order_id: str
    filled_qty: Decimal
    filled_quote: Decimal
    fees: tuple[Fee, ...]
    venue_ts_ms: int


class OrderView(Message):
    request: OrderRequest
    status: str
    report: OrderReport | None
    reason: str
    sent_ms: int
    done_ms: int
    latency_us: int
    to_send_us: int = 0
