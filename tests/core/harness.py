"""A whole desk in memory: the real core behind the real door, a virtual clock, venues that follow a script.

Nothing of the product is replaced: effects are carried out here as engine.carrier does (journal, then the latch, then
one request), and a restart builds a new State from what was durable.
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
from msgspec import Struct

from engine.assemble import core_config
from engine.config import Config, load
from engine.core.state import Opportunity, State
from engine.desk import Desk, EventLog
from engine.domain import event as ev
from engine.domain.account_event import Amended, CountdownSet
from engine.domain.command import Command, Confirm, Halt, IssueToken
from engine.domain.effect import (
    Amend,
    Arm,
    Cancel,
    FetchBalances,
    FetchOpenOrders,
    LatchChanged,
    LookUp,
    Notice,
    OpenLedger,
    Record,
    Remember,
    RenewStream,
    Reply,
    StoreSetting,
    Submit,
)
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.domain.order import LegRole, OrderRequest, OrderStatus
from engine.execution.order_state import OrderState
from engine.execution.trade import Trade
from engine.risk.latch import allows
from engine.storage.journal import Entry
from tests.core.accounts import account
from tests.core.markets import SEOUL_MS, Markets
from tests.core.memory_journal import MemoryJournal
from tests.core.timeline import Crash
from tests.core.venue_model import Outcome, Refused

ROOT = Path(__file__).parent.parent.parent
OVERLAY = Path(__file__).parent / "overlay.yaml"
HOP_NS = 5 * NS_PER_MS  # one way between the desk and a venue
USER = 1001


S = TypeVar("S", bound=Struct)


@cache
def configured(overlays: tuple[Path, ...]) -> Config:
    config = load(ROOT / "configs", (OVERLAY, *overlays))
    traded = {name: venue for name, venue in config.venues.items() if venue.trade}
    return msgspec.structs.replace(config, venues=traded)


class Rig(Markets):
    """`ready()` gives a reconciled desk. `outcomes` scripts the placements in the order in which they are sent."""

    def __init__(self, *overlays: Path, events: Path | None = None) -> None:
        self.config = configured(overlays)
        traded = {name: venue for name, venue in self.config.venues.items() if venue.enabled and venue.trade}
        super().__init__({name: account(venue, name) for name, venue in traded.items()})
        self.log = EventLog(events) if events else None
        self.journal = MemoryJournal()
        self.loses_tail = True  # of the journal, at a crash
        self.reads_ms = 0  # a start takes so long from the journal's lease to its last entry
        self.loses_sweeps = False  # lists of open orders never come
        self.timers: dict[str, int] = {}  # per venue how often its dead-man timer was set
        self.movable: tuple[str, ...] = ()  # venues that change an open order's price in place
        self.amends: deque[str] = deque()  # how the next requests to do so go
        self.timed: tuple[str, ...] = ()  # venues with such a timer
        self.expiring: tuple[str, ...] = ()  # venues whose requests name their expiry
        self.timers_refuse = ""  # why venues do not take one; "" while they do
        self.struck: list[str] = []  # venues whose timer ran out
        self.journal_reason = ""  # why it cannot be written; "" while it can
        self.settings: dict[tuple[str, int], bytes] = {}
        self.latch = LatchChanged(level=0, reason="", actor="", wall_ms=0)
        self.outcomes: deque[Outcome] = deque()
        self.effects: list[Any] = []  # since the last start
        self.sent: list[OrderRequest] = []  # handed to a socket, ever
        self.desk: Desk
        self.lay_out(140_000_000, 100_000, 1_400)

    # life

    def start(self) -> Self:
        self.run += 1
        self.is_up = True
        self.effects = []
        self.state = State(core_config(self.config))
        self.desk = Desk(self.state, lambda: self.now_ns, dict, self.log)
        self.desk.wire(
            {
                Submit: self._submit,
                Remember: lambda effect: self._keep(effect.event),
                OpenLedger: self._keep,
                Cancel: self._cancel,
                Amend: self._amend,
                LookUp: self._look_up,
                FetchBalances: self._balances,
                FetchOpenOrders: self._open_orders,
                Arm: self._arm,
                RenewStream: self.effects.append,
                StoreSetting: self._store,
                LatchChanged: self._latch,
                Record: self.effects.append,
            }
        )
        self.desk.subscribe(self.effects.append)
        now_ns = self.now_ns
        self.handle(
            ev.Started(instance="premia-1", seed=1, wall_ms=self.wall_ms, utc_offset_ms=SEOUL_MS, seen_ns=now_ns)
        )
        for name in dict.fromkeys((*self.timed, *self.movable, *self.expiring)):
            before, timed, moves = self.state.venues[name].abilities, name in self.timed, name in self.movable
            able = msgspec.structs.replace(before, countdown=timed, moves=moves, expiry=name in self.expiring)
            self.handle(ev.VenueAble(venue=name, abilities=able, seen_ns=now_ns))
        for (name, version), value in sorted(self.settings.items()):
            self.handle(ev.SettingStored(name=name, version=version, value=value, seen_ns=now_ns))
        for entry in self.recall(now_ns):
            self.handle(entry)
        if self.latch.level > self.state.level:
            self.ask(Halt(level=self.latch.level, reason=self.latch.reason), actor="latch")
        self.handle(ev.Recovered(seen_ns=now_ns, alone_ns=now_ns - self.reads_ms * NS_PER_MS))
        self.later(NS_PER_MS, self._fx)
        for name in self.venues:
            self.later(10 * NS_PER_MS, lambda name=name: self._connect(name))  # type: ignore[misc]
        self.later(0, self._tick)
        return self

    def ready(self) -> Self:
        self.start()
        self.run_until(lambda: all(held.ready for held in self.state.venues.values()), 5_000)
        self.run_for(1_500)
        return self

    def restart(self, down_ms: int = 3_000) -> None:
        """Kill the process now and start it again later, with another monotonic clock and only what was durable."""
        self.journal.crash(self.loses_tail)
        self.is_up = False
        self.run += 1000  # whatever still runs of the old process is dead
        self.run_for(down_ms)
        self.run -= 1000
        self.shift_ns = 500 * 1_000_000_000 - self.world_ns
        self.arm()
        try:
            self.start()
        except Crash:
            self.restart()

    def recall(self, now_ns: int) -> list[Any]:
        """Everything durable, as the journal gives it back."""
        return self.journal.recall(now_ns)

    def handle(self, event: Any) -> None:
        self.point()
        self.desk.handle(event)
        self.point()

    def tell(self, event: Any) -> None:
        self._keep(event)
        self.handle(event)

    # the journal

    def _append(self, entry: Entry) -> None:
        self.point()
        self.journal.append(self.run, self.now_ns, entry)
        self.point()

    def _keep(self, entry: Entry) -> None:
        if not self.journal_reason:
            self._append(entry)
            self.later(NS_PER_MS, self.journal.save)

    def mend_journal(self) -> None:
        self.journal_reason = ""
        self.handle(ev.JournalState(writable=True, reason="", seen_ns=self.now_ns))

    # effects

    def _submit(self, effect: Submit) -> None:
        level = self.state.level
        assert level < 2 or (
            {order.role for order in effect.orders} <= {LegRole.UNWIND, LegRole.FLATTEN} and level == 3
        )
        self.effects.append(effect)
        if self.journal_reason:
            reason = self.journal_reason
            for order in effect.orders:
                lost = ev.OrderNotSent(cid=order.cid, reason=reason, seen_ns=self.now_ns)
                self.later(0, lambda lost=lost: self.handle(lost))  # type: ignore[misc]
            self.later(0, lambda: self.handle(ev.JournalState(writable=False, reason=reason, seen_ns=self.now_ns)))
            return
        self._append(effect)
        self.journal.save()
        for order in effect.orders:
            self.later(NS_PER_MS, lambda order=order: self._place(order, effect))  # type: ignore[misc]

    def _place(self, order: OrderRequest, effect: Submit) -> None:
        if not allows(self.desk.level, order.role, finishes=effect.plan is None):
            reason = f"halted at L{self.desk.level}"
            self.tell(ev.OrderNotSent(cid=order.cid, reason=reason, seen_ns=self.now_ns))
            return
        self.tell(ev.OrderSent(cid=order.cid, seen_ns=self.now_ns))
        outcome = self.outcomes.popleft() if self.outcomes else Outcome()
        self.sent.append(order)
        if outcome.answer == "unavailable":
            self.later(
                HOP_NS,
                lambda: self.tell(ev.OrderNotSent(cid=order.cid, reason="nothing left: refused", seen_ns=self.now_ns)),
            )
            return
        answers: list[Any] = []
        if outcome.answer != "lost" or outcome.reaches:
            self.later(
                HOP_NS + outcome.late_ms * NS_PER_MS, lambda: self._arrive(order, outcome, answers), is_world=True
            )
        if outcome.answer == "lost":
            self.later(40 * HOP_NS, lambda: self._lose(order))
        else:
            self.later(2 * HOP_NS, lambda: self.tell(msgspec.structs.replace(answers[0], seen_ns=self.now_ns)))

    def _arrive(self, order: OrderRequest, outcome: Outcome, answers: list[Any]) -> None:
        if outcome.answer == "refused":
            answers.append(ev.OrderRefused(cid=order.cid, code="no", text="scripted", seen_ns=0))
            return
        try:
            report = self.venues[order.venue].place(order, outcome, self.now_ns)
        except Refused as error:
            answers.append(ev.OrderRefused(cid=order.cid, code="refused", text=str(error), seen_ns=0))
            return
        if outcome.answer == "ack":
            nothing = {"filled_qty": Decimal(0), "filled_quote": Decimal(0), "fees": ()}
            report = msgspec.structs.replace(report, status=OrderStatus.OPEN, **nothing)
        answers.append(ev.OrderReported(report=report, seen_ns=0))

    def late_ns(self, venue: str) -> int:
        config = self.config.venues[venue]
        return (config.late_acceptance_ms + config.settle_margin_ms) * NS_PER_MS

    def _lose(self, order: OrderRequest) -> None:
        final_ns = self.now_ns + self.late_ns(order.venue)
        self.tell(ev.OrderLost(cid=order.cid, reason="timeout", final_after_ns=final_ns, seen_ns=self.now_ns))

    def _there_and_back(self, at: Callable[[], Any], back: Callable[[Any], None]) -> None:
        """Ask now, the venue answers after one hop, we hear it after another."""

        def arrive() -> None:
            answer = at()
            self.later(HOP_NS, lambda: back(answer) if run == self.run else None)

        run = self.run
        self.later(HOP_NS, arrive, is_world=True)

    def _cancel(self, effect: Cancel) -> None:
        self.effects.append(effect)

        def at() -> str:
            try:
                self.venues[effect.venue].cancel(effect.cid)
            except Refused as error:
                return str(error)
            return ""

        def back(refused: str) -> None:
            if refused:
                self.tell(ev.CancelRefused(cid=effect.cid, text=refused, seen_ns=self.now_ns))

        self._there_and_back(at, back)

    def _amend(self, effect: Amend) -> None:
        self.effects.append(effect)
        answer = self.amends.popleft() if self.amends else "moved"  # moved | refused | lost | lost, and moved

        def at() -> str:
            if answer == "refused" or answer == "lost":
                return answer
            try:
                self.venues[effect.venue].amend(effect.cid, effect.qty, effect.price)
            except Refused as error:
                return str(error)
            return "" if answer == "moved" else answer

        def back(why: str) -> None:
            self.handle(Amended(cid=effect.cid, price=effect.price, seen_ns=self.now_ns, reason=why))

        self._there_and_back(at, back)

    def _look_up(self, effect: LookUp) -> None:
        self.effects.append(effect)
        asked_ns = self.now_ns

        def back(report: Any) -> None:
            if report is None:
                self.tell(ev.OrderMissing(cid=effect.cid, asked_ns=asked_ns, seen_ns=self.now_ns))
            else:
                self.tell(ev.OrderReported(report=report, seen_ns=self.now_ns))

        self._there_and_back(lambda: self.venues[effect.venue].look_up(effect.cid, self.now_ns), back)

    def _balances(self, effect: FetchBalances) -> None:
        self.effects.append(effect)
        venue, asked_ns = effect.venue, self.now_ns

        def back(balances: Any) -> None:
            if not self._failed(venue, "balances"):
                self.handle(ev.BalancesReported(venue=venue, balances=balances, asked_ns=asked_ns, seen_ns=self.now_ns))

        self._there_and_back(self.venues[venue].balances, back)

    def _open_orders(self, effect: FetchOpenOrders) -> None:
        self.effects.append(effect)
        if self.loses_sweeps:
            return
        venue, asked_ns = effect.venue, self.now_ns

        def back(reports: Any) -> None:
            if not self._failed(venue, "open_orders"):
                self.handle(ev.OpenOrdersReported(venue=venue, reports=reports, asked_ns=asked_ns, seen_ns=self.now_ns))

        self._there_and_back(lambda: self.venues[venue].open_orders(self.now_ns), back)

    def _failed(self, venue: str, call: str) -> bool:
        fails = call in self.venues[venue].failing
        if fails:
            page = "HTTP 502 <html><head><title>502 Bad Gateway</title></head></html>"
            self.handle(ev.VenueFailed(venue=venue, call=call, reason=page, seen_ns=self.now_ns))
        return fails

    def _arm(self, effect: Arm) -> None:
        """The venue's timer: it outlives the desk, and strikes whatever is open there."""
        self.effects.append(effect)
        asked_ns, why = self.now_ns, self.timers_refuse

        def at() -> None:
            if why:
                return
            self.timers[effect.venue] = turn = self.timers.get(effect.venue, 0) + 1
            if effect.timeout_s:
                self.later(effect.timeout_s * NS_PER_S, lambda: self._strike(effect.venue, turn), is_world=True)

        def back(_: None) -> None:
            self.handle(
                CountdownSet(
                    venue=effect.venue,
                    timeout_s=effect.timeout_s,
                    asked_ns=asked_ns,
                    seen_ns=self.now_ns,
                    reason=why,
                )
            )

        self._there_and_back(at, back)

    def _strike(self, venue: str, turn: int) -> None:
        if self.timers[venue] == turn:
            self.struck.append(venue)
            self.venues[venue].cancel_all()

    def _store(self, effect: StoreSetting) -> None:
        self.effects.append(effect)
        self.settings[effect.name, effect.version] = effect.value

    def _latch(self, effect: LatchChanged) -> None:
        self.effects.append(effect)
        self.latch = effect

    def premium(self, ratio: float) -> Opportunity:
        """Korea dearer by `ratio`: sells at upbit, buys at binance. The opportunity that follows."""
        self.set_book("upbit", "KRW-BTC", round(140_000_000 * (1 + ratio), -4))
        return self.found()

    # people

    def ask(self, command: Command, actor: str = "telegram:1001", request_id: str = "") -> Reply:
        self._order += 1
        return self.desk.ask(request_id or f"r{self.run}-{self._order}", actor, "owner", command)

    def found(self, key: str = "kimchi:BTC:binance>upbit") -> Opportunity:
        return self.state.by_key[key]

    def token(self, found: Opportunity, fraction: str = "1", name: str = "") -> str:
        name = name or f"tok{self._order}"
        reply = self.ask(
            IssueToken(token=name, opportunity_id=found.id, user_id=USER, chat_id=USER, fraction=Decimal(fraction))
        )
        assert reply.ok, reply.text
        return name

    def tap(self, token: str, user_id: int = USER, chat_id: int = USER, request_id: str = "") -> Reply:
        return self.ask(Confirm(token=token, user_id=user_id, chat_id=chat_id), request_id=request_id)

    def execute(self, *outcomes: Outcome, ratio: float = 0.01, fraction: str = "1") -> Trade:
        """A premium, a card, a token, a tap: the trade, under way. Its first order is the purchase at binance."""
        self.outcomes.extend(outcomes)
        token = self.token(self.premium(ratio), fraction)
        reply = self.tap(token)
        assert reply.ok, reply.text
        trade_id = msgspec.json.decode(reply.body)["trade_id"]
        return self.state.trades[trade_id]

    # what came of it

    def trade(self, trade_id: str) -> Trade:
        return self.state.trades[trade_id]

    def orders(self, trade_id: str) -> list[OrderState]:
        return self.state.trades[trade_id].orders

    def settle(self, ms: float = 60_000) -> None:
        """Until no trade is under way, and long enough for balances to be compared again."""
        self.run_until(lambda: not self.state.recovering and not self.state.live_trades, ms)
        self.run_for(3_000)

    def of(self, kind: type[S]) -> list[S]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def alerts(self) -> list[tuple[str, str]]:
        """(rule, severity) of each alert since the last start."""
        notices = [effect for effect in self.of(Notice) if effect.kind == "alert"]
        return [(msgspec.json.decode(notice.body)["rule"], str(notice.severity)) for notice in notices]

    def ledger_difference(self) -> dict[tuple[str, str], Decimal]:
        """Venue minus ledger, exact, where they differ."""
        out = {}
        for name, venue in self.venues.items():
            ledger = self.state.ledger.assets(name)
            for asset in sorted({*ledger, *venue.totals}):
                difference = venue.totals.get(asset, Decimal(0)) - ledger.get(asset, Decimal(0))
                if difference:
                    out[name, asset] = difference
        return out
