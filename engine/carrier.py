"""Carries order effects to the venues: journal first, latch last, one request per order, every outcome an event."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from msgspec.structs import replace

from engine.desk import Desk
from engine.domain.account_event import Amended, CountdownSet
from engine.domain.command import Halt
from engine.domain.effect import (
    Amend,
    Arm,
    Cancel,
    FetchBalances,
    FetchOpenOrders,
    LookUp,
    OpenLedger,
    Remember,
    Submit,
)
from engine.domain.errors import (
    JournalFailed,
    OrderNotFound,
    OutcomeUnknown,
    SendStopped,
    VenueRefused,
    VenueUnavailable,
)
from engine.domain.event import (
    CancelRefused,
    OrderEvent,
    OrderNotSent,
    OrderReported,
    OrderSent,
)
from engine.domain.money import NS_PER_MS, ZERO, exact
from engine.domain.order import OrderKind, OrderRequest, OrderStatus
from engine.latencies import Latencies
from engine.questions import Questions
from engine.risk.last_step import Breach, LastStep, Reference
from engine.risk.latch import allows
from engine.risk.latency import Stage
from engine.storage.journal import Entry, Journal
from engine.storage.latch import LatchStore
from engine.venues.departure import Departure, watch
from engine.venues.placement import outcome
from engine.venues.protocol import Conditional, DeadMan, Orders

log = logging.getLogger(__name__)

_STUCK_NS = 5_000 * NS_PER_MS  # a durable write takes milliseconds
_LOOK_AGAIN_NS = NS_PER_MS  # two stats of the latch's files are a tenth of an order's own way


class Carrier:
    """Orders in flight. Tasks live in the daemon's group; nothing here decides anything."""

    def __init__(
        self,
        desk: Desk,
        journal: Journal,
        orders: Mapping[str, Orders],
        tasks: asyncio.TaskGroup,
        latch: LatchStore,
        mono_ns: Callable[[], int],
        guard: LastStep | None = None,  # only a test goes without
    ) -> None:
        self._guard = guard
        self._desk = desk
        self._journal = journal
        self._orders = orders
        self._stops = {name: client for name, client in orders.items() if isinstance(client, Conditional)}
        self._tasks = tasks
        self._latch = latch
        self._mono_ns = mono_ns
        self._leaving = False
        self.latencies = Latencies()
        self.questions = Questions(desk, orders, self.latencies, self._tell, mono_ns)

    def effects(self) -> dict[type, Callable[..., None]]:
        """Which method carries out which effect."""
        return {
            Submit: self._submit,
            Cancel: lambda effect: self._spawn(self._cancel(effect)),
            Amend: lambda effect: self._spawn(self._amend(effect)),
            LookUp: lambda effect: self._spawn(self.questions.look_up(effect)),
            FetchBalances: lambda effect: self._spawn(self.questions.balances(effect)),
            FetchOpenOrders: lambda effect: self._spawn(self.questions.open_orders(effect)),
            Arm: lambda effect: self._spawn(self._arm(effect)),
            Remember: lambda effect: self._keep(effect.event),
            OpenLedger: self._keep,
        }

    def _spawn(self, work: Awaitable[object]) -> None:
        self._tasks.create_task(work)  # type: ignore[arg-type]

    def _keep(self, entry: Entry) -> None:
        """Journal without waiting: a restart asks the venue for whatever was not durable."""
        self._journal.note(entry)

    def _tell(self, event: OrderEvent) -> None:
        self._keep(event)
        self._desk.handle(event)

    def _submit(self, effect: Submit) -> None:
        """On its way to the disk at once: the fsync runs while the step's other effects are carried out."""
        self._spawn(self._send(effect, self._journal.append(effect)))

    async def _send(self, effect: Submit, durable: "asyncio.Future[int]") -> None:
        """All orders of one record become durable together, then leave one behind the other."""
        try:
            await durable
        except JournalFailed as error:
            for order in effect.orders:
                self._desk.handle(OrderNotSent(cid=order.cid, reason=str(error), seen_ns=self._mono_ns()))
            return
        if not self._admitted(effect):
            return
        first, *others = effect.orders
        for place, order in enumerate(others, 1):
            self._spawn(self._place_behind(place, order, effect))
        await self._place(first, effect)  # the first one, and the only one, needs no task and no turn of its own

    async def _place_behind(self, place: int, order: OrderRequest, effect: Submit) -> None:
        """A request is built in one turn of the loop, written in the next and flushed at that one's end.

        With two turns in between, one order's bytes leave before the next one is signed.
        """
        for _ in range(2 * place - 1):  # a task begins in the turn after this one
            await asyncio.sleep(0)
        await self._place(order, effect)

    def _admitted(self, effect: Submit) -> bool:
        """The guard's word on all orders of a record: one that must not leave stops them all, and perhaps the desk."""
        breach = self._breach(effect.orders, finishes=effect.plan is None)
        if breach is None:
            return True
        now_ns = self._mono_ns()
        for order in effect.orders:
            self._tell(
                OrderNotSent(
                    cid=order.cid,
                    reason=f"last step: {breach.text}",
                    seen_ns=now_ns,
                    rule=breach.rule,
                    numbers=breach.numbers,
                )
            )
        self._halt_for(breach)
        return False

    def _breach(self, orders: tuple[OrderRequest, ...], *, finishes: bool) -> Breach | None:
        if self._guard is None:
            return None
        now_ns = self._mono_ns()
        references = {order.cid: self._reference(order, now_ns) for order in orders}
        breach = self._guard.admit(orders, references, finishes, now_ns)
        if breach is not None:
            log.error("order_stopped rule=%s level=%d %s", breach.rule, breach.level, breach.text)
        return breach

    def _halt_for(self, breach: Breach) -> None:
        if breach.level > self._desk.level:
            halt = Halt(level=breach.level, reason=f"last step: {breach.text}")
            self._desk.ask(f"last-step-{self._mono_ns()}", "last_step", "owner", halt)

    def _reference(self, order: OrderRequest, now_ns: int) -> Reference:
        """What the order's own symbol costs now, by its own book."""
        state = self._desk.state
        rules = state.market.instruments.get((order.venue, order.symbol))
        quote = state.market.quote(order.venue, order.symbol)
        if rules is None or quote is None:
            return Reference()
        return Reference(
            mid=exact((quote.bid + quote.ask) / 2),
            age_ms=state.market.age_ms(order.venue, order.symbol, now_ns),
            quote_krw=state.krw_rates.get(rules.quote, ZERO),
        )

    async def _place(self, order: OrderRequest, effect: Submit) -> None:
        """A look at the latch before anything is told, and one where the bytes are written: no await behind that."""
        stopped = self._stopped(order, finishes=effect.plan is None)
        sent_ns = self._mono_ns()
        if stopped:
            self._tell(OrderNotSent(cid=order.cid, reason=stopped, seen_ns=sent_ns))
            return
        venue = self._orders[order.venue]
        self._tell(OrderSent(cid=order.cid, seen_ns=sent_ns))
        self.latencies.frame_to_send.append((self._mono_ns() - effect.trigger_ns) // 1_000)
        departure = watch(self._stopped_since, sent_ns, order, effect.plan is None)
        try:
            ended = await outcome(venue, order, self._mono_ns)
        finally:
            departure.over()
        if isinstance(ended, OrderReported):
            self.latencies.send_to_ack.append((ended.seen_ns - sent_ns) // 1_000)
        if order.kind is not OrderKind.STOP_LOSS:  # some venues are asked for the price first
            self._time(order.venue, departure, effect.trigger_ns, ended)
        log.info("order_outcome venue=%s symbol=%s cid=%s outcome=%s", order.venue, order.symbol, order.cid, ended)
        self._tell(ended)

    def _stopped(self, order: OrderRequest, *, finishes: bool) -> str:
        """Why the latch, raised here or by another process, lets nothing of this kind leave; "" where it does."""
        raised = self._latch.outside()
        if raised is not None and raised.level > self._desk.level:
            halt = Halt(level=raised.level, reason=raised.reason)
            self._desk.ask(f"outside-{self._mono_ns()}", raised.actor, "owner", halt)
        return self._held(order, finishes=finishes)

    def _held(self, order: OrderRequest, *, finishes: bool) -> str:
        if self._leaving:
            return "the desk is stopping"
        return "" if allows(self._desk.level, order.role, finishes=finishes) else f"halted at L{self._desk.level}"

    def _stopped_since(self, looked_ns: int, order: OrderRequest, finishes: bool) -> str:
        """The same where the bytes are written: the way may have waited for a connection. The files only then."""
        if self._mono_ns() - looked_ns > _LOOK_AGAIN_NS:
            return self._stopped(order, finishes=finishes)
        return self._held(order, finishes=finishes)

    async def _amend(self, effect: Amend) -> None:
        """Another price for what rests, held to what a new order is. What is no clear yes leaves it in doubt."""
        order = replace(self._desk.state.orders[effect.cid][1].request, price=effect.price)
        breach = self._breach((order,), finishes=False)
        why = f"last step: {breach.text}" if breach is not None else self._stopped(order, finishes=False)
        if not why:
            venue, looked_ns = self._orders[effect.venue], self._mono_ns()
            departure = watch(self._stopped_since, looked_ns, order, False)
            try:
                await venue.amend(effect.symbol, effect.cid, effect.venue_order_id, effect.qty, effect.price)
            except (SendStopped, VenueRefused, VenueUnavailable, OutcomeUnknown, OrderNotFound) as error:
                why = str(error)
                log.warning("order_not_moved venue=%s cid=%s error=%s", effect.venue, effect.cid, error)
            finally:
                departure.over()
        self._desk.handle(Amended(cid=effect.cid, price=effect.price, seen_ns=self._mono_ns(), reason=why))
        if breach is not None:
            self._halt_for(breach)

    def _time(self, venue: str, departure: Departure, trigger_ns: int, outcome: OrderEvent) -> None:
        """A lost answer counts with the time that was waited for it; what never left has none."""
        if departure.at_ns:
            took_us = (departure.at_ns - trigger_ns) // 1_000
            self.latencies.take(venue, departure.path, Stage.DECISION_WIRE, took_us)
            answered_us = (outcome.seen_ns - departure.at_ns) // 1_000
            self.latencies.take(venue, departure.path, Stage.WIRE_ACK, answered_us)

    async def _cancel(self, effect: Cancel) -> bool:
        """False when the venue did not answer it."""
        stops = self._stops.get(effect.venue) if effect.kind is OrderKind.STOP_LOSS else None
        cancel = self._orders[effect.venue].cancel if stops is None else stops.cancel_stop
        try:
            await cancel(effect.symbol, effect.cid, effect.venue_order_id)
        except VenueRefused as error:
            self._tell(CancelRefused(cid=effect.cid, text=str(error), seen_ns=self._mono_ns()))
            return effect.kind is not OrderKind.STOP_LOSS  # it may have gone off, and its order rest
        except (VenueUnavailable, OutcomeUnknown, OrderNotFound) as error:
            self.questions.failed(effect.venue, "cancel", error)
            return False
        return True

    async def cancel_resting(self) -> bool:
        """Before a stop: nothing leaves any more, and whatever of ours still rests is asked to be cancelled.

        The next start looks up how each ended.

        True when every venue answered and no order is without an answer: nothing of ours can be resting then.
        """
        self._leaving = True
        asked: list[asyncio.Task[bool]] = []
        is_sure = True
        async with asyncio.TaskGroup() as asking:
            for trade in self._desk.state.live_trades.values():
                for order in trade.unresolved:
                    request = order.request
                    is_sure = is_sure and (request.tif.ends_at_once or order.status is OrderStatus.OPEN)
                    effect = Cancel(
                        cid=request.cid,
                        venue=request.venue,
                        symbol=request.symbol,
                        venue_order_id="",
                        kind=request.kind,
                    )
                    asked.append(asking.create_task(self._cancel(effect)))
        return is_sure and all(task.result() for task in asked)

    async def _arm(self, effect: Arm) -> None:
        """The risk heartbeat's way to a venue: a desk that cannot write what it does must not keep its orders alive."""
        client, asked_ns, why = self._orders[effect.venue], self._mono_ns(), ""
        if self._leaving or not isinstance(client, DeadMan):
            why = "the desk is stopping" if self._leaving else "its client has no timer"
        elif effect.timeout_s and self._journal.stuck_ns() > _STUCK_NS:
            why = "the journal's disk hangs"
        else:
            try:
                await client.arm(effect.timeout_s)
            except (VenueUnavailable, VenueRefused, OutcomeUnknown) as error:
                why = str(error)
                log.warning("countdown_not_set venue=%s seconds=%d error=%s", effect.venue, effect.timeout_s, error)
        self._desk.handle(
            CountdownSet(
                venue=effect.venue,
                timeout_s=effect.timeout_s,
                asked_ns=asked_ns,
                seen_ns=self._mono_ns(),
                reason=why,
            )
        )

    async def disarm(self) -> None:
        """After a clean stop nothing of ours rests: no timer may strike what others place later."""
        running = [name for name, held in sorted(self._desk.state.venues.items()) if held.countdown.armed_s]
        async with asyncio.TaskGroup() as asking:
            for name in running:
                asking.create_task(self._disarm(name))

    async def _disarm(self, venue: str) -> None:
        client = self._orders[venue]
        if isinstance(client, DeadMan):
            try:
                await client.arm(0)
            except (VenueUnavailable, VenueRefused, OutcomeUnknown) as error:
                log.warning("countdown_not_disarmed venue=%s error=%s", venue, error)
