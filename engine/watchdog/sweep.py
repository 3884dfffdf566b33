"""Cancels our own open orders at one venue, and nothing else: no order is ever sent from here."""

import logging
from collections.abc import Callable

from msgspec import Struct

from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.order import OrderReport
from engine.storage.own_orders import OwnOrders
from engine.venues.protocol import Conditional, Orders

log = logging.getLogger(__name__)

_UNANSWERED = (VenueUnavailable, VenueRefused, OutcomeUnknown)


class Swept(Struct, frozen=True, kw_only=True):
    """One look at one venue."""

    found: int = 0  # open orders of ours
    asked: int = 0  # of them: the venue took the request to cancel
    foreign: int = 0  # open orders that are not ours: left alone
    error: str = ""  # why it is not known whether anything rests there


async def sweep(venue: Orders, own: OwnOrders) -> Swept:
    """Ask what rests, and to cancel what is ours. Answered cancels prove nothing: the next look does.

    A list that cannot be read leaves the venue unclean, and does not save from cancelling what the other one shows.
    """
    listed: list[OrderReport] = []
    error = ""
    try:
        await venue.server_time_ms()  # signatures go by the venue's clock, and this process may have slept for days
    except _UNANSWERED as failed:
        return Swept(error=str(failed))
    for ask in (*([venue.waiting_stops] if isinstance(venue, Conditional) else ()), venue.open_orders):
        try:
            listed += await ask()
        except _UNANSWERED as failed:
            error = str(failed)
    # Stops first: one that goes off meanwhile is in both lists, and counts once.
    ours = {report.cid: report for report in listed if own.holds(venue.venue, report.cid)}
    foreign = sum(report.cid not in ours for report in listed)
    asked = 0
    for report in ours.values():
        log.warning("cancelling venue=%s symbol=%s cid=%s", venue.venue, report.symbol, report.cid)
        stops = venue if own.is_stop(venue.venue, report.cid) and isinstance(venue, Conditional) else None
        cancel = venue.cancel if stops is None else stops.cancel_stop
        try:
            await cancel(report.symbol, report.cid, report.venue_order_id)
            asked += 1
        except (*_UNANSWERED, OrderNotFound) as failed:
            error = str(failed)
    return Swept(found=len(ours), asked=asked, foreign=foreign, error=error)


class Cleaning:
    """One venue of one episode: swept again until it is clean, and looked at from time to time after that."""

    def __init__(self, venue: Orders, began_ns: int, late_ns: int) -> None:
        self.venue = venue
        self.cancelled = 0  # orders that were seen to rest and are gone
        self.last = Swept(error="not asked yet")
        self.is_clean = False
        self._late_ns = began_ns + late_ns  # a request of before may still be accepted until then
        self._open = 0

    async def look(self, own: OwnOrders, mono_ns: Callable[[], int]) -> None:
        asked_ns = mono_ns()
        self.last = await sweep(self.venue, own)
        if self.last.error and not self.last.found:
            self.is_clean = False
            return
        self.cancelled += max(0, self._open - self.last.found)
        self._open = self.last.found
        self.is_clean = not self.last.found and asked_ns > self._late_ns
