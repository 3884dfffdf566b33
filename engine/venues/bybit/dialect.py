"""Bybit's public v5 sockets: addresses, subscribing, heartbeat, limits, REST top. Source: Bybit V5 API, WebSocket."""

from random import Random

import msgspec

from engine.domain.errors import BadFrame
from engine.net.ws import Heartbeat
from engine.venues.bybit import wire
from engine.venues.bybit.feed import SPOT
from engine.venues.dialect import LineLimits, frames_of

_REST = msgspec.json.Decoder(wire.RestOrderbook[float], strict=False)
_CHANNELS = ("orderbook.50", "publicTrade", "tickers")
_BYTES = 20_000
_ARGS = 10  # per subscribe frame; the spot socket takes no more


class BybitDialect:
    """One product per socket, each with an address of its own."""

    heartbeat = Heartbeat(every_ms=20_000, idle_ms=1_000, text=b'{"op":"ping"}', pong=b"pong")
    limits = LineLimits(max_symbols=150)  # 21,000 characters of arguments: 280 symbols at three channels
    connects_per_second = 1.0  # 500 per 5 minutes and domain
    asks_per_minute = 30.0
    first_book_ms = 15_000
    joins_from_rest = False
    resubscribes_all = False

    def __init__(
        self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random, category: str = "spot"
    ) -> None:
        self.venue = SPOT if category == "spot" else f"{SPOT}_{category}"
        self._ws_base = ws_base
        self._rest_base = rest_base
        self._symbols = symbols
        self._category = category

    def url(self) -> str:
        return f"{self._ws_base}/v5/public/{self._category}"

    def subscribe(self) -> list[bytes]:
        topics = [f"{channel}.{symbol}" for channel in _CHANNELS for symbol in self._symbols]
        return frames_of(topics, lambda part: _request("subscribe", part), _ARGS, _BYTES)

    def resubscribe(self, symbol: str) -> list[bytes]:
        return [_request(op, [f"orderbook.50.{symbol}"]) for op in ("unsubscribe", "subscribe")]

    def book_url(self, symbol: str) -> str:
        return f"{self._rest_base}/v5/market/orderbook?category={self._category}&symbol={symbol}&limit=1"

    def top(self, symbol: str, body: bytes) -> tuple[float, float]:
        try:
            answer = _REST.decode(body)
        except msgspec.MsgspecError as error:
            raise BadFrame(f"{self.venue} orderbook {symbol}: {error}") from error
        book = answer.result
        if answer.code or not book.ts_ms:
            # A closed contract answers with code 0, empty sides and time 0: that is no book.
            raise BadFrame(f"{self.venue} orderbook {symbol}: code {answer.code}, no book")
        return max((row[0] for row in book.bids), default=0.0), min((row[0] for row in book.asks), default=0.0)


def _request(op: str, topics: list[str]) -> bytes:
    return msgspec.json.encode({"op": op, "args": topics})
