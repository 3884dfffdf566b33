"""A recorded event log through a fresh core: the same effects, byte for byte, or the first line that differs."""

import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.assemble import core_config
from engine.config import load
from engine.core.state import State, encode
from engine.core.step import step
from engine.domain.event import Event, Started


class _Line(Struct, frozen=True):
    event: Event
    effects: msgspec.Raw


_decode = msgspec.json.Decoder(_Line).decode


def run(events: Path, config: Path, overlays: tuple[Path, ...]) -> int:
    """Exit code 0 when every effect is the recorded one, 1 at the first difference (named on stderr).

    Each life of the engine begins with Started and a core of its own. Its last line may be torn by a kill: the log is
    buffered, so what a kill took is not there to compare.
    """
    settings = core_config(load(config, overlays))
    state = State(settings)
    count = lives = torn = 0
    with events.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                recorded = _decode(line)
            except msgspec.DecodeError as error:
                torn = number
                reason = str(error)
                continue
            if isinstance(recorded.event, Started):
                state, torn, lives = State(settings), 0, lives + 1
            elif torn:
                print(f"{events}:{torn}: not an event, and its life goes on after it: {reason}", file=sys.stderr)
                return 1
            if not _is_same(state, recorded, f"{events}:{number}"):
                return 1
            count += 1
    print(f"{count} events replayed in {lives} lives, every effect the same")
    return 0


def _is_same(state: State, recorded: _Line, where: str) -> bool:
    again = encode(step(state, recorded.event))
    if again == bytes(recorded.effects):
        return True
    print(f"{where}: {type(recorded.event).__name__} differs", file=sys.stderr)
    print(f"recorded: {bytes(recorded.effects)[:2000]!r}", file=sys.stderr)
    print(f"replayed: {again[:2000]!r}", file=sys.stderr)
    return False
