"""A counter of everything that changed, and a way to wait for the next change."""

import asyncio
from collections.abc import Callable

from sandbox.telegram.polling import first_of
from sandbox.telegram.settings import NS_PER_S, Clock


class Changes:
    def __init__(self, clock: Clock) -> None:
        self.revision = 0
        self._clock = clock
        self._next: asyncio.Future[None] | None = None

    def bump(self) -> int:
        """The revision of a change that has just been made; everybody who waits looks again."""
        self.revision += 1
        self.stir()
        return self.revision

    def stir(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)

    async def until(self, claim: Callable[[], bool], seconds: float) -> bool:
        """Waits up to `seconds` for a change that makes `claim` true; what it says at the end."""
        deadline_ns = self._clock.monotonic_ns() + int(seconds * NS_PER_S)
        while not claim():
            left_ns = deadline_ns - self._clock.monotonic_ns()
            if left_ns <= 0:
                return False
            await first_of(self._following(), left_ns / NS_PER_S, self._clock)
        return True

    async def once(self, claim: Callable[[], bool]) -> None:
        """Waits for as long as it takes."""
        while not claim():
            await asyncio.wait({self._following()})  # shared with others: waited for, never cancelled

    def _following(self) -> "asyncio.Future[None]":
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next
