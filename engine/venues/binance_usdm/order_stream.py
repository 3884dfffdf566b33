"""Binance futures' user data under `/private`: orders, and stops before they go off. Source: USD-M Futures API.

The address bears a listen key, which the API key alone gives; it dies after an hour unless it is named again. An update
carries its own fill and that fill's fee.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame, VenueRefused, VenueUnavailable
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.net.ws import Heartbeat
from engine.venues.binance_usdm.private import ENDED, State
from engine.venues.binance_usdm.stops import Stop, told
from engine.venues.ccxt_orders import CcxtClient
from engine.venues.fill_sums import FillSums
from engine.venues.order_stream import Refused, Said, StreamLine
from engine.venues.protocol import OrderTold, StreamSink
from engine.venues.purse import Purpose
from engine.venues.reports import Finite

log = logging.getLogger(__name__)

KEEP_S = 1_200.0  # a key lives sixty minutes from its last mention


class _Order(Finite):
    """`o` of an update. Without a fill there is neither a fee nor its asset."""

    s: str
    c: str
    S: str
    X: str
    i: int
    t: int = 0  # 0: no trade
    l: Decimal = ZERO  # noqa: E741 — the wire's name
    L: Decimal = ZERO
    n: Decimal = ZERO
    N: str | None = None
    z: Decimal = ZERO
    T: int = 0


class _Stop(Struct):
    """`o` of a stop's update."""

    aid: int
    caid: str
    s: str
    S: Literal["BUY", "SELL"]
    X: str
    ai: str | int | None = None


class _Frame(Struct):
    e: str = ""
    T: int = 0
    o: msgspec.Raw = msgspec.Raw(b"")


class _Given(Struct):
    listenKey: str


_frame = msgspec.json.Decoder(_Frame)
_order = msgspec.json.Decoder(_Order, strict=False)
_stop = msgspec.json.Decoder(_Stop, strict=False)
_KNOWN = frozenset(State)


async def listen_key(client: CcxtClient) -> str:
    """The one that is alive, or a new one, for an hour from now. Raises VenueUnavailable, RateLimited, VenueRefused."""
    return (await client.ask(Purpose.READ, "POST", "listenKey", {}, _Given)).listenKey


class BinanceUsdmStreamDialect:
    venue = "binance_usdm"
    heartbeat = Heartbeat(every_ms=20_000, idle_ms=2_000)
    acknowledges = False  # a key that is none is met with a close

    def __init__(self, ws_base: str, key: Callable[[], Awaitable[str]]) -> None:
        """`key` asks for the listen key, once per connection."""
        self._base = ws_base.rstrip("/")
        self._key = key
        self._fills = FillSums()

    def url(self) -> Callable[[], Awaitable[str]]:
        return self._address

    async def _address(self) -> str:
        return f"{self._base}/private/ws/{await self._key()}"

    def headers(self) -> Mapping[str, str]:
        return {}

    def hello(self) -> Sequence[bytes]:
        """The address has said it all."""
        return ()

    def read(self, frame: bytes) -> Sequence[Said]:
        try:
            wire = _frame.decode(frame)
            if wire.e == "listenKeyExpired":
                return (Refused("the listen key has expired"),)
            if wire.e == "ALGO_UPDATE":
                return self._stop_told(_stop.decode(wire.o), wire.T)
            return (self._told(_order.decode(wire.o)),) if wire.e == "ORDER_TRADE_UPDATE" else ()
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise BadFrame(f"binance_usdm order stream: {error}") from error

    def _stop_told(self, row: _Stop, at_ms: int) -> Sequence[Said]:
        """From the time that it goes off its order's own updates tell, under the same client id."""
        stop = Stop(
            algoId=row.aid,
            clientAlgoId=row.caid,
            symbol=row.s,
            side=row.S,
            algoStatus=row.X,
            actualOrderId=row.ai,
            updateTime=at_ms,
        )
        return (OrderTold(report=told(stop, self.venue), is_whole=True),) if stop.is_all_there_is() else ()

    def _told(self, order: _Order) -> OrderTold:
        """Raises ValueError for a side that is none."""
        order_id = str(order.i)
        if order.t:
            self._fills.add(order_id, str(order.t), order.l, order.l * order.L, order.N or "", order.n)
        heard = self._fills.of(order_id)
        report = OrderReport(
            cid=order.c,
            venue=self.venue,
            symbol=order.s,
            side=Side(order.S.lower()),
            status=ENDED.get(State(order.X), OrderStatus.OPEN) if order.X in _KNOWN else OrderStatus.OPEN,
            venue_order_id=order_id,
            filled_qty=order.z,
            filled_quote=heard.quote,
            fees=heard.fees,
            venue_ts_ms=order.T,
        )
        return OrderTold(report=report, is_whole=heard.is_whole(order.z) and order.X in _KNOWN)


class BinanceUsdmStream(StreamLine):
    """The stream, with its key kept alive. What cannot be kept is asked for anew when the venue ends it."""

    def __init__(self, ws_base: str, client: CcxtClient, keep_s: float = KEEP_S) -> None:
        super().__init__(BinanceUsdmStreamDialect(ws_base, lambda: listen_key(client)))
        self._client = client
        self._keep_s = keep_s

    async def run(self, tell: StreamSink) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().run(tell))
            tasks.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._keep_s)
            try:
                await listen_key(self._client)
            except (VenueUnavailable, VenueRefused) as error:
                log.warning("listen_key_not_kept venue=%s error=%s", self.venue, error)
