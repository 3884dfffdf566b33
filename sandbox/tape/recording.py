"""Recorded traffic, line by line, at its own pace; from the start again when it ends."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct


class RecordingMissing(Exception):
    """The file that a tape needs is not there; the message names it."""


class Line(Struct):
    """One line of recorded traffic; `t` is epoch seconds."""

    data: str
    conn: str
    dir: str
    t: float | None = None
    ev: str = ""


_line = msgspec.json.Decoder(Line)


def read_lines(path: Path) -> list[Line]:
    """What came in, in order of time. Raises RecordingMissing."""
    if not path.is_file():
        raise RecordingMissing(f"no recording at {path}")
    with gzip.open(path, "rb") as file:
        lines = [_line.decode(line) for line in file]
    return [line for line in lines if line.dir == "in" and line.t is not None]


class Player:
    """Gives the lines that are due; `turns` counts how often the recording began anew."""

    def __init__(self, lines: list[Line], speed: float) -> None:
        self._lines = lines
        self._speed = speed
        self._first = lines[0].t or 0.0
        self._next = 0
        self._began_ms = -1
        self.turns = 0

    def due(self, at_ms: int) -> Iterator[Line]:
        if self._began_ms < 0:
            self._began_ms = at_ms
        played = (at_ms - self._began_ms) / 1000 * self._speed
        while (self._lines[self._next].t or 0.0) - self._first <= played:
            yield self._lines[self._next]
            self._next += 1
            if self._next == len(self._lines):
                self._next = 0
                self._began_ms = at_ms
                self.turns += 1
                return
