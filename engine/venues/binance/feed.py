"""Binance spot market data: combined streams, and books joined from a REST snapshot and diffs."""

import re
from random import Random

import msgspec

from engine.domain.errors import BadFrame, SequenceGap
from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.domain.order import Side
from engine.net.ws import Heartbeat
from engine.venues.binance import wire
from engine.venues.binance.continuity import Join, SequenceGuard
from engine.venues.decoder import UNREADABLE, Ask, Counts, Figure, Number
from engine.venues.dialect import LineLimits
from engine.venues.followed import Follows, Is, Track, followed
from engine.venues.protocol import Sink
from engine.venues.tickers import Tickers, number
from engine.venues.typed import best_first, compiled

VENUE = "binance"
# 100 ms apart: a minute and a half of diffs waiting for a snapshot. More means that none will come: start over.
_MAX_WAITING = 1_000
# So many diffs in a row older than the book: the venue's counter was reset, the book is the stale one.
_MAX_LATE = 50
_DEPTH = "depth@100ms"
_CHANNELS = (_DEPTH, "trade", "miniTicker")
_REST = msgspec.json.Decoder(wire.PartialBook[float], strict=False)
_SYMBOL = re.compile(rb'"s":\s*"([^"\\]+)"')
_DIFF = {
    "stream": "*@depth@*",
    "data": {
        **{"e?": Is.ANY, "E": Is.TIME, "s": Is.SYMBOL, "U": Is.FIRST, "u": Is.LAST, "b": Is.BIDS, "a": Is.ASKS},
        **{"pu?": Is.NEVER},
    },
}
_TICKERS = frozenset({"bookTicker", "24hrTicker", "24hrMiniTicker", "1hTicker", "4hTicker", "1dTicker"})


class BinanceDecoder:
    """Frames of one spot connection -> events. `ask` is called when a symbol needs a REST snapshot.

    Source: Binance Spot API, "How to manage a local order book correctly".
    """

    def __init__(self, sink: Sink, ask: Ask, number: Number = Figure) -> None:
        self.counts = Counts()
        self._sink = sink
        self._ask = ask
        self._decoders: wire.Decoders[float] = wire.Decoders(number)
        self._combined_depth = compiled(self._decoders.combined_depth)
        self._joins: dict[str, Join] = {}
        self._tickers = Tickers(sink)
        diff = Track(
            begins=b'{"stream":"',
            table=_DIFF,
            venue=VENUE,
            chains=self._joins,
            chain=Join,
            guard=SequenceGuard,
            last="last_id",
            follows=Follows.STEP,
        )
        self.on_frame = followed(self._on_frame, sink, self.counts, number, (diff,))

    def _on_frame(self, data: bytes, seen_ns: int) -> None:
        counts = self.counts
        counts.frames += 1
        try:
            if data.find(b"@depth@", 10, 64) > 0:
                self._on_depth(self._combined_depth(data).data, seen_ns)
            elif data.find(b'@trade"', 10, 64) > 0 or data.find(b'@aggTrade"', 10, 64) > 0:
                self._on_trade(self._decoders.combined_trade.decode(data).data, seen_ns)
            elif data.find(b'@bookTicker"', 10, 64) > 0:
                counts.ticker += 1
            else:
                self._on_other(data, seen_ns)
        except UNREADABLE as error:
            self._on_bad(data, error, seen_ns)

    def _on_bad(self, data: bytes, error: Exception, seen_ns: int) -> None:
        self.counts.errors += 1
        found = _SYMBOL.search(data)
        symbol = found.group(1).decode("utf-8", "replace") if found else ""
        self.drop(symbol if symbol in self._joins else "", "bad_frame", seen_ns)
        raise BadFrame(f"binance: {error}") from error

    def _on_depth(self, diff: wire.Depth[float], seen_ns: int) -> None:
        if diff.futures_id:
            self.counts.ignored += 1
            return
        self.counts.book += 1
        join = self._joins.get(diff.symbol)
        if join is None:
            join = self._joins[diff.symbol] = Join()
            self._ask(diff.symbol, "start")
        guard = join.guard
        if guard is None:
            self._wait(join, diff)
        elif diff.first_id == guard.last_id + 1 or self._continues(join, guard, diff, seen_ns):
            guard.last_id = diff.last_id
            self._sink(
                BookDelta(
                    venue=VENUE,
                    symbol=diff.symbol,
                    bids=diff.bids,
                    asks=diff.asks,
                    venue_ts_ms=diff.event_ms,
                    seen_ns=seen_ns,
                )
            )

    def _continues(self, join: Join, guard: SequenceGuard, diff: wire.Depth[float], seen_ns: int) -> bool:
        """The rare cases: late, overlapping, or one that shows a gap."""
        try:
            if guard.accepts(diff.first_id, diff.last_id):
                return True
        except SequenceGap:
            self._lose(diff.symbol, join, "gap", seen_ns)
            join.waiting = [diff]
            return False
        join.late = join.late + 1 if join.late_at == guard.last_id else 1
        join.late_at = guard.last_id
        if join.late >= _MAX_LATE:
            self._lose(diff.symbol, join, "gap", seen_ns)
        return False

    def _wait(self, join: Join, diff: wire.Depth[float]) -> None:
        if len(join.waiting) >= _MAX_WAITING:
            join.waiting.clear()
            self._ask(diff.symbol, "start")
        join.waiting.append(diff)

    def _lose(self, symbol: str, join: Join, reason: str, seen_ns: int) -> None:
        if join.guard is not None:
            join.was_lost = True
            self.counts.gaps += reason in ("gap", "crossed")
            self._sink(BookLost(venue=VENUE, symbol=symbol, reason=reason, seen_ns=seen_ns))
        join.guard, join.waiting, join.late = None, [], 0
        self._ask(symbol, reason)

    def drop(self, symbol: str, reason: str, seen_ns: int) -> None:
        if not symbol:
            self._tickers.forget()
        for name, join in self._joins.items():
            if symbol in ("", name):
                self._lose(name, join, reason, seen_ns)

    def on_rest_book(self, symbol: str, body: bytes, seen_ns: int) -> None:
        try:
            snapshot = self._decoders.partial.decode(body)
        except UNREADABLE as error:
            raise BadFrame(f"binance depth {symbol}: {error}") from error
        join = self._joins.setdefault(symbol, Join())
        if join.guard is not None:
            return  # the stream is at least as good: a snapshot is cached at the venue, a diff is not
        waiting = [diff for diff in join.waiting if diff.last_id > snapshot.last_id]
        if waiting and waiting[0].first_id > snapshot.last_id + 1:
            # Older than the first diff in hand: a hole between them. Keep the diffs, take a newer snapshot.
            self._ask(symbol, "snapshot_old")
            return
        join.guard, join.waiting = SequenceGuard(snapshot.last_id), []
        self.counts.resyncs += join.was_lost
        join.was_lost = False
        self._sink(_whole(symbol, snapshot, seen_ns))
        self.counts.book -= len(waiting)  # they were counted when they came
        for diff in waiting:
            self._on_depth(diff, seen_ns)

    def is_live(self, symbol: str) -> bool:
        """Whether the book of `symbol` follows its stream now."""
        join = self._joins.get(symbol)
        return join is not None and join.guard is not None

    def _on_trade(self, trade: wire.Trade[float], seen_ns: int) -> None:
        self.counts.trade += 1
        self._sink(
            TradePrint(
                venue=VENUE,
                symbol=trade.symbol,
                price=trade.price,
                qty=trade.qty,
                taker_side=Side.SELL if trade.buyer_is_maker else Side.BUY,
                trade_id=str(trade.trade_id or trade.aggregate_id),
                venue_ts_ms=trade.trade_ms,
                seen_ns=seen_ns,
            )
        )

    def _on_other(self, data: bytes, seen_ns: int) -> None:
        """Everything that is not on the hot path, and hot frames with other spacing or without the wrapper."""
        if data[:1] == b"[":
            self.counts.ticker += b'Ticker"' in data[:64]
            self.counts.ignored += b'Ticker"' not in data[:64]
            msgspec.json.decode(data)
            return
        kind = wire.kind.decode(data)
        stream = kind.stream
        if stream:
            data = bytes(kind.data)
            kind = wire.kind.decode(data)
        self._on_kind(kind, stream, data, seen_ns)

    def _on_kind(self, kind: wire.Kind, stream: str, data: bytes, seen_ns: int) -> None:
        match kind.event:
            case "depthUpdate":
                self._on_depth(self._decoders.depth.decode(data), seen_ns)
            case "trade" | "aggTrade":
                self._on_trade(self._decoders.trade.decode(data), seen_ns)
            case "serverShutdown":
                self.counts.ack += 1
                self._ask("", "server_shutdown")
            case "24hrTicker" | "24hrMiniTicker":
                self.counts.ticker += 1
                said = wire.day_ticker.decode(data)
                last, volume = number(said.last), number(said.quote_volume)
                self._tickers.day(VENUE, said.symbol, last, volume, said.event_ms, seen_ns)
            case event if event in _TICKERS or (not event and kind.best_bid and kind.best_bid_qty):
                self.counts.ticker += 1
            case "" if kind.last_update_id and "@depth" in stream:
                self._on_partial(stream.partition("@")[0].upper(), data, seen_ns)
            case "" if kind.id is not None and kind.status is None and (kind.result or kind.error):
                self.counts.ack += 1
            case _:
                self.counts.ignored += 1

    def _on_partial(self, symbol: str, data: bytes, seen_ns: int) -> None:
        """A whole top of 5, 10 or 20 levels; where the diffs of the same symbol are followed, they are the book."""
        book = self._decoders.partial.decode(data)
        self.counts.book += 1
        if symbol not in self._joins:
            self._sink(_whole(symbol, book, seen_ns))


def _whole(symbol: str, book: wire.PartialBook[float], seen_ns: int) -> BookSnapshot:
    bids, asks = best_first(book.bids, True), best_first(book.asks, False)
    return BookSnapshot(venue=VENUE, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=0, seen_ns=seen_ns)


class BinanceDialect:
    """Subscribing, heartbeat and REST of the combined stream. Source: Binance Spot API, WebSocket Streams."""

    venue = VENUE
    # The server pings every 20 s and is answered by the socket; 5 messages per second, pings counted, are allowed.
    heartbeat = Heartbeat(every_ms=20_000, idle_ms=250)
    # 1,024 streams are allowed; they are named in the address, which must stay short. Cut after 24 h.
    limits = LineLimits(max_symbols=100, max_life_s=86_400, sends_per_second=2, send_burst=4)
    connects_per_second = 0.5  # 300 per 5 minutes and address: half of that is ours
    asks_per_minute = 60.0  # a book of 1,000 levels weighs 50 of 6,000 per minute
    first_book_ms = 2_000  # nothing changed for so long: take the snapshot without waiting for a diff
    joins_from_rest = True
    resubscribes_all = False

    def __init__(self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random) -> None:
        self._ws_base = ws_base
        self._rest_base = rest_base
        self._symbols = symbols

    def url(self) -> str:
        names = [symbol.lower() for symbol in self._symbols]
        streams = [f"{name}@{channel}" for channel in _CHANNELS for name in names]
        return f"{self._ws_base}/stream?streams={'/'.join(streams)}"

    def subscribe(self) -> list[bytes]:
        """Nothing to say: the streams are named in the address."""
        return []

    def resubscribe(self, symbol: str) -> list[bytes]:
        """One pair's books alone: the other ninety-nine of the connection keep theirs."""
        streams = [f"{symbol.lower()}@{_DEPTH}"]
        verbs = ("UNSUBSCRIBE", "SUBSCRIBE")
        return [msgspec.json.encode({"method": verb, "params": streams, "id": n}) for n, verb in enumerate(verbs, 1)]

    def book_url(self, symbol: str) -> str:
        return f"{self._rest_base}/api/v3/depth?symbol={symbol}&limit=1000"

    def top(self, symbol: str, body: bytes) -> tuple[float, float]:
        try:
            book = _REST.decode(body)
        except UNREADABLE as error:
            raise BadFrame(f"binance depth {symbol}: {error}") from error
        return max((row[0] for row in book.bids), default=0.0), min((row[0] for row in book.asks), default=0.0)
