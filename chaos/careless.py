"""Seams that forget one guard each: what a check is worth shows only where the guard is gone."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from chaos.disk import Life, Platter, SimDisk, SimLatch
from chaos.venue import SimVenue
from chaos.world import World
from engine.domain.errors import OutcomeUnknown, VenueRefused
from engine.domain.market import Instrument
from engine.domain.money import NS_PER_MS
from engine.domain.order import OrderReport, OrderRequest, OrderStatus
from engine.shell import Clock
from engine.storage.disk import GENESIS, Done, Head, Row

# disks, latches, clocks


class HastyDisk(SimDisk):
    """Says that rows are durable before they are: orders leave, and a crash forgets them."""

    def __init__(self, platter: Platter, life: Life, later: Callable[[float, Callable[[], None]], None]) -> None:
        super().__init__(platter, life, later)
        self._soon = later

    def write(self, rows: Sequence[Row], done: Done) -> None:
        self._soon(0.0, lambda: None if self._life.dead else done(""))
        super().write(rows, lambda reason: None)


class AmnesicDisk(SimDisk):
    """Every life begins with an empty journal."""

    def head(self) -> Head:
        return Head(0, GENESIS)

    def ends(self, since: int = 0) -> dict[int, int]:
        return {}

    def rows(self, since: int = 0) -> Iterator[Row]:
        return iter(())


class DeafLatch(SimLatch):
    """Never sees the file HALT."""

    def outside(self) -> None:
        return None


def wall_clock_only(world: World) -> Clock:
    """Ages and deadlines by the clock that people and time servers set."""
    return Clock(mono_ns=lambda: world.wall_ms() * NS_PER_MS, wall_ms=world.wall_ms, idle_tick_s=5.0)


# venue clients


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


class Headlong(Wrapped):
    """Writes whenever its connection stands, whatever has happened meanwhile."""

    def __init__(self, venue: SimVenue) -> None:
        super().__init__(venue)
        venue.looks_again = False


class GivingUp(Wrapped):
    """Takes a time-out for a rejection and leaves it at that."""

    async def place(self, order: OrderRequest) -> OrderReport:
        try:
            return await self._venue.place(order)
        except OutcomeUnknown as error:
            raise VenueRefused("timeout", str(error)) from error


class Literal(Wrapped):
    """A refusal is a refusal, whatever it says."""

    async def place(self, order: OrderRequest) -> OrderReport:
        try:
            return await self._venue.place(order)
        except VenueRefused as error:
            raise VenueRefused("refused", error.text) from error


class Hoping(Wrapped):
    """Takes a time-out for a fill: it tells what was meant."""

    async def place(self, order: OrderRequest) -> OrderReport:
        try:
            return await self._venue.place(order)
        except OutcomeUnknown:
            return _as_meant(order)


class Impatient(Wrapped):
    """Knows of no late acceptance: "not found" is evidence at once."""

    late_acceptance_ms = 0


class Mute(Wrapped):
    """Answers every cancel and sends none."""

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        return


class CancellingAll(Wrapped):
    """Cancels whatever is open in the account, since one endpoint does."""

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        self._venue.cancel_everything()


class Believing(Wrapped):
    """Takes a request to cancel for the end of the order."""

    def __init__(self, venue: SimVenue) -> None:
        super().__init__(venue)
        self._placed: dict[str, OrderReport] = {}
        self._cancelled: set[str] = set()

    async def place(self, order: OrderRequest) -> OrderReport:
        self._placed[order.cid] = await self._venue.place(order)
        return self._placed[order.cid]

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        self._cancelled.add(cid)
        await self._venue.cancel(symbol, cid, venue_order_id)

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        known = self._placed.get(cid)
        if known is not None and cid in self._cancelled:
            return msgspec.structs.replace(known, status=OrderStatus.CANCELLED)
        return await self._venue.look_up(symbol, cid)


class Incurious(Wrapped):
    """Never asks how an acknowledged order went on."""

    def __init__(self, venue: SimVenue) -> None:
        super().__init__(venue)
        self._placed: dict[str, OrderReport] = {}

    async def place(self, order: OrderRequest) -> OrderReport:
        self._placed[order.cid] = await self._venue.place(order)
        return self._placed[order.cid]

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        return self._placed.get(cid) or await self._venue.look_up(symbol, cid)


class NeverSweeping(Wrapped):
    """Does not ask what is open."""

    async def open_orders(self) -> Sequence[OrderReport]:
        return ()


class FeesAside(Wrapped):
    """Reports fills without the fee that was taken out of them."""

    async def place(self, order: OrderRequest) -> OrderReport:
        return msgspec.structs.replace(await self._venue.place(order), fees=())

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        return msgspec.structs.replace(await self._venue.look_up(symbol, cid), fees=())


class WholeOnly(Wrapped):
    """Takes what was filled in part for filled."""

    async def place(self, order: OrderRequest) -> OrderReport:
        report = await self._venue.place(order)
        return _as_meant(order) if report.filled_qty else report


class QuoteForBase(Wrapped):
    """Sends the notional where the venue expects the quantity."""

    async def place(self, order: OrderRequest) -> OrderReport:
        return await self._venue.place(
            msgspec.structs.replace(order, qty=(order.qty * order.price).quantize(order.qty))
        )


class WithoutMinimum(Wrapped):
    """Knows of no smallest order."""

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        known = await self._venue.instruments(symbols)
        return [msgspec.structs.replace(rules, min_qty=rules.qty_step, min_notional=Decimal(0)) for rules in known]


def _as_meant(order: OrderRequest) -> OrderReport:
    """A fill that nobody has told of."""
    return OrderReport(
        cid=order.cid,
        venue=order.venue,
        symbol=order.symbol,
        side=order.side,
        status=OrderStatus.FILLED,
        venue_order_id="",
        filled_qty=order.qty,
        filled_quote=order.qty * order.price,
        fees=(),
    )
