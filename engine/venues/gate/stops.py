"""Stop-losses that Gate's futures keep as price orders until the last price is there. Source: Gate API v4, Futures.

One has an id of its own, and the order that it makes another. A stop names that one (`trade_id`), as documented; the
text of that one is `ao-` and the stop's id, as answers show it. Of `initial.text` the documentation says that it is the
source of an order, as "api", while accounts get back what they sent. The safe reading: while a stop without a name
waits, which may be ours with its text replaced, no stop of that contract is said to be missing.
"""

from collections.abc import Sequence
from typing import Any

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.order import OrderReport, OrderRequest, OrderStatus, Side
from engine.venues.ccxt_orders import CcxtClient, plain
from engine.venues.gate import futures_wire as wire
from engine.venues.gate.paging import FINISHED_PAGES, FUTURES, MOST_PAGES, pages
from engine.venues.gate.private import NO_STOP, PREFIX
from engine.venues.purse import Purpose
from engine.venues.reports import acknowledged, unfilled

_PATH = f"{FUTURES}/price_orders"
_RISES, _FALLS = 1, 2  # the way a price reaches a stop
_LAST = 0  # of the venue's prices: not the mark, not the index
_MADE = "ao-"  # before a stop's id: the text of the order that it made
_NAMELESS = ("", "api")
_MOST_NAMES = 1_000


class Stops:
    """One account's. None holds margin while it waits, and the venue's timer is not known to take them back."""

    def __init__(self, venue: str, client: CcxtClient) -> None:
        self._venue = venue
        self._client = client
        self._names: dict[str, str] = {}  # stop's id -> its text, of those whose orders rest

    async def place(self, order: OrderRequest, size: int) -> OrderReport:
        """The venue takes the same text twice, so the text is looked for first. Its request does not expire."""
        if order.stop_price is None:
            raise VenueRefused("unsupported", f"{self._venue}: a stop without its price")
        if (await self._bearing(order.symbol, order.cid, Purpose.LOOK_UP))[0]:
            raise VenueRefused("duplicate", f"{self._venue}: there is a stop of {order.cid}")
        initial: dict[str, Any] = {
            "contract": order.symbol,
            "size": size,
            "price": plain(order.price),
            "tif": "gtc",
            "text": PREFIX + order.cid,
        }
        if order.reduce_only:
            initial["reduce_only"] = True
        rule = _RISES if order.side is Side.BUY else _FALLS
        trigger = {"strategy_type": 0, "price_type": _LAST, "price": plain(order.stop_price), "rule": rule}
        row = await self._client.place(order, _PATH, {"initial": initial, "trigger": trigger}, wire.PlacedStop)
        return acknowledged(order, str(row.id))

    async def find(self, symbol: str, cid: str) -> wire.Stop:
        """Raises OrderNotFound where neither list knows its text, VenueUnavailable while that says nothing."""
        found, is_sure = await self._bearing(symbol, cid, Purpose.LOOK_UP)
        if len(found) > 1:
            raise VenueUnavailable(f"{self._venue}: {len(found)} stops bear {cid}")
        if found:
            return found[0]
        if not is_sure:
            raise VenueUnavailable(f"{self._venue}: a stop without a name waits in {symbol}: it may be {cid}")
        raise OrderNotFound(f"{self._venue}: no stop of {cid}")

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> Sequence[int]:
        """Those that wait; else the answer are the orders that they made. Raises OrderNotFound, VenueRefused.

        `venue_order_id` is a stop's, or that of the order that it made: it counts where no list shows the stop.
        """
        found, _ = await self._bearing(symbol, cid, Purpose.CANCEL)
        if not found:
            return await self._cancel_unlisted(cid, venue_order_id)
        waiting = [stop.id for stop in found if stop.waits]
        for stop_id in waiting:
            await self._cancel(str(stop_id))
        made = [stop.trade_id for stop in found if stop.trade_id]
        if not waiting and not made:
            raise VenueRefused("ended", f"{self._venue}: the stop {cid} is {found[0].finish_as}")
        return [] if waiting else made

    async def _cancel_unlisted(self, cid: str, venue_order_id: str) -> Sequence[int]:
        if not venue_order_id:
            raise OrderNotFound(f"{self._venue}: no stop of {cid}")
        try:
            await self._cancel(venue_order_id)
        except VenueRefused as error:
            if error.code != NO_STOP:
                raise
            return [int(venue_order_id)]
        return []

    async def _cancel(self, stop_id: str) -> None:
        params = {"order_id": stop_id}
        await self._client.ask(Purpose.CANCEL, "DELETE", f"{_PATH}/{{order_id}}", params, dict[str, Any])

    async def waiting(self) -> list[OrderReport]:
        return [self.report(stop) for stop in await self._list("open", {}, Purpose.READ)]

    async def name_of(self, row: wire.Order) -> str:
        """The text of an order, or of the stop that made it. No text of a person begins as those do."""
        stop_id = row.text.removeprefix(_MADE)
        if stop_id == row.text or not stop_id.isdigit():
            return row.text
        if stop_id not in self._names:
            try:
                stop = await self._client.ask(
                    Purpose.READ, "GET", f"{_PATH}/{{order_id}}", {"order_id": stop_id}, wire.Stop
                )
            except VenueRefused as error:
                if error.code != NO_STOP:
                    raise
                return row.text
            if stop.trade_id not in (0, row.id):
                return row.text
            if len(self._names) >= _MOST_NAMES:
                self._names.clear()
            self._names[stop_id] = stop.initial.text
        return self._names[stop_id]

    def report(self, stop: wire.Stop) -> OrderReport:
        """Of one that waits, or that ended without a fill. Raises VenueUnavailable where an order of it is to come."""
        if not stop.waits and (stop.status != "finished" or (stop.finish_as == "succeeded" and not stop.trade_id)):
            text = f"stop {stop.id} is {stop.status} {stop.finish_as}"
            raise VenueUnavailable(f"{self._venue}: {text} and names no order yet")
        initial = stop.initial
        is_buy = initial.size > 0 or "short" in initial.auto_size + stop.order_type  # a whole position's has no size
        status = OrderStatus.OPEN if stop.waits else OrderStatus.CANCELLED
        return unfilled(
            self._venue,
            initial.contract,
            Side.BUY if is_buy else Side.SELL,
            initial.text.removeprefix(PREFIX),
            str(stop.id),
            status,
            stop.at_ms,
        )

    async def _bearing(self, symbol: str, cid: str, purpose: Purpose) -> tuple[list[wire.Stop], bool]:
        """Those with its text; and whether no other one may be it. One that goes off between both lists is in the
        second."""
        waiting, text = await self._list("open", {"contract": symbol}, purpose), PREFIX + cid
        is_sure = not any(stop.initial.text in _NAMELESS for stop in waiting)
        found = [stop for stop in waiting if stop.initial.text == text]
        if not found:
            ended = await self._list("finished", {"contract": symbol}, purpose, FINISHED_PAGES)
            found = [stop for stop in ended if stop.initial.text == text]
        return found, is_sure

    async def _list(
        self, status: str, asked: dict[str, Any], purpose: Purpose, most: int = MOST_PAGES
    ) -> list[wire.Stop]:
        return await pages(self._client, "price_orders", {**asked, "status": status}, purpose, wire.Stop, most)
