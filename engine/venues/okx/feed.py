"""OKX market data: `books` (snapshot, then updates on a sequence chain) and trades. Contracts stay contracts."""

import re
from collections.abc import Sequence
from typing import cast

import msgspec

from engine.domain.errors import BadFrame, SequenceGap
from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.domain.market import Levels
from engine.domain.order import Side
from engine.venues.decoder import UNREADABLE, Ask, Counts, Figure, Number
from engine.venues.followed import Follows, Is, Track, followed
from engine.venues.okx import said, wire
from engine.venues.okx.checksum import TextBook
from engine.venues.okx.continuity import Chain, SequenceGuard
from engine.venues.protocol import Sink
from engine.venues.tickers import Tickers
from engine.venues.typed import best_first, compiled, is_compiled

VENUE = "okx"
_SYMBOL = re.compile(rb'"instId":\s*"([^"\\]+)"')
_CHAINED = frozenset({"books", "books-l2-tbt", "books50-l2-tbt"})
# Upgrade or maintenance of this connection announced: open another before it goes.
_UPGRADE = "64008"
_UPDATE = {
    "arg": {"channel": "books", "instId": Is.SYMBOL},
    "action": "update",
    "data": [
        {
            **{"asks": Is.ASKS, "bids": Is.BIDS, "ts": Is.TIME, "checksum?": Is.WHOLE},
            **{"seqId": Is.LAST, "prevSeqId": Is.PREVIOUS},
        }
    ],
}


class OkxDecoder:
    """Frames of one connection -> events. `ask` is called when a symbol must be subscribed anew."""

    def __init__(
        self, sink: Sink, ask: Ask, number: Number = Figure, verify_checksum: bool = True, venue: str = VENUE
    ) -> None:
        self.counts = Counts()
        self._venue = venue
        self._sink = sink
        self._ask = ask
        self._verify = verify_checksum
        self._decoders: wire.Decoders[float] = wire.Decoders(number)
        self._decode_books = compiled(self._decoders.books)
        self._chains: dict[str, Chain] = {}
        self._tickers = Tickers(sink)
        update = Track(
            begins=b'{"arg":{"channel":"books"',
            table=_UPDATE,
            venue=venue,
            chains=self._chains,
            chain=Chain,
            guard=SequenceGuard,
            last="last_seq",
            follows=Follows.LINK,
            musts=((Chain, "texts", None),),
            exact_rows=False,
        )
        self.on_frame = followed(self._on_frame, sink, self.counts, number, (update,))

    def _on_frame(self, data: bytes, seen_ns: int) -> None:
        self.counts.frames += 1
        try:
            if data.startswith(b'{"arg":{"channel":"books'):
                self._on_books(self._decode_books(data), data, seen_ns)
            elif data.startswith(b'{"arg":{"channel":"trades"'):
                self._on_trades(self._decoders.trades.decode(data), seen_ns)
            else:
                self._on_other(data, seen_ns)
        except UNREADABLE as error:
            self._on_bad(data, error, seen_ns)

    def _on_bad(self, data: bytes, error: Exception, seen_ns: int) -> None:
        self.counts.errors += 1
        found = _SYMBOL.search(data)
        symbol = found.group(1).decode("utf-8", "replace") if found else ""
        self.drop(symbol if symbol in self._chains else "", "bad_frame", seen_ns)
        raise BadFrame(f"{self._venue}: {error}") from error

    def _on_books(self, frame: wire.Books[wire.Row[float]], data: bytes, seen_ns: int) -> None:
        symbol = frame.arg.symbol
        self.counts.book += 1
        chain = self._chains.get(symbol)
        if frame.action == "update":
            if chain is None:
                chain = self._chains[symbol] = Chain()
                self._ask(symbol, "no_snapshot")
            for book in frame.data:
                if chain.texts is not None and book.checksum and not self._matches(chain.texts, data, frame, book):
                    self._lose(symbol, chain, "gap", seen_ns)
                self._on_update(symbol, chain, book, seen_ns)
        elif frame.action == "snapshot" or frame.arg.channel in _CHAINED:
            if chain is None:
                chain = self._chains[symbol] = Chain()
            self._on_snapshot(symbol, chain, frame, data, seen_ns)
        elif chain is None:  # books5 by itself; beside a chained channel that one is the book
            for book in frame.data:
                self._sink(_snapshot(self._venue, symbol, book, seen_ns))

    def _on_snapshot(
        self, symbol: str, chain: Chain, frame: wire.Books[wire.Row[float]], data: bytes, seen_ns: int
    ) -> None:
        book = frame.data[0]
        chain.texts = None
        chain.guard = SequenceGuard(book.seq)
        if book.checksum and self._verify:
            chain.texts = TextBook()
            if not self._matches(chain.texts, data, frame, book):
                self._lose(symbol, chain, "gap", seen_ns)
                return
        self.counts.resyncs += chain.was_lost
        chain.was_lost = False
        self._sink(_snapshot(self._venue, symbol, book, seen_ns))

    def _on_update(self, symbol: str, chain: Chain, book: wire.BookData[wire.Row[float]], seen_ns: int) -> None:
        guard = chain.guard
        if guard is None:
            return
        if book.prev_seq == guard.last_seq:
            guard.last_seq = book.seq
        elif not self._continues(symbol, chain, guard, book, seen_ns):
            return
        # Equal ids with empty sides are the venue's heartbeat of a quiet pair: proof that the book still stands.
        self._sink(
            BookDelta(
                venue=self._venue,
                symbol=symbol,
                bids=_levels(book.bids),
                asks=_levels(book.asks),
                venue_ts_ms=book.ts_ms,
                seen_ns=seen_ns,
            )
        )

    def _continues(
        self,
        symbol: str,
        chain: Chain,
        guard: SequenceGuard,
        book: wire.BookData[wire.Row[float]],
        seen_ns: int,
    ) -> bool:
        """The rare cases: recordings without ids, a repeat, or a gap."""
        try:
            return guard.accepts(book.prev_seq, book.seq)
        except SequenceGap:
            self._lose(symbol, chain, "gap", seen_ns)
            return False

    @staticmethod
    def _matches(
        texts: TextBook, data: bytes, frame: wire.Books[wire.Row[float]], book: wire.BookData[wire.Row[float]]
    ) -> bool:
        spelled = wire.text_books.decode(data).data[frame.data.index(book)]
        texts.change(spelled.bids, spelled.asks)
        return texts.checksum() == spelled.checksum

    def _lose(self, symbol: str, chain: Chain, reason: str, seen_ns: int) -> None:
        if chain.guard is not None:
            chain.guard, chain.texts, chain.was_lost = None, None, True
            self.counts.gaps += reason in ("gap", "crossed")
            self._sink(BookLost(venue=self._venue, symbol=symbol, reason=reason, seen_ns=seen_ns))
        self._ask(symbol, reason)

    def drop(self, symbol: str, reason: str, seen_ns: int) -> None:
        if not symbol:
            self._tickers.forget()
        for name, chain in self._chains.items():
            if symbol in ("", name):
                self._lose(name, chain, reason, seen_ns)

    def is_live(self, symbol: str) -> bool:
        """Whether the book of `symbol` follows its stream now."""
        chain = self._chains.get(symbol)
        return chain is not None and chain.guard is not None

    def on_rest_book(self, symbol: str, body: bytes, seen_ns: int) -> None:
        """Never a base for updates: this venue's snapshot comes with the subscription. Kept for the interface."""
        raise BadFrame(f"{self._venue} {symbol}: books are not joined from REST")

    def _on_trades(self, frame: wire.Trades[float], seen_ns: int) -> None:
        for trade in frame.data:
            self.counts.trade += 1
            self._sink(
                TradePrint(
                    venue=self._venue,
                    symbol=trade.symbol,
                    price=trade.price,
                    qty=trade.qty,
                    taker_side=Side.BUY if trade.side == "buy" else Side.SELL,
                    trade_id=trade.trade_id,
                    venue_ts_ms=trade.ts_ms,
                    seen_ns=seen_ns,
                )
            )

    def _on_other(self, data: bytes, seen_ns: int) -> None:
        """Control frames, channels that nothing here reads, and books or trades with other spacing."""
        counts = self.counts
        if data == b"pong":
            counts.ack += 1
            return
        if data.startswith(b"["):
            msgspec.json.decode(data)
            counts.ignored += 1
            return
        kind = wire.kind.decode(data)
        channel = kind.arg.channel
        if kind.event:
            self._on_event(kind)
        elif not kind.data or kind.op:
            counts.ignored += 1
        elif channel in _CHAINED or channel == "books5":
            self._on_books(self._decode_books(data), data, seen_ns)
        elif channel in ("trades", "trades-all"):
            self._on_trades(self._decoders.trades.decode(data), seen_ns)
        elif channel in ("tickers", "bbo-tbt", "mark-price", "funding-rate", said.INDEX):
            counts.funding += channel == "funding-rate"
            counts.ticker += channel != "funding-rate"
            said.tell(self._tickers, self._venue, channel, data, seen_ns)
        else:
            counts.ignored += 1

    def _on_event(self, kind: wire.Kind) -> None:
        if kind.event == "login":
            self.counts.ignored += 1
            return
        self.counts.ack += 1
        if kind.event == "notice" and kind.code == _UPGRADE:
            self._ask("", "server_shutdown")


def _snapshot(venue: str, symbol: str, book: wire.BookData[wire.Row[float]], seen_ns: int) -> BookSnapshot:
    bids, asks = best_first(_levels(book.bids), True), best_first(_levels(book.asks), False)
    return BookSnapshot(venue=venue, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=book.ts_ms, seen_ns=seen_ns)


def _levels(rows: Sequence[wire.Row[float]] | Levels) -> Levels:
    if is_compiled(rows):
        return cast(Levels, rows)
    return [(row.price, row.size) for row in cast(Sequence[wire.Row[float]], rows)]
