"""`premia frames`: recorded traffic through the real decoders; what came, what was wrong, and the books at the end.

Line format and the counting rules: docs/frames.md.
"""

import re
import sys
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation, localcontext
from functools import partial
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from engine.domain.errors import BadFrame, ConfigError
from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.market.book import PlainBook as Book
from engine.recordings import CutShort, Line, read_lines
from engine.venues.decoder import Counts, Decoder
from engine.venues.feeds import build_decoder, native
from engine.venues.protocol import FeedEvent

_DEPTH = 10
_NS_PER_S = 1_000_000_000
# Never on a public socket of today: counted, not read.
_FOREIGN_CONNECTIONS = frozenset({"ws-private", "ws-legacy"})
_PLACEHOLDER = re.compile(r"\|(\d+)\|")  # in fixtures: a value that the client fills in
_KINDS = ("book", "trade", "ticker", "funding", "ack", "ignored")


class Traded(Struct):
    count: int = 0
    base_qty: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)


Market = tuple[str, str]  # venue, symbol


class Player:
    """Plays recordings of one venue, one file after the other."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._native = native(venue)
        self._all: list[Decoder] = []
        self._played = venue  # whose frames `_decoder` reads: the venue, or another product of it
        self._decoder = self._new_decoder(venue)
        self._opened: dict[str, Decoder] = {}  # by connection, within the file being played
        self._name = ""
        self._seen_ns = 0
        self.extra = Counts()  # what no decoder saw
        self.cut = 0  # files that ended in the middle of a line
        self._books: dict[Market, Book] = {}
        self._followed: dict[Market, int] = {}  # which decoder's changes the book takes
        self._trades: dict[Market, Traded] = {}
        self._asked: set[str] = set()

    def _new_decoder(self, venue: str) -> Decoder:
        # Decimal: the same code as live, and the venue's own digits come back exactly.
        decoder = build_decoder(venue, partial(self._take, len(self._all)), self._on_ask, Decimal)
        self._all.append(decoder)
        self._played = venue
        return decoder

    def play(self, path: Path) -> None:
        self._opened = {}
        try:
            for line in read_lines(path):
                self._play(line)
        except CutShort as cut:
            self.cut += 1
            print(cut, file=sys.stderr)

    def _play(self, line: Line) -> None:
        if line.t is not None:
            self._seen_ns = int(line.t * _NS_PER_S)
        if line.dir == "out":
            if line.ev == "open":
                self._open(line.conn, line.url)
        elif line.conn.startswith("ws"):
            self._frame(line)
        else:
            self._rest(line)

    def _open(self, connection: str, url: str) -> None:
        """A connection made again loses what it knew; another recording's connection is simply another one."""
        before = self._opened.get(connection)
        if before is not None:
            before.drop("", "reconnect", self._seen_ns)
        sockets = self._native.sockets
        venue = next((sockets[part] for part in sockets if part in url), self._venue)
        self._decoder = self._opened[connection] = self._new_decoder(venue)

    def _frame(self, line: Line) -> None:
        text = line.data
        if line.name:
            text = _PLACEHOLDER.sub(r"\1", text)
            if line.name != self._name:
                self._decoder = self._new_decoder(self._venue)
            self._name = line.name
        if line.conn in _FOREIGN_CONNECTIONS:
            self.extra.frames += 1
            self.extra.ignored += 1
            return
        decoder = self._opened.get(line.conn, self._decoder)
        try:
            decoder.on_frame(line.payload() if line.b64 else text.encode(), self._seen_ns)
        except BadFrame as error:
            print(f"bad frame: {error}: {text[:200]}", file=sys.stderr)
        except InvalidOperation as error:  # "NaN" is a Decimal that compares with nothing; live it is refused earlier
            self.extra.errors += 1
            print(f"bad frame: {self._venue}: {error}: {text[:200]}", file=sys.stderr)

    def _rest(self, line: Line) -> None:
        target = urlsplit(line.req.rpartition(" ")[2])
        parameter, venue = self._native.bases.get(target.path, ("", ""))
        symbols = parse_qs(target.query).get(parameter)
        if not symbols:
            return
        decoder = self._opened.get(
            line.conn.removeprefix("rest-")
        )  # a capture of several sockets tells whose base it is
        if decoder is None:
            if venue != self._played:
                self._decoder = self._new_decoder(venue)
            decoder = self._decoder
        try:
            decoder.on_rest_book(symbols[0], line.data.encode(), self._seen_ns)
        except BadFrame as error:
            self.extra.errors += 1
            print(f"bad snapshot: {error}", file=sys.stderr)

    def _on_ask(self, symbol: str, reason: str) -> None:
        """Live, the feed would fetch or subscribe anew; a recording brings its next snapshot itself or never."""
        self._asked.add(symbol)

    def _take(self, source: int, event: FeedEvent) -> None:
        """While a connection hands over to its successor both speak: a book follows whose base came last."""
        match event:
            case BookSnapshot():
                self._followed[event.venue, event.symbol] = source
                book = self._books.setdefault((event.venue, event.symbol), Book())
                book.replace(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
                self._check(event.symbol, book)
            case BookDelta() | BookLost() if self._followed.get((event.venue, event.symbol), source) != source:
                pass
            case BookDelta():
                book = self._books[event.venue, event.symbol]
                book.change(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
                self._check(event.symbol, book)
            case BookLost():
                self._books.setdefault((event.venue, event.symbol), Book()).drop()
            case TradePrint():
                traded = self._trades.setdefault((event.venue, event.symbol), Traded())
                traded.count += 1
                traded.base_qty += event.qty  # type: ignore[operator]  # Decimal here, see _new_decoder
                traded.last_price = event.price  # type: ignore[assignment]
            case _:
                pass

    def _check(self, symbol: str, book: Book) -> None:
        if book.is_crossed:
            for decoder in self._all:
                decoder.drop(symbol, "crossed", self._seen_ns)

    @property
    def books(self) -> dict[str, Book]:
        """By symbol. A contract spelled like a spot market of the same recording is named `venue:symbol`."""
        found = {self._name_of(market): book for market, book in self._books.items()}
        delivered = {symbol for _, symbol in self._books} | {""}
        return found | {symbol: Book() for symbol in self._asked - delivered}

    @property
    def trades(self) -> dict[str, Traded]:
        return {self._name_of(market): traded for market, traded in self._trades.items()}

    def _name_of(self, market: Market) -> str:
        venue, symbol = market
        own = (self._venue, symbol)
        is_alone = own not in self._books and own not in self._trades
        return symbol if venue == self._venue or is_alone else f"{venue}:{symbol}"

    def result(self) -> "Result":
        counts = [decoder.counts for decoder in self._all] + [self.extra]
        return Result(
            venue=self._venue,
            frames=sum(part.frames for part in counts),
            events={kind: sum(getattr(part, kind) for part in counts) for kind in _KINDS},
            errors=sum(part.errors for part in counts),
            gaps=sum(part.gaps for part in counts),
            resyncs=sum(part.resyncs for part in counts),
            books={symbol: _book_view(book) for symbol, book in sorted(self.books.items())},
            trades={symbol: _trade_view(traded) for symbol, traded in sorted(self.trades.items())},
            cut=self.cut,
        )


class BookView(Struct):
    """Up to ten levels a side, best first: [price, size] in plain digits."""

    synced: bool
    updates: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class TradeView(Struct):
    count: int
    base_qty: str
    last_price: str


class Result(Struct, omit_defaults=True):
    """What `--json` prints."""

    venue: str
    frames: int
    events: dict[str, int]
    errors: int
    gaps: int
    resyncs: int
    books: dict[str, BookView]
    trades: dict[str, TradeView]
    cut: int = 0  # named only where a file ended in the middle of a line


def _plain(value: object) -> str:
    return format(value, "f")


def _rows(side: Iterable[tuple[float, float]]) -> list[tuple[str, str]]:
    return [(_plain(price), _plain(size)) for price, size in islice(side, _DEPTH)]


def _book_view(book: Book) -> BookView:
    return BookView(book.synced, book.updates, _rows(book.bids()), _rows(book.asks()))


def _trade_view(traded: Traded) -> TradeView:
    return TradeView(traded.count, _plain(traded.base_qty), _plain(traded.last_price))


def run(venue: str, files: list[Path], as_json: bool) -> int:
    """Exit status: 1 when a current frame could not be decoded, 2 when a file is no recording or is cut short."""
    try:
        with localcontext() as context:
            context.prec = 60  # sums of quantities stay exact
            player = Player(venue)
            for path in files:
                player.play(path)
            result = player.result()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    text = msgspec.json.encode(result)
    print((text if as_json else msgspec.json.format(text, indent=2)).decode())
    if result.cut:
        return 2
    return 1 if result.errors else 0
