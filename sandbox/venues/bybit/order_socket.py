"""Bybit's trade socket: `auth` first, then `order.create` with its window in a header of the frame."""

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues import auth
from sandbox.venues.auth import Credential, Denied, Why
from sandbox.venues.bybit.private import Private
from sandbox.venues.door import Dialect
from sandbox.venues.floor import Limited
from sandbox.venues.limits import Window
from sandbox.venues.order_sockets import answered, body_of, say
from sandbox.venues.sockets import OnText, Socket, Sockets

_IDLE_SECONDS = 600.0
_PER_SECOND = 20


class _Request(Struct):
    op: str
    reqId: str = ""
    header: dict[str, str] = {}
    args: list[object] = []


class OrderSocket:
    def __init__(self, rest: Dialect, private: Private, sockets: Sockets) -> None:
        self._rest = rest
        self._private = private
        self._sockets = sockets
        self._accounts: dict[Socket, Credential] = {}
        self._window = Window(_PER_SECOND, 1_000)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        return await self._sockets.serve(request, self._join, self._leave, idle_seconds=_IDLE_SECONDS)

    def _join(self, socket: Socket) -> OnText:
        async def on_text(text: str) -> None:
            try:
                asked = msgspec.json.decode(text, type=_Request)
            except msgspec.MsgspecError:
                say(socket, {"retCode": 10_001, "retMsg": "Request format is invalid", "op": ""})
                return
            if asked.op == "ping":
                say(socket, {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(self._rest.floor.clock())]})
            elif asked.op == "auth":
                self._login(socket, asked)
            elif asked.op != "order.create":
                self._answer(socket, asked, 10_404, "op type is not found", {})
            elif socket not in self._accounts:
                self._answer(socket, asked, 10_003, "Not authorized.", {})
            else:
                await self._place(socket, asked)

        return on_text

    def _leave(self, socket: Socket) -> None:
        self._accounts.pop(socket, None)

    def _login(self, socket: Socket, asked: _Request) -> None:
        try:
            self._accounts[socket] = self._authorised(asked.args)
        except Denied:
            say(socket, {"retCode": 10_004, "retMsg": "Params Error", "op": "auth", "connId": "c1"})
            return
        say(socket, {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c1"})

    def _authorised(self, args: list[object]) -> Credential:
        """Raises Denied."""
        if len(args) != 3:
            raise Denied(Why.NO_KEY)
        key, expires, signature = (str(arg) for arg in args)
        if not expires.isdigit() or int(expires) <= self._rest.floor.clock():
            raise Denied(Why.EXPIRED)
        return auth.bybit_socket(key, expires, signature, self._private.keys())

    async def _place(self, socket: Socket, asked: _Request) -> None:
        body = asked.args[0] if len(asked.args) == 1 and isinstance(asked.args[0], dict) else {}

        async def work() -> web.Response:
            credential = self._accounts[socket]
            if not self._window.take(credential.key, self._rest.floor.clock()):
                raise Limited
            self._private.check_window(asked.header)
            return await self._private.placed(credential, body, asked.header)

        response = await answered(socket, self._rest, work())
        if response is not None:
            said = body_of(response)
            self._answer(socket, asked, said["retCode"], said["retMsg"], said["result"])

    def _answer(self, socket: Socket, asked: _Request, code: object, text: object, data: object) -> None:
        header = {"Timenow": str(self._rest.floor.clock()), "X-Bapi-Limit": str(_PER_SECOND)}
        named: dict[str, object] = {"reqId": asked.reqId, "retCode": code, "retMsg": text, "op": asked.op}
        say(socket, named | {"data": data, "header": header, "connId": "c1"})
