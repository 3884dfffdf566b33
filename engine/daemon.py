"""Composition root of the engine: builds every part, reads the journal, reconciles, runs one tree of tasks."""

import asyncio
import logging
import resource
import signal
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import uvloop

from engine.checkpoint import fold_now_and_then
from engine.config import Config, load, secret, venue_credential
from engine.control.server import ControlServer
from engine.desk import EventLog
from engine.domain.effect import Record, StoreSetting
from engine.domain.errors import ConfigError, InvariantBroken
from engine.domain.money import NS_PER_MS
from engine.garbage import resident_mb, sweep
from engine.identity import Identity, load_identity
from engine.markets import Markets
from engine.net.notify import notify
from engine.schedule import Schedule
from engine.shell import Clock, Shell
from engine.storage import checkpoint, database, models
from engine.storage.beat import BEAT_FILE, Heart
from engine.storage.journal import Journal
from engine.storage.latch import FileLatch
from engine.storage.lease import Lease
from engine.storage.queries import Queries
from engine.storage.rollup import roll_up, snapshot
from engine.storage.rows import exchange_row
from engine.storage.unborn import end_unborn
from engine.storage.watch_beat import WATCH_BEAT_FILE, read_watch_beat, shown
from engine.storage.writer import Writer
from engine.strategies import curve
from engine.streams import Streams
from engine.turnover import Turnover
from engine.venues.protocol import Orders
from engine.venues.registry import NEEDS_PASSPHRASE, build_orders, lines_of, streams_of

log = logging.getLogger(__name__)

_TICK_S = 0.1
_LAG_LIMIT_NS = 250 * NS_PER_MS  # the watchdog is fed only while the loop answers within this
_LEAVE_S = 5
_KEEP_WARM_S = 20
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1)
# Callers on this machine besides the people of the allow-list: the bot's own reads, and the operator's shell.
_HOUSE = {"bot": "viewer", "cli": "owner"}


class Shutdown(Exception):
    """A signal asked for the end."""


class Daemon:
    """One engine. `run` returns its exit code."""

    def __init__(
        self, config: Config, identity: Identity, directory: Path, overlays: tuple[Path, ...], lease: Lease
    ) -> None:
        self._config = config
        self._lease = lease
        self._directory, self._overlays = directory, overlays  # for processes that read them anew
        self._zone = ZoneInfo(config.time_zone)
        self._data = Path(config.data_dir)
        self._credentials = {
            name: venue_credential(name, name in NEEDS_PASSPHRASE)
            for name, venue in config.venues.items()
            if venue.enabled and venue.trade
        }
        events = EventLog(self._data / "events.jsonl") if config.record_events else None
        self._events = events
        clock = Clock(mono_ns=time.monotonic_ns, wall_ms=_wall_ms)
        self._shell = Shell(config, clock, FileLatch(self._data / "latch.json"), self._metrics, events)
        self.desk = self._shell.desk
        self._heart = Heart(self._data / BEAT_FILE)
        self.desk.watchdog = lambda: shown(read_watch_beat(self._data / WATCH_BEAT_FILE), _wall_ms())
        self._markets = Markets(config, identity, self.desk)

    async def run(self) -> None:
        """Everything from the journal to the last socket; ends with Shutdown inside, cleanly."""
        async with AsyncExitStack() as stack:
            path = self._data / "journal.db"
            known = checkpoint.read(checkpoint.beside(path))
            journal = Journal(path, on_state=self._shell.on_journal, checkpoint=known, lease=self._lease)
            stack.callback(journal.close)
            engine = database.create(database.sqlite_url(self._data / "premia.db"))
            stack.push_async_callback(engine.dispose)
            writer = Writer(engine, on_problem=lambda problem: self._shell.problem("store", problem))
            await writer.open()
            await writer.end_signals()
            queries = Queries(engine, self._config.time_zone)
            orders = self._build_orders()
            for venue in orders.values():
                stack.push_async_callback(venue.close)
            try:
                async with asyncio.TaskGroup() as tasks:
                    streams = Streams(self.desk, journal, streams_of(orders.values()), time.monotonic_ns)
                    self._markets.show(streams.told)
                    self._shell.wire(
                        journal,
                        orders,
                        tasks,
                        {
                            **streams.effects(),
                            Record: writer.record,
                            StoreSetting: lambda effect: writer.setting(effect).add_done_callback(_taken_note),
                        },
                    )
                    for line in lines_of(orders.values()):
                        tasks.create_task(line.run(), name="line")
                    tasks.create_task(writer.run(), name="store")
                    server = self._door(writer, queries, tasks)  # it listens to the desk from the first event on
                    self._shell.recover(journal, await queries.settings(time.monotonic_ns()))
                    told = {*self.desk.state.trades, *self.desk.state.parents.all}
                    for notice in await end_unborn(writer, queries, told, _wall_ms()):
                        self.desk.tell(notice)
                    self._markets.start(tasks, orders)
                    streams.start(tasks)
                    self._start_house(tasks, server, writer, queries)
                    tasks.create_task(self._stop_on_signal(writer), name="signals")
                    tasks.create_task(self._stop_on_failure(), name="core")
            except* Shutdown:
                log.info("stopping")
            finally:
                notify("STOPPING=1")
                if self._events is not None:
                    self._events.close()

    def _build_orders(self) -> Mapping[str, Orders]:
        return {name: build_orders(name, self._config.venues[name], key) for name, key in self._credentials.items()}

    def _door(self, writer: Writer, queries: Queries, tasks: asyncio.TaskGroup) -> ControlServer:
        users = {f"telegram:{user.id}": user.role for user in self._config.telegram.users}
        turnover = Turnover(self._config, self.desk, tasks)
        return ControlServer(self.desk, writer, queries, {**_HOUSE, **users}, curve, turnover)

    def _start_house(self, tasks: asyncio.TaskGroup, server: ControlServer, writer: Writer, queries: Queries) -> None:
        tasks.create_task(sweep(), name="garbage")
        tasks.create_task(self._ticks(), name="ticks")
        if self._events is not None:
            tasks.create_task(self._flush_events(self._events), name="events")
        tasks.create_task(self._nightly(writer, queries).run(), name="schedule")
        folding = fold_now_and_then(self._data / "journal.db", self._directory, self._overlays)
        tasks.create_task(folding, name="checkpoint")
        control = self._config.control
        serving = server.serve(self._data / control.socket, control.tcp_port, secret("PREMIA_CONTROL_TOKEN"))
        tasks.create_task(serving, name="control")
        # A venue that is away must not keep systemd waiting: the desk is up when its door is; /status tells the rest.
        notify("READY=1\nSTATUS=reconciling")

    def _nightly(self, writer: Writer, queries: Queries) -> Schedule:
        """What happens by the clock on the wall: the finished day, what every account held, pruning."""

        async def finish_day() -> None:
            now_ms = _wall_ms()
            await writer.rows(models.Exchange, [self._exchange(name, now_ms) for name in sorted(self._config.venues)])
            await roll_up(writer, queries, now_ms, "live")

        async def keep_holdings() -> None:
            await snapshot(writer, self.desk.balances(), _wall_ms())

        async def forget() -> None:
            await writer.prune(_wall_ms())

        schedule = Schedule(self._config.time_zone)
        schedule.daily("finish the day", "00:05", finish_day, also_at_start=True)
        schedule.daily("keep holdings", "00:00", keep_holdings)
        schedule.daily("forget", "04:30", forget)
        return schedule

    def _exchange(self, name: str, now_ms: int) -> dict[str, object]:
        venue = self._config.venues[name]
        config = msgspec.json.encode(venue).decode()
        return exchange_row(name, venue.enabled, venue.maker_fee_bps, venue.taker_fee_bps, config, now_ms)

    async def _ticks(self) -> None:
        await self._shell.run_ticks(_still_alive, self._heart.beat)

    async def _flush_events(self, events: EventLog) -> None:
        while True:
            events.flush()
            await asyncio.sleep(1)

    async def _stop_on_signal(self, writer: Writer) -> None:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        await asked.wait()
        if await self._shell.leave(writer.flush):
            try:
                self._heart.beat(self.desk.level, stopped=True)
            except OSError as error:  # the watchdog looks at every venue for nothing, which harms nobody
                log.error("heartbeat_unwritable error=%s", error)
        raise Shutdown

    async def _stop_on_failure(self) -> None:
        """A core that failed is started anew from the journal."""
        failed = asyncio.Event()
        self.desk.on_broken = failed.set
        await failed.wait()
        raise InvariantBroken("the core failed in a step")

    def _metrics(self) -> dict[str, object]:
        """Live metrics (R133): counts, latencies in µs, loop lag, memory."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        latencies = self._shell.carrier.latencies.summary() if self._shell.carrier else {}
        return {
            **latencies,
            "loop_lag_us": self._shell.worst_lag_ns // 1_000,
            "rss_mb": resident_mb(),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
            "clock_skew_ms": dict(self._markets.skew_ms),
            "steps": self.desk.state.steps,
            "counts": dict(self.desk.state.counts),
            "limits": msgspec.to_builtins(self._shell.limits()),
        }


def _still_alive() -> None:
    notify("WATCHDOG=1")


def _taken_note(done: "asyncio.Future[int]") -> None:
    """The store says itself when it cannot write; here the future is only taken note of."""
    if not done.cancelled():
        done.exception()


def _wall_ms() -> int:
    return time.time_ns() // NS_PER_MS


def main(directory: Path, overlays: tuple[Path, ...], lease: Lease) -> int:
    """`premia run`, with the lease of its journal. Exit codes: 0 after a signal, 1 after a failure, 2 for a
    configuration error."""
    config = load(directory, overlays)
    logging.basicConfig(level=config.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    daemon = Daemon(config, load_identity(directory), directory, overlays, lease)
    try:
        uvloop.run(daemon.run())
    except ConfigError:
        raise
    except Exception as error:
        found = error.subgroup(ConfigError) if isinstance(error, ExceptionGroup) else None
        if found is not None:
            raise ConfigError(str(_first(found))) from None
        log.exception("engine_failed")
        return 1
    return 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first single error inside nested groups."""
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner
