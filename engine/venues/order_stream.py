"""A private stream of orders over one socket that is kept: login, subscription, and what it says of each order."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Protocol

from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.domain.money import NS_PER_MS, ZERO
from engine.domain.stream_event import OrderStreamState
from engine.net.ratelimit import TokenBucket
from engine.net.ws import Heartbeat, Socket
from engine.venues.protocol import OrderTold, StreamHealth, StreamSink

log = logging.getLogger(__name__)

_DEAD_MS = 6_000
_READY_NS = 5_000 * NS_PER_MS  # a venue that has not confirmed the subscription by then is asked anew
_CONNECTS_PER_SECOND = 1.0


class Answer(Struct, frozen=True):
    """What the venue wants to hear next."""

    frames: tuple[bytes, ...]


class Ready(Struct, frozen=True):
    """The subscription stands."""


class Refused(Struct, frozen=True):
    """It said no to the key or to the subscription."""

    text: str


Said = OrderTold | Answer | Ready | Refused


def figure(text: str | None) -> Decimal:
    """Nothing counts as zero. Raises ValueError or InvalidOperation for what is no finite number."""
    value = Decimal(text) if text else ZERO
    if not value.is_finite():
        raise ValueError(f"not a number: {text!r}")
    return value


class StreamDialect(Protocol):
    """How one venue's private stream is spoken to. No I/O but for an address that must be asked for."""

    venue: str
    heartbeat: Heartbeat
    acknowledges: bool  # False: a subscription that is wrong is met with silence or a close

    def url(self) -> str | Callable[[], Awaitable[str]]: ...

    def headers(self) -> Mapping[str, str]:
        """Of the handshake."""
        ...

    def hello(self) -> Sequence[bytes]:
        """The first frames of a connection."""
        ...

    def read(self, frame: bytes) -> Sequence[Said]:
        """Raises BadFrame."""
        ...


class StreamLine:
    """Owner of the socket: an OrderStream."""

    def __init__(
        self,
        dialect: StreamDialect,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // NS_PER_MS,
        rng: Random | None = None,
    ) -> None:
        self.venue = dialect.venue
        self._dialect = dialect
        self._clock_ns = clock_ns
        self._wall_ms = wall_ms
        self._tell: StreamSink = _to_nobody
        self._state = "connecting"
        self._reason = ""
        self._opened_ns = self._up_since_ms = self._told_ns = self._alive_ns = 0
        self._told = self._errors = 0
        self._early: list[bytes] | None = []  # what answers frames that come with the handshake; None: it is over
        self._socket = Socket(
            dialect.url(),
            self,
            dialect.heartbeat,
            _DEAD_MS,
            clock_ns,
            rng or Random(),
            TokenBucket(_CONNECTS_PER_SECOND, 1, clock_ns),
            headers=dialect.headers,
        )

    async def run(self, tell: StreamSink) -> None:
        self._tell = tell
        await self._socket.run()

    def renew(self, reason: str) -> None:
        self._socket.reconnect(reason)

    def health(self) -> StreamHealth:
        now_ns = self._clock_ns()
        return StreamHealth(
            venue=self.venue,
            state=self._state,
            up_since_ms=self._up_since_ms or None,
            alive_age_ms=(now_ns - self._alive_ns) / NS_PER_MS if self._alive_ns else None,
            told_age_ms=(now_ns - self._told_ns) / NS_PER_MS if self._told_ns else None,
            reconnects=max(0, self._socket.connects - 1),
            told=self._told,
            errors=self._errors,
            ping_rtt_ms=self._socket.rtt_ms or None,
            reason=self._reason,
        )

    # the socket says

    def on_open(self) -> Sequence[bytes]:
        self._opened_ns = self._alive_ns = self._clock_ns()
        if not self._dialect.acknowledges:
            self._ready()
        early, self._early = self._early or [], None
        return [*self._dialect.hello(), *early]

    def on_message(self, data: bytes, seen_ns: int) -> None:
        try:
            said = self._dialect.read(data)
        except BadFrame as error:
            # Which order it spoke of is not known: look-ups find it.
            self._errors += 1
            log.warning("stream_frame_unreadable venue=%s error=%s", self.venue, error)
            return
        for each in said:
            self._hear(each, seen_ns)

    def on_alive(self, seen_ns: int) -> None:
        self._alive_ns = seen_ns
        if self._state != "up" and seen_ns - self._opened_ns > _READY_NS:
            self._socket.reconnect("the subscription is not confirmed")

    def on_lost(self, reason: str) -> None:
        was_up, self._up_since_ms = self._state == "up", 0
        self._state = "refused" if self._state == "refused" else "connecting"  # until it says yes
        self._reason, self._early = reason, []
        if was_up:
            log.warning("stream_lost venue=%s reason=%s", self.venue, reason)
            self._tell(self._standing(False, reason))

    def _hear(self, said: Said, seen_ns: int) -> None:
        if isinstance(said, OrderTold):
            self._told += 1
            self._told_ns = seen_ns
            self._tell(said)
        elif isinstance(said, Answer):
            if self._early is not None:
                self._early += said.frames
            else:
                for frame in said.frames:
                    self._socket.send(frame)
        elif isinstance(said, Ready):
            self._ready()
        else:
            was_up, self._state = self._state == "up", "refused"
            log.warning("stream_refused venue=%s answer=%s", self.venue, said.text)
            if was_up:  # a stream that the venue ends
                self._tell(self._standing(False, said.text))
            self._socket.reconnect(f"refused: {said.text}")

    def _ready(self) -> None:
        if self._state != "up":
            self._state, self._up_since_ms = "up", self._wall_ms()
            log.info("stream_up venue=%s", self.venue)
            self._tell(self._standing(True, ""))

    def _standing(self, connected: bool, reason: str) -> OrderStreamState:
        return OrderStreamState(venue=self.venue, connected=connected, reason=reason, seen_ns=self._clock_ns())


def _to_nobody(_: OrderTold | OrderStreamState) -> None:
    """Before `run` nothing is heard."""
