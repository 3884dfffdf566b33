"""An event loop whose time jumps to the next timer and whose ready work is shuffled by a seed. No socket, no thread."""

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context
from heapq import heappop, heappush
from math import ceil
from random import Random
from typing import Any

_NS = 1_000_000_000
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


class SimTask(asyncio.Task[Any]):
    """Known by its number: a TaskGroup ends its tasks in the order of a set, by default that of their addresses."""

    def __init__(self, number: int, *args: Any, **options: Any) -> None:
        self.number = number
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self.number


class SimLoop(asyncio.SelectorEventLoop):
    """Two runs with one seed take the same turns, whatever the machine and the hash seed.

    As the library's own, without what a simulation has no use for: sockets, slow callbacks, looks at a debug mode.
    """

    def __init__(self, random: Random) -> None:
        self.now_ns = _BOOT_NS
        self.turns = 0
        self._random = random
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []  # when, which of those came first
        self._timer = self._tasks = 0
        super().__init__(_Jump(self))
        self.set_task_factory(self._make_task)

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> SimTask:
        self._tasks += 1
        return SimTask(self._tasks, work, loop=loop, **options)

    def time(self) -> float:
        return self.now_ns / _NS

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_ns / _NS + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timer += 1
        heappush(self._timers, (when, self._timer, handle))
        return handle

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
        timers = self._timers
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]
        while timers and timers[0][2]._cancelled:
            heappop(timers)
        if ready or self._stopping:  # type: ignore[attr-defined]
            self.turn(0)
        else:
            self.turn(max(0, timers[0][0] - self.now_ns / _NS) if timers else None)
        now_s = self.now_ns / _NS + self._clock_resolution  # type: ignore[attr-defined]
        while timers and timers[0][0] < now_s:
            ready.append(heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is left where it is until its time has come."""

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]
        raise RuntimeError("a thread under a simulated clock: this work needs a seam")

    def call_soon_threadsafe(self, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        raise RuntimeError("a thread under a simulated clock: this work needs a seam")

    def _make_self_pipe(self) -> None:
        """Nobody calls from another thread."""

    def _close_self_pipe(self) -> None:
        """There is none."""
