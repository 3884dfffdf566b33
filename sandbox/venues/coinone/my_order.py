"""Coinone's private socket: signed headers in the handshake, then MYORDER for a list of pairs."""

from collections.abc import Iterator

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.coinone.orders import order_id, type_name
from sandbox.venues.floor import Floor
from sandbox.venues.order_sockets import say
from sandbox.venues.order_streams import Change, Happened, OrderStreams
from sandbox.venues.orders import Fill, Order, State, Tif
from sandbox.venues.sockets import OnText, Socket, Sockets
from sandbox.venues.spelling import fixed, plain

_IDLE_SECONDS = 1_800.0  # since the last PING
_STAMP_MS = 30_000
_CHANNEL = "MYORDER"
_DENIED = 4280


class _Topic(Struct):
    quote_currency: str = ""
    target_currency: str = ""


class _Request(Struct):
    request_type: str = ""
    channel: str = ""
    topic: list[_Topic] = []


class OrderStream:
    def __init__(self, floor: Floor, sockets: Sockets) -> None:
        self._floor = floor
        self._sockets = sockets
        self._streams = OrderStreams(floor, lambda change: _frames(change, floor.clock()))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        try:
            account = self._account(request)
        except Denied:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            await ws.close(code=_DENIED)
            return ws
        return await self._sockets.serve(
            request, lambda socket: self._join(socket, account), self._streams.leave, idle_seconds=_IDLE_SECONDS
        )

    def _account(self, request: web.Request) -> str:
        """Raises Denied."""
        payload = request.headers.get("X-COINONE-PAYLOAD", "")
        credential, fields = auth.coinone(request.headers, payload, self._floor.keys)
        stamp = fields.get("timestamp")
        if not isinstance(stamp, int) or abs(self._floor.clock() - stamp) > _STAMP_MS:
            raise Denied(Why.BAD_TIMESTAMP)
        return credential.account

    def _join(self, socket: Socket, account: str) -> OnText:
        socket.send('{"response_type":"CONNECTED","data":{"session_id":"sandbox"}}')

        async def on_text(text: str) -> None:
            try:
                asked = msgspec.json.decode(text, type=_Request)
            except msgspec.MsgspecError:
                _error(socket, 160_010, "Invalid Request")
                return
            if asked.request_type == "PING":
                socket.send('{"response_type":"PONG"}')
            elif asked.request_type not in ("SUBSCRIBE", "UNSUBSCRIBE") or asked.channel not in (_CHANNEL, "MYASSET"):
                _error(socket, 160_011, "Invalid Type : channel")
            else:
                self._obey(socket, account, asked)

        return on_text

    def _obey(self, socket: Socket, account: str, asked: _Request) -> None:
        symbols = [f"{topic.quote_currency.upper()}-{topic.target_currency.upper()}" for topic in asked.topic]
        if any(symbol not in self._floor.rules.markets for symbol in symbols):
            _error(socket, 160_012, "Invalid Topic")
            return
        if asked.request_type == "UNSUBSCRIBE":
            self._streams.part(socket, asked.channel)
        elif asked.channel == _CHANNEL:
            self._streams.join(socket, account, _CHANNEL, symbols)
        topics = [{"quote_currency": t.quote_currency, "target_currency": t.target_currency} for t in asked.topic]
        say(socket, {"response_type": f"{asked.request_type}D", "channel": asked.channel, "data": topics})


def _frames(change: Change, now_ms: int) -> Iterator[tuple[str, str]]:
    """The last fill of an order is told as a trade and once more as its end."""
    order = change.order
    if change.what is Happened.PLACED:
        yield _CHANNEL, _frame(order, None, "wait", now_ms)
    elif change.what is Happened.ENDED:
        is_crossing = order.tif is Tif.POST_ONLY and order.end is not None and order.end.value == "tif"
        yield _CHANNEL, _frame(order, None, "cancel_post_only" if is_crossing else "cancel", now_ms)
    else:
        yield _CHANNEL, _frame(order, change.fill, "trade", now_ms)
        if order.state is State.FILLED:
            yield _CHANNEL, _frame(order, change.fill, "trade_done", now_ms)


def _frame(order: Order, fill: Fill | None, status: str, now_ms: int) -> str:
    quote, base = order.symbol.split("-", 1)
    is_new = status == "wait"
    taken_back = order.qty - order.filled if order.qty is not None and not is_new else None
    executed = fill.qty if fill else None if is_new else taken_back
    data = {
        "quote_currency": quote,
        "target_currency": base,
        "order_id": order_id(order),
        "type": type_name(order),
        "status": status,
        "side": order.side.value.upper(),
        "order_price": fixed(order.price, 4) if is_new and order.price is not None else None,
        "order_qty": fixed(order.qty) if is_new and order.qty is not None else None,
        "order_amount": plain(order.budget) if is_new and order.budget is not None else None,
        "trade_id": f"{fill.id:08x}-1e4d-11e9-9ec7-00e04c3600d7" if fill else None,
        "is_maker": fill.maker if fill else None,
        "executed_price": plain(fill.price) if fill else None,
        "executed_qty": None if executed is None else plain(executed),
        "executed_fee": plain(fill.fee) if fill else None,
        "remain_qty": fixed(order.qty - order.filled) if fill and order.qty is not None else None,
        "remain_amount": None,
        "user_order_id": order.client_id or None,
        "prevented_qty": None,
        "executed_timestamp": fill.at_ms // 1_000 if fill else None,
        "order_timestamp": order.created_ms // 1_000,
        "timestamp": now_ms // 1_000,
    }
    return msgspec.json.encode({"response_type": "DATA", "channel": _CHANNEL, "data": data}).decode()


def _error(socket: Socket, code: int, message: str) -> None:
    say(socket, {"response_type": "ERROR", "error_code": code, "message": message})
