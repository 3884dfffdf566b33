"""Gate's channel `spot.orders`, each subscription signed by itself. Source: Gate API v4, Spot WebSocket.

Amounts and fees are cumulative; where fees are paid in GT or in points, its own fields say so.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from decimal import InvalidOperation

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.gate.private import PREFIX
from engine.venues.order_stream import Ready, Refused, Said, figure
from engine.venues.protocol import OrderTold
from engine.venues.reports import fees_of
from engine.venues.settings import Key, OrderSettings

_CHANNEL = "spot.orders"
_OPEN = ("put", "update")


class _Order(Struct):
    id: str
    text: str
    currency_pair: str
    side: str
    event: str
    left: str
    amount: str = ""
    finish_as: str = ""
    type: str = "limit"
    filled_amount: str | None = None
    filled_total: str | None = None
    fee: str | None = None
    fee_currency: str = ""
    gt_fee: str = ""
    point_fee: str = ""
    update_time_ms: str = ""


class _Error(Struct):
    code: int = 0
    message: str = ""


class _Frame(Struct):
    channel: str = ""
    event: str = ""
    error: _Error | None = None
    result: msgspec.Raw = msgspec.Raw(b"")


_frame = msgspec.json.Decoder(_Frame)
_orders = msgspec.json.Decoder(list[_Order], strict=False)


class GateStreamDialect:
    venue = "gate"
    heartbeat = Heartbeat(every_ms=15_000, idle_ms=2_000)
    acknowledges = True

    def __init__(self, config: OrderSettings, credential: Key, stamp_ms: Callable[[], int]) -> None:
        self._base = config.order_ws_base or config.ws_base
        self._key = credential.key
        self._secret = credential.secret.encode()
        self._stamp_ms = stamp_ms

    def url(self) -> str:
        return f"{self._base.rstrip('/')}/ws/v4/"

    def headers(self) -> Mapping[str, str]:
        return {}

    def hello(self) -> Sequence[bytes]:
        stamp_s = self._stamp_ms() // 1000
        signed = f"channel={_CHANNEL}&event=subscribe&time={stamp_s}"
        auth = {
            "method": "api_key",
            "KEY": self._key,
            "SIGN": hmac.digest(self._secret, signed.encode(), "sha512").hex(),
        }
        asked = {"time": stamp_s, "channel": _CHANNEL, "event": "subscribe", "payload": ["!all"], "auth": auth}
        return [msgspec.json.encode(asked)]

    def read(self, frame: bytes) -> Sequence[Said]:
        try:
            wire = _frame.decode(frame)
            if wire.channel != _CHANNEL:
                return ()
            if wire.error is not None:
                return (Refused(f"{wire.error.code} {wire.error.message}"),)
            if wire.event == "subscribe":
                return (Ready(),)
            return [self._report(row) for row in _orders.decode(wire.result)] if wire.event == "update" else ()
        except (msgspec.MsgspecError, ValueError, InvalidOperation, RecursionError) as error:
            raise BadFrame(f"gate order stream: {error}") from error

    def _report(self, row: _Order) -> OrderTold:
        """Raises InvalidOperation, ValueError for what is no number or no side."""
        paid = ((row.fee_currency, row.fee or ""), ("GT", row.gt_fee), ("POINT", row.point_fee))
        report = OrderReport(
            cid=row.text.removeprefix(PREFIX) if row.text.startswith(PREFIX) else "",
            venue=self.venue,
            symbol=row.currency_pair,
            side=Side(row.side),
            status=_status(row),
            venue_order_id=row.id,
            filled_qty=figure(row.filled_amount),
            filled_quote=figure(row.filled_total),
            fees=fees_of((asset, figure(amount)) for asset, amount in paid),
            venue_ts_ms=int(figure(row.update_time_ms)),
        )
        is_whole = None not in (row.filled_amount, row.filled_total, row.fee)
        return OrderTold(report=report, is_whole=is_whole)


def _status(row: _Order) -> OrderStatus:
    if row.event in _OPEN:
        return OrderStatus.OPEN
    return OrderStatus.FILLED if row.finish_as == "filled" else OrderStatus.CANCELLED
