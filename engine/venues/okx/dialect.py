"""OKX's public socket: address, subscribing, heartbeat, limits, REST top. Source: OKX API v5, WebSocket."""

from random import Random

import msgspec

from engine.domain.errors import BadFrame
from engine.net.ws import Heartbeat
from engine.venues.dialect import LineLimits, frames_of
from engine.venues.okx import said, wire
from engine.venues.okx.feed import VENUE

_REST = msgspec.json.Decoder(wire.RestBooks[wire.Row[float]], strict=False)
_CHANNELS = ("books", "trades", "tickers")
_ARGS = 200  # ran in one frame
_BYTES = 60_000


class OkxDialect:
    """Spot and swaps on one socket: their symbols differ (BTC-USDT, BTC-USDT-SWAP)."""

    # A socket silent for 30 s is closed; the text `ping` is answered by the text `pong`.
    heartbeat = Heartbeat(every_ms=20_000, idle_ms=250, text=b"ping", pong=b"pong")
    # 64 KB per frame and 480 subscribes per hour are allowed; 250 books ran on one connection.
    limits = LineLimits(max_symbols=100, sends_per_second=3, send_burst=6)
    connects_per_second = 1.0  # 3 per second and address
    asks_per_minute = 3.5  # 480 subscribes per hour and connection, two per ask
    first_book_ms = 15_000
    joins_from_rest = False
    resubscribes_all = False

    def __init__(self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random, venue: str = VENUE) -> None:
        self.venue = venue
        self._ws_base = ws_base
        self._rest_base = rest_base
        self._symbols = symbols

    def url(self) -> str:
        return f"{self._ws_base}/ws/v5/public"

    def subscribe(self) -> list[bytes]:
        args = [{"channel": channel, "instId": s} for channel in _CHANNELS for s in self._symbols]
        swaps = [symbol for symbol in self._symbols if symbol.endswith(said.SWAP)]
        args += [{"channel": channel, "instId": s} for channel in said.CHANNELS for s in swaps]
        args += [{"channel": said.INDEX, "instId": s.removesuffix(said.SWAP)} for s in swaps]
        return frames_of(args, _subscribe, _ARGS, _BYTES)

    def resubscribe(self, symbol: str) -> list[bytes]:
        args = [{"channel": "books", "instId": symbol}]
        return [msgspec.json.encode({"op": op, "args": args}) for op in ("unsubscribe", "subscribe")]

    def book_url(self, symbol: str) -> str:
        return f"{self._rest_base}/api/v5/market/books?instId={symbol}&sz=1"

    def top(self, symbol: str, body: bytes) -> tuple[float, float]:
        try:
            book = _REST.decode(body).data[0]
        except (msgspec.MsgspecError, IndexError) as error:
            raise BadFrame(f"okx books {symbol}: {error}") from error
        return max((row.price for row in book.bids), default=0.0), min((row.price for row in book.asks), default=0.0)


def _subscribe(args: list[dict[str, str]]) -> bytes:
    return msgspec.json.encode({"op": "subscribe", "args": args})
