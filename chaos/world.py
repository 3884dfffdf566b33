"""One simulated world: four venues or five, a disk, a market, and the process of the desk that lives and dies in it."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from chaos import perps
from chaos.bank import Arrival, Bank
from chaos.checks import Checks, Moment
from chaos.disk import Life, Platter, SimDisk, SimLatch
from chaos.exposure import bounds
from chaos.faults import Fates
from chaos.loop import SimLoop
from chaos.market import Market
from chaos.perps import PerpBank, SimPerps
from chaos.stops import SimStops
from chaos.streams import SimStream
from chaos.venue import SimVenue
from engine.assemble import core_config
from engine.config import Config, load
from engine.core.state import CoreConfig
from engine.domain import event as ev
from engine.domain.effect import Notice, Record, StoreSetting
from engine.domain.errors import OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.money import NS_PER_MS
from engine.domain.order import LegRole, OrderRequest, Policy
from engine.shell import Clock, Shell
from engine.storage.disk import Disk
from engine.storage.journal import Journal
from engine.streams import Streams
from engine.venues.protocol import Margined, Orders
from sandbox.venues import rules

_ROOT = Path(__file__).parent.parent
_BOOT_WALL_MS = 1_795_500_000_000  # a Tuesday in November 2026, 15:00 in Seoul
_IDLE_TICK_S = 5.0  # quiet hours are cheap: what happens in them is nothing
_MOST_DEATHS = 10
_WITHOUT_STREAM = ("bithumb",)  # what becomes of an order there is only learnt by asking
_KEEPS_STOPS_APART = "okx"
_EXPIRING = ("binance", "okx")
_FUNDS = {
    "upbit": {"KRW": Decimal(3_000_000_000), "BTC": Decimal(40), "USDT": Decimal(900_000)},
    "bithumb": {"KRW": Decimal(3_000_000_000), "BTC": Decimal(40), "USDT": Decimal(900_000)},
    "binance": {"USDT": Decimal(3_000_000), "BTC": Decimal(40)},
    "okx": {"USDT": Decimal(3_000_000), "BTC": Decimal(40)},
    perps.VENUE: {"USDT": Decimal(300_000)},
}


class Killed(BaseException):
    """The process is gone, at this very line."""


class Hopeless(Exception):
    """No start helps: the seed has told what it can."""


@cache
def configuration(with_perps: bool = False, hard_first: str = "") -> Config:
    """The four venues of coins; with the one of perpetuals it hedges, too. `hard_first`: a strategy of that policy."""
    overlays = ("desk.yaml", "perps.yaml") if with_perps else ("desk.yaml",)
    config = load(_ROOT / "configs", tuple(Path(__file__).parent / name for name in overlays))
    traded = {name: venue for name, venue in config.venues.items() if venue.trade}
    strategies = dict(config.strategies)
    if hard_first:
        params = strategies[hard_first].params | {"policy": Policy.HARD_LEG_FIRST.value}
        strategies[hard_first] = msgspec.structs.replace(strategies[hard_first], params=params)
    return msgspec.structs.replace(config, venues=traded, strategies=strategies)


def _of_seed(seed: int) -> Config:
    """Both kinds of desk, and each of the two strategies with two legs sends the hard one first on some."""
    return configuration(with_perps=bool(seed % 2), hard_first=("kimchi", "spatial")[seed // 2 % 2])


_cores: dict[int, tuple[Config, CoreConfig]] = {}  # by identity; the configuration is kept, so that it stays its own


def _core_of(config: Config) -> CoreConfig:
    """Made once: to look for plug-ins takes longer than all else of a world's beginning."""
    if id(config) not in _cores:
        _cores[id(config)] = (config, core_config(config))
    return _cores[id(config)][1]


def _steady(world: "World") -> Clock:
    """Ages by a clock that nobody can set."""
    return Clock(mono_ns=world.mono_ns, wall_ms=world.wall_ms, idle_tick_s=_IDLE_TICK_S)


class Seams(Struct, frozen=True, kw_only=True):
    """What stands between the product and the world. A careless one of each must make a check fail."""

    clock: Callable[["World"], Clock] = _steady
    disk: Callable[[Platter, Life, Callable[[float, Callable[[], None]], None]], Disk] = SimDisk
    latch: type[SimLatch] = SimLatch
    orders: Callable[[SimVenue], Orders] = lambda venue: venue


class World:
    """Everything of it runs on `loop`; `seed` decides all. `trace` is the hash of what happened."""

    def __init__(self, seed: int, seams: Seams = Seams(), config: Config | None = None, *, hears: bool = True) -> None:
        """`hears`: most venues have a private stream of orders."""
        self.seed = seed
        self._hears = hears
        self.config = config or _of_seed(seed)
        self._core = _core_of(self.config)
        self._seams = seams
        self.loop = SimLoop(self.stream("loop"))
        self.loop.set_exception_handler(self._in_a_callback)
        self.counts: Counter[str] = Counter()
        self.checks = Checks(bounds(self.config))
        self._trace = hashlib.sha256()
        self._skew_ms = 0  # of the wall clock, after jumps
        self._network = self.stream("network")
        self.platter = Platter(self.stream("disk"), self.checks.on_durable)
        self.banks = {each.venue: self._bank(each) for each in _markets(seed) if each.venue in self.config.venues}
        self.spots = tuple(name for name in self.banks if name != perps.VENUE)  # where premiums open
        self.fates = {name: Fates(self.stream(f"fates {name}"), self.counts) for name in self.banks}
        self.market = Market(self.stream("market"), self.banks, self.tell)
        self.clients: dict[str, SimVenue] = {}  # of the newest life
        self._clock = seams.clock(self)
        self.life: Life | None = None
        self.shell: Shell | None = None
        self._process: asyncio.Task[None] | None = None
        self.told: Counter[tuple[str, str]] = Counter()  # (kind, rule or key) of notices
        self.listeners: list[Callable[[Notice], None]] = []
        self.on_arrival: list[Callable[[Arrival], None]] = []
        self.kill_at = ""  # the point at which the process dies, by its name
        self.kill_in = -1  # points until the process dies; negative: it does not
        self.lives = 0
        self.deaths = 0  # of lives that ended by themselves

    def stream(self, name: str) -> Random:
        """One part's draws never move another's."""
        return Random(f"{self.seed}/{name}")

    # time

    def mono_ns(self) -> int:
        return self.loop.now_ns

    def seen_ns(self) -> int:
        """The desk's own clock, which stamps all that it is told. A careless one is not the world's."""
        return self._clock.mono_ns()

    def wall_ms(self) -> int:
        return _BOOT_WALL_MS + self.loop.now_ns // NS_PER_MS + self._skew_ms

    def clear_sky(self) -> None:
        """From now on nothing goes wrong by itself."""
        self.kill_in, self.kill_at, self._skew_ms = -1, "", 0
        self.platter.full = self.platter.hand_halted = False
        self.market.crossed.clear()
        for fates in self.fates.values():
            fates.script.clear()
            fates.fills_first = 0
            weather = fates.weather
            weather.badness, weather.lag_ms, weather.forgets_ms = 0.0, 0, 0
            weather.away = weather.zero_balances = weather.stale_balances = weather.deaf = weather.unread = False

    def jump_wall(self, ms: int) -> None:
        """The wall clock is set. A venue with request expiry refuses what is dated too far from its own."""
        self._skew_ms += ms

    def right_wall(self) -> None:
        self._skew_ms = 0

    def venue_ms(self) -> int:
        """The venues' clocks are right."""
        return _BOOT_WALL_MS + self.loop.now_ns // NS_PER_MS

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """The world's own work: it outlives every process."""
        self.loop.call_later(seconds, work)

    def note(self, *what: object) -> None:
        """One thing that happened, into the trace."""
        self._trace.update(repr((self.loop.now_ns, *what)).encode())

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()[:16]

    # the desk's process

    def point(self, where: str) -> None:
        """A place where the process may die. Raises Killed."""
        if self.kill_in > 0:
            self.kill_in -= 1
        elif self.kill_in == 0 or (self.kill_at and self.kill_at == where):
            self.kill_in, self.kill_at = -1, ""
            self.counts[f"kill.{where}"] += 1
            self._bury()
            raise Killed

    def start(self) -> None:
        """Raises Hopeless where the process has ended by itself again and again."""
        if self.deaths > _MOST_DEATHS:
            raise Hopeless(f"the process ended by itself {self.deaths} times")
        self.lives += 1
        life = Life(self.lives, self.point)
        self.life = life
        self.note("start", self.lives)
        self._process = self.loop.create_task(self._run(life), name=f"life {self.lives}")
        self._process.add_done_callback(self._ended)

    def kill(self, counted: str = "kill.any time") -> None:
        self.counts[counted] += 1
        self._bury()

    def _bury(self) -> None:
        if self.life is not None:
            self.note("killed", self.life.number)
            self.life.dead = True
        self.life, self.shell = None, None
        mine = asyncio.current_task(self.loop) if self.loop.is_running() else None
        for task in asyncio.all_tasks(self.loop):
            if task is not mine and task.get_name() != "world":
                task.cancel()

    async def _run(self, life: Life) -> None:
        """One life, from its start to whatever ends it."""
        try:
            await self._live(life)
        except BaseExceptionGroup as group:
            rest = group.split((Killed, asyncio.CancelledError))[1]
            if rest is not None and not life.dead:
                self._died(rest)
        except Killed:
            return

    def _ended(self, process: "asyncio.Task[None]") -> None:
        """What a life cannot even begin with, a configuration that is refused for instance."""
        error = None if process.cancelled() else process.exception()
        if error is not None:
            self._died(error)

    def _in_a_callback(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A process may die there too; anything else is a failure that production would only write down."""
        error = context.get("exception")
        is_left = self.life is None and "never retrieved" in context["message"]  # by a killed one
        if error is not None and not (is_left or isinstance(error, Killed)):
            self.checks.breach("a callback failed", repr(error)[:500])

    def _died(self, error: BaseException) -> None:
        self.deaths += 1
        self.checks.breach("the process ended by itself", repr(error)[:500])
        self._bury()

    async def _live(self, life: Life) -> None:
        latch = self._seams.latch(self.platter, life)
        clock = self._clock
        shell = Shell(self.config, clock, latch, dict, core=self._core)
        journal = Journal(
            Path("chaos"),
            on_state=shell.on_journal,
            mono_ns=clock.mono_ns,
            wall_ms=clock.wall_ms,
            disk=self._seams.disk(self.platter, life, self.later),
        )
        async with asyncio.TaskGroup() as tasks:
            venues = {name: self._venue(name, life, shell) for name in self.banks}
            heard = [client.stream for client in self.clients.values() if client.stream is not None]
            streams = Streams(shell.desk, journal, heard, self.seen_ns)
            kept: dict[type, Callable[[Any], None]] = {Record: lambda effect: None, StoreSetting: latch.store}
            shell.wire(journal, venues, tasks, streams.effects() | kept)
            settings = [
                ev.SettingStored(name=name, version=version, value=value, seen_ns=self.seen_ns())
                for (name, version), value in sorted(self.platter.settings.items())
            ]
            shell.recover(journal, settings)
            streams.start(tasks)
            self.shell = shell
            shell.desk.subscribe(self._hear)
            for name, venue in venues.items():
                tasks.create_task(self._attend(name, venue, shell))
            tasks.create_task(shell.run_ticks(lambda: None))

    def _venue(self, name: str, life: Life, shell: Shell) -> Orders:
        def now() -> Moment:
            told_ms = min(self.clients[name].told_ms.values(), default=0)
            return Moment(shell.desk.state, self.platter.level, self.venue_ms(), told_ms)

        def on_send(order: OrderRequest) -> None:
            self.checks.on_send(order, now())

        def on_move(symbol: str, cid: str, qty: Decimal) -> None:
            self.checks.on_move(name, symbol, cid, qty, now())

        def on_doubt(order: OrderRequest) -> None:
            self.checks.exposure.on_doubt(order.trade_id, self.venue_ms())

        expires = name in _EXPIRING
        bank, fates = self.banks[name], self.fates[name]
        rest = (fates, life, self._network, self.later, on_send, on_move, on_doubt, self.mono_ns, lambda: self._skew_ms)
        if isinstance(bank, PerpBank):
            made: SimVenue = SimPerps(bank, *rest, expires=expires)
        else:
            made = (SimStops if name == _KEEPS_STOPS_APART else SimVenue)(bank, *rest, expires=expires)
        self.clients[name] = made
        if self._hears and name not in _WITHOUT_STREAM:
            made.stream = SimStream(name, fates, life, self._network, self.later, self.seen_ns)
            bank.on_order = made.stream.on_order
        # Careless clients are of coins: a wrapper would hide that this one has positions.
        return made if isinstance(bank, PerpBank) else self._seams.orders(made)

    async def _attend(self, name: str, venue: Orders, shell: Shell) -> None:
        """What the daemon does for a venue: its rules until it answers; here also its feed's first word."""
        while True:
            try:
                await venue.warm()
                if isinstance(venue, Margined):
                    await venue.prepare(self.config.venues[name].symbols, self.config.venues[name].leverage)
                found = tuple(await venue.instruments(self.config.venues[name].symbols))
                break
            except (VenueUnavailable, VenueRefused, OutcomeUnknown):
                await asyncio.sleep(1.0)
        shell.desk.handle(ev.InstrumentsLoaded(venue=name, instruments=found, seen_ns=self.seen_ns()))
        if name not in self.market.dark:
            self.connect(name)

    def _hear(self, notice: Notice) -> None:
        self.note(notice.kind, notice.key, notice.body)
        self.told[notice.kind, notice.key.partition(":")[0]] += 1
        for listener in self.listeners:
            listener(notice)

    # the desk's senses

    def tell(self, event: ev.Event) -> None:
        """To the desk that runs now, if one does. A process that dies of it is dead."""
        if self.shell is not None:
            try:
                self.shell.desk.handle(event)
            except Killed:
                if self._process is not None:
                    self._process.cancel()

    def connect(self, venue: str) -> None:
        now_ns = self.seen_ns()
        self.tell(ev.FeedState(venue=venue, connected=True, reason="connected", seen_ns=now_ns))
        self.market.show_one(venue, now_ns, self.venue_ms())

    def disconnect(self, venue: str) -> None:
        self.tell(ev.FeedState(venue=venue, connected=False, reason="lost", seen_ns=self.seen_ns()))

    def show_fx(self) -> None:
        for source, rate in (("dunamu", "1389.5"), ("frankfurter", "1390.5")):
            as_of_ms = self.venue_ms()
            self.tell(ev.FxRate(source=source, rate=Decimal(rate), as_of_ms=as_of_ms, seen_ns=self.seen_ns()))

    # the venues

    def _bank(self, found: rules.VenueRules) -> Bank:
        funds = _FUNDS[found.venue]
        if found.margined:
            return PerpBank(found, funds, self.venue_ms, self._on_arrival, self.stream("funding"))
        return Bank(found, funds, self.venue_ms, self._on_arrival)

    def _on_arrival(self, arrival: Arrival) -> None:
        self.counts["venue orders"] += 1
        is_second = arrival.request.role is LegRole.ENTRY and self.checks.finishes(arrival.request.cid)
        self.counts["order.second" if is_second else f"order.{arrival.request.role}"] += 1
        self.note("arrival", arrival.request.cid, str(arrival.request.qty), str(arrival.request.price))
        self.checks.on_arrival(arrival)
        for listener in tuple(self.on_arrival):  # one may be done with the first that it hears
            listener(arrival)

    def marks(self) -> dict[str, Decimal]:
        """KRW per coin, for sizes of exposures."""
        upbit = self.banks["upbit"].rules.markets["KRW-BTC"]
        return {"BTC": Decimal(repr(self.market.mid("upbit", upbit)))}


def _markets(seed: int) -> tuple[rules.VenueRules, ...]:
    korean = ("KRW-BTC", "KRW-USDT")
    found: list[Any] = [rules.upbit(korean), rules.bithumb(korean, Decimal("0.0004")), rules.binance(), rules.okx()]
    return (*(_only_bitcoin(each) for each in found), perps.rules(seed))


def _only_bitcoin(found: rules.VenueRules) -> rules.VenueRules:
    kept = {
        symbol: market
        for symbol, market in found.markets.items()
        if market.base in ("BTC", "USDT") and market.perp is None
    }
    return rules.VenueRules(
        **{name: getattr(found, name) for name in found.__struct_fields__ if name != "markets"}, markets=kept
    )
