"""The trading half of the daemon under any clock: start from the journal, time, orders, latch. No socket, no thread."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from engine.assemble import core_config, last_step
from engine.carrier import Carrier
from engine.config import Config
from engine.core.state import CoreConfig, State
from engine.desk import NEVER_LATE, Desk, EventLog
from engine.domain.account_event import Stopping
from engine.domain.command import Halt
from engine.domain.effect import LatchChanged, Submit
from engine.domain.errors import InvariantBroken
from engine.domain.event import Commanded, JournalState, Recovered, SettingStored, Started, Tick, VenueAble
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.risk.last_step import LimitUse
from engine.storage.journal import Journal
from engine.storage.latch import LatchStore
from engine.venues.protocol import Orders

log = logging.getLogger(__name__)

_TICK_S = 0.1
_LAG_LIMIT_NS = 250 * NS_PER_MS  # the supervisor is told only while the loop answers within this
_LEAVE_S = 5
_OUR_LAG_NS = 50 * NS_PER_MS  # of the loop: what was measured meanwhile is as much ours as the venue's
_JOURNAL_STUCK_NS = 5 * NS_PER_S  # a durable write takes milliseconds; a disk that hangs says no word at all
_LATE_NS = NS_PER_S // 2  # a tick so much overdue is made on the way of a frame
_QUARTER_MS = 900_000  # midnight lies on a quarter of an hour UTC in every zone: the zone is asked once in each
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1)


class Clock(Struct, frozen=True, kw_only=True):
    """Where time comes from. `asyncio.sleep` follows the loop; the loop and this must agree."""

    mono_ns: Callable[[], int]
    wall_ms: Callable[[], int]  # UTC
    idle_tick_s: float = 1.0  # between two ticks while nothing comes in and nothing is under way


class Shell:
    """Life: construct → `wire` → `recover` → `run_ticks` in a task. `desk` is the one door all the while."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        latch: LatchStore,
        meter: Callable[[], dict[str, object]],
        events: EventLog | None = None,
        core: CoreConfig | None = None,  # where it was made of `config` before
    ) -> None:
        self._config = config
        self._clock = clock
        self._latch_store = latch
        self._zone = ZoneInfo(config.time_zone)
        self._problems: dict[str, str] = {}
        self._unwritten: LatchChanged | None = None  # the newest latch, while the disk refuses it
        self._stirred = asyncio.Event()  # something is under way: an idle desk need not sleep on
        self.worst_lag_ns = 0
        self._quarter = self._day = 0
        self.desk = Desk(State(core or core_config(config)), clock.mono_ns, meter, events)
        self.desk.on_late = self._on_late
        self.guard = last_step(config)
        self.carrier: Carrier | None = None
        self._orders: Mapping[str, Orders] = {}
        self._journal: Journal | None = None

    def wire(
        self,
        journal: Journal,
        orders: Mapping[str, Orders],
        tasks: asyncio.TaskGroup,
        carry: dict[type, Callable[[Any], None]],
    ) -> Carrier:
        """Say who carries out what: orders and the latch here, `carry` the rest."""
        carrier = Carrier(self.desk, journal, orders, tasks, self._latch_store, self._clock.mono_ns, self.guard)
        carrier.questions.on_told = self._stirred.set
        self.carrier, self._journal = carrier, journal
        self._orders = orders
        known = carrier.effects()

        def submit(effect: Submit) -> None:
            known[Submit](effect)
            self._stirred.set()

        self.desk.wire({**known, Submit: submit, **carry, LatchChanged: self._latch})
        return carrier

    def recover(self, journal: Journal, settings: Iterable[SettingStored]) -> None:
        """Crash or fresh start, one path: settings, journal, latch; then the core asks the venues."""
        now_ns, wall_ms = self._clock.mono_ns(), self._clock.wall_ms()
        now = datetime.fromtimestamp(wall_ms / 1_000, UTC)
        offset_ms = int((now.astimezone(self._zone).utcoffset() or timedelta()).total_seconds() * 1_000)
        self.desk.handle(
            Started(
                instance=self._config.instance,
                seed=self._config.seed,
                wall_ms=wall_ms,
                utc_offset_ms=offset_ms,
                seen_ns=now_ns,
            )
        )
        for venue, client in sorted(self._orders.items()):
            self.desk.handle(VenueAble(venue=venue, abilities=client.abilities, seen_ns=now_ns))
        for setting in settings:
            self.desk.handle(setting)
        count = 0
        for event in journal.read_all(now_ns):
            if not isinstance(event, LatchChanged | Commanded):
                self.desk.handle(event)
                count += 1
        journal.start(asyncio.get_running_loop())
        log.info("journal_read entries=%d ms=%.0f", count, journal.open_ms)
        latch = self._latch_store.read()
        if latch.level > self.desk.state.level:
            reason = f"{latch.reason} (latch of {latch.actor})"
            self.desk.ask(f"latch-{now_ns}", "latch", "owner", Halt(level=latch.level, reason=reason))
        self.desk.handle(Recovered(seen_ns=self._clock.mono_ns(), alone_ns=journal.leased_ns))

    async def run_ticks(self, alive: Callable[[], None], beat: Callable[[int], None] = lambda _: None) -> None:
        """Time passes every 100 ms. `alive` is called once a second, while the core steps and the loop answers.

        `beat` gets the latch's level: called while the core steps and the journal takes what it is given.
        """
        fed_ns = steps = 0
        while True:
            self._stirred.clear()  # before the tick, which may itself send something
            now_ns = self._clock.mono_ns()
            wait_s = self._idle_s(now_ns) if self.desk.state.steps == steps and self._is_idle() else _TICK_S
            due_ns = now_ns + int(wait_s * NS_PER_S)
            self.desk.late_ns = due_ns + _LATE_NS
            self._tick(now_ns)
            if now_ns - fed_ns >= NS_PER_S:
                fed_ns = now_ns
                if self.worst_lag_ns < _LAG_LIMIT_NS:
                    alive()
                self._tell_latencies(now_ns)
                self.worst_lag_ns = 0
                self._beat(beat)
                self._obey_others()
                if self._unwritten is not None:
                    self._latch(self._unwritten)
            steps = self.desk.state.steps
            try:
                await self._rest(wait_s)
            except asyncio.CancelledError:
                self.desk.late_ns = NEVER_LATE
                raise
            self.worst_lag_ns = max(self.worst_lag_ns, self._clock.mono_ns() - due_ns)

    def _tell_latencies(self, now_ns: int) -> None:
        """A second in which our own loop hung says nothing of the venues."""
        found = self.carrier.latencies.drain(now_ns) if self.carrier is not None else []
        for event in found if self.worst_lag_ns < _OUR_LAG_NS else ():
            self.desk.handle(event)

    def _tick(self, now_ns: int) -> None:
        wall_ms = self._clock.wall_ms()
        self.desk.handle(Tick(seen_ns=now_ns, wall_ms=wall_ms, local_day=self._local_day(wall_ms)))

    def _on_late(self) -> None:
        """More frames than this core can take: the loop serves all that its sockets hold before it looks at its timers.

        Time passes all the same, and whoever says halt is heard; the supervisor is not told that the loop answers.
        """
        now_ns = self._clock.mono_ns()
        self.desk.late_ns = now_ns + _LATE_NS
        self._tick(now_ns)
        self._obey_others()

    def _beat(self, beat: Callable[[int], None]) -> None:
        """A beat that the disk refuses is no beat, and often the first that is heard of that disk: trading halts."""
        stuck_ns = self._journal.stuck_ns() if self._journal is not None else 0
        if self._problems.keys() - {"heartbeat"} or stuck_ns >= _JOURNAL_STUCK_NS:
            return
        try:
            beat(self.desk.level)
        except OSError as error:
            if "heartbeat" not in self._problems:
                log.error("heartbeat_unwritable error=%s", error)
                self.problem("heartbeat", f"heartbeat file: {error.strerror}")
        else:
            if "heartbeat" in self._problems:
                self.problem("heartbeat", "")

    async def _rest(self, wait_s: float) -> None:
        if wait_s == _TICK_S:
            await asyncio.sleep(wait_s)
            return
        timer = asyncio.get_running_loop().call_later(wait_s, self._stirred.set)
        try:
            await self._stirred.wait()
        finally:
            timer.cancel()

    def _idle_s(self, now_ns: int) -> float:
        """Until an account has to be asked again, as long as an idle desk may sleep."""
        checks = [held.next_check_ns for held in self.desk.state.venues.values() if held.settings.trades]
        due_s = (min(checks, default=NEVER_LATE) - now_ns) / NS_PER_S
        return max(_TICK_S, min(self._clock.idle_tick_s, due_s))

    def _is_idle(self) -> bool:
        """No trade, no card, no question is open: nothing but an account's turn falls due within a second."""
        state = self.desk.state
        return not (state.live_trades or state.parents.live or state.by_key or state.tokens)

    async def leave(self, flush: Callable[[], Any]) -> bool:
        """A stop leaves nothing resting at a venue and nothing unwritten; both within the supervisor's patience.

        True when every cancel was taken: then the watchdog may rest, too.
        """
        is_clean = False
        with suppress(InvariantBroken):  # a core that has failed is told nothing more
            self.desk.handle(Stopping(seen_ns=self._clock.mono_ns()))
        try:
            async with asyncio.timeout(_LEAVE_S):
                if self.carrier is not None:
                    is_clean = await self.carrier.cancel_resting()
                    if is_clean:
                        await self.carrier.disarm()
                await flush()
        except TimeoutError:
            log.warning("stopping_late seconds=%d", _LEAVE_S)
        return is_clean

    def limits(self) -> list[LimitUse]:
        """What the gate and the last step hold orders to, and how much of it is used."""
        state = self.desk.state
        rules, lost = state.config.limits, max(-state.pnl_today_krw, Decimal(0))
        gate = [
            LimitUse(name="order_krw", limit=rules.max_order_krw),
            LimitUse(name="trades_hour", used=Decimal(len(state.traded_ns)), limit=Decimal(rules.max_trades_per_hour)),
            LimitUse(name="trades_day", used=Decimal(state.trades_today), limit=Decimal(rules.max_trades_per_day)),
            LimitUse(name="total_loss_krw", used=max(-state.pnl_total_krw, Decimal(0)), limit=rules.max_total_loss_krw),
        ]
        if rules.max_daily_loss_krw is not None:
            gate.append(LimitUse(name="daily_loss_krw", used=lost, limit=rules.max_daily_loss_krw))
        return gate + self.guard.shown(self._clock.mono_ns())

    def on_journal(self, state: JournalState) -> None:
        self.problem("journal", "" if state.writable else state.reason)

    def problem(self, what: str, text: str) -> None:
        """The journal, the store and the latch must all be writable, else trading halts."""
        if text:
            self._problems[what] = text
        else:
            self._problems.pop(what, None)
        reason = "; ".join(self._problems.values())
        self.desk.handle(JournalState(writable=not reason, reason=reason, seen_ns=self._clock.mono_ns()))

    def _latch(self, change: LatchChanged) -> None:
        """Durable at once. If the disk refuses, the level in memory stands, a person is told, and it is tried again."""
        try:
            self._latch_store.write(change)
        except OSError as error:
            if self._unwritten is None:
                log.error("latch_unwritable level=%d error=%s", change.level, error)
            self._unwritten = change
            self.problem("latch", f"latch file: {error.strerror}")
        else:
            self._unwritten = None
            if "latch" in self._problems:
                self.problem("latch", "")

    def _obey_others(self) -> None:
        """The file HALT, or a latch raised by the watchdog, stops the desk, also while nothing is being sent."""
        raised = self._latch_store.outside()
        if raised is not None and raised.level > self.desk.level:
            halt = Halt(level=raised.level, reason=raised.reason)
            self.desk.ask(f"outside-{self._clock.mono_ns()}", raised.actor, "owner", halt)

    def _local_day(self, wall_ms: int) -> int:
        quarter = wall_ms // _QUARTER_MS
        if quarter != self._quarter:
            local = datetime.fromtimestamp(wall_ms / 1_000, self._zone)
            self._quarter, self._day = quarter, (local.replace(tzinfo=None) - _EPOCH) // _DAY
        return self._day
