"""Gate's `futures.orders` and `futures.usertrades`, each signed by itself. Source: Gate API v4, Futures WebSocket.

An order's own frame names no fee: its trades do, and come in a channel of their own. Both are asked for by user id.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.fill_sums import FillSums
from engine.venues.gate.futures_wire import SETTLE
from engine.venues.gate.private import PREFIX
from engine.venues.order_stream import Ready, Refused, Said
from engine.venues.protocol import OrderTold
from engine.venues.reports import Finite
from engine.venues.settings import Key, OrderSettings

_ORDERS, _TRADES = "futures.orders", "futures.usertrades"
_MOST_ORDERS = 1_000


class _Order(Finite):
    id: int
    contract: str
    size: Decimal  # contracts, signed
    left: Decimal
    status: str  # open | finished
    text: str = ""
    finish_time_ms: int = 0
    create_time_ms: int = 0


class _Trade(Finite):
    id: str
    order_id: str
    contract: str
    size: Decimal
    price: Decimal
    fee: Decimal | None = None
    point_fee: Decimal = ZERO


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
_trades = msgspec.json.Decoder(list[_Trade], strict=False)


class GateFuturesStreamDialect:
    venue = "gate_futures"
    heartbeat = Heartbeat(every_ms=15_000, idle_ms=2_000)
    acknowledges = True

    def __init__(
        self,
        config: OrderSettings,
        credential: Key,
        stamp_ms: Callable[[], int],
        user: Callable[[], Awaitable[str]],
        size_of: Callable[[str], Decimal | None],
    ) -> None:
        """`user` asks for the account's id, `size_of(symbol)` is base per contract as far as it is known."""
        self._base = config.order_ws_base or config.ws_base
        self._key = credential.key
        self._secret = credential.secret.encode()
        self._stamp_ms = stamp_ms
        self._ask_user = user
        self._user = ""
        self._size_of = size_of
        self._standing: set[str] = set()  # channels of this connection that are confirmed
        self._sums = FillSums()
        self._last: dict[str, OrderReport] = {}  # newest word on each order, by the venue's id

    def url(self) -> Callable[[], Awaitable[str]]:
        return self._address

    async def _address(self) -> str:
        self._user = self._user or await self._ask_user()
        return f"{self._base.rstrip('/')}/v4/ws/usdt"

    def headers(self) -> Mapping[str, str]:
        return {}

    def hello(self) -> Sequence[bytes]:
        self._standing.clear()
        return [self._subscription(channel) for channel in (_TRADES, _ORDERS)]

    def _subscription(self, channel: str) -> bytes:
        stamp_s = self._stamp_ms() // 1000
        signed = f"channel={channel}&event=subscribe&time={stamp_s}"
        auth = {
            "method": "api_key",
            "KEY": self._key,
            "SIGN": hmac.digest(self._secret, signed.encode(), "sha512").hex(),
        }
        payload = [self._user, "!all"]
        asked = {"time": stamp_s, "channel": channel, "event": "subscribe", "payload": payload, "auth": auth}
        return msgspec.json.encode(asked)

    def read(self, frame: bytes) -> Sequence[Said]:
        try:
            wire = _frame.decode(frame)
            if wire.channel not in (_ORDERS, _TRADES):
                return ()
            if wire.error is not None:
                return (Refused(f"{wire.error.code} {wire.error.message}"),)
            if wire.event == "subscribe":
                self._standing.add(wire.channel)
                return (Ready(),) if len(self._standing) == 2 else ()
            if wire.event != "update":
                return ()
            return self._ordered(wire.result) if wire.channel == _ORDERS else self._traded(wire.result)
        except (msgspec.MsgspecError, ValueError, InvalidOperation, RecursionError) as error:
            raise BadFrame(f"{self.venue} order stream: {error}") from error

    def _ordered(self, result: msgspec.Raw) -> list[Said]:
        told: list[Said] = []
        for row in _orders.decode(result):
            size = self._size_of(row.contract)
            if size is not None:
                told.append(self._told(self._remember(row, size)))
        return told

    def _traded(self, result: msgspec.Raw) -> list[Said]:
        """What they complete; an order that was not told of yet waits for its own frame."""
        touched: dict[str, None] = {}
        for row in _trades.decode(result):
            size = self._size_of(row.contract)
            if size is not None:
                qty = abs(row.size) * size
                # What was paid in points is in no amount here: such fills are looked up.
                asset = SETTLE if row.fee is not None and not row.point_fee else ""
                self._sums.add(row.order_id, row.id, qty, qty * row.price, asset, row.fee or ZERO)
                touched[row.order_id] = None
        told = [self._told(self._last[order_id]) for order_id in touched if order_id in self._last]
        return [each for each in told if each.is_whole]

    def _remember(self, row: _Order, size: Decimal) -> OrderReport:
        ended = OrderStatus.CANCELLED if row.left else OrderStatus.FILLED
        report = OrderReport(
            cid=row.text.removeprefix(PREFIX) if row.text.startswith(PREFIX) else "",
            venue=self.venue,
            symbol=row.contract,
            side=Side.BUY if row.size > 0 else Side.SELL,
            status=OrderStatus.OPEN if row.status == "open" else ended,
            venue_order_id=str(row.id),
            filled_qty=(abs(row.size) - abs(row.left)) * size,
            filled_quote=ZERO,
            fees=(),
            venue_ts_ms=row.finish_time_ms or row.create_time_ms,
        )
        known = self._last.get(report.venue_order_id)
        if known is None or report.filled_qty >= known.filled_qty:
            self._last[report.venue_order_id] = report
            if len(self._last) > _MOST_ORDERS:
                del self._last[next(iter(self._last))]
        return report

    def _told(self, report: OrderReport) -> OrderTold:
        heard = self._sums.of(report.venue_order_id)
        is_whole = heard.is_whole(report.filled_qty)
        summed = msgspec.structs.replace(report, fees=heard.fees, filled_quote=heard.quote)
        return OrderTold(report=summed if is_whole else report, is_whole=is_whole)
