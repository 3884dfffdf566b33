"""The halt level on disk, apart from every database: it must hold when nothing else can be written or read."""

import os
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from engine.domain.effect import LatchChanged

HAND_HALT = "HALT"  # `touch var/HALT`: an operator with a shell and nothing else stops the desk


class Latch(Struct, frozen=True, kw_only=True):
    """0 = not halted (domain.md §13)."""

    level: int
    reason: str = ""
    actor: str = ""
    wall_ms: int = 0


class LatchStore(Protocol):
    """Where the level outlives the process."""

    def read(self) -> Latch: ...

    def write(self, change: LatchChanged) -> None:
        """Durable when this returns. Raises OSError: then the level in memory must stand."""
        ...

    def outside(self) -> Latch | None:
        """A halt that another hand has put there since the last `read` or `write`; None where there is none."""
        ...


class FileLatch:
    """A LatchStore made of one small file, and of the file HALT beside it.

    The watchdog and a person write there, too: what they have raised stands until it was heard.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Plain strings: pathlib costs more than the system call.
        self._file, self._hand = os.fspath(path), os.path.join(os.path.dirname(path), HAND_HALT)
        self._known = _signature(self._file)

    def read(self) -> Latch:
        self._known = _signature(self._file)
        return read_latch(self._path)

    def write(self, change: LatchChanged) -> None:
        other = self._raised()
        if other is not None and other.level > change.level:
            return  # `outside` tells it at the next look: until then the higher level stands on the disk
        write_latch(self._path, change)
        self._known = _signature(self._file)

    def outside(self) -> Latch | None:
        """Two stat calls: cheap enough to ask before every send."""
        if os.path.lexists(self._hand):
            return Latch(level=2, reason=f"file {HAND_HALT}", actor="file")
        return self._raised()

    def _raised(self) -> Latch | None:
        if _signature(self._file) == self._known:
            return None
        latch = _read(self._path)
        return latch if latch.level else None


def _signature(path: str) -> tuple[int, int, int] | None:
    """Changes with every replacement of the file; None while there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_mtime_ns, found.st_size


def hand_halted(path: Path) -> bool:
    """True while a file named HALT lies beside the latch. One stat call: cheap enough to ask before every send."""
    return os.path.lexists(os.path.join(os.path.dirname(path), HAND_HALT))  # no Path: it costs more than the stat


def read_latch(path: Path) -> Latch:
    """The level to start with. No file: 0. A file that cannot be read or understood: 2. A HALT file: 2 at least."""
    latch = _read(path)
    if latch.level < 2 and hand_halted(path):
        return Latch(level=2, reason=f"file {HAND_HALT} in {path.parent}", actor="file")
    return latch


def _read(path: Path) -> Latch:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Latch(level=0)
    except OSError as error:
        return Latch(level=2, reason=f"latch unreadable: {error.strerror}", actor="file")
    try:
        latch = msgspec.json.decode(raw, type=Latch)
    except msgspec.MsgspecError as error:
        return Latch(level=2, reason=f"latch damaged: {error}", actor="file")
    if not 0 <= latch.level <= 3:
        return Latch(level=2, reason=f"latch damaged: level {latch.level}", actor="file")
    return latch


def write_latch(path: Path, change: LatchChanged) -> None:
    """Replace the latch in one step, durable when this returns. Raises OSError: then the level in memory must stand."""
    latch = Latch(level=change.level, reason=change.reason, actor=change.actor, wall_ms=change.wall_ms)
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(latch))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(fresh, path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """A new name is durable only after its directory is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
