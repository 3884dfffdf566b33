"""Two clients of one venue: ccxt.pro, untouched but for a notebook, and our own feed. Their books are compared.

A venue's minute is played in seconds: the world's clock runs fast, the sockets are real.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from msgspec import Struct, field

from engine.domain.event import BookDelta, BookLost, BookSnapshot, DayTicker, FeedState, PerpState, TradePrint
from engine.market.book import Book
from engine.venues.dialect import Patience
from engine.venues.feeds import build_feed
from sandbox.world import World, WorldConfig

Levels = list[tuple[float, float]]
Pages = dict[tuple[str, int], tuple[Levels, Levels]]  # (symbol or coin, venue time) -> bids, asks
SPEED = 8.0
MINUTE_S = 60.0


class FastClock:
    """Milliseconds of the venue: it began at the wall's time and runs faster."""

    def __init__(self, speed: float = SPEED) -> None:
        self._speed = speed
        self._began = time.monotonic()
        self._wall_ms = time.time_ns() // 1_000_000

    def __call__(self) -> int:
        return self._wall_ms + int((time.monotonic() - self._began) * 1_000 * self._speed)

    @property
    def seconds(self) -> float:
        """Of the venue's time since the start."""
        return (time.monotonic() - self._began) * self._speed


class Heard(Struct):
    """What our feed said: every book at each venue time, trades, perpetuals, the day's tickers."""

    pages: Pages = field(default_factory=dict)
    trades: int = 0
    perps: dict[str, PerpState] = field(default_factory=dict)
    days: dict[str, DayTicker] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    books: dict[str, Book] = field(default_factory=dict)

    def take(self, event: Any) -> None:
        match event:
            case BookSnapshot() | BookDelta():
                book = self.books.setdefault(event.symbol, Book())
                change = book.replace if isinstance(event, BookSnapshot) else book.change
                change(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
                if book.synced and book.is_two_sided and not book.is_crossed and event.venue_ts_ms:
                    self.pages[event.symbol, event.venue_ts_ms] = (list(book.bids()), list(book.asks()))
                elif book.is_crossed:
                    book.drop()
            case BookLost():
                self.lost.append(f"{event.symbol} {event.reason}")
                self.books.setdefault(event.symbol, Book()).drop()
            case FeedState() if not event.connected:
                for book in self.books.values():
                    book.drop()
            case TradePrint():
                self.trades += 1
            case PerpState():
                self.perps[event.symbol] = event
            case DayTicker():
                self.days[event.symbol] = event

    def top(self, symbol: str) -> tuple[float, float] | None:
        book = self.books.get(symbol)
        return (book.best_bid, book.best_ask) if book is not None and book.synced and book.is_two_sided else None

    def is_whole(self, symbols: tuple[str, ...]) -> bool:
        return all(self.top(symbol) is not None for symbol in symbols)


class Pair(Struct):
    """One venue of a world and what its readers are given."""

    world: World
    clock: FastClock
    heard: Heard
    feed: Any
    venue: str
    symbols: tuple[str, ...]

    @property
    def rest(self) -> str:
        return self.world.urls[self.venue]["rest"]

    @property
    def floor(self) -> Any:
        return self.world.floors[self.venue]


@asynccontextmanager
async def watching(
    house: str,
    venue: str,
    symbols: tuple[str, ...],
    speed: float = SPEED,
    patience: Patience | None = None,
    *,
    checksums: bool = False,
) -> AsyncIterator[Pair]:
    """A world of one house and our feed of one of its venues."""
    clock = FastClock(speed)
    config = WorldConfig(seed=11, episodes=False, houses=(house,), step_s=0.09 / speed, checksums=checksums)
    async with World(config, clock) as world:
        heard = Heard()
        rest = world.urls[venue]["rest"]
        feed = build_feed(
            venue,
            ws_base=rest.replace("http", "ws"),
            rest_base=rest,
            symbols=symbols,
            sink=heard.take,
            clock_ns=time.monotonic_ns,
            rng=Random(1),
            top_of=heard.top,
            patience=patience,
        )
        running = asyncio.create_task(feed.run())
        try:
            yield Pair(world=world, clock=clock, heard=heard, feed=feed, venue=venue, symbols=symbols)
        finally:
            running.cancel()
            await asyncio.wait([running])


def notebook(kind: type, method: str = "handle_order_book") -> type:
    """ccxt's own class that writes down each book after its own handler has taken a message.

    Only what is later than the book's first sight counts: KuCoin's futures apply changes that are older than the
    snapshot to it (ccxt compares their time with its sequence), so until its time is reached again the book is none.
    """

    def handler(self: Any, *message: Any) -> Any:
        for symbol, book in self.orderbooks.items():
            if book.get("timestamp") and book["bids"] and book["asks"]:
                self.born.setdefault(symbol, book["timestamp"])
        answer = getattr(kind, method)(self, *message)
        for symbol, book in self.orderbooks.items():
            stamp = book.get("timestamp")
            if stamp and symbol in self.born and stamp > self.born[symbol] and book["bids"] and book["asks"]:
                bids = [(float(row[0]), float(row[1])) for row in book["bids"]]
                asks = [(float(row[0]), float(row[1])) for row in book["asks"]]
                self.pages[self.markets[symbol]["base"], stamp] = (bids, asks)
        return answer

    # One class for one client: what it notes stands beside its handler.
    return type(f"Noting{kind.__name__}", (kind,), {method: handler, "pages": {}, "born": {}})


def agreement(
    ours: Pages, theirs: Pages, name: Callable[[str], str], shift_ms: int, depth: int
) -> tuple[int, list[str]]:
    """How many books both have at the same venue time, and where they differ.

    `name`: our symbol as they call it; `shift_ms`: their time minus ours. Their first and last page of a coin may be
    half written: some dialects change one level per frame.
    """
    common, different = 0, []
    whole = {coin: sorted(stamp for each, stamp in theirs if each == coin)[1:-1] for coin in {n for n, _ in theirs}}
    theirs = {(coin, stamp): theirs[coin, stamp] for coin, stamps in whole.items() for stamp in stamps}
    for (symbol, stamp), (bids, asks) in ours.items():
        page = theirs.get((name(symbol), stamp + shift_ms))
        if page is None:
            continue
        common += 1
        if (bids[:depth], asks[:depth]) != (page[0][:depth], page[1][:depth]):
            different.append(f"{symbol} at {stamp}")
    return common, different
