"""USD/KRW from several sources: the median of the fresh ones, flagged when they disagree or age (domain.md §9)."""

from msgspec import Struct

from engine.domain.event import FxRate
from engine.domain.money import NS_PER_MS
from engine.market.walk import median

HOUR_MS = 3_600_000
_DAY_MS = 24 * HOUR_MS
_KST_MS = 9 * HOUR_MS


class FxRules(Struct, frozen=True, kw_only=True):
    max_age_open_ms: int = 600_000  # 10 min while the interbank market trades
    max_age_closed_ms: int = 72 * HOUR_MS  # over a weekend
    max_disagreement: float = 0.005


class FxView(Struct, frozen=True, kw_only=True):
    """KRW per USD as of now. `usable` is False when FX-basis triggers must rest; tether-basis ones keep working."""

    rate: float
    age_ms: int  # since we last received it
    sources: tuple[str, ...]
    usable: bool
    degraded: str  # "" | "stale" | "disagreement" | "none" | "one source"


def market_open(wall_ms: int) -> bool:
    """Whether banks quote KRW: Monday 09:00 to Saturday 02:00 Korean time, resting each night 02:00-09:00."""
    local = wall_ms + _KST_MS
    weekday = (local // _DAY_MS + 3) % 7  # 1970-01-01 was a Thursday; 0 = Monday
    hour = local % _DAY_MS // HOUR_MS
    if hour < 2:
        return 1 <= weekday <= 5
    return hour >= 9 and weekday <= 4


class Fx:
    """The newest rate of each source. Deterministic: time is an argument."""

    def __init__(self, rules: FxRules) -> None:
        self._rules = rules
        self._rates: dict[str, FxRate] = {}

    def take(self, event: FxRate) -> None:
        self._rates[event.source] = event

    def max_age_ms(self, wall_ms: int) -> int:
        return self._rules.max_age_open_ms if market_open(wall_ms) else self._rules.max_age_closed_ms

    def view(self, now_ns: int, wall_ms: int) -> FxView:
        if not self._rates:
            return FxView(rate=0.0, age_ms=0, sources=(), usable=False, degraded="none")
        limit_ms = self.max_age_ms(wall_ms)
        ages = {name: (now_ns - event.seen_ns) // NS_PER_MS for name, event in sorted(self._rates.items())}
        fresh = [name for name, age in ages.items() if age <= limit_ms]
        if not fresh:
            last = max(self._rates.values(), key=lambda event: (event.seen_ns, event.source))
            return FxView(
                rate=float(last.rate), age_ms=ages[last.source], sources=(last.source,), usable=False, degraded="stale"
            )
        rates = [float(self._rates[name].rate) for name in fresh]
        middle = median(rates)
        apart = (max(rates) - min(rates)) / middle
        degraded = "disagreement" if apart > self._rules.max_disagreement else "one source" if len(fresh) < 2 else ""
        return FxView(
            rate=middle,
            age_ms=max(ages[name] for name in fresh),
            sources=tuple(fresh),
            usable=degraded != "disagreement",
            degraded=degraded,
        )
