"""Bitget's public v2 socket: addresses, subscribing, heartbeat, limits, REST top. Source: Bitget API v2, WebSocket."""

from random import Random

import msgspec

from engine.domain.errors import BadFrame
from engine.net.ws import Heartbeat
from engine.venues.bitget import wire
from engine.venues.bitget.continuity import FUTURES, SPOT
from engine.venues.dialect import LineLimits, frames_of

_REST = msgspec.json.Decoder(wire.RestBook[float], strict=False)
_ARGS = 40
_BYTES = 4_096  # per frame
_SUCCESS = "00000"


class BitgetDialect:
    """One product per socket; both speak at the same address."""

    # Without the text `ping` the socket is closed after two minutes, even while data flows.
    heartbeat = Heartbeat(every_ms=25_000, idle_ms=1_000, text=b"ping", pong=b"pong")
    # 50 channels are advised, 240 subscriptions per hour allowed, 10 messages per second.
    limits = LineLimits(max_symbols=50, sends_per_second=5, send_burst=5)
    connects_per_second = 0.5  # 300 per 5 minutes and address
    asks_per_minute = 1.9  # 240 subscribes per hour and connection, two per ask
    first_book_ms = 15_000
    joins_from_rest = False
    resubscribes_all = False

    def __init__(
        self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random, inst_type: str = "SPOT"
    ) -> None:
        self.venue = SPOT if inst_type == "SPOT" else FUTURES
        self._ws_base = ws_base
        self._rest_base = rest_base
        self._symbols = symbols
        self._inst_type = inst_type

    def url(self) -> str:
        return f"{self._ws_base}/v2/ws/public"

    def subscribe(self) -> list[bytes]:
        args = [self._arg(channel, symbol) for channel in ("books", "trade", "ticker") for symbol in self._symbols]
        return frames_of(args, lambda part: _request("subscribe", part), _ARGS, _BYTES)

    def resubscribe(self, symbol: str) -> list[bytes]:
        return [_request(op, [self._arg("books", symbol)]) for op in ("unsubscribe", "subscribe")]

    def _arg(self, channel: str, symbol: str) -> dict[str, str]:
        return {"instType": self._inst_type, "channel": channel, "instId": symbol}

    def book_url(self, symbol: str) -> str:
        if self.venue == SPOT:
            return f"{self._rest_base}/api/v2/spot/market/orderbook?symbol={symbol}&limit=1"
        product = self._inst_type.lower()
        return f"{self._rest_base}/api/v2/mix/market/merge-depth?productType={product}&symbol={symbol}&limit=1"

    def top(self, symbol: str, body: bytes) -> tuple[float, float]:
        try:
            answer = _REST.decode(body)
        except msgspec.MsgspecError as error:
            raise BadFrame(f"{self.venue} book {symbol}: {error}") from error
        if answer.code != _SUCCESS:
            raise BadFrame(f"{self.venue} book {symbol}: code {answer.code}")
        book = answer.data
        return max((row[0] for row in book.bids), default=0.0), min((row[0] for row in book.asks), default=0.0)


def _request(op: str, args: list[dict[str, str]]) -> bytes:
    return msgspec.json.encode({"op": op, "args": args})
