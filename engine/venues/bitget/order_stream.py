"""Bitget's private v2 socket, channel `orders` of a classic account. Source: Bitget API v2, Private Channels.

Each push carries its own fill and that fill's fee, which is negative when paid by us.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from decimal import InvalidOperation

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.fill_sums import FillSums
from engine.venues.order_stream import Answer, Ready, Refused, Said, figure
from engine.venues.protocol import OrderTold
from engine.venues.settings import Key, OrderSettings

_PONG = b"pong"
_SUBSCRIBE = b'{"op":"subscribe","args":[{"instType":"%s","channel":"orders","instId":"default"}]}'
_STATUS = {
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.OPEN,
    "filled": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELLED,
    "canceled": OrderStatus.CANCELLED,  # of a contract
}


class _Order(Struct):
    instId: str
    orderId: str
    status: str
    side: str
    clientOid: str = ""
    accBaseVolume: str = ""
    uTime: int = 0
    tradeId: str = ""
    fillPrice: str = ""
    baseVolume: str = ""  # of this fill
    fillFee: str = ""
    fillFeeCoin: str = ""


class _Arg(Struct):
    channel: str = ""


class _Frame(Struct):
    event: str = ""
    code: int = 0
    arg: _Arg | None = None
    data: list[_Order] = []


_frame = msgspec.json.Decoder(_Frame, strict=False)


class BitgetStreamDialect:
    heartbeat = Heartbeat(every_ms=20_000, idle_ms=2_000, text=b"ping", pong=_PONG)
    acknowledges = True

    def __init__(
        self,
        config: OrderSettings,
        credential: Key,
        stamp_ms: Callable[[], int],
        venue: str = "bitget",
        product: str = "SPOT",
        name: Callable[[str, str], str] = lambda client_id, order_id: client_id,
    ) -> None:
        """`name`: our client id of an order, from its own and its id. What a stop has made bears another."""
        self.venue = venue
        self._name = name
        self._subscribe = _SUBSCRIBE % product.encode()
        self._base = config.order_ws_base or config.ws_base
        self._key = credential.key
        self._secret = credential.secret.encode()
        self._passphrase = credential.passphrase
        self._stamp_ms = stamp_ms
        self._fills = FillSums()

    def url(self) -> str:
        return f"{self._base.rstrip('/')}/v2/ws/private"

    def headers(self) -> Mapping[str, str]:
        return {}

    def hello(self) -> Sequence[bytes]:
        stamp = str(self._stamp_ms() // 1000)
        arg = {
            "apiKey": self._key,
            "passphrase": self._passphrase,
            "timestamp": stamp,
            "sign": b64encode(hmac.digest(self._secret, f"{stamp}GET/user/verify".encode(), "sha256")).decode(),
        }
        return [msgspec.json.encode({"op": "login", "args": [arg]})]

    def read(self, frame: bytes) -> Sequence[Said]:
        if frame == _PONG:
            return ()
        try:
            wire = _frame.decode(frame)
            if wire.event == "error" or wire.code:
                return (Refused(frame.decode("utf-8", "replace")[:200]),)
            if wire.event == "login":
                return (Answer((self._subscribe,)),)
            if wire.event == "subscribe":
                return (Ready(),)
            if wire.event or wire.arg is None or wire.arg.channel != "orders":
                return ()
            return [self._report(row) for row in wire.data]
        except (msgspec.MsgspecError, ValueError, InvalidOperation, RecursionError) as error:
            raise BadFrame(f"{self.venue} order stream: {error}") from error

    def _report(self, row: _Order) -> OrderTold:
        """Raises InvalidOperation, ValueError for what is no number or no side."""
        size = figure(row.baseVolume)
        if row.tradeId and size:
            quote, fee = size * figure(row.fillPrice), -figure(row.fillFee)
            self._fills.add(row.orderId, row.tradeId, size, quote, row.fillFeeCoin, fee)
        heard, filled = self._fills.of(row.orderId), figure(row.accBaseVolume)
        report = OrderReport(
            cid=self._name(row.clientOid, row.orderId),
            venue=self.venue,
            symbol=row.instId,
            side=Side(row.side),
            status=_STATUS.get(row.status, OrderStatus.OPEN),
            venue_order_id=row.orderId,
            filled_qty=filled,
            filled_quote=heard.quote,
            fees=heard.fees,
            venue_ts_ms=row.uTime,
        )
        return OrderTold(report=report, is_whole=heard.is_whole(filled) and row.status in _STATUS)
