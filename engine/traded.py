"""What a venue with an account is asked beside its orders: rules, wallets, warnings, loans, its clock."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from engine.desk import Desk
from engine.domain.account_event import ClockRead, LatencySampled
from engine.domain.errors import OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.event import LoansReported, VenueFailed, WalletsReported, WarningsReported
from engine.domain.market import Instrument
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.identity import named_as
from engine.venues.departure import Departure, watch
from engine.venues.protocol import Lender, Margined, Orders

log = logging.getLogger(__name__)

T = TypeVar("T")
TellRules = Callable[[str, Sequence[str], tuple[Instrument, ...]], tuple[Instrument, ...]]
_FAILURES = (VenueUnavailable, VenueRefused, OutcomeUnknown)


class Pace(Struct, frozen=True, kw_only=True):
    """How often each thing is asked, in seconds."""

    retry: float = 0.25  # of the first rules: without them nothing is traded; then twice as long each time
    retry_longest: float = 30.0
    first_clock: float = 2.0  # a start has dearer questions
    warm: float = 20.0  # an idle connection is closed after 30 s, and the next order would pay for a new one
    rules: float = 3_600.0
    rules_short: float = 300.0  # while a market of ours is missing
    rules_least: float = 10.0  # between two readings, whatever is wished
    look: float = 1.0  # for wishes of the core
    wallets: float = 120.0
    warnings: float = 300.0
    loans: float = 600.0


class TradedVenue:
    """One venue's asking. Life: construct → `run`, in a task of the daemon's group."""

    def __init__(
        self,
        venue: Orders,
        symbols: Sequence[str],
        desk: Desk,
        tell_rules: TellRules,
        pace: Pace,
        leverage: int = 0,
    ) -> None:
        """`tell_rules(venue, asked, answered)` sorts by identity, tells the core, and returns what is certain.

        `leverage` is of a venue of perpetuals.
        """
        self._venue = venue
        self._symbols = tuple(symbols)
        self._desk = desk
        self._tell_rules = tell_rules
        self._pace = pace
        self._leverage = leverage
        self._assets: dict[str, str] = {}  # the venue's code of a coin -> the asset that it is
        self._is_whole = True  # every market of ours is there
        self.skew_ms: int | None = None  # the venue's clock minus ours, newest reading

    async def run(self) -> None:
        """Nothing is traded before the rules are known: they are asked for until they come; the rest follows."""
        wait_s = self._pace.retry
        while True:
            try:
                await self._venue.warm()
                await self._read_rules()
                break
            except _FAILURES as error:
                log.warning("rules_failed venue=%s error=%s", self._venue.venue, error)
                if isinstance(error, RateLimited):
                    await asyncio.sleep(error.retry_after_s)  # to the end of what we were told
                else:
                    await asyncio.sleep(wait_s)
                    wait_s = min(self._pace.retry_longest, wait_s * 2)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_warm())
            tasks.create_task(self._keep_rules(time.monotonic_ns()))
            tasks.create_task(self._every(self._pace.wallets, self._read_wallets))
            tasks.create_task(self._every(self._pace.warnings, self._read_warnings))
            if isinstance(self._venue, Lender):
                tasks.create_task(self._every(self._pace.loans, self._read_loans))

    async def _keep_warm(self) -> None:
        await asyncio.sleep(self._pace.first_clock)
        while True:
            departure = watch()
            now_ms = await self._asked("clock", self._venue.server_time_ms)
            took_us = self._time(departure)
            if now_ms is not None:
                self._compare(now_ms, took_us)
            await asyncio.sleep(self._pace.warm)

    def _time(self, departure: Departure) -> int:
        """One small question every so often: how long the way there is while nothing is traded, in us."""
        if not departure.at_ns:
            return 0
        now_ns = time.monotonic_ns()
        took_us = (now_ns - departure.at_ns) // 1_000
        event = LatencySampled(venue=self._venue.venue, path="clock", stage="read", us=(took_us,), seen_ns=now_ns)
        self._desk.handle(event)
        return took_us

    def _compare(self, now_ms: int, took_us: int) -> None:
        self.skew_ms = now_ms - time.time_ns() // NS_PER_MS
        uncertain_ms = took_us // 2_000
        read = ClockRead(
            venue=self._venue.venue,
            offset_ms=self.skew_ms,
            uncertainty_ms=uncertain_ms,
            seen_ns=time.monotonic_ns(),
        )
        self._desk.handle(read)

    async def _keep_rules(self, read_ns: int) -> None:
        """Once an hour, and when the core has a reason to doubt them."""
        name = self._venue.venue
        while True:
            await asyncio.sleep(self._pace.look)
            age_s = (time.monotonic_ns() - read_ns) / NS_PER_S
            wish = self._desk.state.wanted.rules.get(name)
            is_wished = wish is not None and wish.since_ns > read_ns
            due_s = (
                self._pace.rules_least if is_wished else self._pace.rules if self._is_whole else self._pace.rules_short
            )
            if age_s < due_s:
                continue
            read_ns = time.monotonic_ns()
            log.info("rules_read_again venue=%s why=%s", name, wish.why if wish and is_wished else "their age")
            await self._asked("rules", self._read_rules)

    async def _every(self, period_s: float, read: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._asked(read.__name__.removeprefix("_read_"), read)
            await asyncio.sleep(period_s)

    async def _asked(self, what: str, ask: Callable[[], Awaitable[T]]) -> T | None:
        """None where the venue gave no answer: what was known stays, with its age."""
        try:
            return await ask()
        except _FAILURES as error:
            log.warning("%s_failed venue=%s error=%s", what, self._venue.venue, error)
            return None

    async def _read_rules(self) -> None:
        answered = tuple(await self._venue.instruments(self._symbols))
        is_prepared = await self._prepare([rules.symbol for rules in answered])
        certain = self._tell_rules(self._venue.venue, self._symbols, answered)
        self._assets = named_as(answered, certain)
        self._is_whole = len(answered) == len(self._symbols) and is_prepared

    async def _prepare(self, symbols: list[str]) -> bool:
        """Before the core may trade there, and again where a person changed it; True: it is as we want it.

        A refusal is told, asked again later, and stops nothing: what is open there must be closable.
        """
        if not isinstance(self._venue, Margined):
            return True
        try:
            await self._venue.prepare(symbols, self._leverage)
        except VenueRefused as error:
            name = self._venue.venue
            log.warning("prepare_refused venue=%s leverage=%d error=%s", name, self._leverage, error)
            failed = VenueFailed(venue=name, call="prepare", reason=str(error), seen_ns=time.monotonic_ns())
            self._desk.handle(failed)
            return False
        return True

    async def _read_wallets(self) -> None:
        found = await self._venue.wallets(sorted({*self._assets, "USDT"}))
        self._desk.handle(
            WalletsReported(
                venue=self._venue.venue,
                wallets=tuple(replace(each, asset=self._assets.get(each.asset, each.asset)) for each in found),
                source=f"{self._venue.venue} account",
                seen_ns=time.monotonic_ns(),
            )
        )

    async def _read_warnings(self) -> None:
        found = tuple(await self._venue.warnings(self._symbols))
        event = WarningsReported(venue=self._venue.venue, warnings=found, seen_ns=time.monotonic_ns())
        self._desk.handle(event)

    async def _read_loans(self) -> None:
        if not isinstance(self._venue, Lender):
            return
        found = await self._venue.loans(sorted({*self._assets, "USDT"}))
        loans = tuple(replace(each, asset=self._assets.get(each.asset, each.asset)) for each in found)
        source, seen_ns = f"{self._venue.venue} account", time.monotonic_ns()
        self._desk.handle(LoansReported(venue=self._venue.venue, loans=loans, source=source, seen_ns=seen_ns))
