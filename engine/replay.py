"""A recorded event log through a fresh core: the same effects, byte for byte, or the first line that differs."""

import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.assemble import core_config
from engine.config import load
from engine.core.state import State, encode
from engine.core.step import step
from engine.domain.event import Event


class _Line(Struct, frozen=True):
    event: Event
    effects: msgspec.Raw


_decode = msgspec.json.Decoder(_Line).decode


def run(events: Path, config: Path, overlays: tuple[Path, ...]) -> int:
    """Exit code 0 when every effect is the recorded one, 1 at the first difference (named on stderr)."""
    state = State(core_config(load(config, overlays)))
    number = 0
    with events.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            recorded = _decode(line)
            again = encode(step(state, recorded.event))
            if again != bytes(recorded.effects):
                print(f"{events}:{number}: {type(recorded.event).__name__} differs", file=sys.stderr)
                print(f"recorded: {bytes(recorded.effects)[:2000]!r}", file=sys.stderr)
                print(f"replayed: {again[:2000]!r}", file=sys.stderr)
                return 1
    print(f"{number} events replayed, every effect the same")
    return 0
