"""Where history is read: ccxt's REST calls, paced and tried again, one page at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import ccxt.async_support as ccxt  # type: ignore[import-untyped]

from engine.config import VenueConfig
from engine.domain.errors import ConfigError, VenueRefused, VenueUnavailable
from engine.venues.ccxt_client import addressed

log = logging.getLogger(__name__)

_IDS = {"binance_usdm": "binanceusdm", "kucoin_futures": "kucoinfutures"}
_SUFFIXES = ("_linear", "_futures")
_TRIES = 7
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 60.0
# Candles of one answer. A smaller answer than asked would look like a hole, so it is the venue's own limit.
_CANDLES = {"binance": 1000, "binanceusdm": 1000, "upbit": 200, "bithumb": 200, "okx": 100, "bybit": 1000, "gate": 900}
_FEWEST_CANDLES = 100
_TRADES = {"binance": 1000, "binanceusdm": 1000, "upbit": 500, "bithumb": 500, "okx": 100, "kraken": 1000}
_KST = timedelta(hours=9)

Page = list[tuple[object, ...]]


class Source:
    """One venue's history. Methods raise VenueRefused or VenueUnavailable (after every try)."""

    def __init__(self, venue: str, config: VenueConfig) -> None:
        """Raises ConfigError for a venue that ccxt does not know."""
        plain = venue
        for suffix in _SUFFIXES:
            plain = plain.removesuffix(suffix)
        self.venue = venue
        self.ccxt_id = config.ccxt_id or _IDS.get(venue, plain)
        if self.ccxt_id not in ccxt.exchanges:
            raise ConfigError(f"venues.{venue}: ccxt knows no venue `{self.ccxt_id}`")
        self.retries = 0
        self._is_contract = venue != plain or self.ccxt_id != plain
        self._client = getattr(ccxt, self.ccxt_id)({"enableRateLimit": True})
        if self.ccxt_id == "binance":
            self._client.options["fetchMarkets"] = {"types": ["spot"]}  # the other products have other addresses
        self._client.handle_errors = _status_first(self._client.handle_errors)
        urls = self._client.urls
        urls["api"] = addressed(urls["api"], config.rest_base, config.ws_base)

    async def close(self) -> None:
        await self._client.close()

    async def symbol(self, spelled: str) -> str:
        """ccxt's spelling of the venue's own. Raises VenueRefused where the venue lists no such market."""
        await self._tried(lambda: self._client.load_markets())
        quote, _, base = spelled.partition("-")
        for name in (spelled, f"{base}/{quote}"):
            if name in self._client.markets:
                return name
        rows = [row for row in self._client.markets_by_id.get(spelled, []) if not row.get("option")]
        for row in sorted(rows, key=lambda row: bool(row.get("contract")) != self._is_contract):
            return str(row["symbol"])
        raise VenueRefused("unlisted", f"{self.venue} lists no {spelled}")

    @property
    def candles_per_page(self) -> int:
        return _CANDLES.get(self.ccxt_id, _FEWEST_CANDLES)

    async def candles(self, symbol: str, timeframe: str, from_ms: int, step_ms: int) -> Page:
        """Candles that begin in the page's span from `from_ms` on, oldest first."""
        count = self.candles_per_page
        end_ms = from_ms + count * step_ms
        more = {}
        if self.ccxt_id == "bithumb":  # ccxt asks it for the newest only; its `to` is exclusive, in Korean time
            more["to"] = (datetime.fromtimestamp(end_ms / 1000, UTC) + _KST).strftime("%Y-%m-%d %H:%M:%S")
        rows = await self._tried(lambda: self._client.fetch_ohlcv(symbol, timeframe, from_ms, count, more))
        found = {int(row[0]): tuple(row[:6]) for row in rows if from_ms <= row[0] < end_ms and None not in row[:6]}
        return [(at_ms, *map(float, found[at_ms][1:])) for at_ms in sorted(found)]

    async def funding(self, symbol: str, from_ms: int) -> Page:
        """Charged rates from `from_ms` on, oldest first; as many as the venue gives at once."""
        rows = await self._tried(lambda: self._client.fetch_funding_rate_history(symbol, from_ms, 100))
        found = {int(row["timestamp"]): float(row["fundingRate"]) for row in rows if row["timestamp"] >= from_ms}
        return [(at_ms, found[at_ms]) for at_ms in sorted(found)]

    @property
    def trades_go_forward(self) -> bool:
        """Whether the venue serves trades from a moment on; else from the newest back."""
        return self.ccxt_id in ("binance", "binanceusdm", "kraken")

    @property
    def trades_per_page(self) -> int:
        return _TRADES.get(self.ccxt_id, 100)

    @property
    def trade_window_ms(self) -> int:
        """How far one page of trades reaches at most; 0: until it is full."""
        return 3_600_000 if self.ccxt_id.startswith("binance") else 0

    async def trades(self, symbol: str, from_ms: int, before_id: str = "") -> Page:
        """(at_ms, id, price, qty, taker), oldest first: from `from_ms` on, or where trades go back, before that id."""
        limit, more = self.trades_per_page, {}
        if before_id and self.ccxt_id == "okx":
            more = {"method": "publicGetMarketHistoryTrades", "after": before_id}
        elif before_id and self.ccxt_id in ("upbit", "bithumb"):
            more = {"cursor": before_id}
        elif before_id:
            return []  # the venue serves its newest trades only
        since = from_ms if self.trades_go_forward else None
        rows = await self._tried(lambda: self._client.fetch_trades(symbol, since, limit, more))
        found = [
            (int(row["timestamp"]), str(row["id"] or ""), float(row["price"]), float(row["amount"]), str(row["side"]))
            for row in rows
        ]
        return sorted(found)

    async def _tried(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Again after what passes, with doubling waits; never again after what the venue refuses."""
        wait_s = _FIRST_WAIT_S
        for left in range(_TRIES - 1, -1, -1):
            try:
                return await call()
            except (ccxt.NetworkError, OSError, TimeoutError) as error:  # rate limits and maintenance, too
                if not left:
                    raise VenueUnavailable(_named(error)) from error
                self.retries += 1
                log.warning("collect_retry venue=%s wait_s=%.1f error=%s", self.venue, wait_s, _named(error))
            except IndexError:
                return []  # ccxt's parsers of Upbit and Bithumb stumble over an empty answer
            except (ccxt.BaseError, KeyError, TypeError, ValueError) as error:
                raise VenueRefused(type(error).__name__, _named(error)) from error
            await asyncio.sleep(wait_s)
            wait_s = min(_LONGEST_WAIT_S, wait_s * 2)
        raise VenueUnavailable("no try left")


def _status_first(judge: Callable[..., Any]) -> Callable[..., Any]:
    """ccxt reads some venues' error bodies before the status: Bithumb's 429 would be a refusal for good."""

    def judged(code: int, reason: str, url: str, method: str, headers: Any, body: str, *rest: Any) -> Any:
        if code in (418, 429):
            raise ccxt.RateLimitExceeded(f"{code} {body[:100]}")
        if code >= 500:
            raise ccxt.ExchangeNotAvailable(f"{code} {body[:100]}")
        return judge(code, reason, url, method, headers, body, *rest)

    return judged


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
