"""Upbit's private socket, `myOrder`: the token goes with the handshake. Source: Upbit API reference, WebSocket.

Nothing is acknowledged, and nothing comes while no order changes; amounts and fees are cumulative.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from uuid import uuid4

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.domain.money import ZERO
from engine.domain.order import Fee, OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.fill_sums import FillSums
from engine.venues.jwt import nonces
from engine.venues.mac import Mac
from engine.venues.order_stream import Refused, Said
from engine.venues.protocol import OrderTold
from engine.venues.reports import Finite
from engine.venues.settings import Key, OrderSettings
from engine.venues.upbit.signing import bearer

_OPEN = ("wait", "watch", "trade")
_ENDS = ("done", "cancel", "prevented")


class _Order(Finite):
    code: str
    uuid: str
    ask_bid: str
    state: str
    executed_volume: Decimal = ZERO
    executed_funds: Decimal | None = None
    remaining_volume: Decimal | None = None
    paid_fee: Decimal | None = None
    trade_uuid: str | None = None
    price: Decimal | None = None  # of the fill where `state` is trade; so is `volume`
    volume: Decimal | None = None
    identifier: str | None = None
    timestamp: int = 0


class _Frame(Struct):
    type: str = ""
    error: msgspec.Raw = msgspec.Raw(b"")


_frame = msgspec.json.Decoder(_Frame)
_order = msgspec.json.Decoder(_Order)


class UpbitStreamDialect:
    venue = "upbit"
    heartbeat = Heartbeat(every_ms=10_000, idle_ms=2_000)  # the wire closes after a minute, subscribed or not
    acknowledges = False

    def __init__(self, config: OrderSettings, credential: Key, digest: Callable[[], str]) -> None:
        """`digest` is what the account's signature is made with: the venue may take only one of two."""
        self._base = config.order_ws_base or config.ws_base
        self._key = credential.key
        self._secret = credential.secret.encode()
        self._digest = digest
        self._nonces = nonces()
        self._fills = FillSums()

    def url(self) -> str:
        return f"{self._base.rstrip('/')}/websocket/v1/private"

    def headers(self) -> Mapping[str, str]:
        token = bearer(self._key, Mac(self._secret, self._digest()), next(self._nonces), "")
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
            raise BadFrame(f"upbit order stream: {error}") from error

    def _report(self, row: _Order) -> OrderTold:
        """Raises ValueError for a state that is none."""
        if row.state not in (*_OPEN, *_ENDS):
            raise ValueError(f"no such state: {row.state!r}")
        if row.state == "trade" and row.trade_uuid and row.price is not None and row.volume is not None:
            self._fills.add(row.uuid, row.trade_uuid, row.volume, row.price * row.volume, "", ZERO)
        heard = self._fills.of(row.uuid)
        # The venue writes doubles: the sum of the fills is exact, its own sum may have lost its last digits.
        is_summed = heard.qty == row.executed_volume
        funds = heard.quote if is_summed else row.executed_funds
        report = OrderReport(
            cid=row.identifier or "",
            venue=self.venue,
            symbol=row.code,
            side=Side.BUY if row.ask_bid == "BID" else Side.SELL,
            status=_status(row),
            venue_order_id=row.uuid,
            filled_qty=row.executed_volume,
            filled_quote=funds or ZERO,
            fees=(Fee(row.code.split("-")[0], row.paid_fee),) if row.paid_fee else (),
            venue_ts_ms=row.timestamp,
        )
        return OrderTold(report=report, is_whole=funds is not None and row.paid_fee is not None)


def _status(row: _Order) -> OrderStatus:
    if row.state in _OPEN:
        return OrderStatus.OPEN
    # `cancel` ends a market buy that leaves some of its money over, too; `done` an IOC that was filled in part.
    return OrderStatus.FILLED if row.state == "done" and not row.remaining_volume else OrderStatus.CANCELLED
