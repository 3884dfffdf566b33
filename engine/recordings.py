"""Recorded traffic, line by line: plain, gzip or zstd JSON lines. Format: docs/frames.md."""

import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec
import zstandard
from msgspec import Struct

from engine.domain.errors import ConfigError

_CHUNK = 1 << 16
_GZIP_WINDOW = 31  # zlib: with a gzip header and checksum
_MAX_LINE = 16 * 1024 * 1024


class Line(Struct):
    """One line of a recording."""

    dir: str
    conn: str
    data: str
    t: float | None = None
    ev: str = ""
    url: str = ""  # with `ev`: the address of the socket
    req: str = ""
    name: str = ""  # fixtures only: lines of one name are one exchange of messages
    ns: int = 0  # of a capture: our wall clock at receipt, UTC
    mono_ns: int = 0  # of a capture: our monotonic clock at receipt
    b64: bool = False  # `data` is base64 of bytes that are not UTF-8

    def payload(self) -> bytes:
        """The frame or body. Raises ValueError where `data` is no base64."""
        return b64decode(self.data, validate=True) if self.b64 else self.data.encode()


class CutShort(ConfigError):
    """A recording ends in the middle of a line; every whole line before was given."""


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


_line = msgspec.json.Decoder(Line)
_INFLATERS: dict[str, Callable[[], _Inflater]] = {
    ".gz": lambda: zlib.decompressobj(_GZIP_WINDOW),
    ".zst": lambda: zstandard.ZstdDecompressor().decompressobj(),
}


def read_lines(path: Path) -> Iterator[Line]:
    """Raises ConfigError, naming file and line; CutShort after the last whole line."""
    number = 0
    rest = b""
    is_whole = True
    try:
        for chunk, can_end in _chunks(path):
            is_whole = can_end
            *lines, rest = (rest + chunk).split(b"\n")
            for text in lines:
                number += 1
                yield _decoded(path, number, text)
            if len(rest) > _MAX_LINE:
                raise ConfigError(f"{path}:{number + 1}: a line of more than {_MAX_LINE} bytes")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (zlib.error, zstandard.ZstdError) as error:
        raise ConfigError(f"{path}:{number + 1}: {error}") from error
    if not is_whole:
        raise CutShort(f"{path}:{number + 1}: cut in the middle of a line; {number} whole lines before it")
    if rest:
        yield _last(path, number, rest)


def _last(path: Path, number: int, text: bytes) -> Line:
    """What stands behind the last line end: a whole line, or the torn begin of one."""
    try:
        return _decoded(path, number + 1, text)
    except ConfigError as error:
        raise CutShort(f"{path}:{number + 1}: cut in the middle of a line; {number} whole lines before it") from error


def _decoded(path: Path, number: int, text: bytes) -> Line:
    try:
        line = _line.decode(text)
        if line.b64:
            line.payload()
        return line
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigError(f"{path}:{number}: {error}") from error


def _chunks(path: Path) -> Iterator[tuple[bytes, bool]]:
    """Plain bytes, and whether the file could end here: not within a compressed stream."""
    inflater = _INFLATERS.get(path.suffix)
    with path.open("rb") as file:
        if inflater is None:
            while chunk := file.read(_CHUNK):
                yield chunk, True
            return
        stream = None
        while chunk := file.read(_CHUNK):
            while chunk:  # a file may hold one compressed stream behind the other
                stream = stream or inflater()
                plain = stream.decompress(chunk)
                chunk, ended = (stream.unused_data, True) if stream.eof else (b"", False)
                stream = None if ended else stream
                yield plain, ended
