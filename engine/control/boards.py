"""The boards and alert settings at the door: engine.domain.board and .alerting field by field."""

from decimal import Decimal

from engine.control.views import LockView, Message, WarningView


class InputView(Message):
    what: str
    venue: str
    symbol: str
    price: float | None
    age_ms: float | None
    limit_ms: float
    why: str


class ExecutableView(Message):
    direction: str
    notional_krw: float
    qty: float
    korean_price: float | None
    world_price: float | None
    usdt_krw: float | None
    k_usdt: float | None
    k_fx: float | None
    net: float | None
    short: str


class PremiumView(Message):
    coin: str
    korean: str
    world: str
    product: str
    k_usdt: float | None
    k_fx: float | None
    tether: float | None
    stale: str
    locked: tuple[str, ...]
    locks: tuple[LockView, ...] = ()
    warnings: tuple[WarningView, ...] = ()
    inputs: tuple[InputView, ...]
    executable: tuple[ExecutableView, ...]


class TurnView(Message):
    notional_krw: float
    buy: float | None
    sell: float | None


class TetherView(Message):
    venue: str
    symbol: str
    bid: float | None
    ask: float | None
    premium: float | None
    age_ms: float | None
    why: str
    turns: tuple[TurnView, ...]


class LeftOut(Message):
    venue: str
    symbol: str
    coin: str
    reason: str


class PremiumBoard(Message):
    wall_ms: int
    fx: float | None
    fx_age_ms: int
    fx_sources: tuple[str, ...]
    fx_degraded: str
    sizes_krw: tuple[float, ...]
    rows: tuple[PremiumView, ...]
    total: int
    tethers: tuple[TetherView, ...]
    left_out: tuple[LeftOut, ...]


class FundingView(Message):
    venue: str
    symbol: str
    coin: str
    rate: float | None
    predicted: float | None
    interval_ms: int | None
    per_hour: float | None
    annual: float | None
    annual_compounded: float | None
    next_funding_ms: int | None
    mark: float | None
    index: float | None
    basis: float | None
    quote_volume: float | None
    age_ms: float
    why: str


class EdgeView(Message):
    coin: str
    short: str
    long: str
    per_hour: float
    per_8h: float
    annual: float
    cost: float
    break_even_h: float


class LoanView(Message):
    venue: str
    coin: str
    hourly: float
    annual: float
    limit: float | None
    source: str
    age_ms: int


class IntervalChange(Message):
    venue: str
    symbol: str
    wall_ms: int
    interval_ms: int


class FundingBoard(Message):
    wall_ms: int
    rows: tuple[FundingView, ...]
    edges: tuple[EdgeView, ...]
    changes: tuple[IntervalChange, ...]
    left_out: tuple[LeftOut, ...]
    loans: tuple[LoanView, ...] = ()


class ConnectionView(Message):
    name: str
    state: str
    symbols: tuple[str, ...]
    connected_since_ms: int | None
    last_frame_age_ms: float | None
    frames_per_s: float
    reconnects: int
    gaps: int
    resyncs: int
    errors: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    ping_rtt_ms: float | None
    reason: str


class RateUse(Message):
    name: str
    used: float


class FeeView(Message):
    source: str
    tick_source: str = ""
    fee_source: str = ""
    as_of_ms: int
    markets: int
    maker_bps: float | None
    taker_bps: float | None


class CountdownView(Message):
    offered: bool = False
    armed_s: int = 0
    left_ms: int = 0
    why: str = ""
    foreign: int = 0


class OrderStreamView(Message):
    state: str
    up_since_ms: int | None
    alive_age_ms: float | None
    told_age_ms: float | None
    reconnects: int
    told: int
    errors: int
    ping_rtt_ms: float | None
    reason: str


class PaceView(Message):
    path: str
    stage: str
    count: int
    p50_ms: float
    p99_ms: float
    usual_ms: float
    is_slow: bool


class VenueHealth(Message):
    venue: str
    connected: bool
    down_ms: int
    trades: bool
    ready: bool
    blocked: str
    books: int
    books_usable: int
    age_ms: float | None
    frames_per_s: float | None
    reconnects: int | None
    gaps: int | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    ping_rtt_ms: float | None
    clock_offset_ms: float | None
    clock_uncertainty_ms: float | None
    rate_use: tuple[RateUse, ...]
    rules: FeeView
    connections: tuple[ConnectionView, ...]
    countdown: CountdownView = CountdownView()
    paces: tuple[PaceView, ...] = ()
    slow: str = ""
    order_stream: OrderStreamView | None = None


class Threshold(Message):
    id: str
    figure: str
    side: str
    level: Decimal
    hysteresis: Decimal = Decimal("0.0005")
    coin: str = ""
    venue: str = ""


class Quiet(Message):
    from_min: int
    until_min: int
    crit: bool = False


class Silence(Message):
    kind: str
    venue: str = ""
    coin: str = ""
    until_ms: int = 0
    crit: bool = False


class AlertSettings(Message):
    thresholds: tuple[Threshold, ...] = ()
    quiet: Quiet | None = None
    silences: tuple[Silence, ...] = ()
    flip_premium: Decimal = Decimal("0.002")
    flip_annual: Decimal = Decimal("0.10")


class AlertsView(Message):
    owner: str
    version: int
    settings: AlertSettings
    can_undo: bool
    held: int


class Reading(Message):
    id: str
    subject: str
    value: float | None
    rings: bool
    subjects: int


class AlertsPreview(Message):
    owner: str
    version: int
    old: AlertSettings
    new: AlertSettings
    readings: tuple[Reading, ...]
