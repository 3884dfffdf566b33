"""What people want to be told of the markets, and when they want their peace. Ratios are plain: 0.01 is 1 %."""

from decimal import Decimal

from msgspec import Struct

DESK = "desk"  # the settings that hold for everybody; any other owner is an actor: telegram:1001
FIGURES = ("k_usdt", "k_fx", "tether", "funding", "basis")
# What an alert's rule is about. Kinds are what people mute; "desk" (trades, balances, halts) cannot be muted.
KIND_OF = {
    "k_usdt": "premium",
    "k_fx": "premium",
    "tether": "premium",
    "funding": "funding",
    "basis": "funding",
    "sign_flip": "flip",
    "interval_changed": "interval",
    "venue_down": "venue",
    "venue_up": "venue",
    "venue_slow": "venue",
    "venue_paced": "venue",
    "rate_budget": "budget",
    "gate_closed": "wallet",
    "gate_opened": "wallet",
    "market_warning": "wallet",
    "warning_over": "wallet",
    "rules_changed": "rules",
    "quarantined": "identity",
    "released": "identity",
    "unmapped": "identity",
}
KINDS = ("premium", "funding", "flip", "interval", "venue", "budget", "identity", "wallet", "rules")
_MOST_THRESHOLDS = 50
_MOST_SILENCES = 50
_DAY_MIN = 1_440


class Threshold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ring when a figure passes `level`, and not again before it has come back by `hysteresis`.

    k_usdt, k_fx: per coin and Korean venue, the farthest of its fresh pairs · tether: per Korean venue · funding: the
    simple rate per year of a contract · basis: its mark over its index.
    """

    id: str
    figure: str
    side: str  # above | below
    level: Decimal
    hysteresis: Decimal = Decimal("0.0005")
    coin: str = ""  # "": every one
    venue: str = ""  # "": every one

    def __post_init__(self) -> None:
        if self.figure not in FIGURES:
            raise ValueError(f"figure must be one of {', '.join(FIGURES)}: {self.figure}")
        if self.side not in ("above", "below"):
            raise ValueError(f"side must be above or below: {self.side}")
        if not self.id or len(self.id) > 40 or len(self.coin) > 20 or len(self.venue) > 40:
            raise ValueError("a threshold needs an id of 1 to 40 letters, a coin of up to 20, a venue of up to 40")
        if not self.level.is_finite() or abs(self.level) > 100:
            raise ValueError(f"level must lie within -100 and 100: 0.01 means 1 %: {self.level}")
        if not (self.hysteresis.is_finite() and 0 < self.hysteresis <= 10):
            raise ValueError(f"hysteresis must lie in (0, 10]: 0.0005 means 0.05 points: {self.hysteresis}")


class Quiet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Minutes of the local day, from inclusive, until exclusive; over midnight where `until` is the smaller."""

    from_min: int
    until_min: int
    crit: bool = False  # the explicit word that even what is critical may wait

    def __post_init__(self) -> None:
        if not (0 <= self.from_min < _DAY_MIN and 0 <= self.until_min < _DAY_MIN) or self.from_min == self.until_min:
            raise ValueError("quiet hours are two different minutes of the day, 0 to 1439")

    def holds(self, local_min: int) -> bool:
        if self.from_min < self.until_min:
            return self.from_min <= local_min < self.until_min
        return local_min >= self.from_min or local_min < self.until_min


class Silence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No alerts of this kind; of one venue or coin only, where they are named."""

    kind: str
    venue: str = ""
    coin: str = ""
    until_ms: int = 0  # UTC; 0: until somebody says otherwise
    crit: bool = False  # critical ones, too

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}: {self.kind}")

    def holds(self, wall_ms: int) -> bool:
        return self.until_ms == 0 or wall_ms < self.until_ms


class AlertSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one owner. Thresholds of the desk ring for all, a person's own for that person. 0 turns a flip off."""

    thresholds: tuple[Threshold, ...] = ()
    quiet: Quiet | None = None  # None: those of the desk
    silences: tuple[Silence, ...] = ()
    flip_premium: Decimal = Decimal("0.002")  # a sign counts beyond it; of the desk's settings alone
    flip_annual: Decimal = Decimal("0.10")  # the same for funding, simple, per year

    def __post_init__(self) -> None:
        if len(self.thresholds) > _MOST_THRESHOLDS or len(self.silences) > _MOST_SILENCES:
            raise ValueError(f"at most {_MOST_THRESHOLDS} thresholds and {_MOST_SILENCES} silences")
        if len({threshold.id for threshold in self.thresholds}) < len(self.thresholds):
            raise ValueError("two thresholds have the same id")
        if not (0 <= self.flip_premium <= 1 and 0 <= self.flip_annual <= 100):
            raise ValueError("flip_premium must lie in [0, 1], flip_annual in [0, 100]")


class AlertsView(Struct, frozen=True, kw_only=True):
    """One owner's settings as they are in force."""

    owner: str
    version: int  # 0: as delivered
    settings: AlertSettings
    can_undo: bool
    held: int  # alerts held back since the last one that was heard


class Reading(Struct, frozen=True, kw_only=True):
    """What one threshold sees at this moment."""

    id: str
    subject: str  # where its figure is farthest: BTC upbit · bybit_linear BTCUSDT; "" while nothing is known
    value: float | None
    rings: bool
    subjects: int  # that it looks at


class AlertsPreview(Struct, frozen=True, kw_only=True):
    """What changed settings would do now. Nothing has changed yet."""

    owner: str
    version: int
    old: AlertSettings
    new: AlertSettings
    readings: tuple[Reading, ...]
