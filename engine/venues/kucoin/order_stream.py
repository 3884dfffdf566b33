"""KuCoin's classic private sockets: its topics of orders, spot and futures. Source: KuCoin API, Private Channels.

Its address bears a token that a signed call gives. It tells no fees: fills are looked up.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from uuid import uuid4

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame, VenueUnavailable
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.order_stream import Answer, Ready, Refused, Said
from engine.venues.protocol import OrderTold
from engine.venues.purse import Purpose

SPOT, FUTURES = "/spotMarket/tradeOrdersV2", "/contractMarket/tradeOrders"
_NS_PER_MS = 1_000_000
_STATUS = {
    "received": OrderStatus.OPEN,
    "open": OrderStatus.OPEN,
    "update": OrderStatus.OPEN,
    "match": OrderStatus.OPEN,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELLED,
}


class _Order(Struct):
    symbol: str
    side: str
    orderId: str
    type: str
    clientOid: str = ""
    filledSize: str = ""
    ts: int = 0  # ns


class _Frame(Struct):
    type: str = ""
    id: str | int = ""
    topic: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_frame = msgspec.json.Decoder(_Frame)
_order = msgspec.json.Decoder(_Order)


class _Server(Struct):
    endpoint: str


class _Token(Struct):
    token: str
    instanceServers: list[_Server]


class _Given(Struct):
    data: _Token


async def address(client: CcxtClient) -> str:
    """Where to connect, with a token for one connection. Raises VenueUnavailable, RateLimited, VenueRefused."""
    given = (await client.ask(Purpose.READ, "POST", "bullet-private", {}, _Given)).data
    if not given.instanceServers:
        raise VenueUnavailable(f"{client.venue}: bullet-private names no server")
    return f"{given.instanceServers[0].endpoint}?token={given.token}&connectId={uuid4().hex}"


class KucoinStreamDialect:
    # Without client frames it dies at 60 s even while streaming; the welcome asks for a ping every 18 s.
    heartbeat = Heartbeat(every_ms=15_000, idle_ms=5_000, text=b'{"id":"1","type":"ping"}', pong=b"pong")
    acknowledges = True

    def __init__(
        self,
        address: Callable[[], Awaitable[str]],
        venue: str = "kucoin",
        topic: str = SPOT,
        size_of: Callable[[str], Decimal | None] = lambda _: Decimal(1),
    ) -> None:
        """`address` asks for a token: a new one for every connection. `size_of(symbol)` is base per unit of size, as
        far as it is known: what is not is left to look-ups."""
        self.venue = venue
        self._address = address
        self._topic = topic
        self._size_of = size_of

    def url(self) -> Callable[[], Awaitable[str]]:
        return self._address

    def headers(self) -> Mapping[str, str]:
        return {}

    def hello(self) -> Sequence[bytes]:
        """Nothing before its welcome."""
        return ()

    def read(self, frame: bytes) -> Sequence[Said]:
        try:
            wire = _frame.decode(frame)
            if wire.type == "welcome":
                wanted = {"id": "orders", "type": "subscribe", "topic": self._topic}
                return (Answer((msgspec.json.encode(wanted | {"privateChannel": True, "response": True}),)),)
            if wire.type == "ack" and wire.id == "orders":
                return (Ready(),)
            if wire.type == "error":
                return (Refused(frame.decode("utf-8", "replace")[:200]),)
            if wire.type != "message" or wire.topic != self._topic:
                return ()
            row = _order.decode(wire.data)
            size = self._size_of(row.symbol)
            return (self._report(row, size),) if size is not None else ()
        except (msgspec.MsgspecError, ValueError, InvalidOperation, RecursionError) as error:
            raise BadFrame(f"{self.venue} order stream: {error}") from error

    def _report(self, row: _Order, size: Decimal) -> OrderTold:
        """Raises InvalidOperation, ValueError for what is no number, side or type."""
        if row.type not in _STATUS:
            raise ValueError(f"no such type: {row.type!r}")
        filled = Decimal(row.filledSize) * size if row.filledSize else ZERO
        report = OrderReport(
            cid=row.clientOid,
            venue=self.venue,
            symbol=row.symbol,
            side=Side(row.side),
            status=_STATUS[row.type],
            venue_order_id=row.orderId,
            filled_qty=filled,
            filled_quote=ZERO,
            fees=(),
            venue_ts_ms=row.ts // _NS_PER_MS,
        )
        return OrderTold(report=report, is_whole=not filled)
