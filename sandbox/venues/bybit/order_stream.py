"""Bybit's private socket: `auth`, then the topics `order` and `execution` of the account that the key opens."""

from collections.abc import Iterator, Mapping

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.bybit.rows import fill_row, order_row
from sandbox.venues.floor import Floor
from sandbox.venues.order_sockets import say
from sandbox.venues.order_streams import Change, OrderStreams, Write
from sandbox.venues.sockets import OnText, Socket, Sockets

_IDLE_SECONDS = 600.0
_TOPICS = ("order", "execution", "wallet", "stopOrder")


class _Request(Struct):
    op: str
    req_id: str | int = ""  # as it was sent
    args: list[object] = []


class OrderStream:
    def __init__(self, floors: Mapping[str, Floor], sockets: Sockets) -> None:
        """`floors` by category."""
        self._floors = floors
        self._sockets = sockets
        self._accounts: dict[Socket, tuple[str, str]] = {}  # category and account
        self._streams = {name: OrderStreams(floor, _writer(name, floor)) for name, floor in floors.items()}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        return await self._sockets.serve(request, self._join, self._leave, idle_seconds=_IDLE_SECONDS)

    def _join(self, socket: Socket) -> OnText:
        async def on_text(text: str) -> None:
            try:
                asked = msgspec.json.decode(text, type=_Request)
            except msgspec.MsgspecError:
                self._answer(socket, "", "", False, "Request format is invalid")
                return
            if asked.op == "ping":
                say(
                    socket,
                    {
                        "req_id": asked.req_id,
                        "op": "pong",
                        "args": [str(self._floors["spot"].clock())],
                        "conn_id": "c2",
                    },
                )
            elif asked.op == "auth":
                self._login(socket, asked)
            elif socket not in self._accounts:
                self._answer(socket, asked.op, asked.req_id, False, "Request not authorized")
            else:
                self._hear(socket, asked)

        return on_text

    def _leave(self, socket: Socket) -> None:
        self._accounts.pop(socket, None)
        for streams in self._streams.values():
            streams.leave(socket)

    def _login(self, socket: Socket, asked: _Request) -> None:
        try:
            self._accounts[socket] = self._authorised(asked.args)
        except Denied:
            self._answer(socket, "auth", asked.req_id, False, "Params Error")
            return
        self._answer(socket, "auth", asked.req_id, True, "")

    def _authorised(self, args: list[object]) -> tuple[str, str]:
        """Raises Denied."""
        if len(args) != 3:
            raise Denied(Why.NO_KEY)
        key, expires, signature = (str(arg) for arg in args)
        category = next((name for name, floor in self._floors.items() if key in floor.keys), "spot")
        floor = self._floors[category]
        if not expires.isdigit() or int(expires) <= floor.clock():
            raise Denied(Why.EXPIRED)
        return category, auth.bybit_socket(key, expires, signature, floor.keys).account

    def _hear(self, socket: Socket, asked: _Request) -> None:
        topics = [str(arg) for arg in asked.args]
        wrong = [topic for topic in topics if topic.partition(".")[0] not in _TOPICS]
        if wrong or asked.op not in ("subscribe", "unsubscribe"):
            self._answer(socket, asked.op, asked.req_id, False, f"error:handler not found,topic:{','.join(wrong)}")
            return
        category, account = self._accounts[socket]
        for topic in topics:
            if asked.op == "subscribe":
                self._streams[category].join(socket, account, topic.partition(".")[0])
            else:
                self._streams[category].part(socket, topic.partition(".")[0])
        self._answer(socket, asked.op, asked.req_id, True, "")

    def _answer(self, socket: Socket, op: str, req_id: str | int, ok: bool, text: str) -> None:
        say(socket, {"success": ok, "ret_msg": text, "op": op, "req_id": req_id, "conn_id": "c2"})


def _writer(category: str, floor: Floor) -> Write:
    return lambda change: _frames(change, category, floor.clock())


def _frames(change: Change, category: str, now_ms: int) -> Iterator[tuple[str, str]]:
    """The execution first, then the order that it belongs to. A contract's fee names no currency."""
    order, fill = change.order, change.fill
    paid_in = order.fee_asset if category == "spot" else ""
    if fill is not None:
        row = fill_row(order, fill, paid_in)
        yield "execution", _frame("execution", row | {"category": category, "seq": fill.id}, now_ms)
    details = {order.fee_asset: str(order.fee)} if order.fee else {}
    told = {"category": category, "feeCurrency": paid_in, "cumFeeDetail": details}
    yield "order", _frame("order", order_row(order) | told, now_ms)


def _frame(topic: str, row: dict[str, object], now_ms: int) -> str:
    said = {"id": f"c2-{now_ms}", "topic": topic, "creationTime": now_ms, "data": [row]}
    return msgspec.json.encode(said).decode()
