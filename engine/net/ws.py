"""One WebSocket that stays connected: reconnect with backoff, heartbeat, dead-socket detection. Knows no trading."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Protocol

from msgspec import Struct
from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSProtocolError, WSTransport, ws_connect

from engine.domain.errors import PremiaError
from engine.net.backoff import Backoff
from engine.net.ratelimit import TokenBucket
from engine.net.tls import tls_for
from engine.net.ws_frames import text_frames

_NS_PER_MS = 1_000_000
_MAX_MESSAGE = 4 * 1024 * 1024  # the largest known frame is 0.1 MB; 10 MB is an attack or a fault
# What the kernel holds unread, and with it what a turn of the loop has to serve of one socket; else Linux lets it
# grow to 6 MB. A venue 200 ms away may still send 2.5 MB/s, twice what a hundred busy books are.
_UNREAD = 512 * 1024
_WATCH_EVERY_S = 0.1
_FIRST_PING_MS = 1_000
_SETTLED_NS = 3_000_000_000  # a connection that lives so long is no failure
_SHORT = 256  # bytes: an answer to a text ping is no longer
_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION


class Heartbeat(Struct, frozen=True, kw_only=True):
    """How a venue wants its socket kept."""

    every_ms: int  # a ping at least so often: well under the venue's idle limit
    idle_ms: int  # and one as soon as nothing came for so long: its pong is the proof of life
    text: bytes = b""  # what to send; empty: the protocol's own ping
    pong: bytes = b""  # what its answer holds, where the ping is a text


class Owner(Protocol):
    """Who listens. Calls come from the socket's callback, in the loop's thread; none may await."""

    def on_open(self) -> Sequence[bytes]:
        """Connected: the text frames to send first."""
        ...

    def on_message(self, data: bytes, seen_ns: int) -> None: ...

    def on_alive(self, seen_ns: int) -> None:
        """Something came (a pong or any frame); said at most every 100 ms."""
        ...

    def on_lost(self, reason: str) -> None:
        """The connection is gone; a new one is being made."""
        ...


class _Listener(WSListener):
    def __init__(self, socket: "Socket") -> None:
        self._on_message = socket.owner.on_message
        self._clock_ns = socket.clock_ns
        self._parts: list[bytes] = []
        self._size = 0
        self._pong = socket.heartbeat.pong
        self.heard_ns = 0
        self.pinged_ns = 0  # a ping waits for its answer since then; 0: none does
        self.rtt_ns = 0
        self.is_flooded = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.underlying_transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UNREAD)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.heard_ns = now_ns = self._clock_ns()
        kind = frame.msg_type
        is_whole = (kind is _BINARY or kind is _TEXT) and frame.fin and not self._parts
        if is_whole and frame.payload_size <= _MAX_MESSAGE:  # picows lets a larger frame pass that came in one read
            data = frame.get_payload_as_bytes()
            if self.pinged_ns and len(data) <= _SHORT and self._pong and self._pong in data:
                self.on_pong(now_ns)
            self._on_message(data, now_ns)
        elif kind is _BINARY or kind is _TEXT or kind is _CONTINUATION:
            self._join(transport, frame, now_ns)
        elif kind is WSMsgType.PONG and not self._pong:
            self.on_pong(now_ns)
        elif kind is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_pong(self, now_ns: int) -> None:
        if self.pinged_ns:
            self.rtt_ns, self.pinged_ns = now_ns - self.pinged_ns, 0

    def _join(self, transport: WSTransport, frame: WSFrame, now_ns: int) -> None:
        """A message in several frames; the limit holds for the whole."""
        self._parts.append(frame.get_payload_as_bytes())
        self._size += frame.payload_size
        if self._size > _MAX_MESSAGE:
            self.is_flooded = True
            transport.disconnect(graceful=False)
        elif frame.fin:
            data, self._parts, self._size = b"".join(self._parts), [], 0
            self._on_message(data, now_ns)


class Socket:
    """A connection that comes back. `run` ends only when cancelled."""

    def __init__(
        self,
        url: str | Callable[[], Awaitable[str]],  # asked anew for every connection where it bears a token
        owner: Owner,
        heartbeat: Heartbeat,
        dead_ms: int,  # nothing at all, pong included, for so long: the socket is dead
        clock_ns: Callable[[], int],
        rng: Random,
        connects: TokenBucket,
        tls: ssl.SSLContext | None = None,  # None: as the whole process trusts
        connect_timeout_s: float = 5.0,
        sends: TokenBucket | None = None,  # what the venue allows us to say on one connection
        headers: Callable[[], Mapping[str, str]] | None = None,  # of the handshake, asked anew for every connection
    ) -> None:
        self.owner = owner
        self.clock_ns = clock_ns
        self.connected = False
        self.connects = 0
        self.failures = 0  # connections in a row that came to nothing or ended at once
        self.cut_short = 0  # of those: opened, and ended at once
        self.heard_ns = 0
        self.rtt_ms = 0.0
        self.heartbeat = heartbeat
        self._url = url
        self._sends = sends
        self._unsent: deque[bytes] = deque()
        self._crowd: list[bytes] | None = None  # what follows within this turn; None: nothing has left in it
        self._dead_ms = dead_ms
        self._backoff = Backoff(rng)
        self._budget = connects
        self._tls = tls
        self._headers = headers or dict
        self._connect_timeout_s = connect_timeout_s
        self._transport: WSTransport | None = None
        self._opened_ns = 0
        self._pinged_ns = 0
        self._told_ns = 0
        self._why = ""

    def send(self, text: bytes) -> None:
        """Send one text frame; does nothing while disconnected (`on_open` says all of it again)."""
        if self._transport is not None:
            self._unsent.append(text)
            self._flush()

    def send_now(self, text: bytes) -> None:
        """Send one text frame past all waiting; those that follow in this turn of the loop leave together behind it.

        A system call for each would be dearer than all else of it. Does nothing while disconnected.
        """
        if self._transport is None:
            return
        if self._crowd is not None:
            self._crowd.append(text)
            return
        self._transport.send(WSMsgType.TEXT, text)
        self._crowd = []
        asyncio.get_running_loop().call_soon(self._send_crowd)

    def _send_crowd(self) -> None:
        texts, self._crowd = self._crowd, None
        wire = self._transport.underlying_transport if self._transport is not None else None
        if texts and wire is not None and not wire.is_closing():
            wire.write(text_frames(texts))

    def _flush(self) -> None:
        """Say what waits, as fast as the venue allows; the rest goes with the next look at the socket."""
        while self._unsent and self._transport is not None and (self._sends is None or self._sends.try_take()):
            self._transport.send(WSMsgType.TEXT, self._unsent.popleft())

    def reconnect(self, reason: str) -> None:
        """Give this connection up and make another."""
        if self._transport is not None:
            self._why = self._why or reason
            self._transport.disconnect(graceful=False)

    async def run(self) -> None:
        while True:
            await self._budget.take()
            try:
                reason = await self._live()
            except WSProtocolError as error:
                is_flood = error.code is WSCloseCode.MESSAGE_TOO_BIG
                reason = f"{'flooded' if is_flood else 'WSProtocolError'}: {error}"
            except (WSError, OSError, TimeoutError, PremiaError) as error:
                reason = f"{type(error).__name__}: {error}"
            self.connected = False
            self.failures += 1
            self.owner.on_lost(reason)
            await asyncio.sleep(self._backoff.next_s())

    async def _live(self) -> str:
        """One connection from its handshake to its end; returns why it ended."""
        listener = _Listener(self)
        async with asyncio.timeout(self._connect_timeout_s):
            url = self._url if isinstance(self._url, str) else await self._url()
            transport, _ = await ws_connect(
                lambda: listener,
                url,
                ssl_context=self._tls or tls_for(url),
                max_frame_size=_MAX_MESSAGE,
                max_redirects=0,
                extra_headers=self._headers() or None,
                websocket_handshake_timeout=self._connect_timeout_s,
            )
        self._transport, self._why = transport, ""
        try:
            self.connects += 1
            self.connected = True
            self._opened_ns = self._told_ns = listener.heard_ns = self.clock_ns()
            # The first ping soon: until its answer nothing is known of the way there.
            self._pinged_ns = self._opened_ns - max(0, self.heartbeat.every_ms - _FIRST_PING_MS) * _NS_PER_MS
            self._unsent = deque(self.owner.on_open())
            self._flush()
            while not transport.is_disconnected:
                try:
                    async with asyncio.timeout(_WATCH_EVERY_S):
                        await transport.wait_disconnected()
                except TimeoutError:
                    self._watch(transport, listener)
            await transport.wait_disconnected()  # why it ended is raised here, also where it did so between two looks
            if listener.is_flooded:
                return f"flooded: a message over {_MAX_MESSAGE} bytes"
            return self._why or f"closed by the venue: {_close_reason(transport)}"
        finally:
            self._transport = None
            self._unsent.clear()
            self._crowd = [] if self._crowd is not None else None  # never on another connection
            self.cut_short += self.clock_ns() - self._opened_ns <= _SETTLED_NS
            transport.disconnect(graceful=False)

    def _watch(self, transport: WSTransport, listener: _Listener) -> None:
        beat = self.heartbeat
        now_ns = self.clock_ns()
        self._flush()
        self.rtt_ms = listener.rtt_ns / _NS_PER_MS
        if listener.heard_ns > self._told_ns:
            self.heard_ns = self._told_ns = listener.heard_ns
            if now_ns - self._opened_ns > _SETTLED_NS:
                self.failures = self.cut_short = 0
                self._backoff.reset()  # it delivers: the next failure starts from the shortest wait again
            self.owner.on_alive(self._told_ns)
        silent_ms = (now_ns - listener.heard_ns) // _NS_PER_MS
        if silent_ms > self._dead_ms:
            self.reconnect(f"dead: nothing for {silent_ms} ms")
            return
        since_ping_ms = (now_ns - self._pinged_ns) // _NS_PER_MS
        if since_ping_ms >= beat.every_ms or min(silent_ms, since_ping_ms) >= beat.idle_ms:
            self._pinged_ns = now_ns
            listener.pinged_ns = listener.pinged_ns or now_ns
            if beat.text:
                transport.send(WSMsgType.TEXT, beat.text)
            else:
                transport.send_ping()


def _close_reason(transport: WSTransport) -> str:
    received = transport.close_handshake.recv if transport.close_handshake else None
    return "no close frame (1006)" if received is None else f"{received.code.value} {received.reason}".strip()
