"""What the store tells: reports, history, the audit. Money in KRW; times are wall clock UTC in ms."""

from decimal import Decimal

from msgspec import Struct


class PnlLine(Struct, frozen=True, kw_only=True):
    """Closed trades of one group. Edges are net per notional in basis points, weighted by notional."""

    name: str
    trades: int
    hits: int  # net > 0
    net_krw: Decimal
    expected_krw: Decimal
    fees_krw: Decimal
    slippage_krw: Decimal
    notional_krw: Decimal
    planned_edge_bps: float | None  # None without notional
    realised_edge_bps: float | None


class DayLine(Struct, frozen=True, kw_only=True):
    """One local day; days without trades are there too."""

    date: str  # 2026-11-20
    trades: int
    net_krw: Decimal
    fees_krw: Decimal


class TradeLine(Struct, frozen=True, kw_only=True):
    id: str
    strategy: str
    key: str
    net_krw: Decimal
    closed_ms: int


class EquityPoint(Struct, frozen=True):
    """Cumulative realised P&L of the window after one trade closed."""

    wall_ms: int
    net_krw: Decimal


class PnlReport(Struct, frozen=True, kw_only=True):
    """Realised P&L of trades closed in [since_ms, until_ms)."""

    days: int
    time_zone: str
    since_ms: int
    until_ms: int
    total: PnlLine
    hit_rate: float | None  # None without trades
    by_strategy: tuple[PnlLine, ...]
    by_venue_pair: tuple[PnlLine, ...]
    by_coin: tuple[PnlLine, ...]
    daily: tuple[DayLine, ...]
    equity: tuple[EquityPoint, ...]
    best: TradeLine | None
    worst: TradeLine | None
    sharpe: float | None  # mean/sd of daily net × √365, empty days count as zero; None below two days
    max_drawdown_krw: Decimal
    signals: int
    dead_letters: int


class Execution(Struct, frozen=True, kw_only=True):
    """One order that was sent."""

    cid: str
    trade_id: str
    venue: str
    symbol: str
    side: str
    role: str
    status: str
    qty: Decimal
    price: Decimal
    filled_qty: Decimal
    filled_quote: Decimal
    fees: dict[str, Decimal]
    latency_us: int
    wall_ms: int


class Deed(Struct, frozen=True, kw_only=True):
    """One command as it is audited: who asked what, when, and what came of it. Tokens are not in `body`."""

    wall_ms: int
    actor: str
    role: str  # "" for an unknown actor
    request_id: str
    command: str  # SetMode, Halt, ...
    body: str  # JSON
    ok: bool
    rule: str
    text: str


class AuditRow(Struct, frozen=True, kw_only=True):
    """A deed in its chain: `hash` is made of the row and `prev_hash`."""

    id: int
    wall_ms: int
    actor: str
    role: str
    request_id: str
    command: str
    body: str
    ok: bool
    rule: str
    text: str
    prev_hash: str
    hash: str


class AuditPage(Struct, frozen=True, kw_only=True):
    """Newest rows first, and what the check of the whole chain found."""

    rows: tuple[AuditRow, ...]
    intact: bool
    checked: int  # rows, from the oldest
    broken_at: int | None  # the first row that is wrong or missing


class StoredNotice(Struct, frozen=True, kw_only=True):
    """A notice that must not be lost, under the id that a reader goes on from."""

    id: int
    kind: str
    key: str
    severity: str
    wall_ms: int
    body: bytes  # JSON
