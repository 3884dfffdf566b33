"""USD/KRW from several sources: the median of the fresh ones, flagged when they disagree or age (domain.md §9)."""

from collections import deque

from msgspec import Struct

from engine.domain.event import FxRate
from engine.domain.money import NS_PER_MS
from engine.market.walk import median

HOUR_MS = 3_600_000
_DAY_MS = 24 * HOUR_MS
_KST_MS = 9 * HOUR_MS
_SAMPLE_MS = 60_000
_KEPT = 1_440  # a day of minutes
_LEAST_SAMPLES = 60


class FxRules(Struct, frozen=True, kw_only=True):
    max_age_open_ms: int = 600_000  # 10 min while the interbank market trades
    max_age_closed_ms: int = 72 * HOUR_MS  # over a weekend
    max_disagreement: float = 0.005
    max_daily_lag: float = 0.01  # a once-a-day fixing against the intraday ones


class FxView(Struct, frozen=True, kw_only=True):
    """KRW per USD as of now. `usable` is False when FX-basis triggers must rest; tether-basis ones keep working."""

    rate: float
    age_ms: int  # since we last received it
    sources: tuple[str, ...]
    usable: bool
    degraded: str  # "" | "stale" | "disagreement" | "none" | "one source" | "implied"


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
        self._tether: deque[float] = deque(maxlen=_KEPT)  # premium of the tether, one sample a minute
        self._sampled_ms = 0
        self._known: tuple[int, int, FxView] | None = None  # as of the newest moment that was asked for

    def take(self, event: FxRate) -> None:
        self._rates[event.source] = event
        self._known = None

    def max_age_ms(self, wall_ms: int) -> int:
        return self._rules.max_age_open_ms if market_open(wall_ms) else self._rules.max_age_closed_ms

    def take_tether(self, usdt_krw: float, now_ns: int, wall_ms: int) -> None:
        """Learn where the tether stands while the dollar is known: what is left when no source speaks."""
        view = self.view(now_ns, wall_ms)
        if view.usable and wall_ms - self._sampled_ms >= _SAMPLE_MS:
            self._sampled_ms = wall_ms
            self._tether.append(usdt_krw / view.rate - 1)

    def implied(self, usdt_krw: float) -> float:
        """KRW per USD as the tether and its usual premium suggest; 0.0 while too little is known of it."""
        if not usdt_krw or len(self._tether) < _LEAST_SAMPLES:
            return 0.0
        return usdt_krw / (1 + median(list(self._tether)))

    def view(self, now_ns: int, wall_ms: int, usdt_krw: float = 0.0) -> FxView:
        """`usdt_krw` lets a last resort speak where no source is fresh; triggers never rest on it."""
        known = self._known
        if known is None or known[0] != now_ns or known[1] != wall_ms:
            known = self._known = (now_ns, wall_ms, self._told(now_ns, wall_ms))
        found = known[2]
        rate = 0.0 if found.usable or found.degraded == "disagreement" else self.implied(usdt_krw)
        if not rate:
            return found
        return FxView(rate=rate, age_ms=0, sources=("implied",), usable=False, degraded="implied")

    def _told(self, now_ns: int, wall_ms: int) -> FxView:
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
        by_now = [float(self._rates[name].rate) for name in fresh if not self._rates[name].is_daily]
        fixings = [float(self._rates[name].rate) for name in fresh if self._rates[name].is_daily]
        rates = by_now or fixings
        middle = median(rates)
        apart = (max(rates) - min(rates)) / middle > self._rules.max_disagreement
        lags = any(abs(rate / middle - 1) > self._rules.max_daily_lag for rate in fixings)
        degraded = "disagreement" if apart or lags else "one source" if len(fresh) < 2 else ""
        return FxView(
            rate=middle,
            age_ms=max(ages[name] for name in fresh),
            sources=tuple(fresh),
            usable=degraded != "disagreement",
            degraded=degraded,
        )
