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

    core_config(load(config, tuple(overlay or ())))  # a mistake is told before anything heavy is loaded
    from engine.daemon import main as daemon

    raise typer.Exit(daemon(config, tuple(overlay or ())))


@app.command()
def bot(config: Directory = Path("configs"), overlay: Overlays = None) -> None:
    """Run the Telegram bot: a process of its own, without exchange keys."""
    extra = [part for path in overlay or [] for part in ("--overlay", str(path))]
    os.execv(sys.executable, [sys.executable, "-m", "bot", "--config", str(config), *extra])


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
