"""Seams that forget one guard each: what a check is worth shows only where the guard is gone."""

from collections.abc import Callable, Sequence
from typing import Any

from chaos.disk import Life, Platter, SimDisk, SimLatch
from chaos.venue import SimVenue
from engine.domain.errors import OrderNotFound, OutcomeUnknown
from engine.domain.market import Balance
from engine.domain.order import OrderReport, OrderRequest
from engine.storage.disk import Done, Row


class HastyDisk(SimDisk):
    """Says that rows are durable before they are: orders leave, and a crash forgets them."""

    def __init__(self, platter: Platter, life: Life, later: Callable[[float, Callable[[], None]], None]) -> None:
        super().__init__(platter, life, later)
        self._soon = later

    def write(self, rows: Sequence[Row], done: Done) -> None:
        self._soon(0.0, lambda: None if self._life.dead else done(""))
        super().write(rows, lambda reason: None)


class DeafLatch(SimLatch):
    """Never sees the file HALT."""

    def outside(self) -> None:
        return None


class Wrapped:
    """An Orders that passes everything on but what a subclass changes."""

    def __init__(self, venue: SimVenue) -> None:
        self._venue = venue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)


class Retrying(Wrapped):
    """Takes a time-out for a rejection and sends again."""

    async def place(self, order: OrderRequest) -> OrderReport:
        try:
            return await self._venue.place(order)
        except OutcomeUnknown:
            return await self._venue.place(order)


class Mute(Wrapped):
    """Answers every cancel and sends none."""

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        return


class Blind(Wrapped):
    """Finds no order, whatever the venue holds, and shows the balances of before."""

    def __init__(self, venue: SimVenue) -> None:
        super().__init__(venue)
        self._first: Sequence[Balance] | None = None

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        raise OrderNotFound(cid)

    async def balances(self) -> Sequence[Balance]:
        if self._first is None:
            self._first = await self._venue.balances()
        return self._first
