"""When a figure rings: once as it passes its level, again only after it has come back; and when a sign has turned."""

from collections.abc import Hashable

from engine.domain.alerting import Threshold


class Tripwires:
    """Which thresholds have rung and wait to be armed again. Holds no time and no market."""

    def __init__(self) -> None:
        self._rung: dict[tuple[str, Threshold], set[Hashable]] = {}
        self._signs: dict[Hashable, int] = {}

    def passes(self, owner: str, threshold: Threshold, subject: Hashable, value: float) -> bool:
        """True once as the value passes the level."""
        rung = self._rung.setdefault((owner, threshold), set())
        level, back = float(threshold.level), float(threshold.hysteresis)
        beyond = value - level if threshold.side == "above" else level - value
        if subject in rung:
            if beyond <= -back:
                rung.discard(subject)
            return False
        if beyond < 0.0:
            return False
        rung.add(subject)
        return True

    def keep_only(self, owner: str, thresholds: tuple[Threshold, ...]) -> None:
        """A changed threshold begins armed; what is gone is forgotten."""
        for name, threshold in list(self._rung):
            if name == owner and threshold not in thresholds:
                del self._rung[name, threshold]

    def turned(self, subject: Hashable, value: float, least: float) -> bool:
        """True where the sign is the other one than the last that counted: within ±`least` none does."""
        if not least or abs(value) < least:
            return False
        sign = 1 if value > 0.0 else -1
        before = self._signs.get(subject, 0)
        self._signs[subject] = sign
        return before == -sign
