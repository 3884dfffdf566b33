"""The worker process that draws: started warm, replaced when it died."""

import asyncio
import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from bot import easel
from bot.delivery import heard
from bot.outbox import Outbox

log = logging.getLogger("premia.bot.painter")

_TRIES = 3


class Painter:
    """Draws what waiting messages ask for, one picture at a time, most urgent first."""

    def __init__(self, outbox: Outbox, *, warm_up: bool = True) -> None:
        self._outbox = outbox
        self._warm_up = warm_up
        self._pool = self._new_pool()

    @staticmethod
    def _new_pool() -> ProcessPoolExecutor:
        # spawn: a forked copy would hold our sockets and locks.
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=easel.prepare)

    async def run(self, stopping: asyncio.Event) -> None:
        ear = self._outbox.ear()
        try:
            if self._warm_up:
                await self._draw("", b"")
            while not stopping.is_set():
                ear.clear()
                if not await self.draw_next():
                    await heard(ear, 60)
        finally:
            self.close()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def draw_next(self) -> bool:
        """Draw one picture that a message waits for. False when none does."""
        row = self._outbox.undrawn()
        if row is None or row.content.picture is None:
            return False
        png = await self._draw(row.content.picture.kind, row.content.picture.data)
        self._outbox.drawn(row, png)
        return True

    async def _draw(self, kind: str, data: bytes) -> bytes | None:
        """PNG bytes; None for a picture that cannot be drawn: then the words go without it."""
        for attempt in range(1, _TRIES + 1):
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, easel.draw, kind, data)
            except BrokenProcessPool:
                log.error("painter_died kind=%s attempt=%s", kind, attempt)
                self._pool = self._new_pool()
            except easel.CannotDraw as error:
                log.error("picture_not_drawn kind=%s error=%s", kind, error)
                return None
        return None
