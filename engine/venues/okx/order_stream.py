"""OKX's private `orders` channel of one product. Source: OKX API v5 reference, WS Order channel.

It sends no first snapshot; each push carries its own fill and that fill's fee, which is negative when paid by us.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.fill_sums import FillSums
from engine.venues.okx.signing import login
from engine.venues.order_stream import Answer, Ready, Refused, Said, figure
from engine.venues.protocol import OrderTold
from engine.venues.settings import Key, OrderSettings

_PONG = b"pong"
_SUBSCRIBE = b'{"op":"subscribe","args":[{"channel":"orders","instType":"%s"}]}'
_ONE = Decimal(1)
_STATUS = {
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.OPEN,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELLED,
    "mmp_canceled": OrderStatus.CANCELLED,
}


class _Order(Struct):
    instId: str
    ordId: str
    clOrdId: str
    state: str
    side: str
    accFillSz: str  # number fields may be empty text
    uTime: int
    algoClOrdId: str = ""  # of the stop that made it
    tradeId: str = ""
    fillSz: str = ""
    fillPx: str = ""
    fillFee: str = ""
    fillFeeCcy: str = ""


class _Arg(Struct):
    channel: str = ""


class _Frame(Struct):
    event: str = ""
    code: str = "0"
    arg: _Arg | None = None
    data: list[_Order] = []


_frame = msgspec.json.Decoder(_Frame, strict=False)


class OkxStreamDialect:
    """`unit_of(symbol)` is the base in one unit of size; None where nobody has asked yet: look-ups tell such orders."""

    heartbeat = Heartbeat(every_ms=10_000, idle_ms=2_000, text=b"ping", pong=_PONG)
    acknowledges = True

    def __init__(
        self,
        config: OrderSettings,
        credential: Key,
        stamp_ms: Callable[[], int],
        venue: str = "okx",
        kind: str = "SPOT",
        unit_of: Callable[[str], Decimal | None] = lambda _: _ONE,
    ) -> None:
        self.venue = venue
        self._subscribe = _SUBSCRIBE % kind.encode()
        self._unit_of = unit_of
        self._base = config.order_ws_base or config.ws_base
        self._key = credential.key
        self._secret = credential.secret.encode()
        self._passphrase = credential.passphrase
        self._stamp_ms = stamp_ms
        self._fills = FillSums()

    def url(self) -> str:
        return f"{self._base.rstrip('/')}/ws/v5/private"

    def headers(self) -> Mapping[str, str]:
        return {}

    def hello(self) -> Sequence[bytes]:
        stamp_s = self._stamp_ms() // 1000
        arg = {
            "apiKey": self._key,
            "passphrase": self._passphrase,
            "timestamp": str(stamp_s),
            "sign": login(self._secret, stamp_s),
        }
        return [msgspec.json.encode({"op": "login", "args": [arg]})]

    def read(self, frame: bytes) -> Sequence[Said]:
        if frame == _PONG:
            return ()
        try:
            wire = _frame.decode(frame)
            if wire.event == "error" or (wire.event == "login" and wire.code != "0"):
                return (Refused(frame.decode("utf-8", "replace")[:200]),)
            if wire.event == "login":
                return (Answer((self._subscribe,)),)
            if wire.event == "subscribe":
                return (Ready(),)
            if wire.event or wire.arg is None or wire.arg.channel != "orders":
                return ()
            return [told for row in wire.data if (told := self._report(row)) is not None]
        except (msgspec.MsgspecError, ValueError, InvalidOperation, RecursionError) as error:
            raise BadFrame(f"{self.venue} order stream: {error}") from error

    def _report(self, row: _Order) -> OrderTold | None:
        """Raises InvalidOperation, ValueError for what is no number or no side."""
        size = figure(row.fillSz)
        if row.tradeId and size:
            fee = -figure(row.fillFee)
            self._fills.add(row.ordId, row.tradeId, size, size * figure(row.fillPx), row.fillFeeCcy, fee)
        heard, filled, unit = self._fills.of(row.ordId), figure(row.accFillSz), self._unit_of(row.instId)
        if unit is None:
            return None
        report = OrderReport(
            cid=row.algoClOrdId or row.clOrdId,
            venue=self.venue,
            symbol=row.instId,
            side=Side(row.side),
            status=_STATUS.get(row.state, OrderStatus.OPEN),
            venue_order_id=row.ordId,
            filled_qty=filled * unit,
            filled_quote=heard.quote * unit,
            fees=heard.fees,
            venue_ts_ms=row.uTime,
        )
        return OrderTold(report=report, is_whole=heard.is_whole(filled) and row.state in _STATUS)
