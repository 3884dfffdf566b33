"""Bybit's private topics `order` and `execution` of one category. Source: Bybit V5 API, Websocket Private.

The order says how much has been filled, executions say for what fee; whichever comes last makes the report whole.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.bybit.signing import login
from engine.venues.fill_sums import FillSums
from engine.venues.order_stream import Answer, Ready, Refused, Said, figure
from engine.venues.protocol import OrderTold
from engine.venues.settings import Key, OrderSettings

_LOGIN_VALID_MS = 10_000
_MOST_ORDERS = 1_000
_SUBSCRIBE = b'{"op":"subscribe","args":["order","execution"]}'
_WAITS = "Untriggered"
_STATUS = {
    "New": OrderStatus.OPEN,
    "Created": OrderStatus.OPEN,
    "PartiallyFilled": OrderStatus.OPEN,
    _WAITS: OrderStatus.OPEN,
    "Triggered": OrderStatus.OPEN,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELLED,
    "PartiallyFilledCanceled": OrderStatus.CANCELLED,
    "Deactivated": OrderStatus.CANCELLED,
    "Rejected": OrderStatus.CANCELLED,  # accepted first, ended by the venue without a trade
}


class _Order(Struct):
    symbol: str
    orderId: str
    orderLinkId: str
    side: str
    orderStatus: str
    cumExecQty: str  # number fields may be empty text
    cumExecValue: str
    updatedTime: int
    category: str = ""


class _Fill(Struct):
    orderId: str
    execId: str
    execQty: Decimal
    execValue: Decimal
    execFee: Decimal
    feeCurrency: str = ""  # of spot; contracts name none
    execType: str = ""
    category: str = ""


class _Frame(Struct):
    op: str = ""
    topic: str = ""
    success: bool = True
    retCode: int = 0
    data: msgspec.Raw = msgspec.Raw(b"[]")


_frame = msgspec.json.Decoder(_Frame)
_orders = msgspec.json.Decoder(list[_Order], strict=False)
_fills = msgspec.json.Decoder(list[_Fill], strict=False)


class BybitStreamDialect:
    heartbeat = Heartbeat(every_ms=10_000, idle_ms=2_000, text=b'{"op":"ping"}', pong=b'"pong"')
    acknowledges = True

    def __init__(
        self,
        config: OrderSettings,
        credential: Key,
        stamp_ms: Callable[[], int],
        venue: str = "bybit",
        category: str = "spot",
        fee_asset: str = "",
    ) -> None:
        """`fee_asset` pays where an execution names no currency."""
        self.venue = venue
        self._categories = ("", category)
        self._fee_asset = fee_asset
        self._base = config.order_ws_base or config.ws_base
        self._key = credential.key
        self._secret = credential.secret.encode()
        self._stamp_ms = stamp_ms
        self._sums = FillSums()
        self._last: dict[str, OrderReport] = {}  # newest word on each order, by the venue's id

    def url(self) -> str:
        return f"{self._base.rstrip('/')}/v5/private"

    def headers(self) -> Mapping[str, str]:
        return {}

    def hello(self) -> Sequence[bytes]:
        expires_ms = self._stamp_ms() + _LOGIN_VALID_MS
        args = [self._key, expires_ms, login(self._secret, expires_ms)]
        return [msgspec.json.encode({"op": "auth", "args": args})]

    def read(self, frame: bytes) -> Sequence[Said]:
        try:
            wire = _frame.decode(frame)
            if wire.op in ("auth", "subscribe") and (not wire.success or wire.retCode):
                return (Refused(frame.decode("utf-8", "replace")[:200]),)
            if wire.op == "auth":
                return (Answer((_SUBSCRIBE,)),)
            if wire.op == "subscribe":
                return (Ready(),)
            if wire.topic == "order":
                rows = [row for row in _orders.decode(wire.data) if row.category in self._categories]
                return [self._told(self._remember(row), needs_proof=self._needs_proof(row)) for row in rows]
            if wire.topic == "execution":
                return self._executed(_fills.decode(wire.data))
            return ()
        except (msgspec.MsgspecError, ValueError, InvalidOperation, RecursionError) as error:
            raise BadFrame(f"{self.venue} order stream: {error}") from error

    def _executed(self, rows: Sequence[_Fill]) -> list[Said]:
        """What they complete; an order that was not told of yet waits for its own frame. Raises ValueError."""
        for row in rows:
            if row.category in self._categories and row.execType in ("", "Trade"):
                asset = row.feeCurrency or self._fee_asset
                if not asset:
                    raise ValueError(f"execution {row.execId} names no fee currency")
                self._sums.add(row.orderId, row.execId, row.execQty, row.execValue, asset, row.execFee)
        touched = dict.fromkeys(row.orderId for row in rows)
        told = [self._told(self._last[order_id]) for order_id in touched if order_id in self._last]
        return [each for each in told if each.is_whole]

    def _remember(self, row: _Order) -> OrderReport:
        """Raises InvalidOperation, ValueError for what is no number or no side."""
        if row.orderStatus not in _STATUS:
            raise ValueError(f"no such status: {row.orderStatus!r}")
        report = OrderReport(
            cid=row.orderLinkId,
            venue=self.venue,
            symbol=row.symbol,
            side=Side(row.side.lower()),
            status=_STATUS[row.orderStatus],
            venue_order_id=row.orderId,
            filled_qty=figure(row.cumExecQty),
            filled_quote=figure(row.cumExecValue),
            fees=(),
            venue_ts_ms=row.updatedTime,
        )
        known = self._last.get(row.orderId)
        if known is None or report.filled_qty >= known.filled_qty:
            self._last[row.orderId] = report
            if len(self._last) > _MOST_ORDERS:
                del self._last[next(iter(self._last))]
        return report

    def _needs_proof(self, row: _Order) -> bool:
        """On which side of the price a stop of spot waits, a look-up tells: it may be the first word on it."""
        return row.orderStatus == _WAITS and "spot" in self._categories

    def _told(self, report: OrderReport, *, needs_proof: bool = False) -> OrderTold:
        heard = self._sums.of(report.venue_order_id)
        whole = msgspec.structs.replace(report, fees=heard.fees)
        return OrderTold(report=whole, is_whole=not needs_proof and heard.is_whole(report.filled_qty))
