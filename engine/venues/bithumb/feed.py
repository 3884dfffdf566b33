"""Bithumb market data: whole books of 15 levels and trades; no deltas, no sequence, many repeats."""

import re
from random import Random

import msgspec

from engine.domain.errors import BadFrame
from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.domain.money import NS_PER_S
from engine.domain.order import Side
from engine.net.ws import Heartbeat
from engine.venues.bithumb import wire
from engine.venues.decoder import UNREADABLE, Ask, Counts, Figure, Number
from engine.venues.dialect import LineLimits
from engine.venues.protocol import Sink
from engine.venues.tickers import Tickers, number
from engine.venues.typed import best_first, compiled, sides

VENUE = "bithumb"
_REST = msgspec.json.Decoder(list[wire.RestOrderbook[float]], strict=False)
_SYMBOL = re.compile(rb'"(?:code|cd)":\s*"([^"\\]+)"')


class _Market:
    """Order of one symbol's whole books, and the last one to know a repeat by."""

    __slots__ = ("confirmed_ns", "is_live", "last_trade_id", "last_us", "units", "was_lost")

    def __init__(self) -> None:
        self.last_us = 0
        self.units: list[wire.Unit[float]] | list[wire.SimpleUnit[float]] = []
        self.is_live = False
        self.was_lost = False
        self.confirmed_ns = 0
        self.last_trade_id = ""

    def accepts(self, ts_us: int) -> bool:
        """False for a book older than the last one. A frame without a time is taken as it arrives."""
        if ts_us and ts_us < self.last_us:
            return False
        self.last_us = ts_us or self.last_us
        return True


class BithumbDecoder:
    """Frames of one connection -> events. `ask` is never needed for a gap: the next frame is the whole book."""

    def __init__(self, sink: Sink, ask: Ask, number: Number = Figure) -> None:
        self.counts = Counts()
        self._sink = sink
        self._ask = ask
        self._decoders: wire.Decoders[float] = wire.Decoders(number)
        self._decode_book = compiled(self._decoders.orderbook)
        self._decode_simple_book = compiled(self._decoders.simple_orderbook)
        self._markets: dict[str, _Market] = {}
        self._tickers = Tickers(sink)

    def on_frame(self, data: bytes, seen_ns: int) -> None:
        self.counts.frames += 1
        try:
            if data.startswith(b'{"type":"orderbook","'):
                book = self._decode_book(data)
                self._on_book(book.symbol, book.units, book.ts_us, seen_ns)
            elif data.startswith(b'{"ty":"orderbook"'):
                simple = self._decode_simple_book(data)
                self._on_book(simple.symbol, simple.units, simple.ts_us, seen_ns)
            else:
                self._on_other(data, seen_ns)
        except UNREADABLE as error:
            self._on_bad(data, error, seen_ns)

    def _on_bad(self, data: bytes, error: Exception, seen_ns: int) -> None:
        self.counts.errors += 1
        found = _SYMBOL.search(data)
        symbol = found.group(1).decode("utf-8", "replace") if found else ""
        self.drop(symbol if symbol in self._markets else "", "bad_frame", seen_ns)
        raise BadFrame(f"bithumb: {error}") from error

    def _on_book(
        self,
        symbol: str,
        units: list[wire.Unit[float]] | list[wire.SimpleUnit[float]],
        ts_us: int,
        seen_ns: int,
    ) -> None:
        market = self._markets.get(symbol)
        if market is None:
            market = self._markets[symbol] = _Market()
        self.counts.book += 1
        if not market.accepts(ts_us):
            return
        if market.is_live and units == market.units:
            self._confirm(symbol, market, ts_us, seen_ns)
            return
        # Padding has price 0; sizes have four decimals, so dust at a live price reads 0: neither is a level.
        bids, asks = sides(units)
        bids, asks = best_first(bids, True), best_first(asks, False)
        if bids and asks and bids[0][0] >= asks[0][0]:
            self._lose(symbol, market, "crossed", seen_ns)
            return
        self.counts.resyncs += market.was_lost
        market.was_lost, market.is_live = False, True
        market.units, market.confirmed_ns = units, seen_ns
        self._sink(
            BookSnapshot(venue=VENUE, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=ts_us // 1_000, seen_ns=seen_ns)
        )

    def _confirm(self, symbol: str, market: _Market, ts_us: int, seen_ns: int) -> None:
        """Half of all frames repeat the book: once a second say that it still stands, else pass over."""
        if seen_ns - market.confirmed_ns < NS_PER_S:
            return
        market.confirmed_ns = seen_ns
        self._sink(BookDelta(venue=VENUE, symbol=symbol, bids=[], asks=[], venue_ts_ms=ts_us // 1_000, seen_ns=seen_ns))

    def _lose(self, symbol: str, market: _Market, reason: str, seen_ns: int) -> None:
        if market.is_live:
            market.was_lost, market.is_live = True, False
            self.counts.gaps += reason == "crossed"
            self._sink(BookLost(venue=VENUE, symbol=symbol, reason=reason, seen_ns=seen_ns))

    def drop(self, symbol: str, reason: str, seen_ns: int) -> None:
        for name, market in self._markets.items():
            if symbol in ("", name):
                market.last_us = 0
                self._lose(name, market, reason, seen_ns)

    def is_live(self, symbol: str) -> bool:
        """Whether a trusted book of `symbol` was delivered on this connection."""
        market = self._markets.get(symbol)
        return market is not None and market.is_live

    def on_rest_book(self, symbol: str, body: bytes, seen_ns: int) -> None:
        try:
            books = self._decoders.rest.decode(body)
        except UNREADABLE as error:
            raise BadFrame(f"bithumb orderbook {symbol}: {error}") from error
        for book in books:
            if symbol in ("", book.symbol):
                self._on_book(book.symbol, book.units, book.ts_ms * 1_000, seen_ns)
                self.counts.book -= 1  # not a frame

    def _on_trade(self, trade: wire.Trade[float] | wire.SimpleTrade[float], seen_ns: int) -> None:
        self.counts.trade += 1
        market = self._markets.setdefault(trade.symbol, _Market())
        trade_id = str(trade.trade_id or "")
        if trade_id and trade_id == market.last_trade_id:
            return  # a SNAPSHOT frame repeats the last trade after every subscribe
        market.last_trade_id = trade_id
        self._sink(
            TradePrint(
                venue=VENUE,
                symbol=trade.symbol,
                price=trade.price,
                qty=trade.qty,
                taker_side=Side.SELL if trade.ask_bid == "ASK" else Side.BUY,
                trade_id=trade_id,
                venue_ts_ms=trade.trade_ms,
                seen_ns=seen_ns,
            )
        )

    def _on_ticker(self, said: wire.Ticker, seen_ns: int) -> None:
        last, turnover = number(said.last or said.simple_last), number(said.turnover or said.simple_turnover)
        symbol, ts_ms = said.symbol or said.simple_symbol, said.ts_ms or said.simple_ts_ms
        self._tickers.day(VENUE, symbol, last, turnover, ts_ms, seen_ns)

    def _on_other(self, data: bytes, seen_ns: int) -> None:
        """Trades, tickers, control frames, the retired socket's frames, and books with other spacing."""
        if data.startswith(b"["):
            for raw in wire.raws.decode(data):
                self._on_other(bytes(raw), seen_ns)
            return
        counts = self.counts
        kind = wire.kind.decode(data)
        if kind.content or kind.resmsg:
            counts.ignored += 1
            return
        match kind.type or kind.simple_type:
            case "trade":
                decoders = self._decoders
                self._on_trade((decoders.trade if kind.type else decoders.simple_trade).decode(data), seen_ns)
            case "orderbook" if kind.type:
                book = self._decode_book(data)
                self._on_book(book.symbol, book.units, book.ts_us, seen_ns)
            case "orderbook":
                simple = self._decode_simple_book(data)
                self._on_book(simple.symbol, simple.units, simple.ts_us, seen_ns)
            case "ticker":
                counts.ticker += 1
                self._on_ticker(wire.ticker.decode(data), seen_ns)
            case "" if kind.status or kind.error:
                counts.ack += 1
            case _:
                counts.ignored += 1


class BithumbDialect:
    """Subscribing, heartbeat and REST of the public socket. Source: Bithumb API 2.1, WebSocket; probed limits."""

    venue = VENUE
    heartbeat = Heartbeat(every_ms=15_000, idle_ms=1_000)  # the wire closes a silent one at 60.0 s
    limits = LineLimits(max_symbols=300)  # 493 codes ran on one socket
    connects_per_second = 2.0  # 10 are allowed
    asks_per_minute = 30.0
    first_book_ms = 15_000
    joins_from_rest = False
    resubscribes_all = True

    def __init__(self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random) -> None:
        self._ws_base = ws_base
        self._rest_base = rest_base
        self._symbols = symbols
        self._rng = rng

    def url(self) -> str:
        return f"{self._ws_base}/websocket/v1"

    def subscribe(self) -> list[bytes]:
        """All codes in one frame: a second one replaces the first. Options are camelCase; snake case is ignored."""
        parts = [
            {"ticket": f"premia-{self._rng.getrandbits(64):016x}"},
            {"type": "orderbook", "codes": self._symbols},
            {"type": "ticker", "codes": self._symbols},
            {"type": "trade", "codes": self._symbols, "isOnlyRealtime": True},
            {"format": "DEFAULT"},
        ]
        return [msgspec.json.encode(parts)]

    def resubscribe(self, symbol: str) -> list[bytes]:
        return self.subscribe()

    def book_url(self, symbol: str) -> str:
        return f"{self._rest_base}/v1/orderbook?markets={symbol}"

    def top(self, symbol: str, body: bytes) -> tuple[float, float]:
        try:
            # An error rides in HTTP 200 here: an object where a list belongs.
            units = _REST.decode(body)[0].units
        except (*UNREADABLE, IndexError) as error:
            raise BadFrame(f"bithumb orderbook {symbol}: {error}") from error
        bids = [unit.bid_price for unit in units if unit.bid_price and unit.bid_size]
        asks = [unit.ask_price for unit in units if unit.ask_price and unit.ask_size]
        return max(bids, default=0.0), min(asks, default=0.0)
