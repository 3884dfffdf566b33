"""Gate market data, spot and USDT futures: `obu` (snapshot and deltas), `order_book_update` joined from REST, trades.

Spot and futures spell their symbols alike (BTC_USDT), so each is a venue of its own here: `gate` and `gate_futures`.
Contracts stay contracts. `order_book_update` and REST round fractions of contracts down; `obu` does not.
"""

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
from engine.venues.gate import wire
from engine.venues.gate.continuity import FUTURES, SPOT, Chain, Changes, Row, SequenceGuard
from engine.venues.protocol import Sink
from engine.venues.tickers import Tickers, number
from engine.venues.typed import best_first, compiled, is_compiled

_MAX_WAITING = 1_000  # 100 ms apart: a minute and a half of changes, and no base came
_SYMBOL = re.compile(rb'"(?:s|currency_pair|contract)":\s*"(?:ob\.)?([^"\\.]+)')
_CHANGES = {
    **{"t": Is.TIME, "full?": Is.NEVER, "s": Is.SYMBOL, "U": Is.FIRST, "u": Is.LAST},
    **{"b?": Is.BIDS, "a?": Is.ASKS},
}


class GateDecoder:
    """Frames of one connection -> events. `ask`: `obu` must be subscribed anew, `order_book_update` needs REST."""

    def __init__(self, sink: Sink, ask: Ask, number: Number = Figure, venue: str = SPOT) -> None:
        self.counts = Counts()
        self._venue = venue
        self._sink = sink
        self._ask = ask
        self._number = number
        self._decoders: wire.Decoders[float] = wire.Decoders(number)
        self._decode_obu = compiled(self._decoders.obu)
        self._chains: dict[str, dict[str, Chain]] = {SPOT: {}, FUTURES: {}}  # by product: symbols are spelled alike
        self._tickers = Tickers(sink)
        changes = Track(
            begins=b'{"',
            table={
                "channel": "spot.obu" if venue == SPOT else "futures.obu",
                "result": _CHANGES,
                **{"event?": "update", "time?": Is.ANY, "time_ms?": Is.ANY},
            },
            venue=venue,
            chains=self._chains[venue],
            chain=Chain,
            guard=SequenceGuard,
            last="last_id",
            follows=Follows.STEP,
            exact_rows=False,
            stem=b"ob.",
        )
        self.on_frame = followed(self._on_frame, sink, self.counts, number, (changes,))

    def _on_frame(self, data: bytes, seen_ns: int) -> None:
        self.counts.frames += 1
        try:
            if data.find(b'.obu"', 0, 160) < 0 or not self._on_obu(data, seen_ns):
                self._on_other(data, seen_ns)
        except UNREADABLE as error:
            self._on_bad(data, error, seen_ns)

    def _on_bad(self, data: bytes, error: Exception, seen_ns: int) -> None:
        self.counts.errors += 1
        found = _SYMBOL.search(data)
        symbol = found.group(1).decode("utf-8", "replace") if found else ""
        is_known = any(symbol in chains for chains in self._chains.values())
        self.drop(symbol if is_known else "", "bad_frame", seen_ns)
        raise BadFrame(f"gate: {error}") from error

    def _on_obu(self, data: bytes, seen_ns: int) -> bool:
        """False for a frame without a stream: the answer to a subscribe."""
        changes = self._decode_obu(data).result
        symbol = changes.symbol.removeprefix("ob.").partition(".")[0]
        if not symbol:
            return False
        self.counts.book += 1
        venue = FUTURES if data.find(b'"futures.obu"', 0, 160) > 0 else SPOT
        chain = self._chain(venue, symbol)
        if changes.full:
            self._on_base(chain, changes.last, changes.bids or [], changes.asks or [], changes.ts_ms, seen_ns)
        elif chain.guard is not None:
            self._follow(chain, chain.guard, changes, seen_ns)
        elif not chain.is_asked:
            chain.is_asked = True
            self._ask(chain.symbol, "no_snapshot")
        return True

    def _chain(self, venue: str, symbol: str) -> Chain:
        chains = self._chains[venue]
        chain = chains.get(symbol)
        if chain is None:
            chain = chains[symbol] = Chain(venue, symbol)
        return chain

    def _on_base(
        self, chain: Chain, last_id: int, bids: Sequence[Row], asks: Sequence[Row], ts_ms: int, seen_ns: int
    ) -> None:
        chain.guard, chain.waiting, chain.is_asked = SequenceGuard(last_id), [], False
        self.counts.resyncs += chain.was_lost
        chain.was_lost = False
        self._tell_whole(chain, bids, asks, ts_ms, seen_ns)

    def _tell_whole(self, chain: Chain, bids: Sequence[Row], asks: Sequence[Row], ts_ms: int, seen_ns: int) -> None:
        self._sink(
            BookSnapshot(
                venue=chain.venue,
                symbol=chain.symbol,
                bids=best_first(_levels(bids), True),
                asks=best_first(_levels(asks), False),
                venue_ts_ms=ts_ms,
                seen_ns=seen_ns,
            )
        )

    def _follow(self, chain: Chain, guard: SequenceGuard, changes: Changes, seen_ns: int) -> None:
        try:
            if not guard.accepts(changes.first, changes.last):
                return
        except SequenceGap:
            self._lose(chain, "gap", seen_ns)
            return
        self._sink(
            BookDelta(
                venue=chain.venue,
                symbol=chain.symbol,
                bids=_levels(changes.bids),
                asks=_levels(changes.asks),
                venue_ts_ms=changes.ts_ms,
                seen_ns=seen_ns,
            )
        )

    def _on_changes(self, venue: str, changes: Changes, seen_ns: int) -> None:
        """`order_book_update`: it follows the base, or waits for it."""
        self.counts.book += 1
        chain = self._chain(venue, changes.symbol)
        if chain.guard is not None:
            self._follow(chain, chain.guard, changes, seen_ns)
            return
        if len(chain.waiting) >= _MAX_WAITING:
            chain.waiting.clear()
            chain.is_asked = False
        chain.waiting.append(changes)
        if not chain.is_asked:
            chain.is_asked = True
            self._ask(chain.symbol, "start")

    def on_rest_book(self, symbol: str, body: bytes, seen_ns: int) -> None:
        is_spot = self._venue == SPOT
        try:
            base = (self._decoders.rest if is_spot else self._decoders.named_rest).decode(body)
        except UNREADABLE as error:
            raise BadFrame(f"{self._venue} order_book {symbol}: {error}") from error
        chain = self._chain(self._venue, symbol)
        if chain.guard is not None or not base.id:
            return  # the stream is at least as good; an answer without an id (no with_id=true) is no base
        waiting = [changes for changes in chain.waiting if changes.last > base.id]
        if waiting and waiting[0].first > base.id + 1:
            # Older than the first change in hand: a hole between them. Keep the changes, take a newer base.
            self._ask(symbol, "snapshot_old")
            return
        self._on_base(chain, base.id, base.bids, base.asks, 0, seen_ns)
        for changes in waiting:
            if chain.guard is not None:
                self._follow(chain, chain.guard, changes, seen_ns)

    def _lose(self, chain: Chain, reason: str, seen_ns: int) -> None:
        if chain.guard is not None:
            chain.was_lost = True
            self.counts.gaps += reason in ("gap", "crossed")
            self._sink(BookLost(venue=chain.venue, symbol=chain.symbol, reason=reason, seen_ns=seen_ns))
        chain.guard, chain.waiting, chain.is_asked = None, [], True
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
        chain = self._chains[self._venue].get(symbol)
        return chain is not None and chain.guard is not None

    def _on_trade(
        self, venue: str, trade: wire.Trade[float] | wire.FuturesTrade[float], qty: float, is_sell: bool, seen_ns: int
    ) -> None:
        self.counts.trade += 1
        self._sink(
            TradePrint(
                venue=venue,
                symbol=trade.symbol,
                price=trade.price,
                qty=qty,
                taker_side=Side.SELL if is_sell else Side.BUY,
                trade_id=str(trade.id),
                venue_ts_ms=int(trade.trade_ms),
                seen_ns=seen_ns,
            )
        )

    def _on_other(self, data: bytes, seen_ns: int) -> None:
        """Everything but `obu`: first its name, then its result."""
        counts, decoders = self.counts, self._decoders
        kind = wire.kind.decode(data)
        product, _, channel = kind.channel.partition(".")
        if kind.event in ("subscribe", "unsubscribe") or channel in ("pong", "ping"):
            counts.ack += 1
            return
        result = bytes(kind.result)
        match product, channel:
            case "spot", "order_book_update":
                self._on_changes(SPOT, decoders.changes.decode(result), seen_ns)
            case "futures", "order_book_update":
                self._on_changes(FUTURES, decoders.named_changes.decode(result), seen_ns)
            case "spot", "order_book":
                self._on_top(decoders.top.decode(result), seen_ns)
            case "spot", "trades":
                trade = decoders.trade.decode(result)
                self._on_trade(SPOT, trade, trade.qty, trade.side == "sell", seen_ns)
            case "futures", "trades":
                for row in decoders.futures_trades.decode(result):
                    row.trade_ms = row.trade_ms or row.trade_s * 1_000
                    size = str(row.size)
                    qty = msgspec.convert(size.removeprefix("-"), self._number, strict=False)
                    self._on_trade(FUTURES, row, qty, size.startswith("-"), seen_ns)
            case "spot" | "futures", "tickers":
                counts.ticker += 1
                for said in wire.tickers.decode(result) if result.startswith(b"[{") else ():
                    self._on_ticker(said, seen_ns)
                if result.startswith(b"{"):
                    self._on_ticker(wire.ticker.decode(result), seen_ns)
            case "spot" | "futures", "book_ticker":
                counts.ticker += 1
            case "spot" | "futures", "obu" if self._on_obu(data, seen_ns):
                pass
            case _:
                counts.ignored += 1

    def _on_ticker(self, said: wire.Ticker, seen_ns: int) -> None:
        if said.contract:
            self._tickers.perp(
                FUTURES,
                said.contract,
                mark=number(said.mark),
                index=number(said.index),
                funding_rate=number(said.funding_rate),
                predicted_rate=number(said.predicted_rate),
                venue_ts_ms=0,
                seen_ns=seen_ns,
            )
            self._tickers.day(FUTURES, said.contract, number(said.last), number(said.futures_volume), 0, seen_ns)
        elif said.pair:
            self._tickers.day(SPOT, said.pair, number(said.last), number(said.quote_volume), 0, seen_ns)

    def _on_top(self, top: wire.Top[wire.Row[float]], seen_ns: int) -> None:
        """A few whole levels; where the changes of the same symbol are followed, they are the book."""
        self.counts.book += 1
        if top.symbol not in self._chains[SPOT]:
            self._tell_whole(Chain(SPOT, top.symbol), top.bids, top.asks, top.ts_ms, seen_ns)


def _levels(rows: Sequence[Row] | None) -> Levels:
    return cast(Levels, rows) if is_compiled(rows) else [(row.price, row.size) for row in rows or ()]
