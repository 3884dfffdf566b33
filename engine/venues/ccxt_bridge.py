"""A Feed over ccxt.pro: any venue that ccxt streams, by a line of configuration.

Continuity and checksums are ccxt's work where it does them. What is checked here: numbers, order of the levels, a
crossed book, a dead socket, a silent pair against REST. Every session begins with a fresh client and no books.
"""

import asyncio
import importlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any

import msgspec

from engine.domain.event import BookDelta, BookLost, BookSnapshot, DayTicker, FeedAlive, FeedState, TradePrint
from engine.domain.market import Instrument
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.domain.order import Side
from engine.net.backoff import Backoff
from engine.net.ratelimit import TokenBucket
from engine.venues.ccxt_client import (
    Bridged,
    Fallback,
    closed,
    instruments,
    is_number,
    levels_of,
    make_client,
    named,
)
from engine.venues.ccxt_perps import CcxtPerps
from engine.venues.decoder import Counts
from engine.venues.dialect import Patience, TopOf
from engine.venues.protocol import ConnectionHealth, Sink
from engine.venues.watch import Watch

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1
_FIRST_BOOK_NS = 15 * NS_PER_S
_STEADY_NS = 10 * NS_PER_S  # a session this long was a good one: the next failure waits shortly again
_SENDS_PER_S = 4.0  # subscriptions: below what any venue of ours allows
_RATE_OVER = 11  # readings: ten seconds
_KEPT_IDS = 1_000  # of trades: some venues repeat their last ones after a subscribe
_UNLISTED_RETRY_S = 60.0
# What ccxt's own parsing may raise on a frame that it did not expect.
_SLIPS = (KeyError, TypeError, ValueError, IndexError, AttributeError)


class CcxtBridge:
    """A Feed (engine.venues.protocol). One session = one ccxt client; the first failure of any stream ends it."""

    def __init__(
        self,
        bridged: Bridged,
        sink: Sink,
        clock_ns: Callable[[], int],
        rng: Random,
        top_of: TopOf,
        patience: Patience | None = None,
    ) -> None:
        """Raises ConfigError for a venue that ccxt cannot stream."""
        self.venue = bridged.venue
        self.counts = Counts()
        self._bridged = bridged
        self._sink = sink
        self._clock_ns = clock_ns
        self._top_of = top_of
        self._patience = patience or Patience()
        self._backoff = Backoff(rng)
        self._sends = TokenBucket(_SENDS_PER_S, _SENDS_PER_S, clock_ns)
        self._errors: Any = importlib.import_module("ccxt.base.errors")
        self._perps = CcxtPerps(self.venue, sink, clock_ns, self._errors)
        self._client = self._fresh()
        self._symbols: tuple[str, ...] = ()
        self._watch = Watch((), _FIRST_BOOK_NS)
        self._live: dict[str, bool] = {}  # symbol -> its book is trusted; False: it was, and is lost
        self._suspects: dict[str, int] = {}
        self._ids: dict[str, deque[str]] = {}
        self._over: asyncio.Future[str] | None = None
        self._sessions = 0
        self._is_up = False
        self._alive_ns = 0
        self._heard_ms: object = None
        self._reason = "not yet connected"  # of the last break
        self._since_ms: int | None = None
        self._seen: deque[tuple[int, int]] = deque([(clock_ns(), 0)], maxlen=_RATE_OVER)  # once a second

    async def run(self) -> None:
        try:
            while True:
                began_ns = self._clock_ns()
                self._reason = await self._session()
                self._lose_all()
                await closed(self._client)
                if self._clock_ns() - began_ns > _STEADY_NS:
                    self._backoff.reset()
                await asyncio.sleep(self._backoff.next_s())
                self._client = self._fresh(self._client.markets)
        finally:
            await closed(self._client)

    def counters(self) -> Mapping[str, int]:
        found: dict[str, int] = msgspec.structs.asdict(self.counts)
        found["events"] = self.counts.book + self.counts.trade
        found["reconnects"] = max(0, self._sessions - 1)
        return found | {"rollovers": 0, "moves": 0, "connections": 1}

    def age_ms(self, symbol: str, channel: str) -> float | None:
        age_ns = self._watch.age_ns(symbol, channel, self._clock_ns()) if channel == "book" else None
        return None if age_ns is None else age_ns / NS_PER_MS

    def clock(self) -> None:
        """Not known: ccxt keeps what the venue says of its time to itself."""

    def health(self) -> tuple[ConnectionHealth, ...]:
        age_ms = (self._clock_ns() - self._alive_ns) / NS_PER_MS if self._alive_ns else None
        return (
            ConnectionHealth(
                venue=self.venue,
                name=f"{self.venue}.ccxt",
                state="up" if self._is_up else "connecting",
                symbols=self._symbols,
                connected_since_ms=self._since_ms if self._is_up else None,
                last_frame_age_ms=age_ms,
                frames_per_s=self._rate(),
                reconnects=max(0, self._sessions - 1),
                gaps=self.counts.gaps,
                resyncs=self.counts.resyncs,
                errors=self.counts.errors,
                latency_p50_ms=None,
                latency_p99_ms=None,
                ping_rtt_ms=None,
                reason=self._reason,
            ),
        )

    def _rate(self) -> float:
        """What ccxt made of frames, a second; several frames may be one."""
        (first_ns, first), (last_ns, last) = self._seen[0], self._seen[-1]
        return (last - first) * NS_PER_S / (last_ns - first_ns) if last_ns > first_ns else 0.0

    async def instruments(self, fallback: Fallback) -> list[Instrument]:
        """The catalogue of our symbols. Raises ConfigError; ccxt's own errors are for `run` to heal: try again."""
        await self._client.load_markets()
        return instruments(self._client, self._bridged, self._bridged.symbols, fallback)

    def _fresh(self, markets: Any = None) -> Any:
        """A client without a past: a book that it had kept could be changed by the next session's updates."""
        client = make_client(self._bridged)
        usual_ms = client.streaming.get("keepAlive") or self._patience.dead_ms
        # Its pongs are the proof of life of a quiet socket: they must come well within the patience.
        client.streaming["keepAlive"] = min(usual_ms, 0.4 * self._patience.dead_ms)
        # ccxt would send one subscription per REST interval of the venue: on Kraken three pairs took six seconds.
        client.options["ws"] = {**client.options.get("ws", {}), "throttle": self._paced}
        if markets:
            client.set_markets(markets)
        return client

    async def _paced(self, cost: float | None = None) -> None:
        await self._sends.take()

    async def _session(self) -> str:
        """From the first connect to the first failure; returns what failed."""
        self._sessions += 1
        self._over = asyncio.get_running_loop().create_future()
        try:
            await self._client.load_markets()
        except self._errors.BaseError as error:
            return named(error)
        markets = self._client.markets
        unlisted = [symbol for symbol in self._bridged.symbols if symbol not in markets]
        for symbol in unlisted:
            log.warning("feed_symbol_unlisted venue=%s symbol=%s", self.venue, symbol)
        self._symbols = tuple(symbol for symbol in self._bridged.symbols if symbol in markets)
        self._watch = Watch(self._symbols, _FIRST_BOOK_NS, self._patience.silence_ms * NS_PER_MS)
        self._watch.start(self._clock_ns())
        self._suspects.clear()
        self._heard_ms, self._alive_ns = None, self._clock_ns()
        async with asyncio.TaskGroup() as tasks:
            started = [tasks.create_task(self._guard())]
            started += [tasks.create_task(work) for work in self._streams()]
            swaps = [symbol for symbol in self._symbols if markets[symbol].get("swap")]
            if swaps:
                started.append(tasks.create_task(self._perps.run(self._client, swaps)))
            if not self._symbols:
                asyncio.get_running_loop().call_later(_UNLISTED_RETRY_S, self._end, "the venue lists no symbol of ours")
            reason = await self._over
            for task in started:
                task.cancel()
        return reason

    def _streams(self) -> list[Any]:
        """Books first: each subscription waits for its turn."""
        client, levels, has = self._client, self._bridged.levels or None, self._client.has
        channels: list[tuple[Callable[[str], Awaitable[Any]], Callable[[str, Any], None]]] = [
            (lambda symbol: client.watch_order_book(symbol, levels), self._on_book)
        ]
        if has.get("watchTrades"):
            channels.append((lambda symbol: client.watch_trades(symbol), self._on_trades))
        if has.get("watchTicker"):
            channels.append((lambda symbol: client.watch_ticker(symbol), self._on_ticker))
        return [self._follow(symbol, watch, take) for watch, take in channels for symbol in self._symbols]

    async def _follow(
        self, symbol: str, watch: Callable[[str], Awaitable[Any]], take: Callable[[str, Any], None]
    ) -> None:
        errors = self._errors
        while True:
            try:
                found = await watch(symbol)
                self.counts.frames += 1
                take(symbol, found)
            except errors.ChecksumError as error:
                self._lose(symbol, "gap")
                log.info("feed_resync venue=%s symbol=%s reason=%s", self.venue, symbol, error)
                continue
            except (errors.BadRequest, errors.NotSupported) as error:  # of this stream alone; a bad symbol, too
                self._lose(symbol, "gap")
                log.warning("feed_refused venue=%s symbol=%s error=%s", self.venue, symbol, named(error))
                return
            except (errors.BaseError, OSError, *_SLIPS) as error:
                self._end(named(error))
                return
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                self._end("ccxt closed the connection")  # it cancels what waits when it gives a socket up
                return

    def _end(self, reason: str) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(reason)

    # What came.

    def _on_book(self, symbol: str, book: Any) -> None:
        now_ns = self._clock_ns()
        try:
            bids, asks = levels_of(book["bids"], -1), levels_of(book["asks"], 1)
        except (ValueError, *_SLIPS) as error:
            self.counts.errors += 1
            self._lose(symbol, "bad_frame")
            self._end(f"{symbol}: {error}")
            return
        if bids and asks and bids[0][0] >= asks[0][0]:
            self._lose(symbol, "crossed")
            self._end(f"{symbol} is crossed: {bids[0][0]} over {asks[0][0]}")
            return
        self.counts.book += 1
        self.counts.resyncs += self._live.get(symbol) is False
        self._live[symbol] = True
        self._suspects.pop(symbol, None)
        self._watch.hear(symbol, now_ns)
        said_ms = book.get("timestamp") or 0
        self._sink(
            BookSnapshot(venue=self.venue, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=said_ms, seen_ns=now_ns)
        )

    def _on_trades(self, symbol: str, trades: list[Any]) -> None:
        now_ns = self._clock_ns()
        ids = self._ids.setdefault(symbol, deque(maxlen=_KEPT_IDS))
        for trade in trades:
            price, qty, side, name = trade["price"], trade["amount"], trade["side"], str(trade.get("id") or "")
            if not is_number(price) or not is_number(qty) or side not in ("buy", "sell"):
                self.counts.errors += 1
                continue
            if name and name in ids:
                continue
            ids.append(name)
            self.counts.trade += 1
            self._watch.trade(symbol, price, now_ns)
            self._sink(
                TradePrint(
                    venue=self.venue,
                    symbol=symbol,
                    price=price,
                    qty=qty,
                    taker_side=Side(side),
                    trade_id=name,
                    venue_ts_ms=trade.get("timestamp") or 0,
                    seen_ns=now_ns,
                )
            )

    def _on_ticker(self, symbol: str, ticker: Any) -> None:
        self.counts.ticker += 1
        if self._client.markets[symbol].get("swap"):
            self._perps.on_ticker(symbol, ticker)
        last, volume = ticker.get("last"), ticker.get("quoteVolume")
        if is_number(last) and is_number(volume):
            said_ms, now_ns = ticker.get("timestamp") or 0, self._clock_ns()
            self._sink(
                DayTicker(
                    venue=self.venue,
                    symbol=symbol,
                    last=last,
                    quote_volume=volume,
                    venue_ts_ms=said_ms,
                    seen_ns=now_ns,
                )
            )

    # What is lost.

    def _lose(self, symbol: str, reason: str) -> None:
        if self._live.get(symbol):
            self._live[symbol] = False
            self.counts.gaps += reason in ("gap", "crossed", "bad_frame")
            self._sink(BookLost(venue=self.venue, symbol=symbol, reason=reason, seen_ns=self._clock_ns()))

    def _lose_all(self) -> None:
        for symbol in self._symbols:
            self._lose(symbol, "reconnect")
        if self._is_up or self._sessions == 1:  # once, not at every try in vain
            log.warning("feed_lost venue=%s reason=%s", self.venue, self._reason)
            self._sink(FeedState(venue=self.venue, connected=False, reason=self._reason, seen_ns=self._clock_ns()))
        self._is_up = False

    # Whether it lives.

    async def _guard(self) -> None:
        dead_ns = self._patience.dead_ms * NS_PER_MS
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now_ns = self._clock_ns()
            # ccxt notes its wall clock at each frame and pong: only that it changed counts.
            heard = [(client.last_message_at, client.lastPong) for client in self._client.clients.values()]
            if heard != self._heard_ms and any(any(each) for each in heard):
                self._heard_ms, self._alive_ns = heard, now_ns
                self._show_alive(now_ns)
            elif now_ns - self._alive_ns > dead_ns:
                self._end(f"dead: nothing for {(now_ns - self._alive_ns) // NS_PER_MS} ms")
            if now_ns - self._seen[-1][0] >= NS_PER_S:
                self._seen.append((now_ns, self.counts.frames))
            for symbol in self._watch.undelivered(now_ns):
                self._end(f"{symbol} was never delivered")
            for symbol in self._watch.silent(now_ns, self._top_of):
                if self._live.get(symbol) and self._suspects.get(symbol, 0) <= now_ns:
                    await self._compare(symbol)

    def _show_alive(self, now_ns: int) -> None:
        if not self._is_up:
            self._is_up, self._since_ms = True, time.time_ns() // NS_PER_MS
            self._sink(FeedState(venue=self.venue, connected=True, reason="connected", seen_ns=now_ns))
            log.info("feed_connected venue=%s", self.venue)
        self._sink(FeedAlive(venue=self.venue, seen_ns=now_ns))

    async def _compare(self, symbol: str) -> None:
        """A quiet pair against REST. Equal: it still stands. Twice different and no word between: it is dead."""
        asked_ns = self._clock_ns()
        try:
            book = await self._client.fetch_order_book(symbol)
            theirs = (float(book["bids"][0][0]), float(book["asks"][0][0]))
        except (self._errors.BaseError, OSError, *_SLIPS) as error:
            log.warning("feed_look_failed venue=%s symbol=%s error=%s", self.venue, symbol, named(error))
            self._suspects[symbol] = asked_ns + NS_PER_S
            return
        now_ns = self._clock_ns()
        if self._watch.heard_since(symbol, asked_ns):
            self._suspects.pop(symbol, None)
        elif theirs == self._top_of(symbol):
            self._suspects.pop(symbol, None)
            self._watch.looked(symbol, now_ns)
            self._sink(BookDelta(venue=self.venue, symbol=symbol, bids=[], asks=[], venue_ts_ms=0, seen_ns=now_ns))
        elif symbol not in self._suspects:
            self._suspects[symbol] = now_ns + self._patience.second_look_ms * NS_PER_MS
        else:
            self._lose(symbol, "silent")
            self._end(f"{symbol} is silent")
