"""Stop-losses on Binance's USDT perpetuals: conditional orders of the algo service. Source: USD-M Futures API, Trade.

Since 2025-12-09 `order` refuses them (-4120). One has an id of its own (`algoId`), and names the order that it makes
(`actualOrderId`). That order bears our id too: undocumented, but so several public clients have seen it.
"""

from typing import Any, Literal

from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.order import OrderReport, OrderRequest, OrderStatus, Side
from engine.venues.ccxt_orders import CcxtClient, plain
from engine.venues.odd_rows import Row, read, text, waits
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, unfilled

_PAGE = 1_000
_ALL_PRICE = 5  # allAlgoOrders weighs 5, a stop's own query 1
# A list of every market weighs 40. The venue's 2400 a minute are 40 a second, and configs/venues.yaml allows ten reads
# a second: a unit stands for a weight of 4 here. A list takes one second of the reads, both lists of a sweep 2 s of
# each 20. More would change nothing: whatever a window is owed comes back at once.
WHOLE_LIST_PRICE = 10
_FORGOTTEN_MS = 3 * 86_400_000  # the venue keeps an order that ended without a trade so long
_WAITING = frozenset({"NEW", "TRIGGERING"})
_ENDED = frozenset({"CANCELED", "EXPIRED", "REJECTED"})  # before it made an order; FINISHED is that order's end
_OVER = _ENDED | {"FINISHED"}
_NO_ORDER = (None, 0, "", "0")


class Stop(Struct):
    algoId: int
    clientAlgoId: str
    symbol: str
    side: Literal["BUY", "SELL"]
    algoStatus: str = ""
    actualOrderId: str | int | None = None
    updateTime: int = 0

    @property
    def made(self) -> str:
        """Id of the order that it made; "" before."""
        return str(self.actualOrderId) if self.actualOrderId not in _NO_ORDER else ""

    def made_nothing(self, now_ms: int) -> bool:
        """Where the venue does not know the order that it names: it was denied, or ended unfilled long ago."""
        at_ms = self.updateTime or now_ms  # without a time it ended just now
        is_old = self.algoStatus == "FINISHED" and now_ms - at_ms > _FORGOTTEN_MS
        return is_old or self.algoStatus == "REJECTED"

    def is_all_there_is(self) -> bool:
        """It waits, or ended before it went off: no order speaks for it."""
        return self.algoStatus in _ENDED | {"NEW"} and not self.made


class Stops:
    """Of one account, until they go off."""

    def __init__(self, venue: str, client: CcxtClient) -> None:
        self._venue = venue
        self._client = client

    async def place(self, order: OrderRequest) -> OrderReport:
        if order.stop_price is None:
            raise VenueRefused("unsupported", f"{self._venue}: a stop-loss needs its stop price")
        params: dict[str, Any] = {
            "algoType": "CONDITIONAL",
            "symbol": order.symbol,
            "side": order.side.value.upper(),
            "type": "STOP",
            "timeInForce": "GTC",
            "quantity": plain(order.qty),
            "price": plain(order.price),
            "triggerPrice": plain(order.stop_price),
            "workingType": "CONTRACT_PRICE",
            "clientAlgoId": order.cid,
        }
        if order.reduce_only:
            params["reduceOnly"] = "true"
        stop = await self._client.place(order, "algoOrder", params, Stop)
        return acknowledged(order, str(stop.algoId), stop.updateTime)

    async def cancel(self, cid: str) -> str:
        """Id of the order to cancel instead, where it has gone off.

        VenueRefused says that it ended without an order; while that is not sure, VenueUnavailable, OrderNotFound.
        """
        params = {"clientAlgoId": cid}
        try:
            await self._client.ask(Purpose.CANCEL, "DELETE", "algoOrder", params, dict[str, Any])
        except VenueRefused:
            stop = await self._one(Purpose.LOOK_UP, cid)
            if stop.made:
                return stop.made
            if stop.algoStatus in _ENDED:
                raise
            raise VenueUnavailable(f"{self._venue}: {cid} is {stop.algoStatus} and names no order yet") from None
        return ""

    async def find(self, symbol: str, cid: str) -> Stop | None:
        """By client id, else among those that wait and the newest of all; None where each of them says no."""
        try:
            return await self._one(Purpose.LOOK_UP, cid)
        except OrderNotFound:
            waiting = await self._client.ended("openAlgoOrders", {"symbol": symbol}, list[Row])
            newest = {"symbol": symbol, "limit": _PAGE}
            every = await self._client.ended("allAlgoOrders", newest, list[Row], _ALL_PRICE)
            row = next((row for row in (*reversed(every), *waiting) if text(row, "clientAlgoId") == cid), None)
            return read(self._venue, row, Stop) if row is not None else None

    async def waiting(self) -> list[OrderReport]:
        """All that the venue lists as open, but for those that are over, or have gone off and name their order."""
        asked: Row = {}
        rows = await self._client.ask(Purpose.READ, "GET", "openAlgoOrders", asked, list[Row], price=WHOLE_LIST_PRICE)
        return [
            waits(
                self._venue,
                text(row, "clientAlgoId"),
                text(row, "symbol"),
                text(row, "side"),
                text(row, "algoId"),
                text(row, "updateTime"),
            )
            for row in rows
            if (word := text(row, "algoStatus")) not in _OVER
            and (word != "TRIGGERED" or text(row, "actualOrderId") in _NO_ORDER)
        ]

    async def _one(self, purpose: Purpose, cid: str) -> Stop:
        row = await self._client.ask(purpose, "GET", "algoOrder", {"clientAlgoId": cid}, Row)
        return read(self._venue, row, Stop)


def told(stop: Stop, venue: str) -> OrderReport:
    """One that made no order. Raises VenueUnavailable where it should have made one."""
    if stop.algoStatus not in _WAITING | _ENDED and not stop.made:
        raise VenueUnavailable(f"{venue}: {stop.clientAlgoId} is {stop.algoStatus} and names no order yet")
    status = OrderStatus.OPEN if stop.algoStatus in _WAITING else OrderStatus.CANCELLED
    return unfilled(
        venue, stop.symbol, Side(stop.side.lower()), stop.clientAlgoId, str(stop.algoId), status, stop.updateTime
    )
