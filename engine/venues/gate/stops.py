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
from engine.venues.odd_rows import Row, read, waits
from engine.venues.odd_rows import text as said
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
        """Those that wait; else the answer are the orders that they made. VenueRefused says that they made none.

        `venue_order_id` is a stop's, or that of the order that it made: it counts where no list shows the stop.
        """
        found, _ = await self._bearing(symbol, cid, Purpose.CANCEL)
        if not found:
            # Orders have ids of their own: somebody's stop may bear the one that ours made.
            stop = await self._by_id(venue_order_id, Purpose.CANCEL) if venue_order_id else None
            if stop is None or said(stop.get("initial"), "text") != PREFIX + cid:
                return [await self._unlisted(cid, venue_order_id)]
            found = [read(self._venue, stop, wire.Stop)]
        waiting = [stop.id for stop in found if stop.waits]
        try:
            for stop_id in waiting:
                await self._cancel(str(stop_id))
        except VenueRefused as error:
            if error.code != NO_STOP:
                raise
            found, _ = await self._bearing(symbol, cid, Purpose.CANCEL)  # it went off meanwhile
            return self._made(found, cid)
        return [] if waiting else self._made(found, cid)

    def _made(self, found: Sequence[wire.Stop], cid: str) -> Sequence[int]:
        """Raises VenueRefused where they ended without an order, VenueUnavailable while that is not sure."""
        made = [stop.trade_id for stop in found if stop.trade_id]
        if not made and all(stop.has_failed for stop in found) and found:
            raise VenueRefused("ended", f"{self._venue}: the stop {cid} is {found[0].finish_as}")
        if not made:
            raise VenueUnavailable(f"{self._venue}: the stop {cid} waits no more and names no order yet")
        return made

    async def _unlisted(self, cid: str, order_id: str) -> int:
        """An order, where it is ours: by its text or by its stop's. Raises OrderNotFound."""
        if order_id:
            params = {"order_id": order_id}
            row = await self._client.ask(Purpose.LOOK_UP, "GET", f"{FUTURES}/orders/{{order_id}}", params, wire.Order)
            if await self.name_of(row, Purpose.CANCEL) == PREFIX + cid:
                return row.id
        raise OrderNotFound(f"{self._venue}: no stop of {cid}")

    async def _cancel(self, stop_id: str) -> None:
        params = {"order_id": stop_id}
        await self._client.ask(Purpose.CANCEL, "DELETE", f"{_PATH}/{{order_id}}", params, dict[str, Any])

    async def waiting(self) -> list[OrderReport]:
        return [self._waiting(row) for row in await self._list("open", {}, Purpose.READ)]

    async def name_of(self, row: wire.Order, purpose: Purpose = Purpose.READ) -> str:
        """The text of an order, or of the stop that made it. No text of a person begins as those do."""
        stop_id = row.text.removeprefix(_MADE)
        if stop_id == row.text or not stop_id.isdigit():
            return row.text
        if stop_id not in self._names:
            stop = await self._by_id(stop_id, purpose)
            if stop is None or said(stop, "trade_id") not in ("", "0", str(row.id)):
                return row.text
            if len(self._names) >= _MOST_NAMES:
                self._names.clear()
            if not (text := said(stop.get("initial"), "text")):
                return row.text
            self._names[stop_id] = text
        return self._names[stop_id]

    def report(self, stop: wire.Stop) -> OrderReport:
        """Of one that waits, or that ended without a fill. Raises VenueUnavailable where an order of it is to come."""
        if not stop.waits and not stop.has_failed and (stop.status != "finished" or not stop.trade_id):
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

    def _waiting(self, row: Row) -> OrderReport:
        """Whoever placed it: only a text of our kind is a client id."""
        initial = row.get("initial")
        text, size, kind = said(initial, "text"), said(initial, "size"), said(initial, "auto_size")
        is_buy = (size[:1].isdigit() and size != "0") or "short" in kind + said(row, "order_type")
        side = Side.BUY if is_buy else Side.SELL
        cid = text.removeprefix(PREFIX) if text.startswith(PREFIX) else ""
        contract, at_ms = said(initial, "contract"), said(row, "create_time").partition(".")[0] + "000"
        return waits(self._venue, cid, contract, side.value, said(row, "id"), at_ms)

    async def _by_id(self, stop_id: str, purpose: Purpose) -> Row | None:
        """None where no stop has that id."""
        try:
            params = {"order_id": stop_id}
            return await self._client.ask(purpose, "GET", f"{_PATH}/{{order_id}}", params, Row)
        except VenueRefused as error:
            if error.code != NO_STOP:
                raise
            return None

    async def _bearing(self, symbol: str, cid: str, purpose: Purpose) -> tuple[list[wire.Stop], bool]:
        """Those with its text; and whether no other one may be it. One that goes off between both lists is in the
        second."""
        waiting, text = await self._list("open", {"contract": symbol}, purpose), PREFIX + cid
        is_sure = not any(said(row.get("initial"), "text") in _NAMELESS for row in waiting)
        found = [row for row in waiting if said(row.get("initial"), "text") == text]
        if not found:
            ended = await self._list("finished", {"contract": symbol}, purpose, FINISHED_PAGES)
            found = [row for row in ended if said(row.get("initial"), "text") == text]
        return [read(self._venue, row, wire.Stop) for row in found], is_sure

    async def _list(self, status: str, asked: dict[str, Any], purpose: Purpose, most: int = MOST_PAGES) -> list[Row]:
        return await pages(self._client, "price_orders", {**asked, "status": status}, purpose, Row, most)
