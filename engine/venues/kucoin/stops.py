"""Stop-losses that wait at KuCoin spot, with ids and a list of their own. Source: KuCoin API, Stop Order.

What waits holds no money, and is cancelled if there is none when it goes off. One whose price is there goes off at
once.
"""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from engine.domain.errors import OrderNotFound, VenueRefused
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, OrderRequest, OrderStatus, Side
from engine.venues.ccxt_orders import CcxtClient, plain
from engine.venues.kucoin.private import Data, ours
from engine.venues.purse import Purpose
from engine.venues.reports import unfilled

PATH = "stop-order"
_PAGE = 100
_SHOWN_MS = 10_000  # after that an order which a stop has made is in the lists
_REACH_MS = 71 * 3_600_000  # the lists go back three days, less an hour of ours
_WAITS, _WENT_OFF = "NEW", "TRIGGERED"
# Documented are those two alone; these are the words of the stops that come in pairs.
_CANCELLED = frozenset({"CANCELLED", "CANCELED"})


class Stop(Struct):
    id: str
    symbol: str
    side: Literal["buy", "sell"]
    status: str
    clientOid: str | None = None
    price: str | None = None  # empty where it makes a market order
    size: str | None = None
    createdAt: int = 0
    stopTriggerTime: int | None = None

    @property
    def waits(self) -> bool:
        return self.status == _WAITS

    @property
    def is_cancelled(self) -> bool:
        return self.status in _CANCELLED

    @property
    def may_have_made_one(self) -> bool:
        """An order: by a word that is not known, too."""
        return not self.waits and (not self.is_cancelled or bool(self.stopTriggerTime))

    def would_be_shown(self, now_ms: int) -> bool:
        """Its order, by the lists of the venue: then its absence says that there is none."""
        if self.is_cancelled:
            return True
        went_off_ms = self.stopTriggerTime or 0
        return self.status == _WENT_OFF and _SHOWN_MS <= now_ms - went_off_ms < _REACH_MS


class _Page(Struct):
    items: list[Any]
    totalPage: int = 1


class _Cancelled(Struct):
    cancelledOrderId: str | None = None


def fields(order: OrderRequest) -> dict[str, Any]:
    return {
        "clientOid": order.cid,
        "symbol": order.symbol,
        "side": order.side.value,
        "type": "limit",
        "price": plain(order.price),
        "size": plain(order.qty),
        "timeInForce": "GTC",
        "stop": "loss" if order.side is Side.SELL else "entry",  # the last price falls to it, or rises to it
        "stopPrice": plain(order.stop_price or ZERO),
    }


async def waiting(client: CcxtClient) -> list[Any]:
    """The rows of every market. Raises VenueUnavailable, RateLimited, VenueRefused."""
    found: list[Any] = []
    number = 1
    while True:
        asked = {"currentPage": number, "pageSize": _PAGE}
        page = (await client.ask(Purpose.READ, "GET", PATH, asked, Data[_Page])).data
        found += page.items
        if number >= page.totalPage or not page.items:
            return found
        number += 1


async def find(client: CcxtClient, symbol: str, cid: str) -> Stop | None:
    """By client id, whether it waits or has ended, else among those that wait: twenty of a market at most.

    Raises VenueUnavailable, RateLimited, VenueRefused.
    """
    asked: dict[str, Any] = {"clientOid": cid, "symbol": symbol}
    try:
        path = f"{PATH}/queryOrderByClientOid"
        rows: Sequence[Any] = (await client.ask(Purpose.LOOK_UP, "GET", path, asked, Data[list[Any] | None])).data or []
    except OrderNotFound:
        rows = []
    found = ours(client.venue, rows, cid, Stop)
    if not found:
        asked = {"symbol": symbol, "currentPage": 1, "pageSize": _PAGE}
        found = ours(client.venue, (await client.ended(PATH, asked, Data[_Page])).data.items, cid, Stop)
    return max(found, key=lambda stop: (stop.waits, stop.createdAt), default=None)


async def cancel(client: CcxtClient, symbol: str, cid: str) -> bool:
    """False where none waits. Raises VenueUnavailable, RateLimited."""
    asked = {"clientOid": cid, "symbol": symbol}
    path = f"{PATH}/cancelOrderByClientOid"
    try:
        answer = await client.ask(Purpose.CANCEL, "DELETE", path, asked, Data[_Cancelled | None])
    except VenueRefused:
        return False
    return answer.data is not None and bool(answer.data.cancelledOrderId)


def report(venue: str, stop: Stop, cid: str) -> OrderReport:
    """Of one that has made no order."""
    status = OrderStatus.OPEN if stop.waits else OrderStatus.CANCELLED
    return unfilled(venue, stop.symbol, Side(stop.side), cid, stop.id, status, stop.stopTriggerTime or stop.createdAt)
