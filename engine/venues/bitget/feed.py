"""Bitget market data, spot and futures: `books` (snapshot, then updates linked by sequence ids) and trades.

Spot and futures spell their symbols alike (BTCUSDT), so each is a venue of its own here: `bitget` and `bitget_futures`.
"""

import re
from collections.abc import Sequence

from engine.domain.errors import BadFrame, SequenceGap
from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.domain.order import Side
from engine.venues.bitget import wire
from engine.venues.bitget.checksum import TextBook
from engine.venues.bitget.continuity import FUTURES, SPOT, Chain, SequenceGuard
from engine.venues.decoder import UNREADABLE, Ask, Counts, Figure, Number
from engine.venues.followed import Follows, Is, Track, followed
from engine.venues.protocol import Sink
from engine.venues.tickers import Tickers, moment, number
from engine.venues.typed import best_first, compiled

# v2, v3 and v1 in turn. Not here: the simulated markets (SUSDT-FUTURES and its like) and margin.
_PRODUCTS = {"SPOT": SPOT, "spot": SPOT, "sp": SPOT, "SP": SPOT, "mc": FUTURES, "MC": FUTURES}
_PRODUCTS |= {f"{coin}-FUTURES": FUTURES for coin in ("USDT", "USDC", "COIN")}
_PRODUCTS |= {f"{coin}-futures": FUTURES for coin in ("usdt", "usdc", "coin")}
_SYMBOL = re.compile(rb'"(?:instId|symbol)":\s*"([^"\\]+)"')
_WHOLE = frozenset({"books1", "books5", "books15", "books50"})
_BookFrame = wire.Frame[wire.BookData[float]] | wire.Frame[wire.BookDataV3[float]]
_Book = wire.BookData[float] | wire.BookDataV3[float]
_Trade = wire.Trade[float] | wire.TradeV3[float] | wire.TradeRow[float]
_TradeFrame = wire.Frame[wire.Trade[float]] | wire.Frame[wire.TradeV3[float]] | wire.Frame[wire.TradeRow[float]]
_UPDATE = {
    "asks": Is.ASKS,
    "bids": Is.BIDS,
    "checksum?": Is.WHOLE,
    "seq": Is.LAST,
    "pseq": Is.PREVIOUS,
    "ts": Is.TIME,
}


class BitgetDecoder:
    """Frames of one connection -> events. `ask` is called when a symbol must be subscribed anew."""

    def __init__(self, sink: Sink, ask: Ask, number: Number = Figure) -> None:
        self.counts = Counts()
        self._sink = sink
        self._ask = ask
        self._decoders: wire.Decoders[float] = wire.Decoders(number)
        self._decode_books = compiled(self._decoders.books)
        self._tickers = Tickers(sink)
        self._chains: dict[str, dict[str, Chain]] = {SPOT: {}, FUTURES: {}}  # by product: symbols are spelled alike
        tracks = (self._track("SPOT"), self._track("USDT-FUTURES"))
        self.on_frame = followed(self._on_frame, sink, self.counts, number, tracks)

    def _track(self, product: str) -> Track:
        venue = _PRODUCTS[product]
        return Track(
            begins=b'{"action":"update","arg":{"instType":"%b"' % product.encode(),
            table={
                "action": "update",
                "arg": {
                    **{"instType": product, "channel": "books", "instId": Is.SYMBOL},
                    **{"topic?": Is.NEVER, "symbol?": Is.NEVER},
                },
                "data": [_UPDATE],
                "ts?": Is.ANY,
                "event?": Is.NEVER,
            },
            venue=venue,
            chains=self._chains[venue],
            chain=Chain,
            guard=SequenceGuard,
            last="last_seq",
            follows=Follows.LINK,
            musts=((Chain, "texts", None),),
        )

    def _on_frame(self, data: bytes, seen_ns: int) -> None:
        self.counts.frames += 1
        try:
            if data.find(b'"channel":"books"', 20, 96) > 0 and data.startswith(b'{"action":'):
                frame = self._decode_books(data)
                self._on_books(frame, frame.arg.inst_id, data, seen_ns)
            else:
                self._on_other(data, seen_ns)
        except UNREADABLE as error:
            self._on_bad(data, error, seen_ns)

    def _on_bad(self, data: bytes, error: Exception, seen_ns: int) -> None:
        self.counts.errors += 1
        found = _SYMBOL.search(data)
        symbol = found.group(1).decode("utf-8", "replace") if found else ""
        is_known = any(symbol in chains for chains in self._chains.values())
        self.drop(symbol if is_known else "", "bad_frame", seen_ns)
        raise BadFrame(f"bitget: {error}") from error

    def _chain(self, arg: wire.Arg, symbol: str) -> Chain | None:
        venue = _PRODUCTS.get(arg.inst_type)
        if venue is None:
            return None
        chains = self._chains[venue]
        chain = chains.get(symbol)
        if chain is None:
            chain = chains[symbol] = Chain(venue, symbol)
        return chain

    def _on_books(self, frame: _BookFrame, symbol: str, data: bytes, seen_ns: int) -> None:
        chain = self._chain(frame.arg, symbol)
        if chain is None:
            self.counts.ignored += 1
            return
        self.counts.book += 1
        books: Sequence[_Book] = frame.data
        for index, book in enumerate(books):
            if frame.action == "snapshot":
                self._on_snapshot(chain, book, index, data, seen_ns)
            else:
                self._on_update(chain, book, index, data, seen_ns)

    def _on_snapshot(self, chain: Chain, book: _Book, index: int, data: bytes, seen_ns: int) -> None:
        chain.texts = None
        chain.guard = SequenceGuard(book.seq)
        if book.checksum:
            chain.texts = TextBook()
            if not chain.texts.follows(data, index):
                self._lose(chain, "gap", seen_ns)
                return
        self.counts.resyncs += chain.was_lost
        chain.was_lost = False
        self._tell_whole(chain, book, seen_ns)

    def _tell_whole(self, chain: Chain, book: _Book, seen_ns: int) -> None:
        self._sink(
            BookSnapshot(
                venue=chain.venue,
                symbol=chain.symbol,
                bids=best_first(book.bids, True),
                asks=best_first(book.asks, False),
                venue_ts_ms=book.ts_ms,
                seen_ns=seen_ns,
            )
        )

    def _on_update(self, chain: Chain, book: _Book, index: int, data: bytes, seen_ns: int) -> None:
        guard = chain.guard
        if guard is None:
            if not chain.was_lost and not chain.was_asked:
                chain.was_asked = True
                self._ask(chain.symbol, "no_snapshot")
            return
        try:
            if not guard.accepts(book.prev_seq, book.seq):
                return
        except SequenceGap:
            self._lose(chain, "gap", seen_ns)
            return
        if book.checksum and chain.texts is not None and not chain.texts.follows(data, index):
            self._lose(chain, "gap", seen_ns)
            return
        self._sink(
            BookDelta(
                venue=chain.venue,
                symbol=chain.symbol,
                bids=book.bids,
                asks=book.asks,
                venue_ts_ms=book.ts_ms,
                seen_ns=seen_ns,
            )
        )

    def _lose(self, chain: Chain, reason: str, seen_ns: int) -> None:
        if chain.guard is not None:
            chain.guard, chain.texts, chain.was_lost = None, None, True
            self.counts.gaps += reason in ("gap", "crossed")
            self._sink(BookLost(venue=chain.venue, symbol=chain.symbol, reason=reason, seen_ns=seen_ns))
        self._ask(chain.symbol, reason)

    def drop(self, symbol: str, reason: str, seen_ns: int) -> None:
        if not symbol:
            self._tickers.forget()
        for chains in self._chains.values():
            for name, chain in chains.items():
                if symbol in ("", name):
                    self._lose(chain, reason, seen_ns)

    def is_live(self, symbol: str) -> bool:
        """Whether the book of `symbol` follows its stream now."""
        found = (chains.get(symbol) for chains in self._chains.values())
        return any(chain is not None and chain.guard is not None for chain in found)

    def on_rest_book(self, symbol: str, body: bytes, seen_ns: int) -> None:
        """Never a base for updates: this venue's snapshot comes with the subscription. Kept for the interface."""
        raise BadFrame(f"bitget {symbol}: books are not joined from REST")

    def _on_trades(self, frame: _TradeFrame, symbol: str, seen_ns: int) -> None:
        chain = self._chain(frame.arg, symbol)
        if chain is None:
            self.counts.ignored += 1
            return
        # After a reconnect the snapshot repeats what was told.
        told_ms = chain.last_trade_ms if frame.action == "snapshot" else -1
        newest_first: Sequence[_Trade] = frame.data
        for trade in reversed(newest_first):
            self.counts.trade += 1
            if trade.ts_ms <= told_ms:
                continue
            chain.last_trade_ms = trade.ts_ms
            self._sink(
                TradePrint(
                    venue=chain.venue,
                    symbol=symbol,
                    price=trade.price,
                    qty=trade.qty,
                    taker_side=Side.BUY if trade.side == "buy" else Side.SELL,
                    trade_id=trade.trade_id,
                    venue_ts_ms=trade.ts_ms,
                    seen_ns=seen_ns,
                )
            )

    def _on_other(self, data: bytes, seen_ns: int) -> None:
        """Trades, whole books of fixed depth, control frames, the v3 dialect, and books with other spacing."""
        counts, decoders = self.counts, self._decoders
        if data == b"pong":
            counts.ack += 1
            return
        kind = wire.kind.decode(data)
        arg = kind.arg
        symbol = arg.inst_id or arg.symbol
        if kind.event:
            counts.ignored += kind.event == "login"
            counts.ack += kind.event != "login"
        elif not kind.data or not kind.action or arg.inst_type not in _PRODUCTS:
            counts.ignored += 1
        elif arg.channel == "books":
            self._on_books(self._decode_books(data), symbol, data, seen_ns)
        elif arg.topic == "books":
            self._on_books(decoders.books_v3.decode(data), symbol, data, seen_ns)
        elif arg.channel in _WHOLE:
            self._on_top(decoders.books.decode(data), symbol, seen_ns)
        elif arg.topic in _WHOLE:
            self._on_top(decoders.books_v3.decode(data), symbol, seen_ns)
        elif arg.channel == "trade":
            rows = bytes(kind.data).startswith(b"[[")
            self._on_trades((decoders.trade_rows if rows else decoders.trades).decode(data), symbol, seen_ns)
        elif arg.topic == "publicTrade":
            self._on_trades(decoders.trades_v3.decode(data), symbol, seen_ns)
        elif "ticker" in (arg.channel, arg.topic):
            counts.ticker += 1
            self._on_ticker(wire.tickers.decode(data), symbol, seen_ns)
        else:
            counts.ignored += 1

    def _on_ticker(self, frame: wire.Frame[wire.Ticker], symbol: str, seen_ns: int) -> None:
        venue = _PRODUCTS[frame.arg.inst_type]
        for said in frame.data:
            ts_ms = moment(said.ts_ms) or 0
            self._tickers.perp(
                venue,
                symbol,
                mark=number(said.mark),
                index=number(said.index),
                funding_rate=number(said.funding_rate),
                next_funding_ms=moment(said.next_funding),
                venue_ts_ms=ts_ms,
                seen_ns=seen_ns,
            )
            last, volume = number(said.last or said.last_v3), number(said.quote_volume or said.turnover)
            self._tickers.day(venue, symbol, last, volume, ts_ms, seen_ns)

    def _on_top(self, frame: _BookFrame, symbol: str, seen_ns: int) -> None:
        """A fixed number of levels, always whole; beside `books` of the same symbol that one is the book."""
        self.counts.book += 1
        chain = self._chain(frame.arg, symbol)
        if chain is not None and chain.guard is None and not chain.was_lost and not chain.was_asked:
            for book in frame.data:
                self._tell_whole(chain, book, seen_ns)
