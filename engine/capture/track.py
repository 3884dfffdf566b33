"""One stream of lines into rotated files. A full disk stops the writing, not the process; memory is bounded."""

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import zstandard
from msgspec import Struct

from engine.capture.block_file import BlockFile, Write, cut_torn
from engine.domain.money import NS_PER_S

log = logging.getLogger(__name__)

SUFFIX = ".jsonl.zst"
_RETRY_NS = 1 * NS_PER_S


class Rotation(Struct, frozen=True, kw_only=True):
    """A file ends with its hour (UTC), or when it has grown so large."""

    max_bytes: int = 256 * 1024 * 1024  # compressed
    max_waiting: int = 8 * 1024 * 1024  # bytes in memory while the disk takes nothing; what comes beyond it is lost
    write: Write = os.pwrite


class Tally(Struct):
    """What became of the lines of one track."""

    lines: int = 0  # taken
    stored: int = 0  # on disk
    lost: int = 0  # not stored: the disk was full for longer than memory lasted
    bytes: int = 0  # on disk
    files: int = 0
    torn: int = 0  # blocks of an earlier life that a kill tore; cut off at start
    stops: int = 0  # how often the disk refused
    last_ns: int = 0  # our monotonic clock at the newest line


class Track:
    """`add` in the loop's thread; `write` in one other thread at a time, with what `take` gave."""

    def __init__(self, folder: Path, rotation: Rotation, on_hole: Callable[[int], None]) -> None:
        """`on_hole(lost)` is called in the loop's thread before the first line behind a hole is taken."""
        self.folder = folder
        self.tally = Tally()
        self.is_stopped = False
        self._rotation = rotation
        self._on_hole = on_hole
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._lost_now = 0
        self._file: BlockFile | None = None
        self._hour = ""
        self._part = 0
        self._retry_ns = 0
        self._has_ended = False

    def resume(self) -> None:
        """Cut what a kill tore off the newest file; new lines go into a new one. Raises OSError."""
        files = sorted(self.folder.glob(f"*{SUFFIX}"))
        if not files:
            return
        newest = files[-1]
        try:
            torn = cut_torn(newest)
        except zstandard.ZstdError as error:
            log.warning("capture_damaged file=%s error=%s", newest, error)
            return
        if torn:
            self.tally.torn += 1
            log.warning("capture_torn file=%s cut_bytes=%d", newest, torn)

    def add(self, line: bytes, seen_ns: int) -> None:
        """One line with its line end."""
        if self._has_ended:
            return
        if self._waiting_bytes > self._rotation.max_waiting:
            self._lost_now += 1
            self.tally.lost += 1
            return
        if self._lost_now:
            lost, self._lost_now = self._lost_now, 0
            self._on_hole(lost)
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        self.tally.lines += 1
        self.tally.last_ns = seen_ns

    def end(self) -> None:
        """Nothing more is taken: a socket that is being closed may still deliver during the last write."""
        self._has_ended = True

    def take(self, mono_ns: int) -> list[bytes]:
        """What is to be written now; nothing while the disk rests."""
        if self.is_stopped and mono_ns < self._retry_ns:
            return []
        lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return lines

    def give_back(self, lines: list[bytes]) -> None:
        """What `write` could not store: it waits, before everything newer."""
        self._waiting = lines + self._waiting
        self._waiting_bytes = sum(map(len, self._waiting))

    def write(self, lines: list[bytes], wall_ns: int, mono_ns: int) -> bool:
        """All lines as one block. False: the disk took none of them."""
        try:
            self._rotate(wall_ns)
            if self._file is not None and lines:
                self.tally.bytes += self._file.append(b"".join(lines))
        except OSError as error:
            self._retry_ns = mono_ns + _RETRY_NS
            if not self.is_stopped:
                self.is_stopped = True
                self.tally.stops += 1
                log.error("capture_stopped folder=%s error=%s", self.folder, error.strerror or error)
            return False
        self.tally.stored += len(lines)
        if self.is_stopped:
            self.is_stopped = False
            log.warning("capture_resumed folder=%s lost=%d", self.folder, self.tally.lost)
        return True

    def _rotate(self, wall_ns: int) -> None:
        hour = datetime.fromtimestamp(wall_ns // NS_PER_S, UTC).strftime("%Y%m%dT%H")
        if self._file is not None and hour == self._hour and self._file.size < self._rotation.max_bytes:
            return
        self._close_file()
        if hour != self._hour:
            self._hour, self._part = hour, self._last_part(hour)
        self._file = BlockFile(self.folder / f"{hour}-{self._part + 1:04}{SUFFIX}", self._rotation.write)
        self._part += 1
        self.tally.files += 1

    def _last_part(self, hour: str) -> int:
        names = sorted(path.name.removesuffix(SUFFIX) for path in self.folder.glob(f"{hour}-*{SUFFIX}"))
        return int(names[-1].rpartition("-")[2]) if names else 0

    def close(self) -> None:
        """What waits until now is lost. Raises OSError."""
        self.tally.lost += len(self._waiting)
        self._waiting = []
        self._close_file()

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
