"""Placements over one socket that is kept: each request has its id, each answer names it.

When the socket is cut, what was under way has no verdict: it may have been executed. New placements go the library's
way until the socket stands again.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from msgspec import Struct

from engine.domain.errors import BadFrame
from engine.net.outcome import NotSent, NoVerdict
from engine.net.ratelimit import TokenBucket
from engine.net.ws import Heartbeat, Socket
from engine.venues.departure import check, left
from engine.venues.line import Params
from engine.venues.verdict import Answer

log = logging.getLogger(__name__)

LOGIN = "login"  # the key under which the answer to a login is heard
_DEAD_MS = 6_000
_CONNECTS_PER_SECOND = 1.0  # the strictest venue's rate, shared with nobody


class Heard(Struct, frozen=True):
    """One answer: of the request with this key, or of the LOGIN. Its status is 200 where it says yes."""

    key: str
    answer: Answer


class _Asked(Struct, frozen=True):
    answer: asyncio.Future[Answer]
    until_s: float  # by the loop's clock


class OrderDialect(Protocol):
    """How one venue's order socket is spoken to. No I/O."""

    venue: str
    path: str  # of the REST placements that it carries as well
    heartbeat: Heartbeat

    def url(self) -> str: ...

    def login(self, wall_ms: int) -> bytes | None:
        """The first frame of a connection; None where every request is signed."""
        ...

    def can_say(self, params: Params) -> bool: ...

    def write(self, key: str, params: Params, stamp_ms: int) -> bytes:
        """One placement out of the parameters of its REST form; `stamp_ms` is now by the venue's clock."""
        ...

    def read(self, frame: bytes) -> Heard | None:
        """None for what answers nothing. Raises BadFrame."""
        ...


class SocketLine:
    """Owner of the socket. `run` keeps it up."""

    def __init__(
        self,
        dialect: OrderDialect,
        timeout_s: float,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        rng: Random | None = None,
    ) -> None:
        self.is_open = False
        self._dialect = dialect
        self._timeout_s = timeout_s
        self._wall_ms = wall_ms
        self._waiting: dict[str, _Asked] = {}  # the oldest first: all have the same patience
        self._timer: asyncio.TimerHandle | None = None  # of the oldest, as it was when it was set
        self.sent = 0
        self.refusals = 0  # of our login
        self._socket = Socket(
            dialect.url(),
            self,
            dialect.heartbeat,
            _DEAD_MS,
            clock_ns,
            rng or Random(),
            TokenBucket(_CONNECTS_PER_SECOND, 1, clock_ns),
        )

    # the order client asks

    def carries(self, path: str, params: Params) -> bool:
        return self.is_open and path == self._dialect.path and self._dialect.can_say(params)

    async def send(self, params: Params, stamp_ms: int) -> Answer:
        if not self.is_open:
            raise NotSent(f"{self._dialect.venue}: the order socket is not open")
        check()
        self.sent += 1
        key = str(self.sent)
        loop = asyncio.get_running_loop()
        frame = self._dialect.write(key, params, stamp_ms)
        asked = self._waiting[key] = _Asked(loop.create_future(), loop.time() + self._timeout_s)
        self._socket.send_now(frame)
        left("native")
        if self._timer is None:
            self._timer = loop.call_at(asked.until_s, self._give_up)
        try:
            return await asked.answer
        finally:
            del self._waiting[key]

    async def run(self) -> None:
        await self._socket.run()

    async def close(self) -> None:
        """Whoever runs the line ends its socket; what is under way has no verdict from here on."""
        self._fail_all("closed")

    # the socket says

    def on_open(self) -> Sequence[bytes]:
        first = self._dialect.login(self._wall_ms())
        self.is_open = first is None
        return [] if first is None else [first]

    def on_message(self, data: bytes, seen_ns: int) -> None:
        try:
            heard = self._dialect.read(data)
        except BadFrame as error:
            # Whom it would answer is not known: that one's time runs out, and it is looked up.
            log.warning("order_frame_unreadable venue=%s error=%s", self._dialect.venue, error)
            return
        if heard is None:
            return
        if heard.key == LOGIN:
            self._logged_in(heard.answer)
        elif (asked := self._waiting.get(heard.key)) is not None and not asked.answer.done():
            asked.answer.set_result(heard.answer)

    def on_alive(self, seen_ns: int) -> None:
        """A pong is no news here."""

    def on_lost(self, reason: str) -> None:
        self._fail_all(reason)

    def _logged_in(self, answer: Answer) -> None:
        self.is_open = answer.status == 200
        if not self.is_open:
            self.refusals += 1
            log.warning("order_login_refused venue=%s answer=%s", self._dialect.venue, answer.text)
            self._socket.reconnect("login refused")

    def _give_up(self) -> None:
        """Whoever has waited long enough; one timer for all of them, since most never need theirs."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for asked in tuple(self._waiting.values()):
            if asked.until_s > loop.time():
                self._timer = loop.call_at(asked.until_s, self._give_up)
                return
            if not asked.answer.done():
                asked.answer.set_exception(NoVerdict(f"no answer within {self._timeout_s:g} s"))

    def _fail_all(self, reason: str) -> None:
        self.is_open = False
        for asked in self._waiting.values():
            if not asked.answer.done():
                asked.answer.set_exception(NoVerdict(f"the order socket was cut: {reason}"))
