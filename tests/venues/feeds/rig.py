"""A live feed with the books that its events make, as the core would keep them."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.domain.event import BookDelta, BookLost, BookSnapshot, FeedAlive, FeedState, TradePrint
from engine.market.book import Book
from engine.venues.feeds import build_feed
from engine.venues.native import Native
from engine.venues.protocol import FeedEvent
from engine.venues.stream import Patience

SYMBOLS = {
    "upbit": ("KRW-BTC", "KRW-ETH", "KRW-USDT"),
    "bithumb": ("KRW-BTC", "KRW-ETH", "KRW-USDT"),
    "binance": ("BTCUSDT", "ETHUSDT", "XRPUSDT"),
    "okx": ("BTC-USDT", "ETH-USDT", "XRP-USDT"),
}
HURRIED = Patience(silence_ms=700, second_look_ms=200, dead_ms=1_500)


class Listener:
    """Keeps what the core would keep: books, dropped when crossed; and the story in words."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}
        self.told: list[str] = []
        self.trades: list[TradePrint] = []
        self.alive = 0
        self.lines: dict[str, tuple[str, ...]] = {}  # connection -> symbols that it was said to carry

    def take(self, event: FeedEvent) -> None:
        match event:
            case BookSnapshot():
                book = self.books.setdefault(event.symbol, Book())
                book.replace(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
                self.told.append(f"book {event.symbol}")
                self._check(book)
            case BookDelta():
                self.books[event.symbol].change(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
                if not event.bids and not event.asks:
                    self.told.append(f"confirmed {event.symbol}")
                self._check(self.books[event.symbol])
            case BookLost():
                self.books.setdefault(event.symbol, Book()).drop()
                self.told.append(f"lost {event.symbol} {event.reason}")
            case FeedState():
                if event.connected:
                    self.lines[event.line] = self.lines.get(event.line, ()) + event.symbols
                if not event.connected or event.reason == "connected":
                    self.told.append("up" if event.connected else "down")
            case FeedAlive():
                self.alive += 1
            case TradePrint():
                self.trades.append(event)

    @staticmethod
    def _check(book: Book) -> None:
        if book.is_crossed:
            book.drop()

    def top(self, symbol: str) -> tuple[float, float] | None:
        book = self.books.get(symbol)
        return (book.best_bid, book.best_ask) if book is not None and book.synced else None

    def all_synced(self, symbols: tuple[str, ...]) -> bool:
        return all(self.top(symbol) is not None for symbol in symbols)

    def levels(self, symbol: str, count: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        book = self.books[symbol]
        return list(book.bids())[:count], list(book.asks())[:count]


@asynccontextmanager
async def running(
    venue: str,
    ws_base: str,
    rest_base: str,
    symbols: tuple[str, ...],
    bad_frames: Path | None = None,
    patience: Patience = HURRIED,
    speaks: Native | None = None,
    listener: Listener | None = None,
) -> AsyncIterator[tuple[Any, Any]]:
    listener = listener or Listener()
    feed = build_feed(
        venue,
        ws_base=ws_base,
        rest_base=rest_base,
        symbols=symbols,
        sink=listener.take,
        clock_ns=time.monotonic_ns,
        rng=random.Random(3),
        top_of=listener.top,
        bad_frames=bad_frames,
        patience=patience,
        speaks=speaks,
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(feed.run())
        try:
            yield feed, listener
        finally:
            task.cancel()
