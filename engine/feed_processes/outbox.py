"""Events on their way to the engine. While it reads too slowly, newer replaces older: nothing is lost unsaid. Pure."""

from engine.domain.event import BookDelta, BookLost, BookSnapshot, DayTicker, FeedAlive, PerpState, TradePrint
from engine.feed_processes.wire import Told
from engine.market.book import Book

_Key = tuple[str, str, str]  # what, venue, symbol


class Outbox:
    """Also holds the books, as the engine will have them: a late reader gets them whole instead of their deltas.

    `is_late` is set and cleared by whoever writes to the socket.
    """

    def __init__(self) -> None:
        self.is_late = False
        self.conflated = 0
        self._books: dict[tuple[str, str], Book] = {}
        self._events: list[Told] = []  # in order, while the reader keeps up
        self._newest: dict[_Key, Told | None] = {}  # while it does not; None: the book as it is when it is sent
        self._states: list[Told] = []  # rare, each told: before the newest, for a venue that went takes its books along

    def take(self, event: Told) -> None:
        if type(event) is BookDelta or type(event) is BookSnapshot or type(event) is BookLost:
            self._keep(event)
        if not (self.is_late or self._newest or self._states):
            self._events.append(event)
            return
        match event:
            case BookDelta() | BookSnapshot():
                self._replace(("book", event.venue, event.symbol), None)
            case BookLost():
                self._replace(("book", event.venue, event.symbol), event)
            case TradePrint() | PerpState() | DayTicker():
                self._replace((type(event).__name__, event.venue, event.symbol), event)
            case FeedAlive():
                self._newest["alive", event.venue, event.line] = event
            case _:
                self._states.append(event)

    def _replace(self, key: _Key, event: Told | None) -> None:
        self.conflated += key in self._newest
        self._newest[key] = event

    def _keep(self, event: BookDelta | BookSnapshot | BookLost) -> None:
        market = (event.venue, event.symbol)
        book = self._books.get(market) or self._books.setdefault(market, Book())
        if isinstance(event, BookLost):
            book.drop()
            return
        take = book.change if isinstance(event, BookDelta) else book.replace
        take(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
        if book.synced and book.is_crossed:
            book.drop()  # as the engine will: then the feed sees no top here and makes the book anew

    def top(self, venue: str, symbol: str) -> tuple[float, float] | None:
        """Best bid and ask; None where the book is not trusted."""
        book = self._books.get((venue, symbol))
        return (book.best_bid, book.best_ask) if book is not None and book.synced else None

    def empty(self) -> list[Told]:
        """What is to be sent now. While the reader is late: nothing."""
        if self.is_late:
            return []
        events = self._events + self._states
        events += [self._whole(key) if event is None else event for key, event in self._newest.items()]
        self._events, self._states, self._newest = [], [], {}
        return events

    def _whole(self, key: _Key) -> Told:
        _, venue, symbol = key
        book = self._books[venue, symbol]
        if not book.synced:
            return BookLost(venue=venue, symbol=symbol, reason="crossed", seen_ns=book.seen_ns)
        return BookSnapshot(
            venue=venue,
            symbol=symbol,
            bids=list(book.bids()),
            asks=list(book.asks()),
            venue_ts_ms=book.venue_ts_ms,
            seen_ns=book.seen_ns,
        )
