"""Binance's user data, subscribed by a signature over its WebSocket API. Source: binance-spot-api-docs.

Listen keys are gone since 2026-02; an execution report carries its own fill and that fill's fee.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.binance.order_socket import socket_base
from engine.venues.binance.signing import query_text, signer
from engine.venues.fill_sums import FillSums
from engine.venues.order_stream import Ready, Refused, Said
from engine.venues.protocol import OrderTold
from engine.venues.settings import Key, OrderSettings

_STATUS = {
    "NEW": OrderStatus.OPEN,
    "PENDING_NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.OPEN,
    "PENDING_CANCEL": OrderStatus.OPEN,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.CANCELLED,
    "EXPIRED_IN_MATCH": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
}


class _Event(Struct):
    """The fields of `executionReport`; other events have no `i`."""

    e: str
    s: str = ""
    c: str = ""
    C: str | None = None  # of a cancelled order its own id: `c` is then the cancel's
    S: str = ""
    X: str = ""
    i: int = 0
    t: int = -1  # -1: no trade
    l: Decimal = ZERO  # noqa: E741 — the wire's name
    Y: Decimal = ZERO
    n: Decimal = ZERO
    N: str | None = None
    z: Decimal = ZERO
    Z: Decimal = ZERO
    T: int = 0


class _Frame(Struct):
    id: str | int | None = None
    status: int = 0
    error: Any = None
    event: msgspec.Raw = msgspec.Raw(b"")


class _Kind(Struct):
    e: str = ""


_frame = msgspec.json.Decoder(_Frame)
_kind = msgspec.json.Decoder(_Kind)
_event = msgspec.json.Decoder(_Event, strict=False)


class BinanceStreamDialect:
    venue = "binance"
    # The venue pings every 20 s; ours ask sooner whether it is still there.
    heartbeat = Heartbeat(every_ms=10_000, idle_ms=2_000)
    acknowledges = True

    def __init__(
        self, config: OrderSettings, credential: Key, recv_window_ms: int, stamp_ms: Callable[[], int]
    ) -> None:
        self._base = socket_base(config)
        self._key = credential.key
        self._sign = signer(credential.secret)
        self._recv_window_ms = recv_window_ms
        self._stamp_ms = stamp_ms
        self._fills = FillSums()

    def url(self) -> str:
        return f"{self._base.rstrip('/')}/ws-api/v3"

    def headers(self) -> Mapping[str, str]:
        return {}

    def hello(self) -> Sequence[bytes]:
        params: dict[str, Any] = {
            "apiKey": self._key,
            "recvWindow": self._recv_window_ms,
            "timestamp": self._stamp_ms(),
        }
        params["signature"] = self._sign(query_text(sorted(params.items())).encode())
        return [msgspec.json.encode({"id": "1", "method": "userDataStream.subscribe.signature", "params": params})]

    def read(self, frame: bytes) -> Sequence[Said]:
        try:
            wire = _frame.decode(frame)
            if not wire.event:
                if wire.status == 200:
                    return (Ready(),)
                return (Refused(frame.decode("utf-8", "replace")[:200]),) if wire.status else ()
            kind = _kind.decode(wire.event).e
            if kind == "eventStreamTerminated":
                return (Refused("the venue ended the stream"),)
            if kind != "executionReport":
                return ()
            return (self._report(_event.decode(wire.event)),)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise BadFrame(f"binance order stream: {error}") from error

    def _report(self, event: _Event) -> OrderTold:
        """Raises ValueError for a side that is none."""
        order_id = str(event.i)
        if event.t >= 0:
            self._fills.add(order_id, str(event.t), event.l, event.Y, event.N or "", event.n)
        heard = self._fills.of(order_id)
        report = OrderReport(
            cid=event.C or event.c,
            venue=self.venue,
            symbol=event.s,
            side=Side(event.S.lower()),
            status=_STATUS.get(event.X, OrderStatus.OPEN),
            venue_order_id=order_id,
            filled_qty=event.z,
            filled_quote=event.Z,
            fees=heard.fees,
            venue_ts_ms=event.T,
        )
        return OrderTold(report=report, is_whole=heard.is_whole(event.z) and event.X in _STATUS)
