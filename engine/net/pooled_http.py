"""HTTP/1.1 over connections that stay open, for requests that must leave at once and never leave twice.

One request at a time on a connection, written whole in one call; nothing is retried, followed or cached. Understood is
what a venue's front sends: Content-Length or chunks, no compression. Everything else is no verdict.
"""

import asyncio
import ssl
from collections.abc import Callable
from random import Random
from typing import cast
from urllib.parse import urlsplit

from msgspec import Struct

from engine.domain.errors import PremiaError
from engine.net.backoff import Backoff
from engine.net.outcome import NotSent, NoVerdict
from engine.net.tls import trusted

_MOST_BYTES = 1024 * 1024  # an answer to a placement has hundreds
_CONNECT_S = 3.0
_LOOK_EVERY_S = 1.0
_NS_PER_S = 1_000_000_000


class RawAnswer(Struct, frozen=True):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


class _Connection(asyncio.Protocol):
    """One connection; at most one request waits on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiter: asyncio.Future[RawAnswer] | None = None
        self.is_usable = True
        self.idle_since_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        # uvloop writes at once what is above this mark, the rest at the end of the loop's turn: some 3 to 10 us later.
        self._transport.set_write_buffer_limits(0)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:  # nobody asked: what it would answer next is not known
            self.close()
            return
        self._buffer += data
        try:
            answer = _whole(self._buffer)
        except ValueError as error:
            self._lost(f"unreadable answer: {error}")
            return
        if answer is not None:
            self._buffer = b""
            self.is_usable = self.is_usable and answer.headers.get("connection", "").lower() != "close"
            self._answered(answer)

    def eof_received(self) -> None:
        self._lost("closed before its answer was whole")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(f"cut: {type(exc).__name__}" if exc else "cut")

    async def ask(self, request: bytes, timeout_s: float) -> RawAnswer:
        """Raises NoVerdict; a connection that failed once is not used again."""
        assert self._transport is not None
        self._transport.write(request)  # whatever comes of it is heard in a later turn of the loop
        waiter: asyncio.Future[RawAnswer] = self._loop.create_future()
        self._waiter = waiter
        timer = self._loop.call_later(timeout_s, self._lost, f"no answer within {timeout_s:g} s")
        try:
            return await waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            timer.cancel()
            self._waiter = None

    def close(self) -> None:
        self.is_usable = False
        if self._transport is not None:
            self._transport.abort()

    def _lost(self, reason: str) -> None:
        self.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(NoVerdict(reason))

    def _answered(self, answer: RawAnswer) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)


class HttpPool:
    """Connections to one address: `keep` of them are opened ahead while `run` runs, `most` may be busy at once."""

    def __init__(
        self,
        base: str,
        *,
        timeout_s: float,
        clock_ns: Callable[[], int],
        rng: Random,
        tls: ssl.SSLContext | None = None,  # None: as the whole process trusts
        keep: int = 2,
        most: int = 32,
        idle_s: float = 30.0,  # every venue's front holds an idle one longer
    ) -> None:
        where = urlsplit(base)
        self.host = where.hostname or ""
        self._tls = (tls or trusted()) if where.scheme == "https" else None
        self._port = where.port or (443 if self._tls else 80)
        self.address = where.netloc
        self._timeout_s = timeout_s
        self._clock_ns = clock_ns
        self._backoff = Backoff(rng)
        self._keep = keep
        self._most = most
        self._idle_ns = int(idle_s * _NS_PER_S)
        self._idle: list[_Connection] = []  # the last one used is the next one used
        self._busy = 0

    async def ask(self, request: Callable[[], bytes]) -> RawAnswer:
        """One request, written once it has a connection. Raises NotSent, NoVerdict, and what `request` raises."""
        connection = self._ready()
        if connection is None and self._busy >= self._most:
            raise NotSent(f"all {self._most} connections are busy")
        self._busy += 1
        try:
            connection = connection or await self._connect()
            try:
                written = request()
            except PremiaError:
                self._put(connection)  # nothing was asked on it
                raise
            answer = await connection.ask(written, self._timeout_s)
        finally:
            self._busy -= 1
        self._put(connection)
        return answer

    async def run(self) -> None:
        """Keep some connections open, so that an order pays for no handshake. Ends when cancelled."""
        while True:
            self._drop_old()
            try:
                while len(self._idle) + self._busy < self._keep:
                    self._put(await self._connect())
                self._backoff.reset()
                await asyncio.sleep(_LOOK_EVERY_S)
            except NotSent:
                await asyncio.sleep(self._backoff.next_s())

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _ready(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable and self._clock_ns() - connection.idle_since_ns < self._idle_ns:
                return connection
            connection.close()
        return None

    def _put(self, connection: _Connection) -> None:
        if connection.is_usable:
            connection.idle_since_ns = self._clock_ns()
            self._idle.append(connection)
        else:
            connection.close()

    def _drop_old(self) -> None:
        """A venue closes an idle connection some time; an order sent into that moment is UNKNOWN. So we close first."""
        now_ns = self._clock_ns()
        old = [each for each in self._idle if not each.is_usable or now_ns - each.idle_since_ns >= self._idle_ns]
        for connection in old:
            self._idle.remove(connection)
            connection.close()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(min(_CONNECT_S, self._timeout_s)):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop), self.host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError) as error:
            raise NotSent(f"connect to {self.address}: {type(error).__name__}") from error
        return connection


def _whole(data: bytes) -> RawAnswer | None:
    """The answer that `data` holds, None while some of it is missing. Raises ValueError for what is not understood."""
    if len(data) > _MOST_BYTES:
        raise ValueError(f"over {_MOST_BYTES} bytes")
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark:
        return None
    status, headers = _head(head)
    if headers.get("content-encoding", "identity") != "identity":
        raise ValueError("compressed without being asked")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        chunks = _chunks(body)
        return None if chunks is None else RawAnswer(status, headers, chunks)
    if status == 204:
        return RawAnswer(status, headers, b"")
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise ValueError("of unknown length")
    if len(body) > int(length):
        raise ValueError("longer than it says")
    return RawAnswer(status, headers, body) if len(body) == int(length) else None


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit() or int(rest[:3]) < 200:
        raise ValueError(f"not a final HTTP/1 answer: {first[:40]!r}")
    headers = {}
    for line in lines:
        name, mark, value = line.partition(":")
        if not mark:
            raise ValueError("a header without a colon")
        headers[name.lower()] = value.strip()
    return int(rest[:3]), headers


def _chunks(body: bytes) -> bytes | None:
    """The body out of its chunks; None while some are missing. Trailers are not understood."""
    whole, at = b"", 0
    while True:
        end = body.find(b"\r\n", at)
        if end < 0:
            return None
        length = body[at:end].split(b";")[0].strip()
        if not length.isalnum():
            raise ValueError("a chunk without a length")
        size = int(length, 16)
        start = end + 2
        if len(body) < start + size + 2:
            return None
        if body[start + size : start + size + 2] != b"\r\n":
            raise ValueError("a chunk of another length, or a trailer")
        if size == 0 and len(body) > start + 2:
            raise ValueError("longer than its chunks say")
        if size == 0:
            return whole
        whole += body[start : start + size]
        at = start + size + 2
