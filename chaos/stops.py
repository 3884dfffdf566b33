"""A venue that keeps stops apart: an order's own query and its cancel know nothing of one that waits for its price."""

from collections.abc import Sequence

from chaos.venue import SimVenue
from engine.domain.errors import OrderNotFound, VenueRefused
from engine.domain.order import OrderReport


class SimStops(SimVenue):
    async def open_orders(self) -> Sequence[OrderReport]:
        found = await self._ask(self._of_account(self._bank.resting))
        self.told_ms["open_orders"] = self._bank.clock_ms()
        return found

    async def waiting_stops(self) -> Sequence[OrderReport]:
        return await self._ask(self._of_account(self._bank.waiting))

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        if self._bank.keeps_stop(cid):
            self.count("stop.asked as an order")
            raise VenueRefused("unknown_order", f"no order {cid}")
        await super().cancel(symbol, cid, venue_order_id)

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        if self._bank.keeps_stop(cid):
            self.count("stop.asked as an order")
            raise OrderNotFound(cid)
        return await super().look_up(symbol, cid)

    async def cancel_stop(self, symbol: str, cid: str, venue_order_id: str) -> None:
        self.count("stop.cancelled")
        await super().cancel(symbol, cid, venue_order_id)

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        self.count("stop.looked up")
        return await super().look_up(symbol, cid)
