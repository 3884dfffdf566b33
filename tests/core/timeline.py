"""Virtual time, and the places where a process may die."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from heapq import heappop, heappush

from engine.domain.money import NS_PER_MS

BOOT_WALL_MS = 1_795_500_000_000  # a Tuesday in November 2026, 15:00 in Seoul


class Crash(BaseException):
    """The process is gone, at this very line."""


class Timeline(ABC):
    """What happens when. The world goes on while the desk's process is dead; the desk's own work dies with it."""

    def __init__(self) -> None:
        self.world_ns = 0
        self.shift_ns = 100 * 1_000_000_000  # the desk's monotonic clock minus the world's: a new one at each start
        self.run = 0  # which life of the desk this is
        self.is_up = False
        self.crashes: list[int] = []  # for `arm`: how many points each life lasts
        self.crash_in = -1  # crash after so many more points; negative: never
        self._tasks: list[tuple[int, int, int, Callable[[], object]]] = []  # (when, order, run or 0 = world's, work)
        self._order = 0

    @abstractmethod
    def restart(self, down_ms: int = 3_000) -> None:
        """A new life of the desk, after its process was down for so long."""

    @property
    def now_ns(self) -> int:
        return self.world_ns + self.shift_ns

    @property
    def wall_ms(self) -> int:
        return BOOT_WALL_MS + self.world_ns // NS_PER_MS

    def later(self, delay_ns: int, work: Callable[[], object], *, is_world: bool = False) -> None:
        """Do `work` after `delay_ns`; the desk's own work dies with its process."""
        self._order += 1
        heappush(self._tasks, (self.world_ns + delay_ns, self._order, 0 if is_world else self.run, work))

    def run_for(self, ms: float) -> None:
        """Let time pass, crashing and starting again where that was asked for."""
        end_ns = self.world_ns + int(ms * NS_PER_MS)
        while self._tasks and self._tasks[0][0] <= end_ns:
            when, _, run, work = heappop(self._tasks)
            self.world_ns = max(self.world_ns, when)
            if run not in (0, self.run):
                continue
            try:
                work()
            except Crash:
                self.restart()
        self.world_ns = max(self.world_ns, end_ns)

    @property
    def is_expecting(self) -> bool:
        """Whether something is still on its way to a venue."""
        return any(run == 0 for _, _, run, _ in self._tasks)

    def run_until(self, holds: Callable[[], bool], ms: float = 60_000) -> None:
        end_ns = self.world_ns + int(ms * NS_PER_MS)
        while not holds():
            assert self.world_ns < end_ns, "what was waited for never came"
            self.run_for(10)

    def point(self) -> None:
        """A place where the process may die."""
        if self.crash_in > 0:
            self.crash_in -= 1
        elif self.crash_in == 0:
            self.crash_in = -1
            raise Crash

    def arm(self) -> None:
        """Let the present process live as long as the next of `crashes` says."""
        self.crash_in = self.crashes.pop(0) if self.crashes else -1
