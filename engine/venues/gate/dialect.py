"""Gate's public sockets: addresses, subscribing, heartbeat, limits, REST top. Source: Gate API v4, WebSocket."""

import time
from functools import partial
from random import Random

import msgspec

from engine.domain.errors import BadFrame
from engine.net.ws import Heartbeat
from engine.venues.dialect import LineLimits, frames_of
from engine.venues.gate import wire
from engine.venues.gate.continuity import FUTURES, SPOT

_REST = msgspec.json.Decoder(wire.RestBook[wire.Row[float]], strict=False)
_NAMED_REST = msgspec.json.Decoder(wire.RestBook[wire.NamedRow[float]], strict=False)
_BYTES = 32_768
_STREAMS = 50  # per frame; all of them get one answer


class GateDialect:
    """One product per socket, each with an address of its own."""

    # A subscription keeps the socket; without one it dies at 30.5 s.
    heartbeat = Heartbeat(every_ms=15_000, idle_ms=1_000)
    limits = LineLimits(max_symbols=100)  # 150 streams ran on one socket
    connects_per_second = 1.0
    asks_per_minute = 30.0
    first_book_ms = 15_000
    joins_from_rest = False
    resubscribes_all = False

    def __init__(
        self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random, product: str = "spot"
    ) -> None:
        self.venue = SPOT if product == "spot" else FUTURES
        self._ws_base = ws_base
        self._rest_base = rest_base
        self._symbols = symbols
        self._product = product

    def url(self) -> str:
        return f"{self._ws_base}{'/ws/v4/' if self.venue == SPOT else '/v4/ws/usdt'}"

    def subscribe(self) -> list[bytes]:
        """An acknowledgement proves nothing: unknown symbols get one too."""
        frames: list[bytes] = []
        for channel in ("obu", "trades", "tickers"):
            streams = [_stream(symbol) if channel == "obu" else symbol for symbol in self._symbols]
            request = partial(self._request, "subscribe", channel)
            frames += frames_of(streams, request, _STREAMS, _BYTES)
        return frames

    def resubscribe(self, symbol: str) -> list[bytes]:
        return [self._request(event, "obu", [_stream(symbol)]) for event in ("unsubscribe", "subscribe")]

    def _request(self, event: str, channel: str, payload: list[str]) -> bytes:
        channel = f"{self._product}.{channel}"
        return msgspec.json.encode({"time": int(time.time()), "channel": channel, "event": event, "payload": payload})

    def book_url(self, symbol: str) -> str:
        if self.venue == SPOT:
            return f"{self._rest_base}/api/v4/spot/order_book?currency_pair={symbol}&limit=1"
        return f"{self._rest_base}/api/v4/futures/usdt/order_book?contract={symbol}&limit=1"

    def top(self, symbol: str, body: bytes) -> tuple[float, float]:
        try:
            book = (_REST if self.venue == SPOT else _NAMED_REST).decode(body)
        except msgspec.MsgspecError as error:
            raise BadFrame(f"{self.venue} order_book {symbol}: {error}") from error
        return max((row.price for row in book.bids), default=0.0), min((row.price for row in book.asks), default=0.0)


def _stream(symbol: str) -> str:
    return f"ob.{symbol}.400"
