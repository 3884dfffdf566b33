"""The books of one venue, changed by its events: compiled (engine/native/books.c) where that was built."""

from engine.domain.event import BookDelta, BookSnapshot
from engine.market.book import Book
from engine.native import native


class PlainBooks:
    """Who keeps them adds them: an event of any other symbol is nobody's. `last`: the one that was changed last."""

    __slots__ = ("by_symbol", "last")

    def __init__(self) -> None:
        self.by_symbol: dict[str, Book] = {}
        self.last: Book | None = None

    def take(self, event: BookDelta | BookSnapshot) -> Book | None:
        """Change the event's book, and return it; None where it is not there."""
        book = self.by_symbol.get(event.symbol)
        if book is not None:
            put = book.change if type(event) is BookDelta else book.replace
            put(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
            self.last = book
        return book


def _fields(event: type) -> tuple[object, ...]:
    return tuple(getattr(event, name) for name in ("symbol", "bids", "asks", "seen_ns", "venue_ts_ms"))


_FIELDS = (_fields(BookDelta), _fields(BookSnapshot))


def new_books() -> PlainBooks:
    """None yet."""
    if native is None:
        return PlainBooks()
    made: PlainBooks = native.Books(*_FIELDS)
    return made
