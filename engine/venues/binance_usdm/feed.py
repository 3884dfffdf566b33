"""Binance USD-M market data: books joined from a REST snapshot and a chain of diffs, trades. Base quantity, linear."""

import re

import msgspec

from engine.domain.errors import BadFrame, SequenceGap
from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.domain.market import Levels
from engine.domain.order import Side
from engine.venues.binance_usdm import wire
from engine.venues.binance_usdm.continuity import ChainGuard, Join
from engine.venues.decoder import UNREADABLE, Ask, Counts, Figure, Number
from engine.venues.followed import Follows, Is, Track, followed
from engine.venues.protocol import Sink
from engine.venues.tickers import Tickers, moment, number
from engine.venues.typed import best_first, compiled

VENUE = "binance_usdm"
_MAX_WAITING = 3_000  # 30 ms apart when fast: a minute and a half of diffs, and no snapshot came
# So many diffs in a row older than the book: the venue's counter was reset, the book is the stale one.
_MAX_LATE = 50
_SYMBOL = re.compile(rb'"s":\s*"([^"\\]+)"')
_DIFF = {
    "stream": "*@depth@*",
    "data": {
        **{"e?": Is.ANY, "E": Is.TIME, "T?": Is.ANY, "s": Is.SYMBOL, "U?": Is.ANY, "u": Is.LAST, "pu": Is.PREVIOUS},
        **{"b": Is.BIDS, "a": Is.ASKS},
    },
}
_TICKERS = frozenset({"bookTicker", "24hrTicker", "24hrMiniTicker"})


class BinanceUsdmDecoder:
    """Frames of one connection -> events. `ask` is called when a symbol needs a REST snapshot.

    Source: Binance USD-M Futures API, "How to manage a local order book correctly".
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
            guard=ChainGuard,
            last="last_id",
            follows=Follows.LINK,
            musts=((ChainGuard, "is_joined", True), (Join, "late", 0)),
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
        raise BadFrame(f"{VENUE}: {error}") from error

    def _on_depth(self, diff: wire.Depth[float], seen_ns: int) -> None:
        self.counts.book += 1
        join = self._joins.get(diff.symbol)
        if join is None:
            join = self._joins[diff.symbol] = Join()
            self._ask(diff.symbol, "start")
        if join.guard is not None:
            self._follow(join, join.guard, diff, seen_ns)
            return
        if len(join.waiting) >= _MAX_WAITING:
            join.waiting.clear()
            self._ask(diff.symbol, "start")
        join.waiting.append(diff)

    def _follow(self, join: Join, guard: ChainGuard, diff: wire.Depth[float], seen_ns: int) -> None:
        try:
            is_next = guard.accepts(diff.prev_id, diff.last_id)
        except SequenceGap:
            self._lose(diff.symbol, join, "gap", seen_ns)
            join.waiting = [diff]
            return
        if not is_next:
            join.late += 1
            if join.late >= _MAX_LATE:
                self._lose(diff.symbol, join, "gap", seen_ns)
            return
        join.late = 0
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
            snapshot = self._decoders.rest.decode(body)
        except UNREADABLE as error:
            raise BadFrame(f"{VENUE} depth {symbol}: {error}") from error
        join = self._joins.setdefault(symbol, Join())
        if join.guard is not None:
            return  # the stream is at least as good: a snapshot is cached at the venue, a diff is not
        waiting = [diff for diff in join.waiting if diff.last_id >= snapshot.last_id]
        if waiting and waiting[0].prev_id > snapshot.last_id:
            # Older than the first diff in hand: a hole between them. Keep the diffs, take a newer snapshot.
            self._ask(symbol, "snapshot_old")
            return
        join.guard, join.waiting = ChainGuard(snapshot.last_id), []
        self.counts.resyncs += join.was_lost
        join.was_lost = False
        self._tell_whole(symbol, snapshot.bids, snapshot.asks, snapshot.event_ms, seen_ns)
        for diff in waiting:
            if join.guard is not None:
                self._follow(join, join.guard, diff, seen_ns)

    def _tell_whole(self, symbol: str, bids: Levels, asks: Levels, ts_ms: int, seen_ns: int) -> None:
        self._sink(
            BookSnapshot(
                venue=VENUE,
                symbol=symbol,
                bids=best_first(bids, True),
                asks=best_first(asks, False),
                venue_ts_ms=ts_ms,
                seen_ns=seen_ns,
            )
        )

    def is_live(self, symbol: str) -> bool:
        """Whether the book of `symbol` follows its stream now."""
        join = self._joins.get(symbol)
        return join is not None and join.guard is not None

    def _on_trade(self, trade: wire.Trade[float], seen_ns: int) -> None:
        self.counts.trade += 1
        if trade.kind != "MARKET":
            return
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
        kind = wire.kind.decode(data)
        stream = kind.stream
        if stream:
            data = bytes(kind.data)
            if data.startswith(b"["):  # all markets in one frame
                self._on_all(wire.raws.decode(data), seen_ns)
                return
            kind = wire.kind.decode(data)
        self._on_kind(kind, stream, data, seen_ns)

    def _on_all(self, rows: list[msgspec.Raw], seen_ns: int) -> None:
        events = {wire.kind.decode(row).event for row in rows}
        self.counts.funding += events == {"markPriceUpdate"}
        self.counts.ticker += bool(events) and events <= _TICKERS
        self.counts.ignored += events != {"markPriceUpdate"} and not (events and events <= _TICKERS)
        for row in rows if events == {"markPriceUpdate"} else ():
            self._on_mark(bytes(row), seen_ns)

    def _on_mark(self, data: bytes, seen_ns: int) -> None:
        said = wire.mark_price.decode(data)
        self._tickers.perp(
            VENUE,
            said.symbol,
            mark=number(said.mark),
            index=number(said.index),
            funding_rate=number(said.funding_rate),
            next_funding_ms=moment(said.next_funding),
            venue_ts_ms=said.event_ms,
            seen_ns=seen_ns,
        )

    def _on_day(self, data: bytes, seen_ns: int) -> None:
        said = wire.day_ticker.decode(data)
        last, volume = number(said.last), number(said.quote_volume)
        self._tickers.day(VENUE, said.symbol, last, volume, said.event_ms, seen_ns)

    def _on_kind(self, kind: wire.Kind, stream: str, data: bytes, seen_ns: int) -> None:
        match kind.event:
            case "depthUpdate" if stream.partition("@depth")[2][:1].isdigit():
                self._on_top(self._decoders.depth.decode(data), seen_ns)
            case "depthUpdate":
                self._on_depth(self._decoders.depth.decode(data), seen_ns)
            case "trade" | "aggTrade":
                self._on_trade(self._decoders.trade.decode(data), seen_ns)
            case "markPriceUpdate":
                self.counts.funding += 1
                self._on_mark(data, seen_ns)
            case "24hrTicker" | "24hrMiniTicker":
                self.counts.ticker += 1
                self._on_day(data, seen_ns)
            case event if event in _TICKERS:
                self.counts.ticker += 1
            case "serverShutdown":
                self.counts.ack += 1
                self._ask("", "server_shutdown")
            case "" if kind.id is not None and kind.status is None and (kind.result or kind.error):
                self.counts.ack += 1
            case _:
                self.counts.ignored += 1

    def _on_top(self, top: wire.Depth[float], seen_ns: int) -> None:
        """A whole top of 5, 10 or 20 levels; where the diffs of the same symbol are followed, they are the book."""
        self.counts.book += 1
        if top.symbol not in self._joins:
            self._tell_whole(top.symbol, top.bids, top.asks, top.event_ms, seen_ns)
