"""Everything that crosses the control door: requests, answers, reports, events. The views are in `views`."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.control.boards import (
    AlertSettings,
    AlertsPreview,
    AlertsView,
    ConnectionView,
    CountdownView,
    EdgeView,
    ExecutableView,
    FundingBoard,
    FundingView,
    InputView,
    LeftOut,
    LoanView,
    OrderStreamView,
    PaceView,
    PremiumBoard,
    PremiumView,
    Quiet,
    Reading,
    Silence,
    TetherView,
    Threshold,
    VenueHealth,
)
from engine.control.order_bodies import OrderBody, PreviewBody
from engine.control.perp_views import PerpView
from engine.control.views import (
    AlertView,
    BalanceView,
    CurvePoint,
    Facts,
    Fee,
    FillView,
    LegView,
    LockView,
    Message,
    NakedView,
    OpportunityView,
    OrderReport,
    OrderRequest,
    OrderView,
    ParentQuote,
    ParentView,
    PnlView,
    RefusalView,
    StatusView,
    StrategyView,
    TokenView,
    TradeView,
    VenueView,
    WarningView,
    WatchdogView,
)

__all__ = [
    "AlertSettings",
    "AlertView",
    "AlertsPreview",
    "AlertsView",
    "BalanceView",
    "ConnectionView",
    "CountdownView",
    "CurvePoint",
    "EdgeView",
    "ExecutableView",
    "Facts",
    "Fee",
    "FillView",
    "FundingBoard",
    "FundingView",
    "InputView",
    "LeftOut",
    "LegView",
    "LoanView",
    "LockView",
    "Message",
    "NakedView",
    "OpportunityView",
    "OrderBody",
    "OrderReport",
    "OrderRequest",
    "OrderStreamView",
    "OrderView",
    "PaceView",
    "ParentQuote",
    "ParentView",
    "PerpView",
    "PnlView",
    "PremiumBoard",
    "PremiumView",
    "PreviewBody",
    "Quiet",
    "Reading",
    "RefusalView",
    "Silence",
    "StatusView",
    "StrategyView",
    "TetherView",
    "Threshold",
    "TokenView",
    "TradeView",
    "VenueHealth",
    "VenueView",
    "WarningView",
    "WatchdogView",
]

Text = Annotated[str, Field(max_length=500)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Refusal(Message):
    """Body of every 4xx and 5xx: which rule said no, and one English sentence with the numbers."""

    rule: str
    text: str


class Answer(Message):
    """The answer to a command. Not `ok`: `rule` refused it, nothing was changed. `body` is the command's result."""

    request_id: str
    ok: bool
    rule: str
    text: str
    body: Any = None


class ModeBody(Message):
    mode: Literal["off", "alert", "confirm", "auto"]


class ParamsBody(Message):
    """Some parameters of a strategy; fractions as strings: {"min_net": "0.003"}."""

    changes: dict[str, Any] = Field(min_length=1)


class CurveBody(Message):
    """Points with rising premium (in percent) and weights in [0, 1]; the engine validates."""

    points: tuple[CurvePoint, ...] = Field(min_length=2, max_length=32)


class CurveView(Message):
    strategy: str
    version: int
    points: tuple[CurvePoint, ...]
    now: Facts  # newest figures: premium, weight_target, weight_now, target_krw, ...


class CurvePreview(Message):
    """What the curve would do at this moment. Figures are null while the premium is not known."""

    strategy: str
    version: int
    old: tuple[CurvePoint, ...]
    new: tuple[CurvePoint, ...]
    premium_pct: float | None
    weight_now: float | None  # what is held
    weight_old: float | None  # target of the present curve
    weight_new: float | None  # target of the new one
    target_krw_old: float | None
    target_krw_new: float | None


class TokenBody(Message):
    user_id: int
    chat_id: int
    fraction: Decimal = Field(default=Decimal(1), gt=0, le=1)


class ConfirmBody(Message):
    token: Name
    user_id: int
    chat_id: int


class MuteBody(Message):
    key: Name
    minutes: int = Field(ge=0, le=7 * 24 * 60)  # 0 unmutes


class HaltBody(Message):
    level: Literal[1, 2, 3]
    reason: Text = ""


class ResumeBody(Message):
    token: Name


class EvidenceBody(Message):
    """A person's word, kept in the audit."""

    evidence: str = Field(min_length=3, max_length=500)


class ReleaseBody(Message):
    """A market in quarantine, and a person's word on which asset it is; kept in the audit."""

    venue: Name
    symbol: Name
    evidence: str = Field(min_length=3, max_length=500)


class CloseBody(EvidenceBody):
    """What was closed at the venue by hand; without an amount all that was open."""

    amount: Decimal | None = Field(default=None, ge=0)  # base
    price: Decimal | None = Field(default=None, gt=0)  # quote per base


class ResolveBody(EvidenceBody):
    """How an order without an answer ended: 0 filled is never placed, or ended without a fill."""

    filled: Decimal = Field(default=Decimal(0), ge=0)  # base
    price: Decimal | None = Field(default=None, gt=0)  # average


class AlertsBody(Message):
    """Whole settings; the engine validates. `version`: the one that they were made from."""

    settings: AlertSettings
    version: int = 0


class VersionBody(Message):
    version: int


class HaltView(Message):
    level: int
    reason: str


class LimitUse(Message):
    """One limit; `used` where there is something to count; `venue` empty: of all."""

    name: str
    limit: Decimal
    used: Decimal | None = None
    venue: str = ""


class Health(Message):
    """`ok` only when the core steps, the audit can be written and the desk is reconciled."""

    ok: bool
    ready: bool
    level: int
    storage: str  # "ok" or why not
    uptime_ms: int


class Execution(Message):
    """One order that was sent, from the store, newest first (R172)."""

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


class PnlLine(Message):
    """Closed trades of one group. Edges are net per notional, in basis points, weighted by notional."""

    name: str
    trades: int
    hits: int  # net > 0
    net_krw: Decimal
    expected_krw: Decimal
    fees_krw: Decimal
    slippage_krw: Decimal
    notional_krw: Decimal
    planned_edge_bps: float | None
    realised_edge_bps: float | None


class DayLine(Message):
    """One local day [midnight, next midnight) of the report's time zone; days without trades are there too."""

    date: str  # 2026-11-20
    trades: int
    net_krw: Decimal
    fees_krw: Decimal


class TradeLine(Message):
    id: str
    strategy: str
    key: str
    net_krw: Decimal
    closed_ms: int


class EquityPoint(Message):
    """Cumulative realised P&L of the window after one trade closed."""

    wall_ms: int
    net_krw: Decimal


class PnlReport(Message):
    """Realised P&L of closed trades since local midnight `days - 1` days ago. `days` 1 is today."""

    days: int
    time_zone: str
    since_ms: int
    until_ms: int
    total: PnlLine
    hit_rate: float | None  # null without trades
    by_strategy: tuple[PnlLine, ...]
    by_venue_pair: tuple[PnlLine, ...]
    by_coin: tuple[PnlLine, ...]
    daily: tuple[DayLine, ...]
    equity: tuple[EquityPoint, ...]
    best: TradeLine | None
    worst: TradeLine | None
    sharpe: float | None  # mean/sd of daily net × √365, days without trades count as zero; null below two days
    max_drawdown_krw: Decimal
    signals: int  # opportunities seen in the window
    dead_letters: int


class AuditRow(Message):
    """One command with who and when. `hash` = sha256 over the row and `prev_hash`."""

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


class AuditPage(Message):
    """Newest rows first. `intact` is False when the chain was broken: `broken_at` is the first row that is wrong."""

    rows: tuple[AuditRow, ...]
    intact: bool
    checked: int
    broken_at: int | None


class Event(Message):
    """One notice of the stream. `id` > 0: stored, send it back as `since`; 0: live only.

    kinds: opportunity, refusal (live: the newest per key wins) · trade, alert, halt, settings (stored, delivered at
    least once) · connected (first of each connection, empty body).
    """

    id: int
    kind: str
    key: str
    severity: Literal["info", "warn", "crit"]
    wall_ms: int
    body: dict[str, Any]

    def opportunity(self) -> OpportunityView:
        return OpportunityView.model_validate(self.body)

    def trade(self) -> TradeView:
        return TradeView.model_validate(self.body)

    def alert(self) -> AlertView:
        return AlertView.model_validate(self.body)

    def parent(self) -> ParentView:
        return ParentView.model_validate(self.body)

    def refusal(self) -> RefusalView:
        return RefusalView.model_validate(self.body)
