"""What is known of all markets, and whether it may be traded on."""

from collections import deque

from msgspec import Struct

from engine.domain.event import (
    BookDelta,
    BookLost,
    BookSnapshot,
    DayTicker,
    FeedAlive,
    FeedState,
    FxRate,
    PerpState,
    TradePrint,
)
from engine.domain.market import Instrument
from engine.domain.money import BPS, NS_PER_MS, NS_PER_S
from engine.market.book import Book
from engine.market.books import PlainBooks, new_books
from engine.market.fx import Fx, FxRules, FxView
from engine.market.loans import Loans
from engine.market.walk import median
from engine.market.wallets import Wallets

_MEDIAN_WINDOW_NS = 60 * NS_PER_S


class VenueRules(Struct, frozen=True, kw_only=True):
    """How long a venue's market data stays good, by our monotonic clock."""

    max_book_age_ms: int  # since the last proof that the socket delivers: 500 global, 2,000 Korean
    max_quiet_ms: int = 120_000  # since this symbol's own last change


class Quote(Struct, frozen=True):
    """Best bid and ask; floats."""

    bid: float
    ask: float

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2


class Seat(Struct, frozen=True):
    """One market at the table: its book and its rules. `fee` is the taker fee as a ratio."""

    venue: str
    symbol: str
    instrument: Instrument
    book: Book
    fee: float


class _Mids:
    """Of one market's last minute, one a second: enough for a median, and an update stays cheap."""

    __slots__ = ("_median", "_seen")

    def __init__(self) -> None:
        self._seen: deque[tuple[int, float]] = deque()
        self._median = 0.0  # 0.0: to be worked out when somebody asks

    def add(self, seen_ns: int, mid: float) -> None:
        self._median = 0.0
        self._seen.append((seen_ns, mid))
        while self._seen[0][0] < seen_ns - _MEDIAN_WINDOW_NS:
            self._seen.popleft()

    def median(self) -> float:
        """Kept until the next second: thousands ask at once when USDT/KRW moves."""
        if self._median == 0.0 and self._seen:
            self._median = median([mid for _, mid in self._seen])
        return self._median


class Market:
    """Books, prices of the last minute, FX and instruments. Written by the core alone; strategies only read."""

    def __init__(self, venues: dict[str, VenueRules], fx_rules: FxRules) -> None:
        self._venues = venues
        self._books: dict[tuple[str, str], Book] = {}
        self._of: dict[str, PlainBooks] = {}  # the same books, by venue
        self._mids: dict[tuple[str, str], _Mids] = {}
        self._alive_ns: dict[str, int] = {}  # by venue, or by connection where it names one
        self._line_of: dict[tuple[str, str], str] = {}
        self._lost: dict[tuple[str, str], str] = {}
        self.last_trade: dict[tuple[str, str], TradePrint] = {}
        self.perps: dict[tuple[str, str], PerpState] = {}
        self.day_tickers: dict[tuple[str, str], DayTicker] = {}
        self.instruments: dict[tuple[str, str], Instrument] = {}
        self.fx = Fx(fx_rules)
        self.wallets = Wallets()
        self.loans = Loans()
        self.connected: dict[str, bool] = {}
        self.wall_ms = 0
        self.changes = 0  # what came so far: where it stands still, prices do and nothing stale becomes fresh
        self._symbols: dict[tuple[str, str, str], str] = {}
        self._seats: dict[tuple[str, str], Seat] = {}

    def symbol(self, venue: str, base: str, quote: str) -> str:
        """The venue's own spelling of a pair; "" while no such instrument is known."""
        wanted = (venue, base, quote)
        known = self._symbols.get(wanted)
        if known is not None:
            return known
        for (at, symbol), instrument in self.instruments.items():
            if (at, instrument.base, instrument.quote) == wanted:
                self._symbols[wanted] = symbol
                return symbol
        return ""

    def seat(self, key: tuple[str, str]) -> Seat | None:
        """A market's book beside its rules; None while either is unknown. Kept: it is asked for on every update."""
        known = self._seats.get(key)
        instrument = self.instruments.get(key)
        if known is not None and known.instrument is instrument:
            return known
        book = self._books.get(key)
        if instrument is None or book is None:
            return None
        made = Seat(key[0], key[1], instrument, book, float(instrument.taker_fee_bps * BPS))
        self._seats[key] = made
        return made

    def seat_of(self, venue: str, base: str, quote: str) -> Seat | None:
        """The seat of a pair, whatever the venue calls it."""
        return self.seat((venue, self._symbols.get((venue, base, quote)) or self.symbol(venue, base, quote)))

    def max_book_age_ms(self, venue: str) -> int:
        """How old the proof of a venue's books may be. Raises KeyError for a venue that is not configured."""
        return self._venues[venue].max_book_age_ms

    def take_book(self, event: BookSnapshot | BookDelta) -> Book:
        """The first word of a market makes its book, which stays unusable until a whole one comes."""
        venue, seen_ns = event.venue, event.seen_ns
        books = self._of.get(venue)
        book = books.take(event) if books is not None else None
        if books is None or book is None:
            self._hold(venue, event.symbol)
            return self.take_book(event)
        self._alive_ns[venue] = seen_ns
        self.changes += 1
        if book.is_crossed and book.synced:
            book.drop()
            self._lost[venue, event.symbol] = "crossed"
        if seen_ns >= book.due_ns and book.synced and book.is_two_sided:
            book.due_ns = seen_ns + NS_PER_S
            self._mids[venue, event.symbol].add(seen_ns, (book.best_bid + book.best_ask) / 2)
        return book

    def _hold(self, venue: str, symbol: str) -> Book:
        book = self._books[venue, symbol] = Book()
        self._of.setdefault(venue, new_books()).by_symbol[symbol] = book
        self._mids[venue, symbol] = _Mids()
        return book

    def take(self, event: BookLost | TradePrint | PerpState | DayTicker | FeedAlive | FeedState | FxRate) -> None:
        """Everything of the market that is not a book update."""
        self.changes += 1
        match event:
            case BookLost():
                (self.book(event.venue, event.symbol) or self._hold(event.venue, event.symbol)).drop()
                self._lost[event.venue, event.symbol] = event.reason
            case TradePrint():
                self.last_trade[event.venue, event.symbol] = event
            case PerpState():
                self.perps[event.venue, event.symbol] = event
            case DayTicker():
                self.day_tickers[event.venue, event.symbol] = event
            case FeedAlive():
                self._alive_ns[event.line or event.venue] = event.seen_ns
            case FeedState():
                self.connected[event.venue] = event.connected
                for symbol in event.symbols:
                    self._line_of[event.venue, symbol] = event.line
                if not event.connected:
                    self._drop_venue(event.venue)
            case FxRate():
                self.fx.take(event)

    def _drop_venue(self, venue: str) -> None:
        books = self._of.get(venue)
        for symbol, book in books.by_symbol.items() if books is not None else ():
            book.drop()
            self._lost[venue, symbol] = "reconnect"

    def book(self, venue: str, symbol: str) -> Book | None:
        return self._books.get((venue, symbol))

    def books(self) -> dict[tuple[str, str], Book]:
        return self._books

    def why_unusable(self, venue: str, symbol: str, now_ns: int) -> str:
        """ "" when the book may be traded on, else the reason: no_book, not_synced, one_sided, stale or quiet."""
        book = self._books.get((venue, symbol))
        if book is None:
            return "no_book"
        if not book.synced:
            return "not_synced:" + self._lost.get((venue, symbol), "start")
        if not book.is_two_sided:
            return "one_sided"
        rules = self._venues[venue]
        if self.age_ms(venue, symbol, now_ns) > rules.max_book_age_ms:
            return "stale"
        if now_ns - book.seen_ns > rules.max_quiet_ms * NS_PER_MS:
            return "quiet"
        return ""

    def age_ms(self, venue: str, symbol: str, now_ns: int) -> float:
        """Since the last proof that this book is current: its own change, or its socket's life while it was quiet."""
        book = self._books.get((venue, symbol))
        if book is None:
            return float("inf")
        alive_ns = self._alive_ns.get(self._line_of.get((venue, symbol), venue), 0)
        return (now_ns - max(book.seen_ns, alive_ns)) / NS_PER_MS

    def quote(self, venue: str, symbol: str) -> Quote | None:
        """Top of a synced two-sided book, of any age; None where there is none."""
        book = self._books.get((venue, symbol))
        if book is None or not book.synced or not book.is_two_sided:
            return None
        return Quote(book.best_bid, book.best_ask)

    def median_mid(self, venue: str, symbol: str) -> float:
        """Median of the last minute's mids, one sample per second; 0.0 where none was seen."""
        mids = self._mids.get((venue, symbol))
        return mids.median() if mids is not None else 0.0

    def fx_view(self, now_ns: int) -> FxView:
        return self.fx.view(now_ns, self.wall_ms)

    def krw_per(self, quote_asset: str, now_ns: int, usdt_symbols: tuple[tuple[str, str], ...]) -> float:
        """KRW per one unit of a quote asset for sizing and limits: 1 for KRW, the median USDT/KRW bid for USDT.

        0.0 where no usable rate is known: a limit with no rate counts as breached (domain.md §11).
        """
        if quote_asset == "KRW":
            return 1.0
        if quote_asset != "USDT":
            return 0.0
        bids = []
        for venue, symbol in usdt_symbols:
            if not self.why_unusable(venue, symbol, now_ns):
                quote = self.quote(venue, symbol)
                if quote is not None:
                    bids.append(quote.bid)
        return median(bids) if bids else 0.0
