"""Questions to the venues on the desk's behalf: orders by client id, open orders, balances. Each answer is an event."""

import logging
from collections.abc import Callable, Mapping
from math import ceil

from engine.desk import Desk
from engine.domain.effect import FetchBalances, FetchOpenOrders, LookUp
from engine.domain.errors import OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.event import (
    BalancesReported,
    OpenOrdersReported,
    OrderEvent,
    OrderMissing,
    OrderReported,
    VenueFailed,
)
from engine.domain.margin_event import FundingReported, PositionsReported
from engine.domain.order import OrderKind, OrderStatus
from engine.latencies import Latencies
from engine.risk.latency import Stage
from engine.venues.departure import watch
from engine.venues.protocol import Conditional, Margined, Orders, everything_open

log = logging.getLogger(__name__)


class Questions:
    """`tell` journals an order's event before the desk hears it."""

    def __init__(
        self,
        desk: Desk,
        orders: Mapping[str, Orders],
        latencies: Latencies,
        tell: Callable[[OrderEvent], None],
        mono_ns: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._orders = orders
        # Asked once: whether an object has all methods of a protocol takes longer than an order's own way.
        self._margined = {name: client for name, client in orders.items() if isinstance(client, Margined)}
        self._stops = {name: client for name, client in orders.items() if isinstance(client, Conditional)}
        self._looking: dict[str, bool] = {}  # look-ups under way, and whether another one was asked for meanwhile
        self._latencies = latencies
        self._tell = tell
        self._mono_ns = mono_ns
        # An account has answered, or has not: its next turn may be soon.
        self.on_told: Callable[[], None] = lambda: None

    async def look_up(self, effect: LookUp) -> None:
        """One at a time of each order: after a start dozens wait for their venue's budget, and would ask in vain.

        What was asked for meanwhile is asked once more where the order is open: it may have ended since.
        """
        if effect.cid in self._looking:
            self._looking[effect.cid] = True
            return
        is_open = again = True
        try:
            while is_open and again:
                self._looking[effect.cid] = False
                is_open = await self._looked_up(effect)
                again = self._looking[effect.cid]
        finally:
            del self._looking[effect.cid]

    async def _looked_up(self, effect: LookUp) -> bool:
        """Whether its venue says that it is open."""
        asked_ns, departure = self._mono_ns(), watch()
        stops = self._stops.get(effect.venue) if effect.kind is OrderKind.STOP_LOSS else None
        look_up = self._orders[effect.venue].look_up if stops is None else stops.look_up_stop
        is_open = False
        try:
            report = await look_up(effect.symbol, effect.cid)
        except OrderNotFound:
            # It may have waited for its budget: what counts is when its first question left.
            asked_ns = max(asked_ns, departure.at_ns)
            self._tell(OrderMissing(cid=effect.cid, asked_ns=asked_ns, seen_ns=self._mono_ns()))
        except (VenueUnavailable, VenueRefused, OutcomeUnknown) as error:
            self.failed(effect.venue, "look_up", error)
        else:
            is_open = report.status is OrderStatus.OPEN
            # About an order that nobody planned it is shown, never kept: a journal with strangers has no checkpoint.
            is_known = report.cid == effect.cid or report.cid in self._desk.state.orders
            (self._tell if is_known else self._desk.handle)(OrderReported(report=report, seen_ns=self._mono_ns()))
        if departure.at_ns:
            took_us = (self._mono_ns() - departure.at_ns) // 1_000
            self._latencies.take(effect.venue, "look_up", Stage.READ, took_us)
        return is_open

    async def balances(self, effect: FetchBalances) -> None:
        venue, asked_ns = effect.venue, self._mono_ns()
        margined = self._margined.get(venue)
        told: list[FundingReported | PositionsReported] = []
        try:
            if margined is not None:
                if effect.funding_since_ms:
                    payments = tuple(await margined.funding_since(effect.funding_since_ms))
                    told.append(FundingReported(venue=venue, payments=payments, seen_ns=self._mono_ns()))
                found = tuple(await margined.positions())
                told.append(PositionsReported(venue=venue, positions=found, asked_ns=asked_ns, seen_ns=self._mono_ns()))
            balances = await self._orders[venue].balances()
        except (VenueUnavailable, VenueRefused, OutcomeUnknown) as error:
            self.failed(venue, "balances", error)
        else:
            for event in told:
                self._desk.handle(event)
            self._desk.handle(
                BalancesReported(venue=venue, balances=tuple(balances), asked_ns=asked_ns, seen_ns=self._mono_ns())
            )
            self.on_told()

    async def open_orders(self, effect: FetchOpenOrders) -> None:
        venue, asked_ns = effect.venue, self._mono_ns()
        try:
            reports = await everything_open(self._orders[venue], self._stops_at(venue) or None)
        except (VenueUnavailable, VenueRefused, OutcomeUnknown) as error:
            self.failed(venue, "open_orders", error)
        else:
            self._desk.handle(
                OpenOrdersReported(venue=venue, reports=tuple(reports), asked_ns=asked_ns, seen_ns=self._mono_ns())
            )

    def _stops_at(self, venue: str) -> set[str]:
        """Client ids of all that are known, ended or not: one that was given up may stand there all the same."""
        known = (order.request for _, order in self._desk.state.orders.values())
        return {each.cid for each in known if each.venue == venue and each.kind is OrderKind.STOP_LOSS}

    def failed(self, venue: str, call: str, error: Exception) -> None:
        log.warning("venue_call_failed venue=%s call=%s error=%s", venue, call, error)
        retry_ms = ceil(error.retry_after_s * 1_000) if isinstance(error, RateLimited) else 0
        failed = VenueFailed(venue=venue, call=call, reason=str(error), retry_ms=retry_ms, seen_ns=self._mono_ns())
        self._desk.handle(failed)
        self.on_told()
