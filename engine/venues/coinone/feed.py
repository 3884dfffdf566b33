"""Coinone market data: whole books of 16 levels and trades; a rising id, no deltas, no checksum.

A symbol is written as the venue's REST paths order it: quote, then base (KRW-BTC).
"""

import re
from collections.abc import Sequence
from random import Random
from typing import cast

import msgspec

from engine.domain.errors import BadFrame
from engine.domain.event import BookLost, BookSnapshot, TradePrint
from engine.domain.market import Levels
from engine.domain.order import Side
from engine.net.ws import Heartbeat
from engine.venues.coinone import wire
from engine.venues.decoder import UNREADABLE, Ask, Counts, Figure, Number
from engine.venues.dialect import LineLimits
from engine.venues.protocol import Sink
from engine.venues.tickers import Tickers, number
from engine.venues.typed import best_first, compiled, is_compiled

VENUE = "coinone"
_REST = msgspec.json.Decoder(wire.Orderbook[float], strict=False)
_CHANNELS = ("ORDERBOOK", "TRADE", "TICKER")
_QUOTE = re.compile(rb'"quote_currency":\s*"([^"\\]+)"')
_BASE = re.compile(rb'"target_currency":\s*"([^"\\]+)"')


class IdGuard:
    """Order of one symbol's whole books by their id. Pure."""

    __slots__ = ("is_live", "last_id", "was_lost")

    def __init__(self) -> None:
        self.last_id = 0
        self.is_live = False
        self.was_lost = False

    def accepts(self, book_id: int) -> bool:
        """False for a book that was told already or is older. Ids are not consecutive: a missed one does no harm."""
        if book_id <= self.last_id:
            return False
        self.last_id = book_id
        return True


class CoinoneDecoder:
    """Frames of one connection -> events. `ask` is never needed for a gap: the next frame is the whole book."""

    def __init__(self, sink: Sink, ask: Ask, number: Number = Figure) -> None:
        self.counts = Counts()
        self._sink = sink
        self._ask = ask
        self._decoders: wire.Decoders[float] = wire.Decoders(number)
        self._decode_book = compiled(self._decoders.orderbook)
        self._guards: dict[str, IdGuard] = {}
        self._tickers = Tickers(sink)

    def on_frame(self, data: bytes, seen_ns: int) -> None:
        self.counts.frames += 1
        try:
            if data.startswith(b'{"response_type":"DATA","channel":"ORDERBOOK"'):
                self.counts.book += 1
                self._on_book(self._decode_book(data).data, seen_ns)
            else:
                self._on_other(data, seen_ns)
        except UNREADABLE as error:
            self._on_bad(data, error, seen_ns)

    def _on_bad(self, data: bytes, error: Exception, seen_ns: int) -> None:
        self.counts.errors += 1
        quote, base = _QUOTE.search(data), _BASE.search(data)
        symbol = f"{quote[1].decode('utf-8', 'replace')}-{base[1].decode('utf-8', 'replace')}" if quote and base else ""
        self.drop(symbol if symbol in self._guards else "", "bad_frame", seen_ns)
        raise BadFrame(f"coinone: {error}") from error

    def _on_book(self, book: wire.Orderbook[float], seen_ns: int) -> None:
        symbol = f"{book.quote}-{book.base}"
        guard = self._guards.get(symbol)
        if guard is None:
            guard = self._guards[symbol] = IdGuard()
        if not guard.accepts(book.id):
            return
        bids, asks = best_first(_levels(book.bids), True), best_first(_levels(book.asks), False)
        if bids and asks and bids[0][0] >= asks[0][0]:
            self._lose(symbol, guard, "crossed", seen_ns)
            return
        self.counts.resyncs += guard.was_lost
        guard.was_lost, guard.is_live = False, True
        self._sink(
            BookSnapshot(
                venue=VENUE, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=book.id // 1_000, seen_ns=seen_ns
            )
        )

    def _lose(self, symbol: str, guard: IdGuard, reason: str, seen_ns: int) -> None:
        if guard.is_live:
            guard.was_lost, guard.is_live = True, False
            self.counts.gaps += reason == "crossed"
            self._sink(BookLost(venue=VENUE, symbol=symbol, reason=reason, seen_ns=seen_ns))

    def drop(self, symbol: str, reason: str, seen_ns: int) -> None:
        if not symbol:
            self._tickers.forget()
        for name, guard in self._guards.items():
            if symbol in ("", name):
                guard.last_id = 0
                self._lose(name, guard, reason, seen_ns)

    def is_live(self, symbol: str) -> bool:
        """Whether a trusted book of `symbol` was delivered on this connection."""
        guard = self._guards.get(symbol)
        return guard is not None and guard.is_live

    def on_rest_book(self, symbol: str, body: bytes, seen_ns: int) -> None:
        try:
            # An error rides in HTTP 200, and an unknown path is a page of HTML with 200: neither has these fields.
            self._on_book(self._decoders.rest.decode(body), seen_ns)
        except UNREADABLE as error:
            raise BadFrame(f"coinone orderbook {symbol}: {error}") from error

    def _on_trade(self, trade: wire.Trade[float], seen_ns: int) -> None:
        self.counts.trade += 1
        self._sink(
            TradePrint(
                venue=VENUE,
                symbol=f"{trade.quote}-{trade.base}",
                price=trade.price,
                qty=trade.qty,
                taker_side=Side.BUY if trade.is_seller_maker else Side.SELL,
                trade_id=trade.id,
                venue_ts_ms=trade.ts_ms,
                seen_ns=seen_ns,
            )
        )

    def _on_other(self, data: bytes, seen_ns: int) -> None:
        """Trades, tickers, control frames, and books with other spacing."""
        counts = self.counts
        kind = wire.kind.decode(data)
        match kind.type, kind.channel:
            case "DATA", "ORDERBOOK":
                counts.book += 1
                self._on_book(self._decoders.orderbook.decode(data).data, seen_ns)
            case "DATA", "TRADE":
                self._on_trade(self._decoders.trade.decode(data).data, seen_ns)
            case "DATA", "TICKER":
                counts.ticker += 1
                said = wire.ticker.decode(data).data
                symbol = f"{said.quote}-{said.base}"
                last, volume = number(said.last), number(said.quote_volume)
                self._tickers.day(VENUE, symbol, last, volume, said.ts_ms, seen_ns)
            case "CONNECTED" | "SUBSCRIBED" | "UNSUBSCRIBED" | "PONG" | "ERROR", _:
                counts.ack += 1
            case _:
                counts.ignored += 1


def _levels(rows: Sequence[wire.Row[float]] | Levels) -> Levels:
    if is_compiled(rows):
        return cast(Levels, rows)
    return [(row.price, row.size) for row in cast(Sequence[wire.Row[float]], rows)]


class CoinoneDialect:
    """Subscribing, heartbeat and REST of the public socket. Source: Coinone API, Public WebSocket; probed limits."""

    venue = VENUE
    # Documented: half an hour without a PING; a socket that neither subscribes nor sends dies at 60.7 s.
    heartbeat = Heartbeat(every_ms=20_000, idle_ms=2_000, text=b'{"request_type":"PING"}', pong=b"PONG")
    limits = LineLimits(max_symbols=120, max_lines=18)  # 363 subscribes ran on one socket; 20 sockets per address
    connects_per_second = 1.0
    asks_per_minute = 30.0
    first_book_ms = 15_000
    joins_from_rest = False
    resubscribes_all = False

    def __init__(self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random) -> None:
        self._ws_base = ws_base
        self._rest_base = rest_base
        self._symbols = symbols

    def url(self) -> str:
        return self._ws_base

    def subscribe(self) -> list[bytes]:
        """One topic per frame. An acknowledgement proves nothing: unknown pairs get one too."""
        return [_request("SUBSCRIBE", channel, symbol) for channel in _CHANNELS for symbol in self._symbols]

    def resubscribe(self, symbol: str) -> list[bytes]:
        return [_request(verb, "ORDERBOOK", symbol) for verb in ("UNSUBSCRIBE", "SUBSCRIBE")]

    def book_url(self, symbol: str) -> str:
        quote, _, base = symbol.partition("-")
        return f"{self._rest_base}/public/v2/orderbook/{quote}/{base}?size=5"

    def top(self, symbol: str, body: bytes) -> tuple[float, float]:
        try:
            book = _REST.decode(body)
        except UNREADABLE as error:
            raise BadFrame(f"coinone orderbook {symbol}: {error}") from error
        bids = [row.price for row in book.bids if row.price and row.size]
        asks = [row.price for row in book.asks if row.price and row.size]
        return max(bids, default=0.0), min(asks, default=0.0)


def _request(verb: str, channel: str, symbol: str) -> bytes:
    quote, _, base = symbol.partition("-")
    topic = {"quote_currency": quote, "target_currency": base}
    return msgspec.json.encode({"request_type": verb, "channel": channel, "topic": topic, "format": "DEFAULT"})
