"""KuCoin market data, spot and futures: Pro `obu` (snapshot and deltas), the classic diffs joined from REST, trades.

Spot symbols have a hyphen (BTC-USDT), contracts have none (XBTUSDTM): two venues here, `kucoin` and `kucoin_futures`.
"""

import re

import msgspec

from engine.domain.errors import BadFrame, SequenceGap
from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.domain.order import Side
from engine.venues.decoder import UNREADABLE, Ask, Counts, Figure, Number
from engine.venues.followed import Follows, Is, Track, followed
from engine.venues.kucoin import wire
from engine.venues.kucoin.continuity import FUTURES, SPOT, Chain, Diff, Rows, SequenceGuard, priced, venue_of
from engine.venues.protocol import Sink
from engine.venues.tickers import Said, Tickers, moment, number
from engine.venues.typed import best_first, compiled, is_compiled

_SYMBOL = re.compile(rb'"(?:s|symbol)":\s*"([^"\\]+)"|(?:level2|Depth5|Depth50|match|execution):([^"\\]+)"')
_NS_PER_MS = 1_000_000
_DELTA = {
    **{"T?": Is.ANY, "P?": Is.ANY, "dp": "increment@10ms", "t": "delta"},
    "d": {"s": Is.SYMBOL, "O": Is.FIRST, "C": Is.LAST, "M": Is.TIME, "a": Is.ASKS, "b": Is.BIDS},
}


class KucoinDecoder:
    """Frames of one connection -> events. `ask`: Pro symbols must be subscribed anew, classic ones need a REST book."""

    def __init__(self, sink: Sink, ask: Ask, number: Number = Figure) -> None:
        self.counts = Counts()
        self._sink = sink
        self._ask = ask
        self._change = tuple[number, str, number]  # type: ignore[valid-type]
        self._decoders: wire.Decoders[float] = wire.Decoders(number)
        self._decode_obu = compiled(self._decoders.obu)
        self._chains: dict[str, Chain] = {}
        self._tickers = Tickers(sink)
        tracks = (self._track("SPOT", SPOT), self._track("FUTURES", FUTURES))
        self.on_frame = followed(self._on_frame, sink, self.counts, number, tracks)

    def _track(self, product: str, venue: str) -> Track:
        return Track(
            begins=b'{"T":"obu.%b"' % product.encode(),
            table=_DELTA,
            venue=venue,
            chains=self._chains,
            chain=Chain,
            guard=SequenceGuard,
            last="last_seq",
            follows=Follows.STEP,
            musts=((Chain, "venue", venue),),
            priced=True,
            per_ms=_NS_PER_MS,
        )

    def _on_frame(self, data: bytes, seen_ns: int) -> None:
        self.counts.frames += 1
        try:
            if data.startswith(b'{"T":"obu.'):
                self._on_obu(self._decode_obu(data), seen_ns)
            else:
                self._on_other(data, seen_ns)
        except UNREADABLE as error:
            self._on_bad(data, error, seen_ns)

    def _on_bad(self, data: bytes, error: Exception, seen_ns: int) -> None:
        self.counts.errors += 1
        found = _SYMBOL.search(data)
        symbol = (found[1] or found[2]).decode("utf-8", "replace") if found else ""
        self.drop(symbol if symbol in self._chains else "", "bad_frame", seen_ns)
        raise BadFrame(f"kucoin: {error}") from error

    def _chain(self, symbol: str) -> Chain:
        chain = self._chains.get(symbol)
        if chain is None:
            chain = self._chains[symbol] = Chain(venue_of(symbol))
        return chain

    def _on_obu(self, frame: wire.Obu[float], seen_ns: int) -> None:
        book = frame.data
        self.counts.book += 1
        ts_ms = book.matched_ns // _NS_PER_MS
        if not frame.depth.startswith("increment"):
            if book.symbol not in self._chains:  # else the increments are the book
                self._tell_whole(book.symbol, book.bids, book.asks, ts_ms, seen_ns)
            return
        chain = self._chain(book.symbol)
        if frame.kind == "snapshot":
            self._on_base(book.symbol, chain, book.last, book.bids, book.asks, ts_ms, seen_ns)
        elif chain.guard is not None:
            self._follow(
                chain, chain.guard, Diff(book.symbol, book.first, book.last, book.bids, book.asks, ts_ms), seen_ns
            )
        elif not chain.is_asked:
            chain.is_asked = True
            self._ask(book.symbol, "no_snapshot")

    def _on_base(self, symbol: str, chain: Chain, seq: int, bids: Rows, asks: Rows, ts_ms: int, seen_ns: int) -> None:
        chain.guard, chain.waiting, chain.is_asked = SequenceGuard(seq), [], False
        self.counts.resyncs += chain.was_lost
        chain.was_lost = False
        self._tell_whole(symbol, bids, asks, ts_ms, seen_ns)

    def _tell_whole(self, symbol: str, bids: Rows, asks: Rows, ts_ms: int, seen_ns: int) -> None:
        self._sink(
            BookSnapshot(
                venue=venue_of(symbol),
                symbol=symbol,
                bids=best_first(priced(bids), True),
                asks=best_first(priced(asks), False),
                venue_ts_ms=ts_ms,
                seen_ns=seen_ns,
            )
        )

    def _follow(self, chain: Chain, guard: SequenceGuard, diff: Diff, seen_ns: int) -> None:
        held = guard.last_seq
        try:
            if not guard.accepts(diff.first, diff.last):
                return
        except SequenceGap:
            self._lose(diff.symbol, chain, "gap", seen_ns)
            return
        if diff.first <= held:
            # Overlaps the base: a level that the base already holds newer must not come back.
            for rows in (diff.bids, diff.asks):
                if not is_compiled(rows):  # those have no sequence of their own
                    rows[:] = [row for row in rows if not row.seq or row.seq > held]
        self._sink(
            BookDelta(
                venue=venue_of(diff.symbol),
                symbol=diff.symbol,
                bids=priced(diff.bids),
                asks=priced(diff.asks),
                venue_ts_ms=diff.ts_ms,
                seen_ns=seen_ns,
            )
        )

    def _on_diff(self, diff: Diff, seen_ns: int) -> None:
        """A classic change: it follows the base, or waits for it."""
        self.counts.book += 1
        chain = self._chain(diff.symbol)
        if chain.guard is not None:
            self._follow(chain, chain.guard, diff, seen_ns)
            return
        if chain.wait(diff):
            self._ask(diff.symbol, "start")

    def on_rest_book(self, symbol: str, body: bytes, seen_ns: int) -> None:
        try:
            base = self._decoders.rest.decode(body).data
        except UNREADABLE as error:
            raise BadFrame(f"kucoin level2 {symbol}: {error}") from error
        chain = self._chain(symbol)
        if chain.guard is not None:
            return  # the stream is at least as good
        waiting = [diff for diff in chain.waiting if diff.last > base.seq]
        if waiting and waiting[0].first > base.seq + 1:
            # Older than the first change in hand: a hole between them. Keep the changes, take a newer base.
            self._ask(symbol, "snapshot_old")
            return
        self._on_base(symbol, chain, base.seq, base.bids, base.asks, 0, seen_ns)
        for diff in waiting:
            if chain.guard is not None:
                self._follow(chain, chain.guard, diff, seen_ns)

    def _lose(self, symbol: str, chain: Chain, reason: str, seen_ns: int) -> None:
        if chain.guard is not None:
            chain.was_lost = True
            self.counts.gaps += reason in ("gap", "crossed")
            self._sink(BookLost(venue=venue_of(symbol), symbol=symbol, reason=reason, seen_ns=seen_ns))
        chain.guard, chain.waiting, chain.is_asked = None, [], True
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

    def _on_trade(self, trade: wire.Trade[float] | wire.ProTradeData[float], time_ns: int, seen_ns: int) -> None:
        self.counts.trade += 1
        self._sink(
            TradePrint(
                venue=venue_of(trade.symbol),
                symbol=trade.symbol,
                price=trade.price,
                qty=trade.qty,
                taker_side=Side.BUY if trade.side == "buy" else Side.SELL,
                trade_id=trade.trade_id,
                venue_ts_ms=time_ns // _NS_PER_MS,
                seen_ns=seen_ns,
            )
        )

    def _on_mark(self, symbol: str, mark: Said, index: Said, ts_ms: int, seen_ns: int) -> None:
        self._tickers.perp(
            venue_of(symbol), symbol, mark=number(mark), index=number(index), venue_ts_ms=ts_ms, seen_ns=seen_ns
        )

    def _on_funding(self, frame: wire.Funding, seen_ns: int) -> None:
        said = frame.data
        self._tickers.perp(
            venue_of(said.symbol),
            said.symbol,
            funding_rate=number(said.rate),
            interval_ms=moment(said.interval_ms),
            next_funding_ms=moment(said.next_funding),
            venue_ts_ms=frame.pushed_ns // _NS_PER_MS,
            seen_ns=seen_ns,
        )

    def _on_other(self, data: bytes, seen_ns: int) -> None:
        kind = wire.kind.decode(data)
        if kind.topic:
            self._on_classic(kind, data, seen_ns)
        elif kind.pro.startswith("obu."):
            self._on_obu(self._decode_obu(data), seen_ns)
        elif kind.pro.startswith("trade."):
            trade = self._decoders.pro_trade.decode(data).data
            self._on_trade(trade, trade.matched_ns, seen_ns)
        elif kind.pro == "mark-price":
            self.counts.ticker += 1
            said = wire.mark.decode(data).data
            self._on_mark(said.symbol, said.mark, said.index, said.ts_ms, seen_ns)
        elif kind.pro.startswith("ticker"):
            self.counts.ticker += 1
        elif kind.pro == "funding-fee":
            self.counts.funding += 1
            self._on_funding(wire.funding.decode(data), seen_ns)
        elif kind.type in ("ack", "welcome", "pong", "error") or kind.result is not None:
            self.counts.ack += 1
        else:
            self.counts.ignored += 1

    def _on_classic(self, kind: wire.Kind, data: bytes, seen_ns: int) -> None:
        counts, decoders = self.counts, self._decoders
        channel, _, symbol = kind.topic.partition(":")
        match channel.rpartition("/")[2]:
            case "level2" if channel.startswith("/market"):
                book = decoders.level2.decode(data).data
                changes = book.changes
                self._on_diff(Diff(book.symbol, book.first, book.last, changes.bids, changes.asks, book.ts_ms), seen_ns)
            case "level2":
                self._on_diff(self._one(symbol, wire.one_change.decode(data).data), seen_ns)
            case "level2Depth5" | "level2Depth50":
                counts.book += 1
                depth = decoders.depth.decode(data).data
                if symbol not in self._chains:  # else the changes are the book
                    self._tell_whole(symbol, depth.bids, depth.asks, depth.ts_ms, seen_ns)
            case "match" | "execution":
                trade = decoders.trade.decode(data).data
                self._on_trade(trade, trade.time_ns or trade.ts_ns, seen_ns)
            case "ticker" | "tickerV2" | "snapshot" | "level1":
                counts.ticker += 1
            case "instrument" if kind.subject == "funding.rate":
                counts.funding += 1
            case "instrument":
                counts.ticker += 1
                said = wire.classic_mark.decode(data).data
                self._on_mark(symbol, said.mark, said.index, said.ts_ms, seen_ns)
            case _:
                counts.ignored += 1

    def _one(self, symbol: str, change: wire.OneChange) -> Diff:
        price, side, size = msgspec.convert(change.change.split(","), self._change, strict=False)
        rows = [wire.Row(price, size)]
        bids, asks = (rows, []) if side == "buy" else ([], rows)
        return Diff(symbol, change.seq, change.seq, bids, asks, change.ts_ms)
