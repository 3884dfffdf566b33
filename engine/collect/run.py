"""`premia collect`: candles, funding and trades of the past into Parquet, in a process of its own."""

import asyncio
import logging
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import uvloop
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from engine.collect.source import Source
from engine.collect.walk import Walk
from engine.config import Config, load
from engine.domain.errors import ConfigError, VenueRefused, VenueUnavailable

log = logging.getLogger(__name__)

KINDS = ("candles", "funding", "trades")
_MINUTES = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "1d": 1440}
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Wish(Struct, frozen=True, kw_only=True):
    """What to collect. Times are ISO 8601 in UTC, or how long ago: 90m, 12h, 7d."""

    out: Path
    venues: tuple[str, ...] = ()  # none: every enabled one
    symbols: tuple[str, ...] = ()  # none: those of the configuration
    kinds: tuple[str, ...] = ("candles",)
    timeframe: str = "1m"
    since: str = "1d"
    until: str = ""  # "": now
    as_json: bool = False


class Outcome(Struct, kw_only=True):
    """One series after the run."""

    venue: str
    kind: str
    symbol: str
    status: str  # done | stopped | refused | failed
    reason: str
    rows: int  # new ones
    pages: int
    retries: int
    holes: int
    hole_ms: int
    from_ms: int
    to_ms: int


def moment(text: str, now_ms: int) -> int:
    """Raises ConfigError."""
    ago = re.fullmatch(r"(\d+)([mhd])", text)
    if ago:
        return now_ms - int(ago[1]) * _UNITS_MS[ago[2]]
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise ConfigError(f"no time: `{text}`; say 2026-11-20, 2026-11-20T08:00 (UTC), 90m, 12h or 7d") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


class Collect:
    """All series of one run: venues side by side, the series of one venue one after the other."""

    def __init__(self, config: Config, wish: Wish, now_ms: int) -> None:
        """Raises ConfigError."""
        if wish.timeframe not in _MINUTES:
            raise ConfigError(f"no timeframe `{wish.timeframe}`; there are: {', '.join(_MINUTES)}")
        for kind in wish.kinds:
            if kind not in KINDS:
                raise ConfigError(f"no kind `{kind}`; there are: {', '.join(KINDS)}")
        names = wish.venues or tuple(name for name, venue in sorted(config.venues.items()) if venue.enabled)
        unknown = [name for name in names if name not in config.venues]
        if unknown:
            raise ConfigError(f"venues.yaml: no venue `{unknown[0]}`; there are: {', '.join(sorted(config.venues))}")
        self._config = config
        self._wish = wish
        self._span = moment(wish.since, now_ms), moment(wish.until, now_ms) if wish.until else now_ms
        if self._span[0] >= self._span[1]:
            raise ConfigError(f"nothing to collect: since {wish.since} is not before until {wish.until or 'now'}")
        self._is_stopped = False
        self.outcomes: list[Outcome] = []
        self.walks = {name: self._walks(name) for name in names}

    def _walks(self, name: str) -> list[tuple[str, str]]:
        symbols = self._wish.symbols or self._config.venues[name].symbols
        return [(kind, symbol) for kind in self._wish.kinds for symbol in symbols]

    async def run(self, begin: Callable[[str, int, int], Callable[[int], None]]) -> None:
        """`begin(name, from_ms, to_ms)` is told of each series and returns who is told of its progress."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        async with asyncio.TaskGroup() as tasks:
            for name, walks in self.walks.items():
                tasks.create_task(self._venue(name, walks, begin), name=name)

    def stop(self) -> None:
        """After the page under way, everything read is written and the run ends."""
        self._is_stopped = True

    async def _venue(
        self, name: str, walks: list[tuple[str, str]], begin: Callable[[str, int, int], Callable[[int], None]]
    ) -> None:
        source = Source(name, self._config.venues[name])
        try:
            for kind, symbol in walks:
                self.outcomes.append(await self._one(source, kind, symbol, begin))
        finally:
            await source.close()

    async def _one(
        self, source: Source, kind: str, symbol: str, begin: Callable[[str, int, int], Callable[[int], None]]
    ) -> Outcome:
        step_ms = _MINUTES[self._wish.timeframe] * _UNITS_MS["m"]
        from_ms, to_ms = self._span
        if kind == "candles":  # whole ones that are closed
            from_ms, to_ms = -(-from_ms // step_ms) * step_ms, to_ms // step_ms * step_ms
        walk = Walk(
            source=source,
            out=self._wish.out,
            kind=kind,
            spelled=symbol,
            timeframe=self._wish.timeframe,
            step_ms=step_ms,
            from_ms=from_ms,
            to_ms=to_ms,
            tell=begin(f"{source.venue} {kind} {symbol}", from_ms, to_ms),
            is_stopped=lambda: self._is_stopped,
        )
        retries, status, reason = source.retries, "done", ""
        try:
            await walk.go()
            if self._is_stopped:
                status = "stopped"
        except VenueRefused as error:
            status, reason = "refused", error.text
        except (VenueUnavailable, ConfigError) as error:
            status, reason = "failed", str(error)
        except OSError as error:
            status, reason = "failed", f"{error.filename or self._wish.out}: {error.strerror or error}"
        if reason:
            log.error("collect_%s venue=%s kind=%s symbol=%s error=%s", status, source.venue, kind, symbol, reason)
        holes = _holes(walk)
        return Outcome(
            venue=source.venue,
            kind=kind,
            symbol=symbol,
            status=status,
            reason=reason,
            rows=walk.rows,
            pages=walk.pages,
            retries=source.retries - retries,
            holes=len(holes),
            hole_ms=sum(to - since for since, to in holes),
            from_ms=from_ms,
            to_ms=to_ms,
        )


def _holes(walk: Walk) -> list[tuple[int, int]]:
    try:
        return walk.series().holes(walk.from_ms, walk.to_ms)
    except (ConfigError, OSError):  # its walk failed for the same reason, and said so
        return []


def run(directory: Path, overlays: tuple[Path, ...], wish: Wish) -> int:
    """Exit status 0; 1 where a series was refused or failed. Raises ConfigError."""
    config = load(directory, overlays)
    logging.basicConfig(level=config.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    collect = Collect(config, wish, time.time_ns() // 1_000_000)
    display, begin = _display()
    try:
        with display:
            uvloop.run(collect.run(begin))
    except* ConfigError as group:
        raise ConfigError(str(group.exceptions[0])) from None
    failed = sum(one.status in ("refused", "failed") for one in collect.outcomes)
    if wish.as_json:
        rows = sum(one.rows for one in collect.outcomes)
        print(msgspec.json.encode({"series": collect.outcomes, "rows": rows, "failed": failed}).decode())
    else:
        for one in collect.outcomes:
            holes = f"{one.holes} holes of {one.hole_ms // 60_000} min"
            print(f"{one.venue} {one.kind} {one.symbol}: {one.status}, {one.rows} rows, {holes} {one.reason}".rstrip())
    return 1 if failed else 0


def _display() -> tuple[AbstractContextManager[object], Callable[[str, int, int], Callable[[int], None]]]:
    """Bars on a terminal; elsewhere a line in the log when a series begins."""
    if not sys.stderr.isatty():
        return nullcontext(), _log_begin
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))

    def begin(name: str, from_ms: int, to_ms: int) -> Callable[[int], None]:
        task: TaskID = progress.add_task(name, total=to_ms - from_ms)
        return lambda at_ms: progress.update(task, completed=at_ms - from_ms)

    return progress, begin


def _log_begin(name: str, from_ms: int, to_ms: int) -> Callable[[int], None]:
    log.info("collect_begins series=%s minutes=%d", name, (to_ms - from_ms) // 60_000)
    return lambda at_ms: log.debug("collect_at series=%s ms=%d", name, at_ms)
