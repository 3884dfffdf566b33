"""What the market boards show: premiums, funding, venues. Estimates in floats; ratios are plain: 0.0124 is 1.24 %."""

from collections.abc import Mapping, Sequence

from msgspec import Struct


class InputView(Struct, frozen=True, kw_only=True):
    """One price that a premium is made of, and why it may not be used."""

    what: str  # korean | world | tether | fx
    venue: str  # of fx: its sources, joined by a comma
    symbol: str
    price: float | None  # the mid; of fx the rate
    age_ms: float | None  # None: never seen
    limit_ms: float  # older is stale
    why: str  # "" while it is good


class ExecutableView(Struct, frozen=True, kw_only=True):
    """One direction at one size, by VWAP over the levels that it would take. Prices are None where a book ends."""

    direction: str  # sell_korea: sell there, buy abroad · buy_korea: the reverse
    notional_krw: float  # asked for, by the Korean leg
    qty: float  # of the coin, that all three books can bear: less than asked for where `short` names one
    korean_price: float | None  # KRW per coin
    world_price: float | None  # USDT per coin
    usdt_krw: float | None  # at the USDT that this size turns
    k_usdt: float | None
    k_fx: float | None  # None while FX is unusable, too
    net: float | None  # what the direction earns after both taker fees; positive is profit
    short: str  # "" | korean | world | tether: which book ends before the size


class LockView(Struct, frozen=True, kw_only=True):
    """A venue that lets the coin not out, or not in."""

    direction: str  # of the premium that is locked by it: sell_korea | buy_korea; "" on a card, which has one alone
    venue: str
    way: str  # deposit | withdraw
    source: str  # the venue's own word: which endpoint
    age_ms: int


class WarningView(Struct, frozen=True, kw_only=True):
    """What a venue says against one of the two markets."""

    venue: str
    symbol: str
    kind: str  # warning | caution | delisting | suspended
    text: str
    at_ms: int  # of a delisting, UTC; 0: not told


class PremiumView(Struct, frozen=True, kw_only=True):
    """One coin between one Korean and one global market. Bases at the mids; None where an input was never seen."""

    coin: str
    korean: str
    world: str
    product: str  # of the global market: spot | perp
    k_usdt: float | None
    k_fx: float | None
    tether: float | None
    stale: str  # "" while every input is fresh, else which is not and why: never traded, shown grey
    locked: tuple[str, ...]  # directions in which the coin cannot be carried now
    locks: tuple[LockView, ...]  # and why
    warnings: tuple[WarningView, ...]
    inputs: tuple[InputView, ...]
    executable: tuple[ExecutableView, ...]


class TurnView(Struct, frozen=True, kw_only=True):
    """USDT/KRW at one size. Prices are KRW per USDT, None where the book ends before it."""

    notional_krw: float
    buy: float | None
    sell: float | None


class TetherView(Struct, frozen=True, kw_only=True):
    """USDT against KRW at one Korean venue."""

    venue: str
    symbol: str
    bid: float | None
    ask: float | None
    premium: float | None  # of its mid over USD/KRW
    age_ms: float | None
    why: str
    turns: tuple[TurnView, ...]


class LeftOut(Struct, frozen=True, kw_only=True):
    """A market that is on no board, and why."""

    venue: str
    symbol: str
    coin: str
    reason: str


class PremiumBoard(Struct, frozen=True, kw_only=True):
    """Rows farthest from zero first. `total` counts those that `limit` cut off, too."""

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


class FundingView(Struct, frozen=True, kw_only=True):
    """One perpetual. Rates are fractions; prices are per one coin whatever the contract is priced for."""

    venue: str
    symbol: str
    coin: str
    rate: float | None  # for the settlement at `next_funding_ms`
    predicted: float | None  # for the one after it, where the venue names one
    interval_ms: int | None
    per_hour: float | None
    annual: float | None  # simple: per_hour · 24 · 365
    annual_compounded: float | None
    next_funding_ms: int | None
    mark: float | None
    index: float | None
    basis: float | None  # mark / index - 1
    quote_volume: float | None  # of 24 h
    age_ms: float
    why: str  # "" while it is good, else why it must not be believed


class EdgeView(Struct, frozen=True, kw_only=True):
    """The widest gap of one coin: short where funding is higher, long where it is lower."""

    coin: str
    short: str
    long: str
    per_hour: float
    per_8h: float
    annual: float
    cost: float  # entry and exit at both taker fees
    break_even_h: float


class LoanView(Struct, frozen=True, kw_only=True):
    """What borrowing one coin costs at one venue."""

    venue: str
    coin: str
    hourly: float  # fraction of the loan
    annual: float  # simple: hourly · 24 · 365
    limit: float | None  # the most that is lent, in the coin
    source: str
    age_ms: int


class IntervalChange(Struct, frozen=True, kw_only=True):
    """From `wall_ms` on a contract settled every `interval_ms`."""

    venue: str
    symbol: str
    wall_ms: int
    interval_ms: int


class FundingBoard(Struct, frozen=True, kw_only=True):
    """Rows by coin, then venue; edges widest first; interval changes newest first; loans by coin, cheapest first."""

    wall_ms: int
    rows: tuple[FundingView, ...]
    edges: tuple[EdgeView, ...]
    changes: tuple[IntervalChange, ...]
    left_out: tuple[LeftOut, ...]
    loans: tuple[LoanView, ...]


class ConnectionView(Struct, frozen=True, kw_only=True):
    """One socket of a venue. None: not known, or not yet."""

    name: str
    state: str  # up | connecting | handing_over
    symbols: tuple[str, ...]
    connected_since_ms: int | None  # UTC
    last_frame_age_ms: float | None
    frames_per_s: float
    reconnects: int
    gaps: int
    resyncs: int
    errors: int
    latency_p50_ms: float | None  # venue time to receipt
    latency_p99_ms: float | None
    ping_rtt_ms: float | None
    reason: str


class ClockView(Struct, frozen=True, kw_only=True):
    """A venue's clock minus ours; None while it was not asked."""

    offset_ms: float | None
    uncertainty_ms: float | None


class OrderStreamView(Struct, frozen=True, kw_only=True):
    """The private stream that tells of an account's orders."""

    state: str  # up | silent: it stands, and kept an order from us | connecting | refused
    up_since_ms: int | None  # our wall clock, UTC
    alive_age_ms: float | None  # since its socket last gave a sign of life
    told_age_ms: float | None  # since it last spoke of an order
    reconnects: int
    told: int  # messages about orders
    errors: int  # frames that could not be decoded
    ping_rtt_ms: float | None
    reason: str  # why it broke last


class Wires(Struct, frozen=True, kw_only=True):
    """What the shell knows of its sockets, by venue."""

    connections: Mapping[str, Sequence[ConnectionView]] = {}
    clocks: Mapping[str, ClockView] = {}
    rates: Mapping[str, Mapping[str, float]] = {}  # by name of the limit the share that is used
    watched: frozenset[str] = frozenset()  # venues without an account
    order_streams: Mapping[str, OrderStreamView] = {}


class RateUse(Struct, frozen=True, kw_only=True):
    """How much of one of a venue's limits is used now: 1 is all."""

    name: str
    used: float


class FeeView(Struct, frozen=True, kw_only=True):
    """Where the rules of a venue's markets come from, and its fees."""

    source: str  # account | venue | config
    tick_source: str  # the weakest one of any market
    fee_source: str
    as_of_ms: int  # 0: the configuration has no clock
    markets: int
    maker_bps: float | None  # None where markets differ
    taker_bps: float | None


class CountdownView(Struct, frozen=True, kw_only=True):
    """A venue's own dead-man timer."""

    offered: bool = False  # the venue has one, and it is configured
    armed_s: int = 0  # 0: not running
    left_ms: int = 0  # until it strikes, unless it is set again
    why: str = ""  # why it does not run although something of ours rests there
    foreign: int = 0  # open orders of others, which keep it off


class PaceView(Struct, frozen=True, kw_only=True):
    """How long one stage takes on one path, over the newest quarter of an hour."""

    path: str  # native | ccxt | look_up | stream | clock
    stage: str  # decision_wire | wire_ack | ack_fill | read
    count: int
    p50_ms: float
    p99_ms: float
    usual_ms: float  # 0 while too little is known
    is_slow: bool


class VenueHealth(Struct, frozen=True, kw_only=True):
    """One venue as its wires and its books are. What no connection told is None."""

    venue: str
    connected: bool
    down_ms: int  # 0 while it is there
    trades: bool  # False: only watched
    ready: bool
    blocked: str
    books: int
    books_usable: int
    age_ms: float | None  # of its freshest book
    frames_per_s: float | None
    reconnects: int | None
    gaps: int | None
    latency_p50_ms: float | None  # of its worst connection
    latency_p99_ms: float | None
    ping_rtt_ms: float | None
    clock_offset_ms: float | None  # its clock minus ours
    clock_uncertainty_ms: float | None
    rate_use: tuple[RateUse, ...]
    rules: FeeView
    connections: tuple[ConnectionView, ...]
    countdown: CountdownView = CountdownView()
    paces: tuple[PaceView, ...] = ()
    slow: str = ""  # why no person's order is routed there
    order_stream: OrderStreamView | None = None  # None: the venue has none, or no account
