"""What an operator can ask. Each command is idempotent by the request id of the event that carries it."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from engine.domain.parent import Ask


class Mode(StrEnum):
    OFF = "off"
    ALERT = "alert"
    CONFIRM = "confirm"
    AUTO = "auto"


class SetMode(Struct, frozen=True, kw_only=True, tag=True):
    strategy: str
    mode: Mode


class SetParams(Struct, frozen=True, kw_only=True, tag=True):
    """Change some parameters of a strategy; the whole result is validated by the strategy's own struct."""

    strategy: str
    changes: bytes  # JSON object: {"min_net": "0.003"}


class SetCurve(Struct, frozen=True, kw_only=True, tag=True):
    """Replace a strategy's allocation curve. Points: (premium in percent, weight 0..1), rising premium."""

    strategy: str
    points: tuple[tuple[Decimal, Decimal], ...]


class UndoSetting(Struct, frozen=True, kw_only=True, tag=True):
    """Return a strategy's settings to the version before the newest; stored as a new version."""

    strategy: str


class IssueToken(Struct, frozen=True, kw_only=True, tag=True):
    """Quote an opportunity for one chat and bind a single-use token to that quote."""

    token: str  # random, made outside
    opportunity_id: str
    user_id: int
    chat_id: int
    fraction: Decimal  # 1 or 0.5


class Confirm(Struct, frozen=True, kw_only=True, tag=True):
    token: str
    user_id: int
    chat_id: int


class Skip(Struct, frozen=True, kw_only=True, tag=True):
    opportunity_id: str


class Mute(Struct, frozen=True, kw_only=True, tag=True):
    """No cards for this opportunity key until `minutes` have passed; 0 unmutes."""

    key: str
    minutes: int


class Halt(Struct, frozen=True, kw_only=True, tag=True):
    """Raise the latch to `level` (1, 2 or 3). Never lowers it."""

    level: int
    reason: str


class ResumeRequest(Struct, frozen=True, kw_only=True, tag=True):
    """First step of a resume: runs the self-check and, if it passes, binds `token` (60 s)."""

    token: str


class ResumeConfirm(Struct, frozen=True, kw_only=True, tag=True):
    token: str


class AcceptBalances(Struct, frozen=True, kw_only=True, tag=True):
    """A person's word that a venue's present balances are right (a deposit, a withdrawal): adopt them, unblock it."""

    venue: str


class ResolveUnknown(Struct, frozen=True, kw_only=True, tag=True):
    """A person's evidence on an UNKNOWN order: it was never placed, or `filled` base of it at `price`, and ended."""

    cid: str
    evidence: str
    filled: Decimal = Decimal(0)  # base; 0: never placed, or ended without a fill
    price: Decimal | None = None  # average, quote per base


class RetryDeadLetter(Struct, frozen=True, kw_only=True, tag=True):
    """Close the remainder at the price of now, through the gate of every repair."""

    trade_id: str


class CloseDeadLetter(Struct, frozen=True, kw_only=True, tag=True):
    """A person closed the remainder by hand, or a part of it: when nothing is left the pair is unblocked."""

    trade_id: str
    evidence: str
    amount: Decimal | None = None  # base; None: all of it
    price: Decimal | None = None  # quote per base: for the record


class CloseHedge(Struct, frozen=True, kw_only=True, tag=True):
    """Close a trade's hedge together with what it stands against."""

    trade_id: str


class ClosePosition(Struct, frozen=True, kw_only=True, tag=True):
    """Close an open perpetual that no hedge is, at the price of now."""

    venue: str
    symbol: str


class ReleaseMarket(Struct, frozen=True, kw_only=True, tag=True):
    """A person's word that a market in quarantine is the asset that it is taken for."""

    venue: str
    symbol: str
    evidence: str


class SetAlerts(Struct, frozen=True, kw_only=True, tag=True):
    """Replace the alert settings of `desk` or of the asking actor; refused unless `version` is the one in force."""

    owner: str
    version: int
    settings: bytes  # JSON of engine.domain.alerting.AlertSettings


class UndoAlerts(Struct, frozen=True, kw_only=True, tag=True):
    owner: str
    version: int


class PreviewParent(Struct, frozen=True, kw_only=True, tag=True):
    """Plan a person's order for one chat and bind a single-use token to that plan. Nothing is sent."""

    token: str  # random, made outside
    ask: Ask
    user_id: int
    chat_id: int


class ConfirmParent(Struct, frozen=True, kw_only=True, tag=True):
    token: str
    user_id: int
    chat_id: int


class MoveParent(Struct, frozen=True, kw_only=True, tag=True):
    """Pause, resume or cancel a person's order at whatever child it is."""

    parent_id: str
    to: str  # pause | resume | cancel


Command = (
    SetMode
    | SetParams
    | SetCurve
    | UndoSetting
    | IssueToken
    | Confirm
    | Skip
    | Mute
    | Halt
    | ResumeRequest
    | ResumeConfirm
    | AcceptBalances
    | ResolveUnknown
    | RetryDeadLetter
    | CloseDeadLetter
    | CloseHedge
    | ClosePosition
    | PreviewParent
    | ConfirmParent
    | MoveParent
    | ReleaseMarket
    | SetAlerts
    | UndoAlerts
)
