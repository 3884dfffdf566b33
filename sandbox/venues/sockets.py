"""WebSocket plumbing of the local venues: ordered sending with a bound, idle limits, and faults of open sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

from aiohttp import WSMsgType, web

MAX_QUEUED = 5000  # a client this far behind is cut, as the venues do

OnText = Callable[[str], Awaitable[None]]


class Socket:
    """One client's connection. `send` never waits; frames leave in order, so many ms after they were said."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, late_ms: Callable[[], int]) -> None:
        self._ws = ws
        self._request = request
        self._late_ms = late_ms
        self._queue: asyncio.Queue[tuple[float, str | bytes]] = asyncio.Queue(MAX_QUEUED)  # when it may leave
        self._sent_at = 0.0
        self.half_open = False

    def send(self, frame: str | bytes) -> None:
        if self.half_open:
            return
        try:
            self._queue.put_nowait((asyncio.get_running_loop().time() + self._late_ms() / 1000, frame))
        except asyncio.QueueFull:
            self.cut()

    def cut(self) -> None:
        """No close frame: the client sees 1006."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def close(self, code: int = 1000) -> None:
        """After what is queued has left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._queue.join()
        await self._ws.close(code=code)

    async def pump(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._ws.closed:
            due, frame = await self._queue.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            self._sent_at = loop.time()
            try:
                if isinstance(frame, bytes):
                    await self._ws.send_bytes(frame)
                else:
                    await self._ws.send_str(frame)
            except ConnectionError:
                return
            finally:
                self._queue.task_done()

    async def ping_every(self, seconds: float) -> None:
        """The server's own protocol ping."""
        while not self._ws.closed:
            await asyncio.sleep(seconds)
            if not self.half_open:
                try:
                    await self._ws.ping()
                except ConnectionError:
                    return

    async def read(self, on_text: OnText, idle_seconds: float, *, pong_counts: bool, sending_counts: bool) -> None:
        """Until the client goes, or is cut after `idle_seconds` without a word.

        `pong_counts`: the answer to our ping is a sign of life too; `sending_counts`: so is a frame of ours.
        """
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while not self._ws.closed:
            alive = max(heard, self._sent_at) if sending_counts else heard
            left = alive + idle_seconds - loop.time()
            if left <= 0:
                return self.cut()
            try:
                message = await self._ws.receive(timeout=left)
            except TimeoutError:
                continue
            if message.type is WSMsgType.PONG and not pong_counts:
                continue
            heard = loop.time()
            if self.half_open:
                continue
            if message.type is WSMsgType.PING:
                try:
                    await self._ws.pong(message.data)
                except ConnectionError:
                    return
            elif message.type is WSMsgType.TEXT:
                await on_text(message.data)
            elif message.type is WSMsgType.BINARY:
                await on_text(message.data.decode())
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return


class Sockets:
    """Every open socket of one venue."""

    def __init__(self, late_ms: Callable[[], int] = lambda: 0) -> None:
        self._late_ms = late_ms
        self._open: set[Socket] = set()

    def __len__(self) -> int:
        return len(self._open)

    def strike(self, kind: Literal["ws_half_open", "ws_disconnect"]) -> int:
        """Make every open socket go wrong; how many there were."""
        struck = tuple(self._open)
        for socket in struck:
            if kind == "ws_half_open":
                socket.half_open = True
            else:
                socket.cut()
        return len(struck)

    async def serve(
        self,
        request: web.Request,
        join: Callable[[Socket], OnText],
        leave: Callable[[Socket], None],
        *,
        idle_seconds: float,
        ping_seconds: float | None = None,
        sending_counts: bool = False,
    ) -> web.WebSocketResponse:
        """Run one connection; `join` gives the handler of its text frames."""
        ws = web.WebSocketResponse(autoping=False, compress=False)
        await ws.prepare(request)
        socket = Socket(ws, request, self._late_ms)
        self._open.add(socket)
        on_text = join(socket)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(socket.pump())]
                if ping_seconds is not None:
                    running.append(tasks.create_task(socket.ping_every(ping_seconds)))
                await socket.read(
                    on_text, idle_seconds, pong_counts=ping_seconds is not None, sending_counts=sending_counts
                )
                for task in running:
                    task.cancel()
        finally:
            self._open.discard(socket)
            leave(socket)
        return ws
