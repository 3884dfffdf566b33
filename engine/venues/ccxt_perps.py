"""Marks and funding of perpetuals that are read through ccxt: its tickers' marks as they come, funding over REST."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

from engine.venues.ccxt_client import named
from engine.venues.protocol import Sink
from engine.venues.tickers import Tickers

log = logging.getLogger(__name__)

_EVERY_S = 20.0
_ONE_BY_ONE = 20  # contracts at most where a venue tells of all at once or of each alone
_HOURS = re.compile(r"(\d+)h")
_HOUR_MS = 3_600_000


class CcxtPerps:
    """The contracts of one bridge. What ccxt leaves out stays unknown: an interval is never guessed."""

    def __init__(self, venue: str, sink: Sink, clock_ns: Callable[[], int], errors: Any) -> None:
        self._venue = venue
        self._clock_ns = clock_ns
        self._errors = errors
        self._tickers = Tickers(sink)

    def on_ticker(self, symbol: str, ticker: Any) -> None:
        mark, index = _number(ticker.get("markPrice")), _number(ticker.get("indexPrice"))
        self._tickers.perp(
            self._venue,
            symbol,
            mark=mark,
            index=index,
            venue_ts_ms=ticker.get("timestamp") or 0,
            seen_ns=self._clock_ns(),
        )

    def on_funding(self, symbol: str, told: Any) -> None:
        """`fundingTimestamp` is the settlement of `fundingRate`; where ccxt names none, the rate has no time either."""
        rate, next_ms = _finite(told.get("fundingRate")), told.get("fundingTimestamp")
        hours = _HOURS.fullmatch(str(told.get("interval") or ""))
        self._tickers.perp(
            self._venue,
            symbol,
            mark=_number(told.get("markPrice")),
            index=_number(told.get("indexPrice")),
            funding_rate=rate,
            predicted_rate=_finite(told.get("nextFundingRate")),
            interval_ms=int(hours[1]) * _HOUR_MS if hours else None,
            next_funding_ms=int(next_ms) if next_ms else None,
            venue_ts_ms=told.get("timestamp") or 0,
            seen_ns=self._clock_ns(),
        )

    async def run(self, client: Any, symbols: Sequence[str]) -> None:
        """Ask for ever. A refusal or an outage costs this reading alone: the books go on."""
        while True:
            try:
                await self._read(client, symbols)
            except (self._errors.BaseError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
                log.warning("funding_failed venue=%s error=%s", self._venue, named(error))
            await asyncio.sleep(_EVERY_S)

    async def _read(self, client: Any, symbols: Sequence[str]) -> None:
        if client.has.get("fetchFundingRates") and len(symbols) > 1:
            told = await client.fetch_funding_rates(list(symbols))
            for symbol in symbols:
                if symbol in told:
                    self.on_funding(symbol, told[symbol])
        elif client.has.get("fetchFundingRate"):
            for symbol in symbols[:_ONE_BY_ONE]:
                self.on_funding(symbol, await client.fetch_funding_rate(symbol))


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, float | int) and isfinite(value) else None


def _number(value: object) -> float | None:
    """A price; zero and less are none."""
    number = _finite(value)
    return number if number is not None and number > 0 else None
