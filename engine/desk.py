"""The one door of the process: every source calls `handle`, in the loop's thread; nothing here awaits."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from os import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

from msgspec.structs import replace

from engine.core import boards, parent_cards, parent_commands, perps, views
from engine.core.state import State, encode
from engine.core.step import decide, tell
from engine.domain.alerting import AlertSettings, AlertsPreview, AlertsView
from engine.domain.board import FundingBoard, PremiumBoard, VenueHealth, Wires
from engine.domain.command import Command
from engine.domain.effect import Effect, Notice, OrderView, Reply
from engine.domain.errors import InvariantBroken
from engine.domain.event import Commanded, Event
from engine.domain.view import (
    BalanceView,
    OpportunityView,
    ParentView,
    PerpView,
    RefusalView,
    StatusView,
    StrategyView,
    TradeView,
    WatchdogView,
)

log = logging.getLogger(__name__)
NEVER_LATE = 1 << 63


class EventLog:
    """Every event and what it brought, one JSON line each, for replay. Buffered: an incident tool, not the journal.

    One life of the process follows the other in the file, each beginning with Started. A kill tears off the end of its
    life's last line; the next life begins a line of its own.
    """

    def __init__(self, path: Path) -> None:
        self._failed = False
        self._file: BinaryIO = path.open("a+b", buffering=1 << 16)
        if self._file.seek(0, SEEK_END):
            self._file.seek(-1, SEEK_END)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def write(self, event: Event, effects: Sequence[Effect]) -> None:
        if not self._failed:
            self._try(lambda: self._file.write(encode({"event": event, "effects": effects}) + b"\n"))

    def flush(self) -> None:
        if not self._failed:
            self._try(self._file.flush)

    def close(self) -> None:
        with suppress(OSError):  # what was not flushed by now cannot be
            self._file.close()

    def _try(self, work: Callable[[], object]) -> None:
        """A disk that is full ends the recording, not the desk; a log with a hole would replay to a difference."""
        try:
            work()
        except OSError as error:
            self._failed = True
            log.error("event_log_ended error=%s", error)


class Desk:
    """Holds State, steps it, and has effects carried out. Implements control.door.Desk for the control server."""

    def __init__(
        self,
        state: State,
        mono_ns: Callable[[], int],
        meter: Callable[[], dict[str, object]],
        events: EventLog | None = None,
    ) -> None:
        self.state = state
        self.level = 0  # the latch as the core last said: looked at before each send
        self._mono_ns = mono_ns
        self._meter = meter
        self._events = events
        self._carry: dict[type, Callable[[Any], None]] = {}
        self._waiting: deque[Event] = deque()
        self._stepping = False
        self._listeners: list[Callable[[Notice], None]] = []
        self._reply: Reply | None = None
        self._broken = False
        self.wires: Callable[[], Wires] = Wires  # what the sockets tell, handed in by who holds them
        self.watchdog: Callable[[], WatchdogView] = WatchdogView  # its own file, read by who has disks
        self.on_broken: Callable[[], None] = lambda: None  # ends the process
        self.late_ns = NEVER_LATE  # an event of then or later: the loop's own tick is overdue
        self.on_late: Callable[[], None] = lambda: None  # moves `late_ns` on

    def wire(self, carry: dict[type, Callable[[Any], None]]) -> None:
        """Name who carries out each kind of effect. Notices and replies are the desk's own."""
        self._carry = {**carry, Notice: self.tell, Reply: self._answer}

    def handle(self, event: Event) -> None:
        """Step the core and carry out what it asks. An event that comes meanwhile waits its turn."""
        if self._broken:
            raise InvariantBroken("the core failed in an earlier step: nothing is decided any more")
        if self._stepping:
            self._waiting.append(event)
            return
        self._stepping = True
        whole = False
        try:
            self._one(event)
            while self._waiting:
                self._one(self._waiting.popleft())
            whole = True
        finally:
            self._stepping = False
            if not whole:
                self._break()
        if event.seen_ns >= self.late_ns:
            self.on_late()

    def _break(self) -> None:
        """State may be half changed: nothing leaves any more, and the process has to end, whoever was calling.

        A socket's callback is called from a library that writes an exception down and goes on.
        """
        self._broken, self.level = True, max(self.level, 2)
        log.critical("core_failed", exc_info=True)
        self.on_broken()

    def _one(self, event: Event) -> None:
        """What was decided is carried out before anyone is told of it: the orders are first on their way."""
        decided = decide(self.state, event)
        self.level = self.state.level
        for effect in decided:
            self._carry[type(effect)](effect)
        told = tell(self.state)
        for effect in told:
            self._carry[type(effect)](effect)
        if self._events is not None:
            self._events.write(event, decided + told)

    def tell(self, notice: Notice) -> None:
        """To everyone who listens."""
        for listener in tuple(self._listeners):
            listener(notice)

    def _answer(self, reply: Reply) -> None:
        self._reply = reply

    def ask(self, request_id: str, actor: str, role: str, command: Command) -> Reply:
        """Hand a command to the core; its reply is ready when this returns."""
        if self._stepping:
            raise InvariantBroken("a command was asked from inside a step")
        self._reply = None
        self.handle(Commanded(request_id=request_id, actor=actor, role=role, command=command, seen_ns=self._mono_ns()))
        if self._reply is None:
            raise InvariantBroken(f"no reply to {request_id}")
        return self._reply

    def subscribe(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def status(self) -> StatusView:
        return replace(views.status(self.state), watchdog=self.watchdog())

    def strategies(self) -> Sequence[StrategyView]:
        return views.strategies(self.state)

    def opportunities(self) -> Sequence[OpportunityView]:
        return views.opportunity_list(self.state)

    def trades(self) -> Sequence[TradeView]:
        return views.trade_list(self.state)

    def parents(self) -> Sequence[ParentView]:
        return [parent_cards.view(self.state, parent) for parent in parent_commands.open_orders(self.state)]

    def orders(self) -> Sequence[OrderView]:
        return views.order_list(self.state)

    def balances(self) -> Sequence[BalanceView]:
        return views.balances(self.state)

    def perps(self) -> Sequence[PerpView]:
        return perps.open_ones(self.state)

    def premiums(self, coin: str, limit: int) -> PremiumBoard:
        return boards.premiums(self.state, coin, limit)

    def fundings(self, coin: str) -> FundingBoard:
        return boards.fundings(self.state, coin)

    def venues(self) -> Sequence[VenueHealth]:
        return boards.venues(self.state, self.wires())

    def alerts(self, owner: str) -> AlertsView:
        return boards.alerts(self.state, owner)

    def preview_alerts(self, owner: str, settings: AlertSettings) -> AlertsPreview:
        return boards.preview(self.state, owner, settings)

    def refusals(self) -> Sequence[RefusalView]:
        return views.refusals(self.state)

    def metrics(self) -> dict[str, object]:
        return self._meter()
