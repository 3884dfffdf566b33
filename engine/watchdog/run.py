"""`premia watchdog`: a process of its own that cancels what rests when the engine is gone. It never sends an order."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from engine.config import Config, Credential, load, venue_credential
from engine.domain.effect import LatchChanged
from engine.domain.errors import JournalFailed
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.net.notify import notify
from engine.storage.beat import BEAT_FILE, read_beat
from engine.storage.latch import hand_halted, read_latch, write_latch
from engine.storage.own_orders import OwnOrders
from engine.storage.watch_beat import WATCH_BEAT_FILE, WatchBeat, WatchHeart
from engine.venues.protocol import Orders
from engine.venues.settings import NEEDS_PASSPHRASE
from engine.watchdog.aside import Aside
from engine.watchdog.sweep import Cleaning
from engine.watchdog.told import Alert, AtVenue, Herald
from engine.watchdog.vigil import Sight, Vigil

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_CLEAN_EVERY_S = 30.0  # while the engine stays away and nothing of ours rests
_TROUBLE_AFTER_S = 30.0  # an episode that is not clean by then is told as trouble, once
_SWEEP_S = 20.0  # one look at one venue at most
_READ_EVERY_S = 2.0  # while the engine lives: what it sent after the last read is unknown if the disk fails
_DISK_S = 3.0  # in an episode: nothing of ours is left resting for a disk that hangs
_ACTOR = "watchdog"

Build = Callable[[], Mapping[str, Orders]]


class Stopped(Exception):
    """A signal asked for the end."""


class Watchdog:
    """Looks at the heartbeat each second; while it is missing, latches L2 and sweeps every venue until it is clean."""

    def __init__(self, config: Config, build: Build, mono_ns: Callable[[], int] = time.monotonic_ns) -> None:
        data = Path(config.data_dir)
        self._settings = config.watchdog
        self._build = build
        self._mono_ns = mono_ns
        self._beat_path = data / BEAT_FILE
        self._latch_path = data / "latch.json"
        self._vigil = Vigil(config.watchdog.missing_s * NS_PER_S)
        self._own = OwnOrders(data / "journal.db")
        self._reading, self._writing = Aside(), Aside()
        self._unreadable: set[str] = set()  # why the journal was not read since it last was: each is logged once
        self._sight = Sight.UNARMED
        self._herald = Herald(data / config.watchdog.told)
        self._venues: Mapping[str, Orders] | None = None
        self._missing, self._back = asyncio.Event(), asyncio.Event()
        self._problems: dict[str, str] = {}
        self._latched = False  # in this episode, by us
        self._heart = WatchHeart(data / WATCH_BEAT_FILE)
        self._last = self._herald.newest

    async def run(self) -> None:
        """Until a signal."""
        notify("READY=1\nSTATUS=watching")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch(), name="watch")
                tasks.create_task(self._follow(), name="follow")
                tasks.create_task(self._act(), name="act")
                tasks.create_task(_stop_on_signal(), name="signals")
        except* Stopped:
            log.info("stopping")
        finally:
            notify("STOPPING=1")
            self._heart.close()
            for venue in (self._venues or {}).values():
                await venue.close()

    async def _watch(self) -> None:
        while True:
            is_halted = hand_halted(self._latch_path)
            sight = self._vigil.look(read_beat(self._beat_path), self._mono_ns(), is_halted)
            if sight is not self._sight:
                log.warning("heartbeat sight=%s before=%s", sight.value, self._sight.value)
                notify(f"STATUS=engine {sight.value}")
                self._sight = sight
            if sight is Sight.MISSING:
                self._missing.set()
                self._back.clear()
            else:
                self._missing.clear()
                self._back.set()
            notify("WATCHDOG=1")
            self._beat(sight)
            await asyncio.sleep(_LOOK_S)

    def _beat(self, sight: Sight) -> None:
        """For `premia status` and /status. A full disk must not end the watch."""
        act, act_ms = (self._last.what, self._last.id) if self._last is not None else ("", 0)
        try:
            self._heart.beat(WatchBeat(pid=os.getpid(), wall_ms=_wall_ms(), sight=sight, act=act, act_ms=act_ms))
        except OSError as error:
            log.warning("beat_unwritable error=%s", error)

    async def _follow(self) -> None:
        """Learn what is ours while the engine lives: a disk that fails ends its heartbeat and takes the journal."""
        while True:
            if self._sight is Sight.ALIVE:  # before, there may be no journal yet, and that is no trouble
                await self._read_journal()
            await asyncio.sleep(_READ_EVERY_S)

    async def _act(self) -> None:
        while True:
            await self._missing.wait()
            await self._episode()

    async def _episode(self) -> None:
        """From the missing beat to the next one: latch first, then cancel until nothing of ours rests anywhere."""
        began_ns = self._mono_ns()
        self._problems.clear()
        self._latched = False
        await self._latch()
        await self._tell("acting", {})
        venues = self._open_venues()
        cleaning = {
            name: Cleaning(venue, began_ns, venue.late_acceptance_ms * NS_PER_MS) for name, venue in venues.items()
        }
        told = ""
        while self._missing.is_set():
            await self._latch()
            if unreadable := await self._read_journal(_DISK_S):
                self._problems["journal"] = f"the journal cannot be read: {unreadable}"
            else:
                self._problems.pop("journal", None)
            await self._sweep(list(cleaning.values()))
            is_clean = all(each.is_clean for each in cleaning.values()) and not self._problems
            is_late = self._mono_ns() - began_ns > _TROUBLE_AFTER_S * NS_PER_S
            what = "clean" if is_clean else "trouble" if is_late else ""
            if what and what != told and told != "clean":
                told = what
                await self._tell(what, cleaning)
            await self._pause(_CLEAN_EVERY_S if is_clean else self._settings.sweep_every_s)
        await self._tell("back", cleaning)

    def _open_venues(self) -> Mapping[str, Orders]:
        """Only now: the clients are most of this process's memory, and most of its life it needs none."""
        if self._venues is None:
            self._venues = self._build()
        return self._venues

    async def _sweep(self, cleaning: list[Cleaning]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for each in cleaning:
                tasks.create_task(self._look(each))

    async def _look(self, each: Cleaning) -> None:
        try:
            async with asyncio.timeout(_SWEEP_S):
                await each.look(self._own, self._mono_ns)
        except TimeoutError:
            log.warning("sweep_late venue=%s", each.venue.venue)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not past the engine's return."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._back.wait()

    async def _latch(self) -> None:
        """Durable before the first cancel: the engine comes back halted. A disk that hangs is not waited for."""
        if why := await self._writing.do(self._raise_latch, _DISK_S):
            log.error("latch_unwritable error=%s", why)
            self._problems["latch"] = f"the latch cannot be written: {why}"
        else:
            self._problems.pop("latch", None)

    def _raise_latch(self) -> str:
        level = read_latch(self._latch_path).level
        # A HALT file counts as L2 only while it lies there: the latch of its own stays.
        if level >= 2 and (self._latched or not hand_halted(self._latch_path)):
            return ""
        silent_s = self._vigil.silent_s(self._mono_ns())
        reason = f"the engine gave no heartbeat for {silent_s} s"
        change = LatchChanged(level=max(level, 2), reason=reason, actor=_ACTOR, wall_ms=_wall_ms())
        try:
            write_latch(self._latch_path, change)
        except OSError as error:
            return str(error.strerror)
        self._latched = True
        return ""

    async def _read_journal(self, patience_s: float | None = None) -> str:
        """Why it could not be read, "" if it was. What was known before is still known."""
        reason = await self._reading.do(self._refresh, patience_s)
        if reason:
            if reason not in self._unreadable:
                log.error("journal_unreadable error=%s", reason)
                self._unreadable.add(reason)
        elif self._unreadable:
            log.warning("journal_readable")
            self._unreadable.clear()
        return reason

    def _refresh(self) -> str:
        try:
            self._own.refresh()
        except JournalFailed as error:
            return str(error)
        return ""

    async def _tell(self, what: str, cleaning: Mapping[str, Cleaning]) -> None:
        alert = Alert(
            id=_wall_ms(),
            what=what,
            silent_s=self._vigil.silent_s(self._mono_ns()),
            level=read_latch(self._latch_path).level,
            venues={
                name: AtVenue(cancelled=each.cancelled, open=each.last.found, error=each.last.error)
                for name, each in cleaning.items()
            },
            problem="; ".join(self._problems.values()),
        )
        self._last = alert
        log.warning("told what=%s silent_s=%d level=%d venues=%s", what, alert.silent_s, alert.level, alert.venues)

        def tell() -> str:
            try:
                self._herald.tell(alert)
            except OSError as error:
                return str(error)
            return ""

        if why := await self._writing.do(tell, _DISK_S):
            log.error("cannot_tell error=%s", why)


def _wall_ms() -> int:
    return time.time_ns() // NS_PER_MS


async def _stop_on_signal() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
    raise Stopped


def run(directory: Path, overlays: tuple[Path, ...]) -> int:
    """Exit code 0 after a signal. Raises ConfigError, also for a traded venue without its key."""
    config = load(directory, overlays)
    logging.basicConfig(level=config.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    traded = {name: venue for name, venue in config.venues.items() if venue.enabled and venue.trade}
    keys: dict[str, Credential] = {}
    for name in traded:
        keys[name] = venue_credential(name, name in NEEDS_PASSPHRASE)

    def build() -> Mapping[str, Orders]:
        from engine.venues.registry import build_orders

        return {name: build_orders(name, traded[name], key) for name, key in keys.items()}

    asyncio.run(Watchdog(config, build).run())
    return 0
