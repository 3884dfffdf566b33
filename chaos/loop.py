"""An event loop whose time jumps to the next timer and whose ready work is shuffled by a seed. No socket, no thread."""

import asyncio
import selectors
from collections import deque
from collections.abc import Mapping
from heapq import heappop
from math import ceil
from random import Random
from typing import Any

_NS = 1_000_000_000
_CROWD = 100  # timers; beyond it the library takes out those that were cancelled
_BOOT_NS = 1_000 * _NS  # a machine has been up for a while: no time is zero


class Deadlock(RuntimeError):
    """Nothing is ready and nothing will ever be."""


class _Jump(selectors.BaseSelector):
    """Instead of waiting, moves the loop's clock to where the wait would have ended."""

    def __init__(self, loop: "SimLoop") -> None:
        self._loop = loop

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise RuntimeError("no sockets in a simulation")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise RuntimeError("no sockets in a simulation")

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}

    def select(self, timeout: float | None = None) -> list[Any]:
        self._loop.turn(timeout)
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """Two runs with one seed take the same turns, whatever the machine and the hash seed."""

    def __init__(self, random: Random) -> None:
        self.now_ns = _BOOT_NS
        self.turns = 0
        self._random = random
        super().__init__(_Jump(self))

    def time(self) -> float:
        return self.now_ns / _NS

    def turn(self, timeout: float | None) -> None:
        """One iteration: what is ready runs in an order of chance; where nothing is, time passes."""
        self.turns += 1
        ready: deque[Any] = self._ready  # type: ignore[attr-defined]
        if ready:
            if len(ready) > 1:
                shuffled = list(ready)
                self._random.shuffle(shuffled)
                ready.clear()
                ready.extend(shuffled)
        elif timeout is None:
            raise Deadlock("nothing is ready and no timer is set")
        elif timeout > 0:
            self.now_ns += ceil(timeout * _NS)

    def _run_once(self) -> None:
        """As the library's own, without what a simulation has no use for: sockets, slow callbacks, timers in crowds."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if len(scheduled) > _CROWD:
            super()._run_once()  # type: ignore[misc]
            return
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heappop(scheduled)._scheduled = False  # type: ignore[attr-defined]
        if ready or self._stopping:  # type: ignore[attr-defined]
            self.turn(0)
        else:
            self.turn(max(0, scheduled[0].when() - self.now_ns / _NS) if scheduled else None)
        now_s = self.now_ns / _NS + self._clock_resolution  # type: ignore[attr-defined]
        while scheduled and scheduled[0].when() < now_s:
            due = heappop(scheduled)
            due._scheduled = False  # type: ignore[attr-defined]
            ready.append(due)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]
        raise RuntimeError("a thread under a simulated clock: this work needs a seam")

    def call_soon_threadsafe(self, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        raise RuntimeError("a thread under a simulated clock: this work needs a seam")

    def _make_self_pipe(self) -> None:
        """Nobody calls from another thread."""

    def _close_self_pipe(self) -> None:
        """There is none."""
