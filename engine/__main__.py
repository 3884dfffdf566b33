"""The `premia` command."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.domain.errors import ConfigError

app = typer.Typer(add_completion=False, no_args_is_help=True, help="An arbitrage desk in a trader's pocket.")
Directory = Annotated[Path, typer.Option("--config", help="folder of default.yaml, venues.yaml, strategies.yaml")]
Overlays = Annotated[list[Path] | None, typer.Option("--overlay", help="YAML laid over them; may be repeated")]


@app.command()
def run(config: Directory = Path("configs"), overlay: Overlays = None) -> None:
    """Run the engine until SIGTERM."""
    from engine.assemble import core_config
    from engine.config import load
    from engine.storage.lease import Lease

    found = load(config, tuple(overlay or ()))
    core_config(found)  # a mistake is told before anything heavy is loaded
    # From here on nothing of a former life leaves any more: how late an order of it may come counts from now.
    lease = Lease.of(Path(found.data_dir) / "journal.db")
    from engine.daemon import main as daemon

    raise typer.Exit(daemon(config, tuple(overlay or ()), lease))


@app.command()
def bot(config: Directory = Path("configs"), overlay: Overlays = None) -> None:
    """Run the Telegram bot: a process of its own, without exchange keys."""
    extra = [part for path in overlay or [] for part in ("--overlay", str(path))]
    os.execv(sys.executable, [sys.executable, "-m", "bot", "--config", str(config), *extra])


@app.command()
def watchdog(config: Directory = Path("configs"), overlay: Overlays = None) -> None:
    """Watch the engine's heartbeat; cancel what rests at the venues and halt the desk when it is missing."""
    from engine.watchdog.run import run as watch

    raise typer.Exit(watch(config, tuple(overlay or ())))


@app.command()
def frames(
    files: Annotated[
        list[Path], typer.Argument(help="captured frames, .jsonl or .jsonl.gz, played one after the other")
    ],
    venue: Annotated[str, typer.Option("--venue", help="whose frames these are")],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Captured frames through the real decoders: counts, gaps, errors, final books."""
    from engine.frames import run as run_frames

    raise typer.Exit(run_frames(venue, files, as_json))


@app.command()
def capture(
    config: Directory = Path("configs"),
    overlay: Overlays = None,
    out: Annotated[Path, typer.Option("--out", help="folder of the recordings")] = Path("var/capture"),
    venue: Annotated[
        list[str] | None, typer.Option("--venue", help="may be repeated; default: every enabled one")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="how long; 0: until a signal")] = 0,
    top: Annotated[int, typer.Option(min=1, help="levels of a normalised book")] = 20,
    max_mb: Annotated[float, typer.Option(min=0.01, help="size at which a file ends, compressed")] = 256,
    as_json: Annotated[bool, typer.Option("--json", help="progress and closing line as JSON objects")] = False,
) -> None:
    """Raw frames and normalised books and trades into files, beside the desk."""
    from engine.capture.run import Wish
    from engine.capture.run import run as run_capture
    from engine.capture.track import Rotation

    rotation = Rotation(max_bytes=int(max_mb * 1_000_000))
    wish = Wish(out=out, venues=tuple(venue or ()), seconds=seconds, top=top, as_json=as_json, rotation=rotation)
    raise typer.Exit(run_capture(config, tuple(overlay or ()), wish))


@app.command()
def status(
    config: Directory = Path("configs"),
    overlay: Overlays = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """The running desk and its venues: state, age, rate, reconnects, latency, clocks, budgets. Reads only."""
    from engine.status import run as show

    raise typer.Exit(show(config, tuple(overlay or ()), as_json))


@app.command()
def collect(
    config: Directory = Path("configs"),
    overlay: Overlays = None,
    out: Annotated[Path, typer.Option("--out", help="folder of the Parquet files")] = Path("var/history"),
    venue: Annotated[list[str] | None, typer.Option("--venue", help="may be repeated; default: all enabled")] = None,
    symbol: Annotated[list[str] | None, typer.Option("--symbol", help="may be repeated; default: configured")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="candles, funding, trades; may be repeated")] = None,
    timeframe: Annotated[str, typer.Option(help="of candles: 1m, 5m, 1h, ...")] = "1m",
    since: Annotated[str, typer.Option(help="UTC: 2026-11-20, or ago: 90m, 12h, 7d")] = "1d",
    until: Annotated[str, typer.Option(help="the same; default: now")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="close with one JSON object")] = False,
) -> None:
    """Candles, funding rates and trades of the past into Parquet; goes on where it stopped."""
    from engine.collect.run import Wish
    from engine.collect.run import run as run_collect

    wish = Wish(
        out=out,
        venues=tuple(venue or ()),
        symbols=tuple(symbol or ()),
        kinds=tuple(kind or ("candles",)),
        timeframe=timeframe,
        since=since,
        until=until,
        as_json=as_json,
    )
    raise typer.Exit(run_collect(config, tuple(overlay or ()), wish))


@app.command()
def doctor(config: Directory = Path("configs"), overlay: Overlays = None) -> None:
    """What would keep the desk from trading: clock, keys, reach, rules, disk. Reads only."""
    from engine.doctor import run as examine

    raise typer.Exit(examine(config, tuple(overlay or ())))


@app.command()
def replay(
    events: Annotated[Path, typer.Argument(help="events.jsonl written by an engine with record_events: true")],
    config: Directory = Path("configs"),
    overlay: Overlays = None,
) -> None:
    """Feed a recorded event log to a fresh core; exit 1 where an effect differs by a byte."""
    from engine.replay import run as run_replay

    raise typer.Exit(run_replay(events, config, tuple(overlay or ())))


def main() -> None:
    """Entry point; a configuration error is one line and exit 2."""
    try:
        app()
    except ConfigError as error:
        print(f"premia: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
