"""A file of zstd blocks, each whole by itself: what a kill tears is the last block, and it can be cut off."""

import os
from collections.abc import Callable
from pathlib import Path

import zstandard

_CHUNK = 1 << 20

# (descriptor, bytes, offset) -> how many were written; raises OSError. `os.pwrite`, or a disk that a test fills.
Write = Callable[[int, bytes, int], int]


class BlockFile:
    """Made new, appended to, never read. Not for two threads at a time."""

    def __init__(self, path: Path, write: Write = os.pwrite) -> None:
        """Raises OSError; FileExistsError where somebody else writes there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.size = 0  # whole blocks, bytes
        self._write = write
        self._pack = zstandard.ZstdCompressor(level=3, write_checksum=True).compress
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def append(self, text: bytes) -> int:
        """One block; its size on disk. Raises OSError with nothing of it left in the file."""
        block = self._pack(text)
        done = 0
        try:
            while done < len(block):
                done += self._write(self._fd, block[done:], self.size + done)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(block)
        return len(block)

    def close(self) -> None:
        """Durable from here on. Raises OSError."""
        try:
            os.fsync(self._fd)
        finally:
            os.close(self._fd)


def cut_torn(path: Path) -> int:
    """Cut a block that a kill left half written off the end; how many bytes that were. Raises OSError, ZstdError."""
    whole = 0
    with path.open("r+b") as file:
        stream = zstandard.ZstdDecompressor().decompressobj()
        at = 0
        while chunk := file.read(_CHUNK):
            at += len(chunk)
            while chunk:
                stream.decompress(chunk)
                chunk = stream.unused_data if stream.eof else b""
                if stream.eof:
                    whole = at - len(chunk)
                    stream = zstandard.ZstdDecompressor().decompressobj()
        if at > whole:
            file.truncate(whole)
    return at - whole
