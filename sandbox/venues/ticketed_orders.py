"""The private socket that Upbit and Bithumb share in shape: a token with the handshake, a ticketed array to ask."""

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web

from sandbox.venues.auth import Denied
from sandbox.venues.door import Dialect
from sandbox.venues.order_streams import OrderStreams, Write
from sandbox.venues.sockets import OnText, Socket, Sockets
from sandbox.venues.ticketed import MESSAGES, beat

CHANNEL = "myOrder"
_KINDS = (CHANNEL, "myAsset")


class TicketedOrders:
    def __init__(
        self,
        dialect: Dialect,
        sockets: Sockets,
        account: Callable[[web.Request], str],
        write: Write,
        idle_seconds: float,
    ) -> None:
        """`account` says whose handshake it is, or raises Denied."""
        self._dialect = dialect
        self._sockets = sockets
        self._account = account
        self._idle_seconds = idle_seconds
        self._streams = OrderStreams(dialect.floor, write)
        self._beats: dict[Socket, asyncio.Task[None]] = {}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        try:
            account = self._account(request)
        except Denied as error:
            return self._dialect.denied(error)
        return await self._sockets.serve(
            request, lambda socket: self._join(socket, account), self._leave, idle_seconds=self._idle_seconds
        )

    def _join(self, socket: Socket, account: str) -> OnText:
        async def on_text(text: str) -> None:
            if text == "PING":
                if socket not in self._beats:
                    self._beats[socket] = asyncio.get_running_loop().create_task(beat(socket))
                return
            error = self._subscribe(socket, account, text)
            if error:
                socket.send(f'{{"error":{{"name":"{error}","message":"{MESSAGES[error]}"}}}}'.encode())
                await socket.close()

        return on_text

    def _leave(self, socket: Socket) -> None:
        self._streams.leave(socket)
        beating = self._beats.pop(socket, None)
        if beating is not None:
            beating.cancel()

    def _subscribe(self, socket: Socket, account: str, text: str) -> str:
        """The venue's error name, or "": nothing is acknowledged. A second request replaces the first."""
        try:
            parts = msgspec.json.decode(text, type=list[dict[str, object]])
        except msgspec.MsgspecError:
            return "WRONG_FORMAT"
        kinds = [part for part in parts if "type" in part]
        if not any("ticket" in part for part in parts):
            return "NO_TICKET"
        if not kinds:
            return "NO_TYPE"
        if any(part["type"] not in _KINDS for part in kinds):
            return "INVALID_PARAM"
        self._streams.leave(socket)
        for part in kinds:
            codes = part.get("codes") or []
            if part["type"] == CHANNEL and isinstance(codes, list):
                self._streams.join(socket, account, CHANNEL, [str(code) for code in codes])
        return ""
