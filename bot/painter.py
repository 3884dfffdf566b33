"""Pictures for waiting messages, drawn by a worker process: started warm, replaced when it died."""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import msgspec

from bot import easel_wire as wire
from bot.config import TOKEN_NAME
from bot.delivery import heard
from bot.outbox import Outbox
from bot.views.content import Picture

log = logging.getLogger("premia.bot.painter")

_TRIES = 3
_TIMEOUT_S = 60.0  # the first picture after a start, on a busy machine
_HOUSE = Path(__file__).parent.parent  # where `bot` can be imported from


class Painter:
    """One picture at a time, the most urgent message's first. Nothing else waits for it."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._worker: Process | None = None

    async def run(self, stopping: asyncio.Event, *, warm_up: bool = True) -> None:
        ear = self._outbox.ear()
        try:
            if warm_up:
                await self._start()
            while not stopping.is_set():
                ear.clear()
                if not await self.draw_next():
                    await heard(ear, 60)
        finally:
            await self.close()

    async def close(self) -> None:
        if self._worker is not None and self._worker.returncode is None:
            self._worker.kill()
            await self._worker.wait()
        self._worker = None

    @property
    def worker_pid(self) -> int:
        """0 while there is none."""
        return self._worker.pid if self._worker is not None else 0

    async def draw_next(self) -> bool:
        """Draw one picture that a message waits for. False when none does."""
        row = self._outbox.undrawn()
        if row is None or row.content.picture is None:
            return False
        self._outbox.drawn(row, await self._draw(row.content.picture))
        return True

    async def _draw(self, picture: Picture) -> bytes | None:
        """PNG bytes; None for a picture that cannot be drawn: then the words go without it."""
        ask = wire.framed(msgspec.json.encode(picture))
        for attempt in range(1, _TRIES + 1):
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    drawn, body = await self._asked(ask)
            except (asyncio.IncompleteReadError, OSError, TimeoutError) as error:
                log.error("painter_died kind=%s attempt=%s error=%s", picture.kind, attempt, type(error).__name__)
                await self.close()
                continue
            if not drawn:
                log.error("picture_not_drawn kind=%s error=%s", picture.kind, body.decode("utf-8", "replace"))
            return body if drawn else None
        return None

    async def _asked(self, ask: bytes) -> tuple[bool, bytes]:
        """Raises IncompleteReadError or OSError when the worker is gone."""
        worker = self._worker or await self._start()
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write(ask)
        await worker.stdin.drain()
        drawn = await worker.stdout.readexactly(1) == wire.DRAWN
        length = wire.LENGTH.unpack(await worker.stdout.readexactly(wire.LENGTH.size))[0]
        return drawn, await worker.stdout.readexactly(length)

    async def _start(self) -> Process:
        environment = {name: value for name, value in os.environ.items() if name != TOKEN_NAME}
        self._worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot.easel"), cwd=_HOUSE, env=environment, stdin=PIPE, stdout=PIPE
        )
        return self._worker
