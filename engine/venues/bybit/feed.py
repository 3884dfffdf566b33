"""Bybit v5 market data, spot and linear: snapshot and deltas of one depth on a counter, trades.

Spot and linear spell their symbols alike (BTCUSDT), so each is a venue of its own here: `bybit` and `bybit_linear`.
"""

import re

from engine.domain.errors import BadFrame, SequenceGap
from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.domain.order import Side
from engine.venues.bybit import wire
from engine.venues.decoder import UNREADABLE, Ask, Counts, Figure, Number
from engine.venues.followed import Follows, Is, Track, followed
from engine.venues.protocol import Sink
from engine.venues.tickers import Tickers, moment, number
from engine.venues.typed import best_first, compiled

SPOT = "bybit"
_SYMBOL = re.compile(rb'"(?:s|symbol)":\s*"([^"\\]+)"')
_RESTARTED = 1
_HOUR_MS = 3_600_000
# Depths 1, 50, 200, 500 and 1000; not `orderbook.rpi`, whose rows are of another shape.
_BOOK = tuple(b'{"topic":"orderbook.' + digit for digit in (b"1", b"2", b"5"))
_DELTA = {
    "topic": Is.TOPIC,
    "ts": Is.SENT,
    "type": "delta",
    "data": {"s": Is.SYMBOL, "b": Is.BIDS, "a": Is.ASKS, "u": Is.LAST, "seq?": Is.ANY, "ts?": Is.WHOLE},
    "cts?": Is.TIME,
}


class CounterGuard:
    """Continuity of one symbol's deltas: the counter rises by one. Holds one integer, does no I/O."""

    __slots__ = ("last_id",)

    def __init__(self, snapshot_id: int) -> None:
        self.last_id = snapshot_id

    def accepts(self, update_id: int) -> bool:
        """False for a repeat. Raises SequenceGap if one was missed, or if the counter went back: that is no late one.

        One socket keeps its order, so a lower number means that the venue started over without saying so.
        """
        if update_id == self.last_id + 1:
            self.last_id = update_id
            return True
        if update_id == self.last_id:
            return False
        raise SequenceGap(f"expected {self.last_id + 1}, received {update_id}")


class _Chain:
    __slots__ = ("depth", "guard", "topic", "was_lost")

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.depth = _depth(topic)
        self.guard: CounterGuard | None = None
        self.was_lost = False


class BybitDecoder:
    """Frames of one connection -> events. `ask` is called when a symbol must be subscribed anew."""

    def __init__(self, sink: Sink, ask: Ask, number: Number = Figure, venue: str = SPOT) -> None:
        self.counts = Counts()
        self._venue = venue
        self._sink = sink
        self._ask = ask
        self._decoders: wire.Decoders[float] = wire.Decoders(number)
        self._decode_book = compiled(self._decoders.orderbook)
        self._chains: dict[str, _Chain] = {}
        self._tickers = Tickers(sink)
        delta = Track(
            begins=b'{"topic":"orderbook.',
            table=_DELTA,
            venue=venue,
            chains=self._chains,
            chain=_Chain,
            guard=CounterGuard,
            last="last_id",
            follows=Follows.STEP,
            topic="topic",
        )
        self.on_frame = followed(self._on_frame, sink, self.counts, number, (delta,))

    def _on_frame(self, data: bytes, seen_ns: int) -> None:
        self.counts.frames += 1
        try:
            if data.startswith(_BOOK):
                self._on_book(self._decode_book(data), seen_ns)
            elif data.startswith(b'{"topic":"publicTrade.'):
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

    def _on_book(self, frame: wire.Orderbook[float], seen_ns: int) -> None:
        book = frame.data
        self.counts.book += 1
        chain = self._chains.get(book.symbol)
        if chain is None:
            chain = self._chains[book.symbol] = _Chain(frame.topic)
            if frame.type == "delta" and book.update_id != _RESTARTED:
                self._ask(book.symbol, "no_snapshot")
        elif frame.topic != chain.topic and not _takes_over(chain, frame):
            return
        if frame.type == "snapshot" or book.update_id == _RESTARTED:
            self._on_snapshot(chain, frame, seen_ns)
            return
        guard = chain.guard
        if guard is None:
            return
        try:
            if not guard.accepts(book.update_id):
                return
        except SequenceGap:
            self._lose(book.symbol, chain, "gap", seen_ns)
            return
        self._sink(
            BookDelta(
                venue=self._venue,
                symbol=book.symbol,
                bids=book.bids,
                asks=book.asks,
                venue_ts_ms=frame.cts or frame.ts,
                seen_ns=seen_ns,
            )
        )

    def _on_snapshot(self, chain: _Chain, frame: wire.Orderbook[float], seen_ns: int) -> None:
        book = frame.data
        chain.guard = CounterGuard(book.update_id)
        self.counts.resyncs += chain.was_lost
        chain.was_lost = False
        self._sink(
            BookSnapshot(
                venue=self._venue,
                symbol=book.symbol,
                bids=best_first(book.bids, True),
                asks=best_first(book.asks, False),
                venue_ts_ms=frame.cts or frame.ts,
                seen_ns=seen_ns,
            )
        )

    def _lose(self, symbol: str, chain: _Chain, reason: str, seen_ns: int) -> None:
        if chain.guard is not None:
            chain.guard, chain.was_lost = None, True
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
        """Never a base for deltas: this venue's snapshot comes with the subscription. Kept for the interface."""
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
                    taker_side=Side.BUY if trade.side == "Buy" else Side.SELL,
                    trade_id=trade.trade_id,
                    venue_ts_ms=trade.trade_ms,
                    seen_ns=seen_ns,
                )
            )

    def _on_ticker(self, frame: wire.Ticker, seen_ns: int) -> None:
        said = frame.data
        hours = number(said.interval_hours)
        self._tickers.perp(
            self._venue,
            said.symbol,
            mark=number(said.mark),
            index=number(said.index),
            funding_rate=number(said.funding_rate),
            interval_ms=round(hours * _HOUR_MS) if hours else None,
            next_funding_ms=moment(said.next_funding),
            venue_ts_ms=frame.ts,
            seen_ns=seen_ns,
        )
        self._tickers.day(self._venue, said.symbol, number(said.last), number(said.turnover), frame.ts, seen_ns)

    def _on_other(self, data: bytes, seen_ns: int) -> None:
        """Control frames, channels that nothing here reads, and books or trades with other spacing."""
        counts = self.counts
        kind = wire.kind.decode(data)
        channel, _, rest = kind.topic.partition(".")
        if channel == "orderbook" and not rest.startswith("rpi."):
            self._on_book(self._decode_book(data), seen_ns)
        elif channel == "publicTrade":
            self._on_trades(self._decoders.trades.decode(data), seen_ns)
        elif channel == "tickers":
            counts.ticker += 1
            self._on_ticker(wire.ticker.decode(data), seen_ns)
        elif kind.op == "auth":
            counts.ignored += 1
        elif kind.op or kind.success is not None:
            counts.ack += 1
        else:
            counts.ignored += 1


def _takes_over(chain: _Chain, frame: wire.Orderbook[float]) -> bool:
    """The deepest book of a symbol is its book; a shallower one beside it is only its top again."""
    depth = _depth(frame.topic)
    if depth <= chain.depth or frame.type != "snapshot":
        return False
    chain.topic, chain.depth = frame.topic, depth
    return True


def _depth(topic: str) -> int:
    """50 of `orderbook.50.BTCUSDT`; 0 for a book that has no number."""
    depth = topic.partition(".")[2].partition(".")[0]
    return int(depth) if depth.isdigit() else 0
