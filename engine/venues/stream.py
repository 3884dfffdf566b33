"""One connection of a native feed: its socket, its decoder, and what to do when a book cannot go on by itself."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Protocol, cast

from engine.domain.errors import BadFrame, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.event import BookDelta, BookSnapshot, DayTicker, PerpState, TradePrint
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.net.http import Http
from engine.net.ratelimit import TokenBucket
from engine.net.ws import Socket
from engine.venues.bad_frames import BadFrames
from engine.venues.decoder import Ask, Decoder
from engine.venues.dialect import Dialect, Patience, SideDialect, TopOf
from engine.venues.protocol import ConnectionHealth, FeedEvent, Sink
from engine.venues.pulse import SAMPLE_EVERY_NS, SETTLING_NS, Pulse
from engine.venues.watch import Watch

__all__ = ["Owner", "Patience", "Stream"]

log = logging.getLogger(__name__)

_TEND_EVERY_S = (0.2, 0.3)  # uneven: what makes a hundred connections wait at once must not keep them in step
_RETRY_NS = 1 * NS_PER_S
_MOST_DOUBLINGS = 6
_DOUBT_NS = 10 * NS_PER_S
_ASK_BURST = 10
_ASKS_A_ROUND = 4
_PATIENT_S = 30.0  # so long lost books may wait for what may be said on their connection
_LEAVE_AGAIN_NS = 120 * NS_PER_S
_SILENT_AGAIN_NS = 60 * NS_PER_S
_LOOKS_PER_S = 1.0  # comparisons with REST


class Owner(Protocol):
    """Who keeps the connections of a venue. Calls come from a socket's callback: none may await."""

    def on_up(self, stream: "Stream") -> None: ...

    def on_alive(self, stream: "Stream", seen_ns: int) -> None: ...

    def on_down(self, stream: "Stream", reason: str) -> None:
        """The connection is gone and its books are lost; it comes back by itself."""
        ...

    def on_leave(self, stream: "Stream", reason: str) -> None:
        """The venue is going to close this connection: there is time to open another first."""
        ...


class Stream:
    """A connection and its books. Without `top_of` it is a side: trades and tickers, no book to look after."""

    def __init__(
        self,
        name: str,
        dialect: Dialect | SideDialect,
        symbols: tuple[str, ...],
        make_decoder: Callable[[Sink, Ask], Decoder],
        owner: Owner,
        sinks: tuple[Sink, Sink],  # for books and trades; for what is said beside them
        clock_ns: Callable[[], int],
        rng: Random,
        http: Http,
        connects: TokenBucket,
        bad: BadFrames,
        patience: Patience,
        top_of: TopOf | None,
        url: Callable[[], Awaitable[str]] | None = None,  # where the address bears a token
    ) -> None:
        self.name = name
        self.venue = dialect.venue
        self.symbols = symbols
        self.is_side = top_of is None
        self.sink, self.said = sinks
        self.pulse = Pulse()
        self.decoder = make_decoder(self._deliver, self._ask)
        self.reason = ""  # of the last break
        self.opened_ns = 0
        self.rest_errors = 0  # answers that were none: refused, away, HTML where a book belongs
        self._owner = owner
        self._dialect = cast(Dialect, dialect)
        self._clock_ns = clock_ns
        self._rng = rng
        self._top_of: TopOf = top_of or (lambda symbol: None)
        self._books = () if self.is_side else symbols
        self._bad = bad
        first_book_ns = 0 if self.is_side else self._dialect.first_book_ms * NS_PER_MS
        self._watch = Watch(self._books, first_book_ns, patience.silence_ms * NS_PER_MS)
        self._second_look_ns = patience.second_look_ms * NS_PER_MS
        self._asked: dict[str, str] = {}
        self._not_before: dict[str, int] = {}
        self._refused: dict[str, int] = {}  # how often in a row REST gave no base
        self._lost_again_ns: dict[str, int] = {}
        self._suspects: dict[str, int] = {}
        self._silent_ns: dict[str, int] = {}  # when a pair was found dead last
        self._wake = asyncio.Event()
        self._sample_ns = 0  # no sample is wanted before
        self._wall_less_mono_ms = time.time() * 1e3 - clock_ns() / NS_PER_MS
        self._leaves_ns = 0  # not left for a spent budget before
        self._looks = TokenBucket(_LOOKS_PER_S, _ASK_BURST, clock_ns)
        self._asks = TokenBucket(1.0 if self.is_side else self._dialect.asks_per_minute / 60, _ASK_BURST, clock_ns)
        self._http = http
        limits = dialect.limits
        rate = limits.sends_per_second
        sends = TokenBucket(rate, max(1.0, limits.send_burst), clock_ns) if rate else None
        beat, dead_ms = dialect.heartbeat, patience.dead_ms
        self.socket = Socket(url or dialect.url(), self, beat, dead_ms, clock_ns, rng, connects, sends=sends)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.socket.run(), name=f"{self.name}.socket")
            tasks.create_task(self._tend(), name=f"{self.name}.tend")

    def is_live(self, symbol: str) -> bool:
        return self.decoder.is_live(symbol)

    def age_ns(self, symbol: str, channel: str, now_ns: int) -> int | None:
        return self._watch.age_ns(symbol, channel, now_ns)

    def health(self) -> ConnectionHealth:
        now_ns, counts, socket = self._clock_ns(), self.decoder.counts, self.socket
        latency = self.pulse.latency_ms(now_ns)
        return ConnectionHealth(
            venue=self.venue,
            name=self.name,
            state="up" if socket.connected else "connecting",
            symbols=self.symbols,
            connected_since_ms=round(self.opened_ns / NS_PER_MS + self._wall_less_mono_ms)
            if socket.connected
            else None,
            last_frame_age_ms=(now_ns - socket.heard_ns) / NS_PER_MS if socket.heard_ns else None,
            frames_per_s=self.pulse.frames_per_s(),
            reconnects=max(0, socket.connects - 1),
            gaps=counts.gaps,
            resyncs=counts.resyncs,
            errors=counts.errors,
            latency_p50_ms=latency[0] if latency else None,
            latency_p99_ms=latency[1] if latency else None,
            ping_rtt_ms=socket.rtt_ms or None,
            reason=self.reason,
        )

    # What the socket says. Called in its callback: nothing here awaits.

    def on_open(self) -> list[bytes]:
        now_ns = self._clock_ns()
        if self.is_side or not self._dialect.joins_from_rest:
            self._asked.clear()  # the new subscription brings every book whole
        self._suspects.clear()
        self._watch.start(now_ns)
        self.pulse.opened()
        self._sample_ns = now_ns + SETTLING_NS
        self.opened_ns = now_ns
        self._owner.on_up(self)
        return self._dialect.subscribe()

    def on_message(self, data: bytes, seen_ns: int) -> None:
        try:
            self.decoder.on_frame(data, seen_ns)
        except BadFrame as error:
            self._bad.add(data, error)

    def on_alive(self, seen_ns: int) -> None:
        self._owner.on_alive(self, seen_ns)

    def on_lost(self, reason: str) -> None:
        self.reason = reason
        self.decoder.counts.errors += reason.startswith("flooded")
        self.decoder.drop("", "reconnect", self._clock_ns())
        self._owner.on_down(self, reason)

    def _deliver(self, event: FeedEvent) -> None:
        kind = type(event)
        if kind is BookDelta or kind is BookSnapshot:
            self._watch.hear(event.symbol, event.seen_ns)  # type: ignore[union-attr]
        elif kind is TradePrint:
            self.heard_trade(event.symbol, event.price, event.seen_ns)  # type: ignore[union-attr]
        elif kind is PerpState or kind is DayTicker:
            self.said(event)
            return
        self.sink(event)
        if event.seen_ns >= self._sample_ns:
            self._sample(event)

    def _sample(self, event: FeedEvent) -> None:
        """One in many: what it tells of latency."""
        if venue_ts_ms := getattr(event, "venue_ts_ms", 0):
            self.pulse.sample(event.seen_ns, event.seen_ns / NS_PER_MS + self._wall_less_mono_ms - venue_ts_ms)
            self._sample_ns = event.seen_ns + SAMPLE_EVERY_NS

    def heard_trade(self, symbol: str, price: float, seen_ns: int) -> None:
        """A trade of a symbol whose book is here, from this connection or from another."""
        self._watch.trade(symbol, price, seen_ns)

    def _ask(self, symbol: str, reason: str) -> None:
        if not symbol and reason == "server_shutdown":
            self._owner.on_leave(self, reason)
        elif not symbol:
            self.socket.reconnect(reason)
        elif symbol in self._books:  # what we never asked for is nobody's book
            self._asked[symbol] = reason
            self._wake.set()

    # What is done about it, one thing after the other.

    async def _tend(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._rng.uniform(*_TEND_EVERY_S)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            now_ns = self._clock_ns()
            self.pulse.count(now_ns, self.decoder.counts.frames)
            self._wall_less_mono_ms = time.time() * 1e3 - now_ns / NS_PER_MS
            if self.socket.connected and not self.is_side:
                self._look_for_lost()
                await self._answer_asks()
                await self._look_at_silent()
            await self._bad.write()

    def _look_for_lost(self) -> None:
        now_ns = self._clock_ns()
        for symbol in self._books:
            if not self.decoder.is_live(symbol) or self._top_of(symbol) is not None:
                continue
            if now_ns >= self._lost_again_ns.get(symbol, 0):
                # The owner of the book threw it away (crossed): without a whole one its updates mean nothing. Once in a
                # while only: a book that stays one-sided has no top either.
                self._lost_again_ns[symbol] = now_ns + _DOUBT_NS
                self.decoder.drop(symbol, "crossed", now_ns)
        for symbol in self._watch.undelivered(now_ns):
            if symbol not in self._asked:
                self._asked[symbol] = "undelivered"

    async def _answer_asks(self) -> None:
        now_ns = self._clock_ns()
        due = [entry for entry in self._asked.items() if self._not_before.get(entry[0], 0) <= now_ns]
        if due and not self._dialect.joins_from_rest and self._is_spent(len(due), now_ns):
            return  # nothing wakes this before its time: without a wait in between it would hold the loop
        if len(due) > _ASKS_A_ROUND:
            self._wake.set()  # the rest after a look at the others: bases may be minutes of a venue's budget
        for symbol, reason in due[:_ASKS_A_ROUND]:
            await self._asks.take()
            if not self.socket.connected:
                return
            self._asked.pop(symbol, None)
            if reason != "start":
                log.info("feed_resync line=%s symbol=%s reason=%s", self.name, symbol, reason)
            if self._dialect.joins_from_rest:
                await self._fetch_base(symbol)
            else:
                self._subscribe_anew(symbol)

    def _is_spent(self, wanted: int, now_ns: int) -> bool:
        """Whether what may be said on this connection is used up for long; then another takes its place.

        Where a venue counts subscriptions per hour and connection (OKX, Bitget), fifty lost books would wait for half
        an hour: a fresh connection says them all at once, and its siblings change hands without a gap.
        """
        if self._asks.wait_s(wanted) <= _PATIENT_S:
            return False
        if now_ns >= self._leaves_ns:
            self._leaves_ns = now_ns + _LEAVE_AGAIN_NS
            self._owner.on_leave(self, f"{wanted} books to subscribe anew")
        return self._asks.wait_s() > 0.0

    def _subscribe_anew(self, symbol: str) -> None:
        frames = self._dialect.resubscribe(symbol)
        if not frames:
            self.socket.reconnect(f"resubscribe {symbol}")
            return
        if self._dialect.resubscribes_all:
            self._asked.clear()
        for name in self._books if self._dialect.resubscribes_all else (symbol,):
            self._watch.subscribed(name, self._clock_ns())
        for frame in frames:
            self.socket.send(frame)

    async def _fetch_base(self, symbol: str) -> None:
        connection = self.socket.connects
        self._watch.subscribed(symbol, self._clock_ns())
        self._not_before[symbol] = self._clock_ns() + _RETRY_NS // 5
        wait_ns = _RETRY_NS << min(self._refused.get(symbol, 0), _MOST_DOUBLINGS)
        try:
            body = await self._http.get(self._dialect.book_url(symbol))
            if connection == self.socket.connects and self.socket.connected:
                self.decoder.on_rest_book(symbol, body, self._clock_ns())
                self._refused.pop(symbol, None)
                return
        except (VenueUnavailable, VenueRefused, BadFrame) as error:
            self.rest_errors += 1
            log.warning("feed_snapshot_failed line=%s symbol=%s error=%s", self.name, symbol, error)
            self._refused[symbol] = self._refused.get(symbol, 0) + 1
            if isinstance(error, RateLimited):
                self._asks.block(error.retry_after_s)
        self._not_before[symbol] = self._clock_ns() + wait_ns
        self._asked.setdefault(symbol, "retry")

    async def _look_at_silent(self) -> None:
        now_ns = self._clock_ns()
        for symbol in self._watch.silent(now_ns, self._top_of):
            if not self.decoder.is_live(symbol) or self._suspects.get(symbol, 0) > now_ns:
                continue
            if not self._looks.try_take():
                return
            await self._compare(symbol)

    async def _compare(self, symbol: str) -> None:
        """A quiet pair against REST. Equal: it still stands. Twice different and no frame between: it is dead."""
        asked_ns = self._clock_ns()
        try:
            theirs = self._dialect.top(symbol, await self._http.get(self._dialect.book_url(symbol)))
        except (VenueUnavailable, VenueRefused, BadFrame) as error:
            self.rest_errors += 1
            log.warning("feed_look_failed line=%s symbol=%s error=%s", self.name, symbol, error)
            self._suspects[symbol] = asked_ns + _RETRY_NS
            return
        now_ns = self._clock_ns()
        if self._watch.heard_since(symbol, asked_ns) or not self.decoder.is_live(symbol):
            self._suspects.pop(symbol, None)
        elif theirs == self._top_of(symbol):
            self._suspects.pop(symbol, None)
            self._watch.looked(symbol, now_ns)
            self.sink(BookDelta(venue=self.venue, symbol=symbol, bids=[], asks=[], venue_ts_ms=0, seen_ns=now_ns))
        elif symbol not in self._suspects:
            self._suspects[symbol] = now_ns + self._second_look_ns
        else:
            del self._suspects[symbol]
            log.warning("feed_silent line=%s symbol=%s", self.name, symbol)
            self.decoder.drop(symbol, "silent", now_ns)
            was_ns, self._silent_ns[symbol] = self._silent_ns.get(symbol), now_ns
            if was_ns is not None and now_ns - was_ns < _SILENT_AGAIN_NS:
                self.socket.reconnect(f"{symbol} silent again")  # asking on this connection has not helped
            else:
                self._subscribe_anew(symbol)
