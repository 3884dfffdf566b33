"""getUpdates as the real server runs it: one long poll at a time, the newer one ends the older.

Source: published server. A repeat of the same offset within 3 s waits at least 3 s, within 0.5 s gets one update;
conflicts that follow within 3 s of each other are answered 3 s late.
"""

import asyncio
from collections.abc import Sequence

from sandbox.telegram.failures import ApiError, conflict
from sandbox.telegram.settings import NS_PER_S, Clock
from sandbox.telegram.updates import QueuedUpdate, UpdateQueue

MAX_WAIT_S = 50
MAX_UPDATES = 100
REPEAT_WINDOW_NS = 3 * NS_PER_S
BURST_WINDOW_NS = NS_PER_S // 2
CONFLICT_DELAY_S = 3
TERMINATED = "terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_IS_SET = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"


async def first_of(waiter: "asyncio.Future[None]", seconds: float, clock: Clock) -> None:
    """Returns when `waiter` is done or the time has passed, whichever comes first."""
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({waiter, timer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()


class Poller:
    """The one pending getUpdates of a bot."""

    def __init__(self, queue: UpdateQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._waiter: asyncio.Future[None] | None = None
        self._last_offset: int | None = None
        self._last_start_ns = 0
        self._next_conflict_ns = 0
        self.begun = 0  # long polls so far

    async def get_updates(self, offset: int, limit: int, wait_s: int) -> Sequence[QueuedUpdate]:
        """Raises ApiError 409 when another request took over."""
        limit = min(max(limit, 1), MAX_UPDATES)
        wait_s = min(max(wait_s, 0), MAX_WAIT_S)
        now_ns = self._clock.monotonic_ns()
        if offset == self._last_offset and now_ns < self._last_start_ns + REPEAT_WINDOW_NS:
            wait_s = max(wait_s, 3)
            limit = 1 if now_ns < self._last_start_ns + BURST_WINDOW_NS else limit
        self._last_offset, self._last_start_ns = offset, now_ns
        updates = self._queue.read(offset, limit, now_ns)
        if updates or wait_s == 0:
            return updates
        self.abort(TERMINATED)
        await self._wait(wait_s)
        return self._queue.read(max(offset, 0), limit, self._clock.monotonic_ns())

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def abort(self, reason: str) -> None:
        """Ends the pending request, if there is one, with 409."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(conflict(reason))

    async def _wait(self, wait_s: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiter = waiter
        self.begun += 1
        await first_of(waiter, wait_s, self._clock)
        if not waiter.done():
            waiter.cancel()
            return
        try:
            waiter.result()
        except ApiError:
            await self._delay_conflict()
            raise

    async def _delay_conflict(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_conflict_ns:
            await self._clock.sleep(CONFLICT_DELAY_S)
        else:
            self._next_conflict_ns = now_ns + CONFLICT_DELAY_S * NS_PER_S
