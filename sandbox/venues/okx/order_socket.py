"""OKX's private socket: login first, then operations and the orders channel.

A market of an operation is named by its number, instId is not looked at.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues.auth import Denied, Why
from sandbox.venues.door import Dialect
from sandbox.venues.floor import Floor
from sandbox.venues.okx.orders_channel import CHANNEL, orders_push
from sandbox.venues.okx.seats import Seat, numbered
from sandbox.venues.okx.wire import FIRST_CODE
from sandbox.venues.order_sockets import answered, body_of, say
from sandbox.venues.order_streams import OrderStreams
from sandbox.venues.sockets import OnText, Socket, Sockets

_IDLE_SECONDS = 30.0
_LOGIN_S = 30
_LOGIN_PATH = "/users/self/verify"


class _Operation(Struct):
    op: str
    id: str = ""
    expTime: str = ""
    args: list[dict[str, object]] = []


class _Rest(Dialect, Protocol):
    def count(self, method: str, path: str, key: str) -> None: ...
    def signed(self, headers: Mapping[str, str], method: str, path: str) -> Seat: ...
    async def placed(self, seat: Seat, body: dict[str, object], expires: str) -> web.Response: ...


class OrderSocket:
    def __init__(self, rest: _Rest, floors: Sequence[Floor], sockets: Sockets) -> None:
        self._rest = rest
        self._sockets = sockets
        self._markets = [symbol for _, symbol in numbered(floors)]
        self._seats: dict[Socket, tuple[str, Seat]] = {}  # key and account
        self._streams = {floor.rules.venue: OrderStreams(floor, partial(orders_push, floor=floor)) for floor in floors}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        return await self._sockets.serve(
            request, self._join, self._leave, idle_seconds=_IDLE_SECONDS, sending_counts=True
        )

    def _join(self, socket: Socket) -> OnText:
        async def on_text(text: str) -> None:
            if text == "ping":
                socket.send("pong")
                return
            try:
                asked = msgspec.json.decode(text, type=_Operation)
            except msgspec.MsgspecError:
                _error(socket, "", "60012", f"Invalid request: {text[:200]}")
                return
            if asked.op == "login":
                self._login(socket, asked)
            elif asked.op in ("subscribe", "unsubscribe"):
                self._subscribe(socket, asked)
            elif asked.op != "order":
                _error(socket, asked.id, "60012", f"Invalid request: {text[:200]}")
            elif socket not in self._seats:
                _error(socket, asked.id, "60011", "Please log in")
            else:
                await self._place(socket, asked)

        return on_text

    def _leave(self, socket: Socket) -> None:
        self._seats.pop(socket, None)
        for streams in self._streams.values():
            streams.leave(socket)

    def _subscribe(self, socket: Socket, asked: _Operation) -> None:
        for given in asked.args:
            arg = {name: str(value) for name, value in given.items()}
            _, seat = self._seats.get(socket, ("", None))
            if arg.get("channel") != CHANNEL or arg.get("instType") not in ("SPOT", "SWAP", "ANY"):
                _error(socket, "", "60018", f"Wrong URL or {arg} doesn't exist.")
            elif seat is None:
                _error(socket, "", "60011", "Please log in")
            else:
                streams, symbols = self._streams[seat.floor.rules.venue], [arg["instId"]] if "instId" in arg else []
                if asked.op == "unsubscribe":
                    streams.part(socket, CHANNEL)
                elif arg["instType"] in (seat.kind, "ANY"):
                    streams.join(socket, seat.account, CHANNEL, symbols)
                say(socket, {"event": asked.op, "arg": arg, "connId": "a4d3ae55"})

    def _login(self, socket: Socket, asked: _Operation) -> None:
        arg = {name: str(value) for name, value in (asked.args[0] if asked.args else {}).items()}
        stamp = arg.get("timestamp", "")
        headers = {
            "OK-ACCESS-KEY": arg.get("apiKey", ""),
            "OK-ACCESS-PASSPHRASE": arg.get("passphrase", ""),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-SIGN": arg.get("sign", ""),
        }
        try:
            if not stamp.isdigit() or abs(self._rest.floor.clock() // 1000 - int(stamp)) > _LOGIN_S:
                raise Denied(Why.EXPIRED)
            seat = self._rest.signed(headers, "GET", _LOGIN_PATH)
        except Denied as error:
            codes = {Why.EXPIRED: "60006", Why.UNKNOWN_KEY: "60005", Why.BAD_PASSPHRASE: "60024"}
            _error(socket, "", codes.get(error.why, "60007"), "Login failed.")
            return
        self._seats[socket] = headers["OK-ACCESS-KEY"], seat
        say(socket, {"event": "login", "code": "0", "msg": "", "connId": "a4d3ae55"})

    async def _place(self, socket: Socket, asked: _Operation) -> None:
        if len(asked.args) != 1:
            _error(socket, asked.id, "60013", "Invalid args")
            return
        body = dict(asked.args[0])
        key, seat = self._seats[socket]
        code = body.pop("instIdCode", None)
        at = code - FIRST_CODE if isinstance(code, int) else -1
        body["instId"] = self._markets[at] if 0 <= at < len(self._markets) else ""

        async def work() -> web.Response:
            self._rest.count("POST", "/api/v5/trade/order", key)
            return await self._rest.placed(seat, body, asked.expTime)

        response = await answered(socket, self._rest, work())
        if response is not None:
            say(socket, {"id": asked.id, "op": asked.op, **body_of(response), "inTime": "0", "outTime": "0"})


def _error(socket: Socket, key: str, code: str, message: str) -> None:
    named: dict[str, object] = {"id": key} if key else {}
    say(socket, named | {"event": "error", "code": code, "msg": message, "connId": "a4d3ae55"})
