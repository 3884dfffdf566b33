"""`premia status`: the desk and its venues at this moment, for a terminal, through the control door."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import to_builtins
from rich.console import Console
from rich.table import Table

from engine.config import load
from engine.control.client import Door, DoorRefused, DoorUnavailable
from engine.control.messages import OrderStreamView, StatusView, VenueHealth, WatchdogView
from engine.storage.watch_beat import WATCH_BEAT_FILE, read_watch_beat, shown

_ACTOR = "cli"
_MINUS = "−"


def run(directory: Path, overlays: tuple[Path, ...], as_json: bool) -> int:
    """Prints and returns the exit code: 0, or 1 while the engine cannot be reached. Raises ConfigError."""
    config = load(directory, overlays)
    socket = Path(config.data_dir) / config.control.socket
    try:
        status, venues = asyncio.run(_ask(socket))
    except (DoorUnavailable, DoorRefused) as error:
        print(f"premia: the engine does not answer at {socket}: {error}", file=sys.stderr)
        _tell_watchdog(Path(config.data_dir))
        return 1
    if as_json:
        body = {
            "status": status.model_dump(mode="json"),
            "venues": [venue.model_dump(mode="json") for venue in venues],
        }
        print(json.dumps(body, ensure_ascii=False))
        return 0
    console = Console()
    console.print(headline(status))
    console.print(watchdog(status.watchdog, status.wall_ms))
    console.print(table(venues, status.wall_ms))
    for venue in venues:
        is_told = venue.order_stream is not None
        if is_told or len(venue.connections) > 1 or any(line.reason for line in venue.connections):
            console.print(lines(venue))
        if venue.paces:
            console.print(paces(venue))
    return 0


def paces(venue: VenueHealth) -> Table:
    """One row per stage and path of what the desk asks and sends there, over a quarter of an hour."""
    made = Table(title=f"{venue.venue} {venue.slow}".rstrip(), title_justify="left", box=None, header_style="dim")
    made.add_column("stage")
    made.add_column("path")
    for name in ("count", "p50 ms", "p99 ms", "usual ms"):
        made.add_column(name, justify="right")
    for found in venue.paces:
        usual = _figure(found.usual_ms or None, 1)
        marked = f"[red]{usual}[/]" if found.is_slow else usual
        figures = (str(found.count), _figure(found.p50_ms, 1), _figure(found.p99_ms, 1), marked)
        made.add_row(found.stage, found.path, *figures)
    return made


async def _ask(socket: Path) -> tuple[StatusView, Sequence[VenueHealth]]:
    async with Door(socket=socket) as door:
        reads = door.reads(_ACTOR)
        return await reads.status(), await reads.venues()


def _tell_watchdog(data: Path) -> None:
    """While the engine is gone its guard is what counts: its own file tells of it."""
    now_ms = time.time_ns() // 1_000_000
    found = shown(read_watch_beat(data / WATCH_BEAT_FILE), now_ms)
    if found.known:
        view = WatchdogView.model_validate(to_builtins(found))
        Console(stderr=True).print(f"premia: {watchdog(view, now_ms)}")


def watchdog(found: WatchdogView, wall_ms: int) -> str:
    """One line, in the console's markup."""
    if not found.known:
        return "watchdog [yellow]has never run here[/]"
    state = "[green]alive[/]" if found.alive else f"[red]silent for {found.beat_age_ms / 1_000:.0f} s[/]"
    sees = f", sees the engine {found.sight}" if found.alive else ""
    last = f" · last act: {found.act} {(wall_ms - found.act_ms) / 60_000:.0f} min ago" if found.act else ""
    return f"watchdog {state}{sees}{last}"


def headline(status: StatusView) -> str:
    """Three lines: the desk, its rates, its day."""
    level = "running" if not status.level else f"L{status.level} {status.level_reason}"
    ready = "ready" if status.ready else "not ready"
    fx = f"USD/KRW {status.fx:,.1f}" + (f" ({status.fx_degraded})" if status.fx_degraded else "")
    return (
        f"[bold]{status.instance}[/] · {level} · {ready} · up {status.uptime_ms / 3_600_000:.1f} h\n"
        f"{fx} · USDT/KRW {status.usdt_krw:,.1f} · opportunities {status.opportunities}"
        f" · trades under way {status.working_trades}\n"
        f"today {status.pnl_today_krw:+,.0f} KRW in {status.trades_today} trades"
        f" · for a person {status.dead_letters} · without an answer {status.unknown_orders}"
    )


def table(venues: Sequence[VenueHealth], wall_ms: int) -> Table:
    """One row per venue; what nobody told is a dash."""
    made = Table(box=None, header_style="dim", pad_edge=False)
    made.add_column("venue")
    made.add_column("state")
    for name in (
        *("books", "age ms", "frames/s", "reconn", "gaps", "p50 ms", "p99 ms", "ping ms"),
        *("clock ms", "budget", "timer", "rules", "fees bp"),
    ):
        made.add_column(name, justify="right", no_wrap=True)
    for venue in venues:
        made.add_row(
            venue.venue,
            state(venue),
            f"{venue.books_usable}/{venue.books}",
            _figure(venue.age_ms, 0),
            _figure(venue.frames_per_s, 1),
            _figure(venue.reconnects, 0),
            _figure(venue.gaps, 0),
            _figure(venue.latency_p50_ms, 1),
            _figure(venue.latency_p99_ms, 1),
            _figure(venue.ping_rtt_ms, 1),
            _clock(venue),
            f"{max(use.used for use in venue.rate_use):.0%}" if venue.rate_use else "–",
            _timer(venue),
            _rules(venue, wall_ms),
            _fees(venue),
        )
    return made


def state(venue: VenueHealth) -> str:
    """In the console's markup."""
    if not venue.connected:
        return f"[red]away {venue.down_ms / 1000:.0f} s[/]" if venue.down_ms else "[red]away[/]"
    if not venue.trades:
        return "[cyan]watched[/]"
    return "[green]ready[/]" if venue.ready else f"[yellow]{venue.blocked or 'getting ready'}[/]"


def lines(venue: VenueHealth) -> Table:
    """One row per connection of a venue that has several, or one that broke."""
    made = Table(title=venue.venue, title_justify="left", box=None, header_style="dim", pad_edge=False)
    made.add_column("connection")
    made.add_column("state")
    for name in ("symbols", "frame age ms", "frames/s", "reconn", "gaps", "errors", "p99 ms", "ping ms"):
        made.add_column(name, justify="right")
    made.add_column("last broke")
    for line in venue.connections:
        made.add_row(
            line.name,
            line.state,
            str(len(line.symbols)),
            _figure(line.last_frame_age_ms, 0),
            _figure(line.frames_per_s, 1),
            str(line.reconnects),
            str(line.gaps),
            str(line.errors),
            _figure(line.latency_p99_ms, 1),
            _figure(line.ping_rtt_ms, 1),
            line.reason,
        )
    if venue.order_stream is not None:
        made.add_row(*_order_stream(venue.order_stream))
    return made


def _order_stream(found: OrderStreamView) -> tuple[str, ...]:
    """As one connection more; its age is that of the last sign of life."""
    return (
        "orders",
        found.state,
        f"{found.told} told",
        _figure(found.alive_age_ms, 0),
        "–",
        str(found.reconnects),
        "–",
        str(found.errors),
        "–",
        _figure(found.ping_rtt_ms, 1),
        found.reason,
    )


def _figure(value: float | int | None, places: int) -> str:
    return "–" if value is None else f"{value:,.{places}f}"


def _clock(venue: VenueHealth) -> str:
    if venue.clock_offset_ms is None:
        return "–"
    around = "" if venue.clock_uncertainty_ms is None else f" ±{venue.clock_uncertainty_ms:.1f}"
    return f"{venue.clock_offset_ms:+.1f}".replace("-", _MINUS) + around


def _timer(venue: VenueHealth) -> str:
    """Of the venue's own dead-man timer what is left of it."""
    found = venue.countdown
    if found.why:
        return "[yellow]off[/]"
    if not found.offered:
        return "–"
    return f"{found.left_ms / 1000:.0f}/{found.armed_s} s" if found.armed_s else "idle"


def _rules(venue: VenueHealth, wall_ms: int) -> str:
    """The weakest source of lots, ticks and fees, and how long ago it was asked."""
    found = venue.rules
    if not found.source:
        return "–"
    weakest = max((found.source, found.tick_source, found.fee_source), key=("", "account", "venue", "config").index)
    return f"{weakest} {(wall_ms - found.as_of_ms) / 60_000:.0f} min" if found.as_of_ms else weakest


def _fees(venue: VenueHealth) -> str:
    maker, taker = venue.rules.maker_bps, venue.rules.taker_bps
    return "–" if maker is None or taker is None else f"{maker:g}/{taker:g}"
