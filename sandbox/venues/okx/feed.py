"""What OKX's public socket says of one product: `books` as snapshot and updates chained by seqId, trades, tickers."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec import Struct

from sandbox.venues.checksums import of_book
from sandbox.venues.floor import Floor, PerpState, RawFrame, Side
from sandbox.venues.ledger import ZERO
from sandbox.venues.liquidity import Level, Levels
from sandbox.venues.okx.readers import Arg, Readers
from sandbox.venues.okx.wire import SWAP, funding_row
from sandbox.venues.orders import Print
from sandbox.venues.orders import Side as OrderSide
from sandbox.venues.spelling import plain
from sandbox.venues.tickers import Day

CHANNELS = ("books", "books5", "bbo-tbt", "trades", "tickers")
SWAP_CHANNELS = ("funding-rate", "mark-price")
INDEX = "index-tickers"  # of the pair beneath a swap


class Published(Struct):
    """The book as the stream left it."""

    seq_id: int
    at_ms: int = 0
    bids: Levels = ()
    asks: Levels = ()
    lies: list[Decimal] = []  # bids sent by a fault: taken back with the next update


class OkxFeed:
    """A Source."""

    def __init__(self, floor: Floor, readers: Readers, first_id: int) -> None:
        self._floor = floor
        self._readers = readers
        self._next_trade = 100 * first_id
        self.published = {s: Published(seq_id=first_id + i) for i, s in enumerate(floor.rules.markets)}
        self.days = {symbol: Day() for symbol in floor.rules.markets}
        self._held: dict[str, str] = {}  # an update that a fault sends after the one that follows it
        readers.add(self)
        floor.listen(self)
        floor.listen_perps(self)

    # the floor says

    def book(self, symbol: str, at_ms: int) -> None:
        bids, asks = self._floor.exchange.book(symbol)
        last = self.published[symbol]
        b, a = _changes(last.bids, bids), _changes(last.asks, asks)
        if not b and not a:
            return
        b += [(price, ZERO) for price in last.lies if price not in dict(bids)]
        touched = (last.bids[:1], last.asks[:1]) != (bids[:1], asks[:1])
        previous = last.seq_id
        self.published[symbol] = now = Published(
            seq_id=previous + 1 + len(b) + len(a), at_ms=at_ms, bids=bids, asks=asks
        )
        if self._floor.faults.lasting("ws_silence", symbol) is not None:
            return
        heard = self._readers.has(Arg("books", symbol))
        fault = self._floor.faults.for_frame(symbol) if heard else None
        if fault is None or fault.kind != "ws_gap":
            if fault is not None and fault.kind == "ws_crossed" and asks:
                now.lies = [asks[-1][0]]
                b = [(asks[-1][0], Decimal(1)), *b]
            shown = ((now.lies[0], Decimal(1)), *bids) if now.lies else bids
            checksum = self._checksum(shown, asks, is_wrong=fault is not None and fault.kind == "ws_checksum")
            text = _book_text("books", symbol, "update", b, a, now, previous, checksum)
            if fault is not None and fault.kind == "ws_reorder" and symbol not in self._held:
                self._held[symbol] = text
            else:
                is_torn = fault is not None and fault.kind == "ws_malformed"
                for _ in range(2 if fault is not None and fault.kind == "ws_repeat" else 1):
                    self._send("books", symbol, text[: len(text) * 2 // 3] if is_torn else text)
                if symbol in self._held:
                    self._send("books", symbol, self._held.pop(symbol))
        self._send("books5", symbol, _book_text("books5", symbol, "", bids[:5], asks[:5], now, None))
        if touched:
            self._send("bbo-tbt", symbol, _book_text("bbo-tbt", symbol, "", bids[:1], asks[:1], now, None))

    def _checksum(self, bids: Levels, asks: Levels, *, is_wrong: bool = False) -> int:
        return of_book(bids, asks) ^ is_wrong if self._floor.sends_checksums else 0

    def trade(self, trade: Print) -> None:
        self._next_trade += 1
        self.days[trade.symbol].add(self._next_trade, trade)
        side = "buy" if trade.aggressor is OrderSide.BUY else "sell"
        self._send(
            "trades",
            trade.symbol,
            f'{{"arg":{{"channel":"trades","instId":"{trade.symbol}"}},"data":[{{"instId":"{trade.symbol}",'
            f'"tradeId":"{self._next_trade}","px":"{plain(trade.price)}","sz":"{plain(trade.qty)}","side":"{side}",'
            f'"ts":"{trade.at_ms}","count":"1","source":"0","seqId":{self.published[trade.symbol].seq_id}}}]}}',
        )
        self._send("tickers", trade.symbol, self._ticker_text(trade.symbol))

    def perp(self, state: PerpState) -> None:
        if self._floor.faults.lasting("ws_silence", state.symbol, count=False) is not None:
            return
        mark = {"instType": "SWAP", "instId": state.symbol, "markPx": plain(state.mark), "ts": str(state.at_ms)}
        pair = state.symbol.removesuffix(SWAP)
        index = {"instId": pair, "idxPx": plain(state.index), "ts": str(state.at_ms)}
        self._say("funding-rate", state.symbol, funding_row(state))
        self._say("mark-price", state.symbol, mark)
        self._say(INDEX, pair, index)

    def _say(self, channel: str, symbol: str, row: Mapping[str, object]) -> None:
        said = {"arg": {"channel": channel, "instId": symbol}, "data": [row]}
        self._send(channel, symbol, msgspec.json.encode(said).decode())

    def raw(self, frame: RawFrame) -> None:
        """No recording speaks through this socket."""

    def depth(self, symbol: str, update_id: int, bids: Side, asks: Side) -> None:
        """No recording speaks through this socket."""

    def _send(self, channel: str, symbol: str, text: str) -> None:
        self._readers.send(Arg(channel, symbol), text)

    # REST asks

    def rest_book(self, symbol: str, size: int) -> dict[str, object]:
        book = self.published[symbol]
        return {
            "asks": [[plain(price), plain(qty), "0", "1"] for price, qty in book.asks[:size]],
            "bids": [[plain(price), plain(qty), "0", "1"] for price, qty in book.bids[:size]],
            "ts": str(book.at_ms),
            "seqId": book.seq_id,
        }

    def ticker_row(self, symbol: str) -> dict[str, object]:
        day, book = self.days[symbol], self.published[symbol]
        (ask, ask_qty), (bid, bid_qty) = _touch(book.asks), _touch(book.bids)
        last_qty = day.trades[-1][1].qty if day.trades else ZERO
        perp = self._floor.rules.markets[symbol].perp
        turnover = day.volume * perp.contract if perp else day.funds  # of a swap it counts the base asset
        return {
            "instType": "SWAP" if perp else "SPOT",
            "instId": symbol,
            "last": plain(day.last),
            "lastSz": plain(last_qty),
            "askPx": plain(ask),
            "askSz": plain(ask_qty),
            "bidPx": plain(bid),
            "bidSz": plain(bid_qty),
            "open24h": plain(day.open),
            "high24h": plain(day.high),
            "low24h": plain(day.low),
            "volCcy24h": plain(turnover),
            "vol24h": plain(day.volume),
            "ts": str(book.at_ms),
            "sodUtc0": plain(day.open),
            "sodUtc8": plain(day.open),
        }

    def _ticker_text(self, symbol: str) -> str:
        row = {"arg": {"channel": "tickers", "instId": symbol}, "data": [self.ticker_row(symbol)]}
        return msgspec.json.encode(row).decode()

    # a socket asks

    def knows(self, arg: Arg) -> bool:
        if arg.channel == INDEX:
            return arg.instId + SWAP in self.published
        if arg.channel in SWAP_CHANNELS:
            return arg.instId in self.published and arg.instId.endswith(SWAP)
        return arg.channel in CHANNELS and arg.instId in self.published

    def first(self, arg: Arg) -> str | None:
        if arg.channel != "books" or not self.published[arg.instId].at_ms:
            return None
        book = self.published[arg.instId]
        checksum = self._checksum(book.bids, book.asks)
        return _book_text("books", arg.instId, "snapshot", book.bids, book.asks, book, -1, checksum)


def _touch(levels: Levels) -> Level:
    return levels[0] if levels else (ZERO, ZERO)


def _changes(old: Levels, new: Levels) -> list[Level]:
    """Levels that are new, differ or are gone (quantity zero)."""
    before, after = dict(old), dict(new)
    changed = [(price, qty) for price, qty in new if before.get(price) != qty]
    return changed + [(price, ZERO) for price in before if price not in after]


def _book_text(
    channel: str,
    symbol: str,
    action: str,
    bids: Levels | list[Level],
    asks: Levels | list[Level],
    now: Published,
    previous: int | None,
    checksum: int = 0,
) -> str:
    head = f'"action":"{action}",' if action else ""
    chain = "" if previous is None else f',"checksum":{checksum},"prevSeqId":{previous}'
    where = "" if action else f',"instId":"{symbol}"'
    return (
        f'{{"arg":{{"channel":"{channel}","instId":"{symbol}"}},{head}"data":[{{"asks":[{_rows(asks)}],'
        f'"bids":[{_rows(bids)}],"ts":"{now.at_ms}"{chain}{where},"seqId":{now.seq_id}}}]}}'
    )


def _rows(levels: Levels | list[Level]) -> str:
    return ",".join(f'["{plain(price)}","{plain(qty)}","0","{1 if qty else 0}"]' for price, qty in levels)
