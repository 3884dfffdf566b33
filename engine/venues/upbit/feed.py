"""Upbit market data: whole books and trades; this venue sends no deltas and no sequence."""

import re
from random import Random

import msgspec

from engine.domain.errors import BadFrame
from engine.domain.event import BookLost, BookSnapshot, TradePrint
from engine.domain.order import Side
from engine.net.ws import Heartbeat
from engine.venues.decoder import UNREADABLE, Ask, Counts, Figure, Number
from engine.venues.dialect import LineLimits
from engine.venues.protocol import Sink
from engine.venues.tickers import Tickers, number
from engine.venues.typed import best_first, compiled, sides
from engine.venues.upbit import wire

VENUE = "upbit"
_REST = msgspec.json.Decoder(list[wire.RestOrderbook[float]])
_SYMBOL = re.compile(rb'"(?:code|cd)":\s*"([^"\\]+)"')


class TimeGuard:
    """Order of one symbol's whole books: the only continuity there is. Pure."""

    __slots__ = ("is_live", "last_ms", "last_trade_id", "was_lost")

    def __init__(self) -> None:
        self.last_ms = 0
        self.is_live = False
        self.was_lost = False
        self.last_trade_id = ""

    def accepts(self, ts_ms: int) -> bool:
        """False for a book older than the last one; equal times may carry changes and are taken as they arrive."""
        if ts_ms < self.last_ms:
            return False
        self.last_ms = ts_ms
        return True


class UpbitDecoder:
    """Frames of one connection -> events. `ask` is never needed for a gap: the next frame is the whole book."""

    def __init__(self, sink: Sink, ask: Ask, number: Number = Figure) -> None:
        self.counts = Counts()
        self._sink = sink
        self._ask = ask
        self._decoders: wire.Decoders[float] = wire.Decoders(number)
        self._decode_book = compiled(self._decoders.orderbook)
        self._decode_simple_book = compiled(self._decoders.simple_orderbook)
        self._guards: dict[str, TimeGuard] = {}
        self._tickers = Tickers(sink)

    def on_frame(self, data: bytes, seen_ns: int) -> None:
        self.counts.frames += 1
        try:
            if data.startswith(b'{"ty":"orderbook"'):
                self._on_book(self._decode_simple_book(data), seen_ns)
            elif data.startswith(b'{"type":"orderbook"'):
                self._on_book(self._decode_book(data), seen_ns)
            else:
                self._on_other(data, seen_ns)
        except UNREADABLE as error:
            self._on_bad(data, error, seen_ns)

    def _on_bad(self, data: bytes, error: Exception, seen_ns: int) -> None:
        self.counts.errors += 1
        found = _SYMBOL.search(data)
        symbol = found.group(1).decode("utf-8", "replace") if found else ""
        self.drop(symbol if symbol in self._guards else "", "bad_frame", seen_ns)
        raise BadFrame(f"upbit: {error}") from error

    def _on_book(
        self,
        book: wire.Orderbook[float] | wire.SimpleOrderbook[float] | wire.RestOrderbook[float],
        seen_ns: int,
    ) -> None:
        counts = self.counts
        if book.level:
            counts.ignored += 1  # grouped prices: not the book
            return
        symbol = book.symbol
        guard = self._guards.get(symbol)
        if guard is None:
            guard = self._guards[symbol] = TimeGuard()
        counts.book += 1
        if not guard.accepts(book.ts_ms):
            return
        # A thin side is padded with zero-priced units: a zero is not a level.
        bids, asks = sides(book.units)
        bids, asks = best_first(bids, True), best_first(asks, False)
        if bids and asks and bids[0][0] >= asks[0][0]:
            self._lose(symbol, guard, "crossed", seen_ns)
            return
        counts.resyncs += guard.was_lost
        guard.was_lost, guard.is_live = False, True
        self._sink(
            BookSnapshot(venue=VENUE, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=book.ts_ms, seen_ns=seen_ns)
        )

    def _lose(self, symbol: str, guard: TimeGuard, reason: str, seen_ns: int) -> None:
        if guard.is_live:
            guard.was_lost, guard.is_live = True, False
            self.counts.gaps += reason == "crossed"
            self._sink(BookLost(venue=VENUE, symbol=symbol, reason=reason, seen_ns=seen_ns))

    def drop(self, symbol: str, reason: str, seen_ns: int) -> None:
        for name, guard in self._guards.items():
            if symbol in ("", name):
                guard.last_ms = 0
                self._lose(name, guard, reason, seen_ns)

    def is_live(self, symbol: str) -> bool:
        """Whether a trusted book of `symbol` was delivered on this connection."""
        guard = self._guards.get(symbol)
        return guard is not None and guard.is_live

    def on_rest_book(self, symbol: str, body: bytes, seen_ns: int) -> None:
        try:
            books = self._decoders.rest.decode(body)
        except UNREADABLE as error:
            raise BadFrame(f"upbit orderbook {symbol}: {error}") from error
        for book in books:
            if symbol in ("", book.symbol):
                self._on_book(book, seen_ns)
                self.counts.book -= 1  # not a frame

    def _on_trade(self, trade: wire.Trade[float] | wire.SimpleTrade[float], seen_ns: int) -> None:
        self.counts.trade += 1
        guard = self._guards.setdefault(trade.symbol, TimeGuard())
        trade_id = str(trade.trade_id or "")
        if trade_id and trade_id == guard.last_trade_id:
            return  # a SNAPSHOT frame repeats the last trade after every subscribe
        guard.last_trade_id = trade_id
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
        """Trades, tickers, control frames, and books with other spacing or in the *_LIST formats."""
        if data.startswith(b"["):
            for raw in wire.raws.decode(data):
                self._on_other(bytes(raw), seen_ns)
            return
        counts = self.counts
        kind = wire.kind.decode(data)
        match kind.type or kind.simple_type:
            case "trade":
                decoders = self._decoders
                self._on_trade((decoders.trade if kind.type else decoders.simple_trade).decode(data), seen_ns)
            case "orderbook" if kind.type:
                self._on_book(self._decoders.orderbook.decode(data), seen_ns)
            case "orderbook":
                self._on_book(self._decoders.simple_orderbook.decode(data), seen_ns)
            case "ticker":
                counts.ticker += 1
                self._on_ticker(wire.ticker.decode(data), seen_ns)
            case "" if kind.status or kind.error:
                counts.ack += 1
            case _:
                counts.ignored += 1


class UpbitDialect:
    """Subscribing, heartbeat and REST of the public socket. Source: Upbit API reference, WebSocket; probed limits."""

    venue = VENUE
    # The wire closes a silent socket at 60.5 s; 5 messages per second and 100 per minute are allowed.
    heartbeat = Heartbeat(every_ms=15_000, idle_ms=1_000)
    limits = LineLimits(max_symbols=300, sends_per_second=1.5, send_burst=4)  # 855 codes ran on one socket
    connects_per_second = 1.0  # 5 are allowed
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
        """All codes in one frame: a second one would end the first. No answer comes, only books."""
        parts = [
            {"ticket": f"premia-{self._rng.getrandbits(64):016x}"},
            {"type": "orderbook", "codes": self._symbols},
            {"type": "ticker", "codes": self._symbols},
            {"type": "trade", "codes": self._symbols, "is_only_realtime": True},
            {"format": "SIMPLE"},
        ]
        return [msgspec.json.encode(parts)]

    def resubscribe(self, symbol: str) -> list[bytes]:
        return self.subscribe()

    def book_url(self, symbol: str) -> str:
        return f"{self._rest_base}/v1/orderbook?markets={symbol}&count=1"

    def top(self, symbol: str, body: bytes) -> tuple[float, float]:
        try:
            units = _REST.decode(body)[0].units
        except (*UNREADABLE, IndexError) as error:
            raise BadFrame(f"upbit orderbook {symbol}: {error}") from error
        bids = [unit.bid_price for unit in units if unit.bid_price and unit.bid_size]
        asks = [unit.ask_price for unit in units if unit.ask_price and unit.ask_size]
        return max(bids, default=0.0), min(asks, default=0.0)
