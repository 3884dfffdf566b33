"""Bitget's private v2 socket: login, then the channel `orders` of the product that the key opens."""

from collections.abc import Iterator, Mapping

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.bitget import mix
from sandbox.venues.bitget.orders import fill_row, order_row
from sandbox.venues.floor import Floor
from sandbox.venues.order_sockets import say
from sandbox.venues.order_streams import Change, OrderStreams, Write
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
    def __init__(self, floors: Mapping[str, Floor], sockets: Sockets) -> None:
        """`floors` by instType."""
        self._floors = floors
        self._sockets = sockets
        self._accounts: dict[Socket, tuple[str, str]] = {}  # instType and account
        self._streams = {kind: OrderStreams(floor, _writer(kind, floor)) for kind, floor in floors.items()}

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
        for streams in self._streams.values():
            streams.leave(socket)

    def _login(self, socket: Socket, asked: _Request) -> None:
        try:
            self._accounts[socket] = self._authorised(asked.args[0] if asked.args else {})
        except Denied as error:
            codes = {Why.EXPIRED: 30_006, Why.UNKNOWN_KEY: 30_011, Why.BAD_PASSPHRASE: 30_012}
            _error(socket, codes.get(error.why, 30_005), "Login failed")
            return
        say(socket, {"event": "login", "code": 0})

    def _authorised(self, arg: dict[str, str]) -> tuple[str, str]:
        """Raises Denied."""
        stamp, key = arg.get("timestamp", ""), arg.get("apiKey", "")
        kind = next((kind for kind, floor in self._floors.items() if key in floor.keys), "SPOT")
        floor = self._floors[kind]
        if not stamp.isdigit() or abs(floor.clock() // 1_000 - int(stamp)) > _LOGIN_S:
            raise Denied(Why.EXPIRED)
        headers = {
            "ACCESS-KEY": key,
            "ACCESS-PASSPHRASE": arg.get("passphrase", ""),
            "ACCESS-TIMESTAMP": stamp,
            "ACCESS-SIGN": arg.get("sign", ""),
        }
        return kind, auth.bitget(headers, "GET", "/user/verify", "", floor.keys).account

    def _obey(self, socket: Socket, op: str, arg: dict[str, str]) -> None:
        kind, account = self._accounts[socket]
        symbol = arg.get("instId", "default")
        if arg.get("channel") not in _ACKNOWLEDGED:
            _error(socket, 30_016, "Param error", arg)
            return
        if symbol != "default" and symbol not in self._floors[kind].rules.markets:
            _error(socket, 30_001, f"instId:{symbol} doesn't exist", arg)
            return
        say(socket, {"event": op, "arg": arg})
        if arg.get("instType") != kind or arg["channel"] != _CHANNEL:
            return  # acknowledged, never served
        if op == "subscribe":
            self._streams[kind].join(socket, account, _CHANNEL, () if symbol == "default" else (symbol,))
        else:
            self._streams[kind].part(socket, _CHANNEL)


def _writer(kind: str, floor: Floor) -> Write:
    return lambda change: _frames(change, kind, floor.clock())


def _frames(change: Change, kind: str, now_ms: int) -> Iterator[tuple[str, str]]:
    order, fill = change.order, change.fill
    known = order_row(order) if kind == "SPOT" else mix.order_row(order)
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
    arg = {"instType": kind, "channel": _CHANNEL, "instId": "default"}
    said = {"action": "snapshot", "arg": arg, "data": [row], "ts": now_ms}
    yield _CHANNEL, msgspec.json.encode(said).decode()


def _error(socket: Socket, code: int, text: str, arg: dict[str, str] | None = None) -> None:
    said: dict[str, object] = {"event": "error", "code": code, "msg": text}
    say(socket, said | ({"arg": arg} if arg else {}))
