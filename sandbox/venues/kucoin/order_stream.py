"""KuCoin's classic private socket: its token comes from a signed call; `tradeOrders` tells sizes and prices alone."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import count

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues.floor import Floor
from sandbox.venues.kucoin import futures_rows
from sandbox.venues.kucoin.orders import order_id
from sandbox.venues.order_sockets import say
from sandbox.venues.order_streams import Change, Happened, OrderStreams
from sandbox.venues.orders import Fill, Kind, Order, State
from sandbox.venues.sockets import OnText, Socket, Sockets
from sandbox.venues.spelling import plain

_IDLE_SECONDS = 60.0
_NS_PER_MS = 1_000_000
_SPOT = ("/spotMarket/tradeOrders", "/spotMarket/tradeOrdersV2")  # the second one tells of an arrival, too
_FUTURES = ("/contractMarket/tradeOrders",)


class _Request(Struct):
    id: str | int = ""
    type: str = ""
    topic: str = ""
    response: bool = False


class OrderStream:
    def __init__(
        self, floor: Floor, sockets: Sockets, account: Callable[[web.Request], Awaitable[str]], *, is_futures: bool
    ) -> None:
        """`account` says whose signed call it is, or raises Denied."""
        self._floor = floor
        self._sockets = sockets
        self._account = account
        self._path = "private-futures" if is_futures else "private"
        self._topics = (*(_FUTURES if is_futures else _SPOT), "/account/balance")
        self._tokens: dict[str, str] = {}  # of which account
        self._numbers = count(1)
        frames = _futures if is_futures else _spot
        self._streams = OrderStreams(floor, lambda change: frames(change, floor.clock()))

    async def bullet(self, request: web.Request) -> dict[str, object]:
        """A token for one more connection. Raises Denied."""
        token = f"{self._path}-{next(self._numbers)}"
        self._tokens[token] = await self._account(request)
        server = {"endpoint": f"ws://{request.host}/{self._path}", "encrypt": False, "protocol": "websocket"}
        return {"token": token, "instanceServers": [server | {"pingInterval": 18_000, "pingTimeout": 10_000}]}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        account = self._tokens.get(request.query.get("token", ""))
        if account is None:
            return web.Response(status=401)
        return await self._sockets.serve(
            request, lambda socket: self._join(socket, account), self._streams.leave, idle_seconds=_IDLE_SECONDS
        )

    def _join(self, socket: Socket, account: str) -> OnText:
        say(socket, {"id": "sandbox", "type": "welcome"})

        async def on_text(text: str) -> None:
            try:
                asked = msgspec.json.decode(text, type=_Request)
            except msgspec.MsgspecError:
                say(socket, {"type": "error", "code": 400, "data": "bad request"})
                return
            if asked.type == "ping":
                say(socket, {"id": asked.id, "type": "pong", "timestamp": self._floor.clock() * 1_000})
            elif asked.type not in ("subscribe", "unsubscribe") or asked.topic not in (
                *self._topics,
                "/account/balance",
            ):
                say(socket, {"id": asked.id, "type": "error", "code": 404, "data": f"topic {asked.topic} is not found"})
            else:
                if asked.type == "subscribe":
                    self._streams.join(socket, account, asked.topic)
                else:
                    self._streams.part(socket, asked.topic)
                if asked.response:
                    say(socket, {"id": asked.id, "type": "ack"})

        return on_text


def _spot(change: Change, now_ms: int) -> Iterator[tuple[str, str]]:
    if change.what is Happened.PLACED:
        yield _SPOT[1], _frame(_SPOT[1], change.order, None, "received", "new", now_ms)
    for topic in _SPOT:
        yield from _told(topic, change, now_ms)


def _futures(change: Change, now_ms: int) -> Iterator[tuple[str, str]]:
    """Sizes are contracts."""
    yield from _told(_FUTURES[0], change, now_ms)


def _told(topic: str, change: Change, now_ms: int) -> Iterator[tuple[str, str]]:
    order = change.order
    if change.what is Happened.PLACED:
        if order.kind is Kind.LIMIT:
            yield topic, _frame(topic, order, None, "open", "open", now_ms)
    elif change.what is Happened.TRADED:
        yield topic, _frame(topic, order, change.fill, "match", "match", now_ms)
        if order.state is State.FILLED:
            yield topic, _frame(topic, order, None, "filled", "done", now_ms)
    else:
        yield topic, _frame(topic, order, None, "canceled", "done", now_ms)


def _frame(topic: str, order: Order, fill: Fill | None, kind: str, status: str, now_ms: int) -> str:
    size = order.qty if order.qty is not None else order.filled
    left = size - order.filled
    data: dict[str, object] = {
        "canceledSize": plain(left) if kind == "canceled" else "0",
        "clientOid": order.client_id,
        "filledSize": plain(order.filled),
        "orderId": futures_rows.order_id(order) if topic in _FUTURES else order_id(order),
        "orderTime": order.created_ms,
        "orderType": "limit" if order.kind is Kind.LIMIT else "market",
        "originSize": plain(size),
        "price": plain(order.price) if order.price is not None else "",
        "remainFunds": "",
        "remainSize": "0" if kind == "canceled" else plain(left),
        "side": order.side.name.lower(),
        "size": plain(size),
        "status": status,
        "symbol": order.symbol,
        "ts": now_ms * _NS_PER_MS,
        "type": kind,
    }
    if fill is not None:
        data |= {
            "liquidity": "maker" if fill.maker else "taker",
            "feeType": "makerFee" if fill.maker else "takerFee",
            "matchPrice": plain(fill.price),
            "matchSize": plain(fill.qty),
            "tradeId": str(fill.id),
        }
    subject = "symbolOrderChange" if topic in _FUTURES else "orderChange"
    head = {"type": "message", "topic": topic, "subject": subject, "channelType": "private"}
    return msgspec.json.encode(head | {"userId": "sandbox", "data": data}).decode()
