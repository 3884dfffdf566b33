"""Private streams of orders: run, renewed when they fall silent, and what they tell handed on as events."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import structs

from engine.desk import Desk
from engine.domain.board import OrderStreamView
from engine.domain.effect import RenewStream
from engine.domain.event import OrderReported
from engine.domain.money import ZERO
from engine.domain.order import OrderReport, OrderStatus
from engine.domain.stream_event import ForeignOrder, OrderStirred, OrderStreamState
from engine.storage.journal import Journal
from engine.venues.protocol import OrderStream, OrderTold, StreamHealth

log = logging.getLogger(__name__)


class Streams:
    """Every account's stream under its venue. Life: construct → `start`, once the core has read the journal."""

    def __init__(
        self, desk: Desk, journal: Journal, streams: Iterable[OrderStream], mono_ns: Callable[[], int]
    ) -> None:
        self._desk = desk
        self._journal = journal
        self._streams = {stream.venue: stream for stream in streams}
        self._mono_ns = mono_ns

    def effects(self) -> dict[type, Callable[[Any], None]]:
        """Which method carries out which effect."""
        return {RenewStream: self._renew}

    def start(self, tasks: asyncio.TaskGroup) -> None:
        for venue, stream in self._streams.items():
            tasks.create_task(stream.run(self.hear), name=f"orders of {venue}")

    def hear(self, told: OrderTold | OrderStreamState) -> None:
        """What is ours is kept in the journal like every order event; another's order is shown, and not kept."""
        if isinstance(told, OrderStreamState):
            self._desk.handle(told)
            return
        report, now_ns = told.report, self._mono_ns()
        if report.cid not in self._desk.state.orders:
            self._desk.handle(
                ForeignOrder(
                    venue=report.venue,
                    venue_order_id=report.venue_order_id,
                    is_open=report.status is OrderStatus.OPEN,
                    seen_ns=now_ns,
                    cid=report.cid,
                    fill=_fill(told),
                )
            )
        elif told.is_whole:
            event = OrderReported(report=report, seen_ns=now_ns, by_stream=True)
            self._journal.note(event)
            self._desk.handle(event)
        else:
            # A fee that is not told is not zero: nothing of it is booked before a look-up brings all.
            self._desk.handle(OrderStirred(cid=report.cid, seen_ns=now_ns))

    def told(self) -> Mapping[str, OrderStreamView]:
        """As they are at this moment, by venue."""
        return {venue: _view(stream.health()) for venue, stream in self._streams.items()}

    def _renew(self, effect: RenewStream) -> None:
        stream = self._streams.get(effect.venue)
        if stream is not None:
            log.warning("stream_renewed venue=%s reason=%s", effect.venue, effect.reason)
            stream.renew(effect.reason)


def _fill(told: OrderTold) -> OrderReport | None:
    """What an order has filled so far. Of one that is not whole the money may be that of a part: it is left out."""
    if told.report.filled_qty <= 0:
        return None
    return told.report if told.is_whole else structs.replace(told.report, filled_quote=ZERO, fees=())


def _view(found: StreamHealth) -> OrderStreamView:
    return OrderStreamView(
        state=found.state,
        up_since_ms=found.up_since_ms,
        alive_age_ms=found.alive_age_ms,
        told_age_ms=found.told_age_ms,
        reconnects=found.reconnects,
        told=found.told,
        errors=found.errors,
        ping_rtt_ms=found.ping_rtt_ms,
        reason=found.reason,
    )
