"""What outlives a process: journal rows, the latch, settings. Writes take time, may fail, die with their life."""

import errno
from collections.abc import Callable, Iterator, Sequence
from random import Random

from engine.domain.effect import LatchChanged, StoreSetting
from engine.storage.disk import GENESIS, Done, Head, Row
from engine.storage.latch import Latch

_STALL = 0.01  # share of writes that take long


class Platter:
    """The magnetic truth. `full` refuses every write; `on_durable` hears each row that is safe."""

    def __init__(self, random: Random, on_durable: Callable[[Row], None]) -> None:
        self.random = random
        self.rows: list[Row] = []
        self.latch = Latch(level=0)
        self.hand_halted = False
        self.settings: dict[tuple[str, int], bytes] = {}
        self.full = False
        self.owner: Life | None = None
        self.writes = 0
        self._on_durable = on_durable

    @property
    def level(self) -> int:
        """Of the latch, whoever has raised it."""
        return 2 if self.hand_halted else self.latch.level

    def commit(self, rows: Sequence[Row]) -> None:
        self.writes += 1
        self.rows += rows
        for row in rows:
            self._on_durable(row)


class Life:
    """Whether the process that holds this still runs. What dies with it says so here."""

    def __init__(self, number: int, point: Callable[[str], None]) -> None:
        self.number = number
        self.dead = False
        self.point = point  # a place where the process may die


class SimDisk:
    """The journal's Disk of one life."""

    def __init__(self, platter: Platter, life: Life, later: Callable[[float, Callable[[], None]], None]) -> None:
        self._platter = platter
        self._life = life
        self._later = later
        platter.owner = life  # the lease: what a former life had under way has reached the disk by now, or never does

    def head(self) -> Head:
        rows = self._platter.rows
        return Head(rows[-1].seq, rows[-1].hash) if rows else Head(0, GENESIS)

    def ends(self, since: int = 0) -> dict[int, int]:
        found: dict[int, int] = {}
        for row in self.rows(since):
            found[row.run] = max(found.get(row.run, 0), row.mono_ns)
        return found

    def rows(self, since: int = 0) -> Iterator[Row]:
        yield from (row for row in tuple(self._platter.rows) if row.seq >= since)

    def start(self, _: object) -> None:
        """There is no thread to start."""

    def write(self, rows: Sequence[Row], done: Done) -> None:
        if self._life.dead:
            return  # what its timers still held died with the process
        self._life.point("before the journal")
        outlives = self._platter.random.random() < 0.5  # the kernel may finish what a killed process began
        self._later(self._takes_s(), lambda: self._end(rows, done, outlives))
        self._life.point("journal under way")

    def probe(self, done: Done) -> None:
        self._later(self._takes_s(), lambda: None if self._life.dead else done(self._refusal()))

    def flush(self) -> None:
        """A killed process does not flush."""

    def close(self) -> None:
        """Nothing is open."""

    def _end(self, rows: Sequence[Row], done: Done, outlives: bool) -> None:
        if self._life.dead and (not outlives or self._platter.owner is not self._life):
            return
        refusal = self._refusal()
        if not refusal:
            self._platter.commit(rows)
        if not self._life.dead:
            done(refusal)

    def _refusal(self) -> str:
        return "database or disk is full" if self._platter.full else ""

    def _takes_s(self) -> float:
        random = self._platter.random
        return random.uniform(0.02, 0.4) if random.random() < _STALL else random.uniform(0.0001, 0.003)


class SimLatch:
    """The LatchStore of one life."""

    def __init__(self, platter: Platter, life: Life) -> None:
        self._platter = platter
        self._life = life

    def read(self) -> Latch:
        latch = self._platter.latch
        if latch.level < 2 and self._platter.hand_halted:
            return Latch(level=2, reason="file HALT", actor="file")
        return latch

    def write(self, change: LatchChanged) -> None:
        self._life.point("before the latch")
        if self._platter.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._platter.latch = Latch(
            level=change.level, reason=change.reason, actor=change.actor, wall_ms=change.wall_ms
        )
        self._life.point("after the latch")

    def outside(self) -> Latch | None:
        return Latch(level=2, reason="file HALT", actor="file") if self._platter.hand_halted else None

    def store(self, setting: StoreSetting) -> None:
        if not self._life.dead and not self._platter.full:
            self._platter.settings[setting.name, setting.version] = setting.value
