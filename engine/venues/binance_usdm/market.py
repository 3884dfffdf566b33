"""Binance USD-M's other socket: trades, marks with funding, and tickers are served under `/market`, depth is not."""

from random import Random

from engine.net.ws import Heartbeat
from engine.venues.binance_usdm.dialect import LIMITS
from engine.venues.binance_usdm.feed import VENUE

_CHANNELS = ("aggTrade", "markPrice@1s", "miniTicker")


class BinanceUsdmMarket:
    """A side of the feed: no books."""

    venue = VENUE
    heartbeat = Heartbeat(every_ms=20_000, idle_ms=2_000)
    limits = LIMITS

    def __init__(self, ws_base: str, rest_base: str, symbols: tuple[str, ...], rng: Random) -> None:
        self._ws_base = ws_base
        self._symbols = symbols

    def url(self) -> str:
        streams = [f"{symbol.lower()}@{channel}" for channel in _CHANNELS for symbol in self._symbols]
        return f"{self._ws_base}/market/stream?streams={'/'.join(streams)}"

    def subscribe(self) -> list[bytes]:
        """Nothing to say: the streams are named in the address."""
        return []
