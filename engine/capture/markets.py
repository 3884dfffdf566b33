"""Normalised books and trades of one venue: the same events that the desk trades on, as lines."""

from collections.abc import Callable
from itertools import islice

import msgspec
from msgspec import Struct

from engine.capture.track import Track
from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.domain.market import Levels, plain
from engine.market.book import Book
from engine.market.books import new_books
from engine.venues.protocol import FeedEvent


class BookRow(Struct, omit_defaults=True):
    """The best levels of one book when it was looked at; `lost` instead of them when it cannot be trusted."""

    ns: int  # our wall clock at the book's last change, UTC
    mono_ns: int
    venue_ms: int
    symbol: str
    bids: Levels
    asks: Levels
    lost: str = ""


class TradeRow(Struct):
    ns: int
    mono_ns: int
    venue_ms: int
    symbol: str
    price: float
    qty: float
    taker: str  # buy | sell
    id: str


_encode = msgspec.json.Encoder(enc_hook=plain).encode


class Markets:
    """Takes the feed's events. Books are kept here for the feed's own checks, and written when `look` is called."""

    def __init__(self, books: Track, trades: Track, wall_of: Callable[[int], int], top: int) -> None:
        """`wall_of(mono_ns)` is our wall clock then, UTC ns; `top` levels of each side are written."""
        self._wall_of = wall_of
        self._books = new_books()
        self._lost: dict[str, tuple[str, int]] = {}  # why, and when
        self._changed: dict[str, None] = {}
        self._book_track = books
        self._trade_track = trades
        self._top = top

    def take(self, event: FeedEvent) -> None:
        match event:
            case BookSnapshot() | BookDelta():
                book = self._book(event.symbol)
                self._books.take(event)
                if isinstance(event, BookSnapshot):
                    self._lost.pop(event.symbol, None)
                self._check(event.symbol, book)
            case BookLost():
                self._lose(event.symbol, self._book(event.symbol), event.reason, event.seen_ns)
            case TradePrint():
                self._trade(event)
            case _:
                pass

    def _book(self, symbol: str) -> Book:
        return self._books.by_symbol.get(symbol) or self._books.by_symbol.setdefault(symbol, Book())

    def top_of(self, symbol: str) -> tuple[float, float] | None:
        book = self._books.by_symbol.get(symbol)
        return (book.best_bid, book.best_ask) if book is not None and book.synced else None

    @property
    def synced(self) -> int:
        return sum(book.synced for book in self._books.by_symbol.values())

    def look(self) -> None:
        """One line for each book that changed since the last look."""
        changed, self._changed = self._changed, {}
        for symbol in changed:
            book = self._books.by_symbol[symbol]
            reason, seen_ns = self._lost.get(symbol, ("", book.seen_ns))
            row = BookRow(
                self._wall_of(seen_ns),
                seen_ns,
                book.venue_ts_ms,
                symbol,
                list(islice(book.bids(), self._top)),
                list(islice(book.asks(), self._top)),
                reason,
            )
            self._book_track.add(_encode(row) + b"\n", seen_ns)

    def _check(self, symbol: str, book: Book) -> None:
        if book.is_crossed:
            self._lose(symbol, book, "crossed", book.seen_ns)
        self._changed[symbol] = None

    def _lose(self, symbol: str, book: Book, reason: str, seen_ns: int) -> None:
        book.drop()
        self._lost[symbol] = (reason, seen_ns)
        self._changed[symbol] = None

    def _trade(self, event: TradePrint) -> None:
        row = TradeRow(
            self._wall_of(event.seen_ns),
            event.seen_ns,
            event.venue_ts_ms,
            event.symbol,
            event.price,
            event.qty,
            event.taker_side.value,
            event.trade_id,
        )
        self._trade_track.add(_encode(row) + b"\n", event.seen_ns)
