"""The shell of every native feed: one socket, one decoder, and what to do when a book cannot go on by itself."""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Protocol

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.event import BookDelta, BookSnapshot, FeedAlive, FeedState
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.net.http import Http
from engine.net.ratelimit import TokenBucket
from engine.net.ws import Heartbeat, Socket
from engine.venues.decoder import Ask, Counts, Decoder
from engine.venues.protocol import FeedEvent, Sink
from engine.venues.watch import Watch

log = logging.getLogger(__name__)

Top = tuple[float, float]  # best bid, best ask
TopOf = Callable[[str], Top | None]  # None: no trusted book
KeepBad = Callable[[bytes], None]  # takes the whole ring as JSON lines, replaces what was there

_TEND_EVERY_S = 0.25
_RETRY_NS = 1 * NS_PER_S
_MOST_DOUBLINGS = 6
_DOUBT_NS = 10 * NS_PER_S
_ASK_BURST = 10
_BAD_FRAMES = 100
_BAD_BYTES = 4_096  # kept of one bad frame


class Patience(Struct, frozen=True, kw_only=True):
    """How long silence is believed; the venue's own limits where they say less."""

    silence_ms: int = 5_000  # of one pair, before it is compared with REST
    second_look_ms: int = 1_000  # between two comparisons that differ
    dead_ms: int = 10_000  # of the whole socket, pongs included


class Dialect(Protocol):
    """What differs between venues outside the frames."""

    venue: str
    heartbeat: Heartbeat
    connects_per_second: float
    asks_per_minute: float  # subscribe frames or REST books the venue allows us
    first_book_ms: int
    joins_from_rest: bool  # the base of a book is a REST answer, not a frame
    resubscribes_all: bool  # one subscribe frame names every symbol and replaces the one before

    def url(self) -> str: ...

    def subscribe(self) -> list[bytes]:
        """The frames that subscribe everything; sent after every connect."""
        ...

    def resubscribe(self, symbol: str) -> list[bytes]:
        """The frames that make `symbol` start anew; empty: only a new connection does."""
        ...

    def book_url(self, symbol: str) -> str:
        """REST: the book of `symbol`."""
        ...

    def top(self, symbol: str, body: bytes) -> Top:
        """Best bid and ask of that answer. Raises BadFrame."""
        ...


class Stream:
    """A Feed (engine.venues.protocol) made of a dialect and a decoder."""

    def __init__(
        self,
        dialect: Dialect,
        symbols: tuple[str, ...],
        make_decoder: Callable[[Sink, Ask], Decoder],
        sink: Sink,
        clock_ns: Callable[[], int],
        rng: Random,
        top_of: TopOf,
        keep_bad: KeepBad | None = None,
        patience: Patience | None = None,
    ) -> None:
        patience = patience or Patience()
        self.venue = dialect.venue
        self._dialect = dialect
        self._sink = sink
        self._clock_ns = clock_ns
        self._top_of = top_of
        self._keep_bad = keep_bad
        self._decoder = make_decoder(self._deliver, self._ask)
        self._symbols = symbols
        self._watch = Watch(symbols, dialect.first_book_ms * NS_PER_MS, patience.silence_ms * NS_PER_MS)
        self._second_look_ns = patience.second_look_ms * NS_PER_MS
        self._asked: dict[str, str] = {}
        self._not_before: dict[str, int] = {}
        self._refused: dict[str, int] = {}  # how often in a row REST gave no base
        self._lost_again_ns: dict[str, int] = {}
        self._suspects: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._bad: deque[bytes] = deque(maxlen=_BAD_FRAMES)
        self._bad_kept = 0
        self._was_up = True
        per_second = dialect.asks_per_minute / 60
        self._asks = TokenBucket(per_second, _ASK_BURST, clock_ns)
        connects = TokenBucket(dialect.connects_per_second, 1, clock_ns)
        self._socket = Socket(dialect.url(), self, dialect.heartbeat, patience.dead_ms, clock_ns, rng, connects)
        self._http = Http()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._socket.run(), name=f"{self.venue}.socket")
                tasks.create_task(self._tend(), name=f"{self.venue}.tend")
        finally:
            await self._http.close()

    def counters(self) -> Mapping[str, int]:
        counts: Counts = self._decoder.counts
        found: dict[str, int] = msgspec.structs.asdict(counts)
        found["events"] = counts.book + counts.trade
        found["reconnects"] = max(0, self._socket.connects - 1)
        return found

    # What the socket says. Called in its callback: nothing here awaits.

    def on_open(self) -> list[bytes]:
        now_ns = self._clock_ns()
        if not self._dialect.joins_from_rest:
            self._asked.clear()  # the new subscription brings every book whole
        self._suspects.clear()
        self._watch.start(now_ns)
        self._was_up = True
        self._sink(FeedState(venue=self.venue, connected=True, reason="connected", seen_ns=now_ns))
        log.info("feed_connected venue=%s", self.venue)
        return self._dialect.subscribe()

    def on_message(self, data: bytes, seen_ns: int) -> None:
        try:
            self._decoder.on_frame(data, seen_ns)
        except BadFrame as error:
            row = {"ts": time.time(), "error": str(error), "size": len(data)}
            text = data[:_BAD_BYTES].decode("utf-8", "backslashreplace")
            self._bad.append(json.dumps(row | {"data": text}, ensure_ascii=False).encode() + b"\n")
            self._wake.set()

    def on_alive(self, seen_ns: int) -> None:
        self._sink(FeedAlive(venue=self.venue, seen_ns=seen_ns))

    def on_lost(self, reason: str) -> None:
        now_ns = self._clock_ns()
        self._decoder.drop("", "reconnect", now_ns)
        if self._was_up:
            log.warning("feed_lost venue=%s reason=%s", self.venue, reason)
            self._sink(FeedState(venue=self.venue, connected=False, reason=reason, seen_ns=now_ns))
        self._was_up = False

    def _deliver(self, event: FeedEvent) -> None:
        if type(event) is BookDelta or type(event) is BookSnapshot:
            self._watch.hear(event.symbol, event.seen_ns)
        self._sink(event)

    def _ask(self, symbol: str, reason: str) -> None:
        if not symbol:
            self._socket.reconnect(reason)
        elif symbol in self._symbols:  # what we never asked for is nobody's book
            self._asked[symbol] = reason
            self._wake.set()

    # What is done about it, one thing after the other.

    async def _tend(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_TEND_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if self._socket.connected:
                self._look_for_lost()
                await self._answer_asks()
                await self._look_at_silent()
            await self._write_bad()

    def _look_for_lost(self) -> None:
        now_ns = self._clock_ns()
        for symbol in self._symbols:
            if not self._decoder.is_live(symbol) or self._top_of(symbol) is not None:
                continue
            if now_ns >= self._lost_again_ns.get(symbol, 0):
                # The owner of the book threw it away (crossed): without a whole one its updates mean nothing. Once in a
                # while only: a book that stays one-sided has no top either.
                self._lost_again_ns[symbol] = now_ns + _DOUBT_NS
                self._decoder.drop(symbol, "crossed", now_ns)
        for symbol in self._watch.undelivered(now_ns):
            if symbol not in self._asked:
                self._asked[symbol] = "undelivered"

    async def _answer_asks(self) -> None:
        for symbol, reason in list(self._asked.items()):
            if self._not_before.get(symbol, 0) > self._clock_ns():
                continue
            await self._asks.take()
            if not self._socket.connected:
                return
            self._asked.pop(symbol, None)
            if reason != "start":
                log.info("feed_resync venue=%s symbol=%s reason=%s", self.venue, symbol, reason)
            if self._dialect.joins_from_rest:
                await self._fetch_base(symbol)
            else:
                self._subscribe_anew(symbol)

    def _subscribe_anew(self, symbol: str) -> None:
        frames = self._dialect.resubscribe(symbol)
        if not frames:
            self._socket.reconnect(f"resubscribe {symbol}")
            return
        if self._dialect.resubscribes_all:
            self._asked.clear()
        for name in self._symbols if self._dialect.resubscribes_all else (symbol,):
            self._watch.subscribed(name, self._clock_ns())
        for frame in frames:
            self._socket.send(frame)

    async def _fetch_base(self, symbol: str) -> None:
        connection = self._socket.connects
        self._watch.subscribed(symbol, self._clock_ns())
        self._not_before[symbol] = self._clock_ns() + _RETRY_NS // 5
        wait_ns = _RETRY_NS << min(self._refused.get(symbol, 0), _MOST_DOUBLINGS)
        try:
            body = await self._http.get(self._dialect.book_url(symbol))
            if connection == self._socket.connects and self._socket.connected:
                self._decoder.on_rest_book(symbol, body, self._clock_ns())
                self._refused.pop(symbol, None)
                return
        except (VenueUnavailable, VenueRefused, BadFrame) as error:
            log.warning("feed_snapshot_failed venue=%s symbol=%s error=%s", self.venue, symbol, error)
            self._refused[symbol] = self._refused.get(symbol, 0) + 1
            if isinstance(error, RateLimited):
                self._asks.block(error.retry_after_s)
        self._not_before[symbol] = self._clock_ns() + wait_ns
        self._asked.setdefault(symbol, "retry")

    async def _look_at_silent(self) -> None:
        now_ns = self._clock_ns()
        for symbol in self._watch.silent(now_ns):
            if not self._decoder.is_live(symbol) or self._suspects.get(symbol, 0) > now_ns:
                continue
            if not self._asks.try_take():
                return
            await self._compare(symbol)

    async def _compare(self, symbol: str) -> None:
        """A quiet pair against REST. Equal: it still stands. Twice different and no frame between: it is dead."""
        asked_ns = self._clock_ns()
        try:
            theirs = self._dialect.top(symbol, await self._http.get(self._dialect.book_url(symbol)))
        except (VenueUnavailable, VenueRefused, BadFrame) as error:
            log.warning("feed_look_failed venue=%s symbol=%s error=%s", self.venue, symbol, error)
            self._suspects[symbol] = asked_ns + _RETRY_NS
            return
        now_ns = self._clock_ns()
        if self._watch.heard_since(symbol, asked_ns) or not self._decoder.is_live(symbol):
            self._suspects.pop(symbol, None)
        elif theirs == self._top_of(symbol):
            self._suspects.pop(symbol, None)
            self._watch.looked(symbol, now_ns)
            self._sink(BookDelta(venue=self.venue, symbol=symbol, bids=[], asks=[], venue_ts_ms=0, seen_ns=now_ns))
        elif symbol not in self._suspects:
            self._suspects[symbol] = now_ns + self._second_look_ns
        else:
            del self._suspects[symbol]
            log.warning("feed_silent venue=%s symbol=%s", self.venue, symbol)
            self._decoder.drop(symbol, "silent", now_ns)
            self._subscribe_anew(symbol)

    async def _write_bad(self) -> None:
        if self._keep_bad is not None and self._decoder.counts.errors > self._bad_kept:
            self._bad_kept = self._decoder.counts.errors
            try:
                await asyncio.to_thread(self._keep_bad, b"".join(self._bad))
            except OSError as error:  # a full disk must not end the feed
                log.warning("bad_frames_unwritable venue=%s error=%s", self.venue, error)
