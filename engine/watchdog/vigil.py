"""When the engine counts as gone: no I/O, no clock of its own."""

from enum import StrEnum

from engine.domain.money import NS_PER_S
from engine.storage.beat import Beat

_HALTED_NS = 5 * NS_PER_S  # a living engine hears the file within a second
_ASLEEP_NS = 5 * NS_PER_S  # between two looks a second apart: we were stopped ourselves, and saw nothing meanwhile


class Sight(StrEnum):
    UNARMED = "unarmed"  # no engine has begun here yet, or the last one has stopped cleanly
    ALIVE = "alive"
    MISSING = "missing"


class Vigil:
    """Judges by the change of beats, seen with the watchdog's own monotonic clock: two clocks are never compared."""

    def __init__(self, missing_ns: int) -> None:
        self._missing_ns = missing_ns
        self._newest: tuple[int, int] | None = None
        self._changed_ns = 0
        self._looked_ns: int | None = None
        self._stopped = False
        self._missing = False

    def look(self, beat: Beat | None, now_ns: int, is_halted_by_hand: bool = False) -> Sight:
        """`beat` is what the file holds now; None says nothing new, and does not disarm.

        Who has put a HALT file there waits for no 15 s: an engine that cannot hear it counts as gone sooner.
        """
        if self._looked_ns is None or (now_ns - self._looked_ns > _ASLEEP_NS and not self._missing):
            self._changed_ns = now_ns
        self._looked_ns = now_ns
        if beat is not None and (beat.pid, beat.count) != self._newest:
            self._newest, self._changed_ns, self._stopped = (beat.pid, beat.count), now_ns, beat.stopped
        is_armed = self._newest is not None and not self._stopped
        limit_ns = min(self._missing_ns, _HALTED_NS) if is_halted_by_hand else self._missing_ns
        self._missing = is_armed and now_ns - self._changed_ns >= limit_ns
        if not is_armed:
            return Sight.UNARMED
        return Sight.MISSING if self._missing else Sight.ALIVE

    def silent_s(self, now_ns: int) -> int:
        """Whole seconds since a beat was seen to change."""
        return (now_ns - self._changed_ns) // NS_PER_S
