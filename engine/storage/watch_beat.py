"""The watchdog's own sign of life: one small file, written over in place at each of its looks. For people alone."""

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.domain.view import WatchdogView

WATCH_BEAT_FILE = "watchdog.beat"
_SIZE = 256  # always the same: it needs no free page on a full disk
_SILENT_MS = 5_000  # a look comes once a second


class WatchBeat(Struct, frozen=True, kw_only=True):
    """Times are wall clock, UTC."""

    pid: int
    wall_ms: int
    sight: str  # what it sees of the engine: unarmed | alive | missing
    act: str  # its last word to people: acting | trouble | clean | back; "" none yet
    act_ms: int


class WatchHeart:
    """Writes them. A disk that takes no new file keeps nobody from watching: it is opened with the first beat."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def beat(self, made: WatchBeat) -> None:
        """Raises OSError."""
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        os.pwrite(self._descriptor, msgspec.json.encode(made).ljust(_SIZE - 1) + b"\n", 0)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def read_watch_beat(path: Path) -> WatchBeat | None:
    """None where no watchdog ever ran, and for what cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=WatchBeat)
    except (OSError, msgspec.MsgspecError):
        return None


def shown(beat: WatchBeat | None, wall_ms: int) -> WatchdogView:
    if beat is None:
        return WatchdogView()
    age_ms = max(0, wall_ms - beat.wall_ms)
    return WatchdogView(
        known=True,
        alive=age_ms < _SILENT_MS,
        beat_age_ms=age_ms,
        sight=beat.sight,
        act=beat.act,
        act_ms=beat.act_ms,
    )
