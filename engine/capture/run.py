"""`premia capture`: the desk's own feeds, recorded, in a process of their own. docs/operations.md."""

import asyncio
import logging
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import uvloop
from msgspec import Struct
from rich.live import Live

from engine.capture.markets import Markets
from engine.capture.progress import VenueProgress, Watched, json_line, table, text_line
from engine.capture.recorder import Recorder
from engine.capture.track import Rotation, Track
from engine.config import Config, VenueConfig, load
from engine.domain.errors import ConfigError
from engine.venues.feeds import build_feed
from engine.venues.protocol import Feed

log = logging.getLogger(__name__)

_WRITE_EVERY_S = 0.5  # what a kill -9 can cost


class Wish(Struct, frozen=True, kw_only=True):
    """What to capture, and how."""

    out: Path
    venues: tuple[str, ...] = ()  # none: every enabled one
    seconds: float = 0.0  # 0: until a signal
    top: int = 20  # levels of a normalised book
    book_every_ms: int = 100  # a changed book is written at most so often
    progress_every_s: float = 5.0
    as_json: bool = False
    rotation: Rotation = Rotation()


class Ended(Exception):
    """A signal, or the asked time is over."""


class VenueCapture:
    """One venue: its feed, its recorder and its books."""

    def __init__(self, name: str, venue: VenueConfig, wish: Wish, wall_of: Callable[[int], int]) -> None:
        folder = wish.out / name

        def track(kind: str, on_hole: Callable[[int], None]) -> Track:
            return Track(folder / kind, wish.rotation, on_hole)

        self.recorder = Recorder(lambda on_hole: track("raw", on_hole), wall_of)
        self.raw = self.recorder.track
        self.books, self.trades = track("books", _ignore), track("trades", _ignore)
        self.tracks = (self.raw, self.books, self.trades)
        self.markets = Markets(self.books, self.trades, wall_of, wish.top)
        self.feed: Feed = build_feed(
            name,
            ws_base=venue.ws_base,
            rest_base=venue.rest_base,
            symbols=venue.symbols,
            sink=self.markets.take,
            clock_ns=time.monotonic_ns,
            rng=random.Random(),
            top_of=self.markets.top_of,
            tap=self.recorder,
            ccxt_id=venue.ccxt_id,
            levels=venue.book_levels,
        )

    def watched(self) -> Watched:
        counters = self.feed.counters()
        return Watched(
            raw=self.raw, books=self.books, trades=self.trades, counters=counters, synced=self.markets.synced
        )


def _ignore(lost: int) -> None:
    """A hole in normalised rows needs no repair: each row stands by itself."""


class Capture:
    """Everything of one run. `run` ends by Ended inside, with every line written that the disk takes."""

    def __init__(self, config: Config, wish: Wish) -> None:
        self._wish = wish
        self._shift_ns = time.time_ns() - time.monotonic_ns()
        names = wish.venues or tuple(name for name, venue in sorted(config.venues.items()) if venue.enabled)
        unknown = [name for name in names if name not in config.venues]
        if unknown:
            raise ConfigError(f"venues.yaml: no venue `{unknown[0]}`; there are: {', '.join(sorted(config.venues))}")
        self.venues = {name: VenueCapture(name, config.venues[name], wish, self._wall_of) for name in names}
        self._frames_before = dict.fromkeys(self.venues, 0)
        self._told_ns = time.monotonic_ns()

    def _wall_of(self, mono_ns: int) -> int:
        return mono_ns + self._shift_ns

    async def run(self, show: Callable[[dict[str, VenueProgress]], None]) -> None:
        tracks = [track for venue in self.venues.values() for track in venue.tracks]
        for track in tracks:
            await asyncio.to_thread(track.resume)
        over = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as writing:
                # Not among those that the end cancels: lines that a thread is about to write must not be dropped.
                writing.create_task(self._write_on(tracks, over), name="writer")
                try:
                    await self._feed_until_ended(show)
                finally:
                    self._close_books()
                    over.set()
        finally:
            for track in tracks:
                await asyncio.to_thread(_closed, track)

    async def _feed_until_ended(self, show: Callable[[dict[str, VenueProgress]], None]) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, venue in self.venues.items():
                    tasks.create_task(venue.feed.run(), name=f"feed {name}")
                tasks.create_task(self._look_on(), name="looks")
                tasks.create_task(self._tell_on(show), name="progress")
                tasks.create_task(self._end(), name="end")
        except* Ended:
            log.info("capture_ending")

    async def _end(self) -> None:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        try:
            async with asyncio.timeout(self._wish.seconds or None):
                await asked.wait()
        except TimeoutError:
            pass
        self._close_books()
        raise Ended

    def _close_books(self) -> None:
        """Once, in one turn of the loop: no raw frame is kept behind the last books, nor a book that an end dropped."""
        self._look()
        for venue in self.venues.values():
            for track in venue.tracks:
                track.end()

    async def _write_on(self, tracks: list[Track], over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                async with asyncio.timeout(_WRITE_EVERY_S):
                    await over.wait()
            except TimeoutError:
                pass
            self._shift_ns = time.time_ns() - time.monotonic_ns()  # a step of the wall clock shows within a second
            await self._write(tracks)
        await self._write(tracks)  # the end may have come while the round before was writing

    async def _write(self, tracks: list[Track]) -> None:
        for track in tracks:
            lines = track.take(time.monotonic_ns())
            if lines and not await asyncio.to_thread(track.write, lines, time.time_ns(), time.monotonic_ns()):
                track.give_back(lines)

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(self._wish.book_every_ms / 1_000)
            self._look()

    def _look(self) -> None:
        for venue in self.venues.values():
            venue.markets.look()

    async def _tell_on(self, show: Callable[[dict[str, VenueProgress]], None]) -> None:
        while True:
            await asyncio.sleep(self._wish.progress_every_s)
            show(self.progress())

    def progress(self) -> dict[str, VenueProgress]:
        now_ns = time.monotonic_ns()
        seconds, self._told_ns = (now_ns - self._told_ns) / 1e9, now_ns
        found = {}
        for name, venue in self.venues.items():
            found[name] = venue.watched().progress(self._frames_before[name], seconds, now_ns)
            self._frames_before[name] = found[name].frames
        return found


def _closed(track: Track) -> None:
    try:
        track.close()
    except OSError as error:
        log.error("capture_unclosed folder=%s error=%s", track.folder, error.strerror or error)


def run(directory: Path, overlays: tuple[Path, ...], wish: Wish) -> int:
    """Exit status 0 after a signal or the asked time; 1 where lines were lost for a full disk. Raises ConfigError."""
    config = load(directory, overlays)
    logging.basicConfig(level=config.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        capture = Capture(config, wish)
        display, show = _display(wish)
        with display:
            uvloop.run(capture.run(show))
    except OSError as error:
        raise ConfigError(f"{wish.out}: {error.strerror or error}") from error
    final = capture.progress()
    if wish.as_json:
        print(json_line(final, final=True), flush=True)
    return 1 if any(one.lost or one.stopped for one in final.values()) else 0


def _display(wish: Wish) -> tuple[AbstractContextManager[object], Callable[[dict[str, VenueProgress]], None]]:
    if wish.as_json:
        return nullcontext(), lambda progress: print(json_line(progress, final=False), flush=True)
    if sys.stdout.isatty():
        live = Live(table({}), auto_refresh=False)
        return live, lambda progress: live.update(table(progress), refresh=True)
    return nullcontext(), lambda progress: print("\n".join(text_line(*item) for item in progress.items()), flush=True)
