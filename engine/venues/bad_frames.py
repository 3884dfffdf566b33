"""The last frames of a venue that could not be decoded, kept in a file for a person to look at."""

import asyncio
import json
import logging
import time
from collections import deque
from pathlib import Path

log = logging.getLogger(__name__)

_KEPT = 100
_BYTES = 4_096  # kept of one frame


class BadFrames:
    """A ring in memory; `write` replaces the file when something is new."""

    def __init__(self, venue: str, path: Path | None) -> None:
        self._venue = venue
        self._path = path
        self._rows: deque[bytes] = deque(maxlen=_KEPT)
        self._is_new = False

    def add(self, data: bytes, error: Exception) -> None:
        row = {"ts": time.time(), "error": str(error), "size": len(data)}
        text = data[:_BYTES].decode("utf-8", "backslashreplace")
        self._rows.append(json.dumps(row | {"data": text}, ensure_ascii=False).encode() + b"\n")
        self._is_new = True

    async def write(self) -> None:
        if self._path is None or not self._is_new:
            return
        self._is_new = False
        try:
            await asyncio.to_thread(_replace, self._path, b"".join(self._rows))
        except OSError as error:  # a full disk must not end the feed
            log.warning("bad_frames_unwritable venue=%s error=%s", self._venue, error)


def _replace(path: Path, lines: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(lines)
    fresh.replace(path)
