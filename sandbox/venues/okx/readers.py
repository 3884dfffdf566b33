"""OKX's public socket as its clients see it: who subscribed what. One socket may read every product."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues.sockets import OnText, Socket, Sockets

IDLE_SECONDS = 30.0  # without a word in either direction


class Arg(Struct, frozen=True, omit_defaults=True):
    channel: str = ""
    instId: str = ""


class Source(Protocol):
    """One product's channels."""

    def knows(self, arg: Arg) -> bool: ...
    def first(self, arg: Arg) -> str | None:
        """What a new subscriber is told at once."""
        ...


class _Operation(Struct):
    op: str
    args: list[Arg] = []
    id: str | None = None


class Readers:
    """Subscriptions of every socket. Sources are added as their floors open."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._sources: list[Source] = []
        self._args: dict[Socket, dict[Arg, None]] = {}
        self._next_connection = 0xA4D3AE55

    def add(self, source: Source) -> None:
        self._sources.append(source)

    def has(self, arg: Arg) -> bool:
        return any(arg in args for args in self._args.values())

    def send(self, arg: Arg, text: str) -> None:
        for socket, args in self._args.items():
            if arg in args:
                socket.send(text)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        return await self._sockets.serve(
            request, self._join, self._leave, idle_seconds=IDLE_SECONDS, sending_counts=True
        )

    def _join(self, socket: Socket) -> OnText:
        self._args[socket] = {}
        self._next_connection += 1
        connection = f"{self._next_connection & 0xFFFFFFFF:08x}"

        async def on_text(text: str) -> None:
            if text == "ping":
                socket.send("pong")
                return
            try:
                operation = msgspec.json.decode(text, type=_Operation)
            except msgspec.MsgspecError:
                _event(socket, "error", connection, code="60012", msg=f"Invalid request: {text[:200]}")
                return
            if operation.op not in ("subscribe", "unsubscribe"):
                _event(socket, "error", connection, code="60012", msg=f"Invalid request: {text[:200]}")
                return
            for arg in operation.args:
                self._take(socket, operation, arg, connection)

        return on_text

    def _take(self, socket: Socket, operation: _Operation, arg: Arg, connection: str) -> None:
        named = {"id": operation.id} if operation.id else {}
        source = _of(self._sources, arg)
        if source is None:
            what = f"channel:{arg.channel},instId:{arg.instId}"
            message = f"Wrong URL or {what} doesn't exist. Please use the correct URL, channel and parameters."
            _event(socket, "error", connection, code="60018", msg=message, **named)
            return
        _event(socket, operation.op, connection, arg=arg, **named)
        if operation.op == "unsubscribe":
            self._args[socket].pop(arg, None)
            return
        self._args[socket][arg] = None
        first = source.first(arg)
        if first is not None:
            socket.send(first)

    def _leave(self, socket: Socket) -> None:
        self._args.pop(socket, None)


def _of(sources: Sequence[Source], arg: Arg) -> Source | None:
    return next((source for source in sources if source.knows(arg)), None)


def _event(socket: Socket, event: str, connection: str, **fields: object) -> None:
    socket.send(msgspec.json.encode({"event": event, **fields, "connId": connection}).decode())
