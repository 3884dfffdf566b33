"""The engine's heartbeat: one small file, written over in place each second by the path that carries risk.

A beat is written after the core has stepped, while the journal takes what it is given: an engine that hangs, is stopped
or can no longer write what it does has none. The watchdog reads it.
"""

import os
import time
from pathlib import Path

import msgspec
from msgspec import Struct

BEAT_FILE = "heartbeat"
_SIZE = 192  # always the same: a beat needs no free page on a full disk


class Beat(Struct, frozen=True, kw_only=True):
    """`count` grows with each beat of one process; a reader judges by its own clock whether it still does."""

    pid: int
    count: int
    level: int  # of the latch
    wall_ms: int
    stopped: bool = False  # a clean stop: nothing of ours rests at any venue


class Heart:
    """Writes beats. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._count = 0

    def beat(self, level: int, *, stopped: bool = False) -> None:
        self._count += 1
        wall_ms = time.time_ns() // 1_000_000
        made = Beat(pid=os.getpid(), count=self._count, level=level, wall_ms=wall_ms, stopped=stopped)
        os.pwrite(self._descriptor, msgspec.json.encode(made).ljust(_SIZE - 1) + b"\n", 0)

    def close(self) -> None:
        os.close(self._descriptor)


def read_beat(path: Path) -> Beat | None:
    """The newest beat; None where there never was one, and for one that cannot be read: that is no beat."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Beat)
    except (OSError, msgspec.MsgspecError):
        return None
