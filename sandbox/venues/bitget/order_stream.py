"""Bitget's private v2 socket: login, then the channel `orders` of a classic spot account."""

from collections.abc import Iterator

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.bitget.orders import fill_row, order_row
from sandbox.venues.floor import Floor
from sandbox.venues.order_sockets import say
from sandbox.venues.order_streams import Change, OrderStreams
from sandbox.venues.sockets import OnText, Socket, Sockets
from sandbox.venues.spelling import plain

_IDLE_SECONDS = 127.0
_LOGIN_S = 30
_CHANNEL = "orders"
_ACKNOWLEDGED = (_CHANNEL, "fill", "account")


class _Request(Struct):
    op: str
    args: list[dict[str, str]] = []


class OrderStream:
    def __init__(self, floor: Floor, sockets: Sockets) -> None:
        self._floor = floor
        self._sockets = sockets
        self._accounts: dict[Socket, str] = {}
        self._streams = OrderStreams(floor, lambda change: _frames(change, floor.clock()))

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        return await self._sockets.serve(request, self._join, self._leave, idle_seconds=_IDLE_SECONDS)

    def _join(self, socket: Socket) -> OnText:
        async def on_text(text: str) -> None:
            if text == "ping":
                socket.send("pong")
                return
            try:
                asked = msgspec.json.decode(text, type=_Request)
            except msgspec.MsgspecError:
                _error(socket, 30_003, "Invalid op")
                return
            if asked.op == "login":
                self._login(socket, asked)
            elif asked.op not in ("subscribe", "unsubscribe"):
                _error(socket, 30_003, "Invalid op")
            elif socket not in self._accounts:
                _error(socket, 30_004, "User needs to log in")
            else:
                for arg in asked.args:
                    self._obey(socket, asked.op, arg)

        return on_text

    def _leave(self, socket: Socket) -> None:
        self._accounts.pop(socket, None)
        self._streams.leave(socket)

    def _login(self, socket: Socket, asked: _Request) -> None:
        try:
            self._accounts[socket] = self._authorised(asked.args[0] if asked.args else {})
        except Denied as error:
            codes = {Why.EXPIRED: 30_006, Why.UNKNOWN_KEY: 30_011, Why.BAD_PASSPHRASE: 30_012}
            _error(socket, codes.get(error.why, 30_005), "Login failed")
            return
        say(socket, {"event": "login", "code": 0})

    def _authorised(self, arg: dict[str, str]) -> str:
        """Raises Denied."""
        stamp = arg.get("timestamp", "")
        if not stamp.isdigit() or abs(self._floor.clock() // 1_000 - int(stamp)) > _LOGIN_S:
            raise Denied(Why.EXPIRED)
        headers = {
            "ACCESS-KEY": arg.get("apiKey", ""),
            "ACCESS-PASSPHRASE": arg.get("passphrase", ""),
            "ACCESS-TIMESTAMP": stamp,
            "ACCESS-SIGN": arg.get("sign", ""),
        }
        return auth.bitget(headers, "GET", "/user/verify", "", self._floor.keys).account

    def _obey(self, socket: Socket, op: str, arg: dict[str, str]) -> None:
        symbol = arg.get("instId", "default")
        if arg.get("channel") not in _ACKNOWLEDGED:
            _error(socket, 30_016, "Param error", arg)
            return
        if symbol != "default" and symbol not in self._floor.rules.markets:
            _error(socket, 30_001, f"instId:{symbol} doesn't exist", arg)
            return
        say(socket, {"event": op, "arg": arg})
        if arg.get("instType") != "SPOT" or arg["channel"] != _CHANNEL:
            return  # acknowledged, never served
        if op == "subscribe":
            self._streams.join(socket, self._accounts[socket], _CHANNEL, () if symbol == "default" else (symbol,))
        else:
            self._streams.part(socket, _CHANNEL)


def _frames(change: Change, now_ms: int) -> Iterator[tuple[str, str]]:
    order, fill = change.order, change.fill
    known = order_row(order)
    row: dict[str, object] = {name: known[name] for name in ("orderId", "clientOid", "orderType", "force", "side")}
    row |= {
        "instId": order.symbol,
        "price": known["price"],
        "newSize": known["size"],
        "size": known["size"],
        "notional": plain((order.price or order.average) * (order.qty or order.filled)),
        "accBaseVolume": plain(order.filled),
        "priceAvg": known["priceAvg"],
        "status": known["status"],
        "cTime": known["cTime"],
        "uTime": known["uTime"],
        "feeDetail": [{"feeCoin": order.fee_asset, "fee": plain(-order.fee)}] if order.filled else [],
        "enterPointSource": "API",
    }
    if fill is not None:
        made = fill_row(order, fill)
        row |= {
            "tradeId": made["tradeId"],
            "fillPrice": plain(fill.price),
            "baseVolume": plain(fill.qty),
            "fillTime": str(fill.at_ms),
            "fillFee": plain(-fill.fee),
            "fillFeeCoin": fill.fee_asset,
            "tradeScope": "M" if fill.maker else "T",
        }
    arg = {"instType": "SPOT", "channel": _CHANNEL, "instId": "default"}
    said = {"action": "snapshot", "arg": arg, "data": [row], "ts": now_ms}
    yield _CHANNEL, msgspec.json.encode(said).decode()


def _error(socket: Socket, code: int, text: str, arg: dict[str, str] | None = None) -> None:
    said: dict[str, object] = {"event": "error", "code": code, "msg": text}
    say(socket, said | ({"arg": arg} if arg else {}))
