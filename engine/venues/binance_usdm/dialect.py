"""Binance USD-M's combined stream: address, limits, REST top. Source: Binance USD-M Futures API, WebSocket; probed."""

from random import Random

import msgspec

from engine.domain.errors import BadFrame
from engine.net.ws import Heartbeat
from engine.venues.binance_usdm import wire
from engine.venues.binance_usdm.feed import VENUE
from engine.venues.dialect import LineLimits

_REST = msgspec.json.Decoder(wire.RestBook[float], strict=False)

# 1,024 streams are allowed; they are named in the address, which must stay short. Cut after 24 h.
LIMITS = LineLimits(max_symbols=100, max_life_s=86_400, sends_per_second=5, send_burst=10)


class BinanceUsdmDialect:
    """Books: depth is served under `/public`; trades and mark prices under `/market` (market.py)."""

    venue = VENUE
    # The server pings every 3 minutes and is answered by the socket; 10 messages per second are allowed.
    heartbeat = Heartbeat(every_ms=20_000, idle_ms=250)
    limits = LIMITS
    connects_per_second = 0.5  # 300 per 5 minutes and address: half of that is ours
    asks_per_minute = 40.0  # a book of 1,000 levels weighs 20 of 2,400 per minute: a third is ours
    first_book_ms = 2_000  # nothing changed for so long: take the snapshot without waiting for a diff
    joins_from_rest = True
    resubscribes_all = False

    def __init__(self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random) -> None:
        self._ws_base = ws_base
        self._rest_base = rest_base
        self._symbols = symbols

    def url(self) -> str:
        streams = [_stream(symbol) for symbol in self._symbols]
        return f"{self._ws_base}/public/stream?streams={'/'.join(streams)}"

    def subscribe(self) -> list[bytes]:
        """Nothing to say: the streams are named in the address."""
        return []

    def resubscribe(self, symbol: str) -> list[bytes]:
        """One pair's books alone: the other ninety-nine of the connection keep theirs."""
        verbs, streams = ("UNSUBSCRIBE", "SUBSCRIBE"), [_stream(symbol)]
        return [msgspec.json.encode({"method": verb, "params": streams, "id": n}) for n, verb in enumerate(verbs, 1)]

    def book_url(self, symbol: str) -> str:
        return f"{self._rest_base}/fapi/v1/depth?symbol={symbol}&limit=1000"

    def top(self, symbol: str, body: bytes) -> tuple[float, float]:
        try:
            book = _REST.decode(body)
        except msgspec.MsgspecError as error:
            raise BadFrame(f"{VENUE} depth {symbol}: {error}") from error
        return max((row[0] for row in book.bids), default=0.0), min((row[0] for row in book.asks), default=0.0)


def _stream(symbol: str) -> str:
    return f"{symbol.lower()}@depth@100ms"
