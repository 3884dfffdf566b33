"""Bithumb's private socket v2, `myOrder`: a fresh token with each handshake. Source: Bithumb API reference, Private v2.

Nothing is acknowledged. Whether `paid_fee` is of the order or of one fill is not said: fills are looked up.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from uuid import uuid4

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.bithumb.signing import bearer
from engine.venues.jwt import nonces
from engine.venues.mac import Mac
from engine.venues.order_stream import Refused, Said
from engine.venues.protocol import OrderTold
from engine.venues.reports import Finite
from engine.venues.settings import Key, OrderSettings

_OPEN = ("wait", "watch", "trade")
_ENDS = ("done", "cancel")


class _Order(Finite):
    code: str
    order_id: str
    side: str
    state: str
    client_order_id: str = ""
    executed_quantity: Decimal = ZERO
    executed_amount: Decimal = ZERO
    remaining_quantity: Decimal = ZERO
    timestamp: int = 0


class _Frame(Struct):
    type: str = ""
    error: msgspec.Raw = msgspec.Raw(b"")


_frame = msgspec.json.Decoder(_Frame)
_order = msgspec.json.Decoder(_Order)


class BithumbStreamDialect:
    venue = "bithumb"
    heartbeat = Heartbeat(every_ms=10_000, idle_ms=2_000)  # the wire closes after a minute, subscribed or not
    acknowledges = False

    def __init__(self, config: OrderSettings, credential: Key, stamp_ms: Callable[[], int]) -> None:
        self._base = config.order_ws_base or config.ws_base
        self._key = credential.key
        self._mac = Mac(credential.secret.encode(), "sha256")
        self._nonces = nonces()
        self._stamp_ms = stamp_ms

    def url(self) -> str:
        return f"{self._base.rstrip('/')}/websocket/v2/private"

    def headers(self) -> Mapping[str, str]:
        token = bearer(self._key, self._mac, next(self._nonces), self._stamp_ms(), "")
        return {"Authorization": f"Bearer {token.decode()}"}

    def hello(self) -> Sequence[bytes]:
        return [msgspec.json.encode([{"ticket": str(uuid4())}, {"type": "myOrder"}])]

    def read(self, frame: bytes) -> Sequence[Said]:
        try:
            wire = _frame.decode(frame)
            if wire.error:
                return (Refused(bytes(wire.error).decode("utf-8", "replace")[:200]),)
            return (self._report(_order.decode(frame)),) if wire.type == "myOrder" else ()
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise BadFrame(f"bithumb order stream: {error}") from error

    def _report(self, row: _Order) -> OrderTold:
        """Raises ValueError for a state or a side that is none."""
        if row.state not in (*_OPEN, *_ENDS):
            raise ValueError(f"no such state: {row.state!r}")
        report = OrderReport(
            cid=row.client_order_id,
            venue=self.venue,
            symbol=row.code,
            side=Side(row.side),
            status=_status(row),
            venue_order_id=row.order_id,
            filled_qty=row.executed_quantity,
            filled_quote=row.executed_amount,
            fees=(),
            venue_ts_ms=row.timestamp,
        )
        return OrderTold(report=report, is_whole=not row.executed_quantity)


def _status(row: _Order) -> OrderStatus:
    """An IOC that filled in part ends as `done`: what remains decides, not the state."""
    if row.state in _OPEN:
        return OrderStatus.OPEN
    return OrderStatus.FILLED if row.state == "done" and not row.remaining_quantity else OrderStatus.CANCELLED
