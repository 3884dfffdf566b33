"""KuCoin's Pro socket: addresses, subscribing, heartbeat, limits, REST top. Source: KuCoin API, Pro WebSocket; probed.

Public data needs no token here, unlike the classic socket.
"""

from random import Random

import msgspec

from engine.domain.errors import BadFrame
from engine.net.ws import Heartbeat
from engine.venues.dialect import LineLimits
from engine.venues.kucoin import wire
from engine.venues.kucoin.continuity import FUTURES, SPOT

_REST = msgspec.json.Decoder(wire.Answer[wire.RestBook[float]], strict=False)
_SUCCESS = "200000"

_PING = b'{"id":"1","type":"ping"}'


class KucoinDialect:
    """One product per socket, each with an address of its own."""

    # The welcome asks for a ping every 18 s; more than one a second drops the socket.
    heartbeat = Heartbeat(every_ms=15_000, idle_ms=3_000, text=_PING, pong=b"pong")
    # 600 topics and 300 messages per 10 s are allowed on one connection; 100 books ran.
    limits = LineLimits(max_symbols=100, sends_per_second=20, send_burst=50)
    connects_per_second = 0.5  # 250 per 5 minutes and address
    asks_per_minute = 30.0
    first_book_ms = 15_000  # up to 6 s were seen
    joins_from_rest = False
    resubscribes_all = False

    def __init__(
        self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random, product: str = "SPOT"
    ) -> None:
        self.venue = SPOT if product == "SPOT" else FUTURES
        self._ws_base = ws_base
        self._rest_base = rest_base
        self._symbols = symbols
        self._product = product

    def url(self) -> str:
        return self._ws_base

    def subscribe(self) -> list[bytes]:
        """One symbol per frame: a list of them is refused. An unknown one is acknowledged and stays silent."""
        frames = [self._request("SUBSCRIBE", symbol) for symbol in self._symbols]
        return frames + [self._request("SUBSCRIBE", symbol, "trade") for symbol in self._symbols]

    def resubscribe(self, symbol: str) -> list[bytes]:
        return [self._request(action, symbol) for action in ("UNSUBSCRIBE", "SUBSCRIBE")]

    def _request(self, action: str, symbol: str, channel: str = "obu") -> bytes:
        request = {"id": "1", "action": action, "channel": channel, "tradeType": self._product, "symbol": symbol}
        return msgspec.json.encode(request | ({"depth": "increment@10ms"} if channel == "obu" else {}))

    def book_url(self, symbol: str) -> str:
        path = "/api/v1/market/orderbook/level2_20" if self.venue == SPOT else "/api/v1/level2/depth20"
        return f"{self._rest_base}{path}?symbol={symbol}"

    def top(self, symbol: str, body: bytes) -> tuple[float, float]:
        try:
            answer = _REST.decode(body)
        except msgspec.MsgspecError as error:
            raise BadFrame(f"{self.venue} level2 {symbol}: {error}") from error
        if answer.code != _SUCCESS:
            raise BadFrame(f"{self.venue} level2 {symbol}: code {answer.code}")
        book = answer.data
        return max((row.price for row in book.bids), default=0.0), min((row.price for row in book.asks), default=0.0)
