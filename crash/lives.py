"""One life of the engine after the other: forked from loaded code, or started cold as a supervisor does."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from crash.errand import Heard, Order
from sandbox.stage import Daemon

_STOP_S = 10
_decode = msgspec.json.Decoder(Heard).decode


class Forge:
    """A client of crash.forge; `async with`."""

    def __init__(self, shim: Path | None, venues: Sequence[str]) -> None:
        self._venues = venues  # whose order sides are loaded beforehand
        self._shim = {"LD_PRELOAD": str(shim)} if shim else {}
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._process: Process
        self._hearing: asyncio.Task[None]
        self._begun: asyncio.Queue[tuple[int, asyncio.Future[int]]] = asyncio.Queue()

    async def __aenter__(self) -> "Forge":
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "crash.forge", *self._venues),
            stdin=PIPE,
            stdout=PIPE,
            env={**os.environ, **self._shim},
        )
        self._hearing = asyncio.create_task(self._hear())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()
        await self._hearing

    async def begin(self, order: Order) -> tuple[int, "asyncio.Future[int]"]:
        """A new life: its pid, and a future of its exit code."""
        assert self._process.stdin
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        return await self._begun.get()  # it may have ended by the time that this is heard

    async def _hear(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            heard = _decode(line)
            if heard.ended:
                self._ends.pop(heard.pid).set_result(heard.code)
            else:
                end = self._ends[heard.pid] = asyncio.get_running_loop().create_future()
                self._begun.put_nowait((heard.pid, end))


class Lives(Daemon):
    """The engine of a stage. `env` holds for the lives to come; `is_cold` starts the next one from nothing."""

    def __init__(self, cold: Daemon, forge: Forge, shim: Path | None) -> None:
        super().__init__(cold.name, cold.argv, cold.env, cold.log)
        self._forge = forge
        self._shim = shim
        self.orders: dict[str, str] = {}  # environment of the next life
        self.is_cold = False
        self._pid = 0
        self._end: asyncio.Future[int] | None = None

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def exit_code(self) -> int | None:
        return self._end.result() if self._end and self._end.done() else None

    async def start(self) -> None:
        if self.is_cold:
            await self._start_cold()
            return
        argv = ["premia", *self.argv[3:]]
        order = Order(argv=argv, env={**self.env, **self.orders}, log=str(self.log))
        self._pid, self._end = await self._forge.begin(order)

    async def _start_cold(self) -> None:
        shim = {"LD_PRELOAD": str(self._shim)} if self._shim else {}
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self.argv, env={**self.env, **shim, **self.orders}, stdout=log, stderr=log
            )
        self._pid = process.pid
        self._end = asyncio.ensure_future(process.wait())

    async def ended(self) -> int:
        return await self._end if self._end else 0

    def strike(self) -> None:
        """SIGKILL now, from inside whatever the caller is doing; `ended` tells when it is gone."""
        if self._end is not None and not self._end.done():
            with suppress(ProcessLookupError):  # it has just ended by itself, and nobody has told yet
                os.kill(self._pid, signal.SIGKILL)

    async def kill(self) -> None:
        self.strike()
        await self.ended()

    async def stop(self) -> None:
        if self._end is None or self._end.done():
            return
        os.kill(self._pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(asyncio.shield(self._end), _STOP_S)
        except TimeoutError:
            await self.kill()
