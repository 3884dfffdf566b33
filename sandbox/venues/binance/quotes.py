"""Binance's public REST answers: time, rules, books, trades, tickers."""

from collections.abc import Mapping

import msgspec
from aiohttp import web

from sandbox.venues import candles
from sandbox.venues.binance.feed import BinanceFeed
from sandbox.venues.binance.wire import market_row
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import Reason, Refused
from sandbox.venues.spelling import fixed, json_bytes


class Quotes:
    def __init__(self, floor: Floor, feed: BinanceFeed) -> None:
        self._floor = floor
        self._feed = feed

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v3/ping", self._ping),
            web.get("/api/v3/time", self._time),
            web.get("/api/v3/exchangeInfo", self._info),
            web.get("/api/v3/depth", self._depth),
            web.get("/api/v3/trades", self._trades),
            web.get("/api/v3/aggTrades", self._aggregated),
            web.get("/api/v3/klines", candles.binance(self._floor)),
            web.get("/api/v3/ticker/24hr", self._ticker),
            web.get("/api/v3/ticker/price", self._price),
            web.get("/api/v3/ticker/bookTicker", self._best),
        ]

    async def _ping(self, _: web.Request) -> web.Response:
        return answer({})

    async def _time(self, _: web.Request) -> web.Response:
        return answer({"serverTime": self._floor.clock()})

    async def _info(self, request: web.Request) -> web.Response:
        """Of all, or of `symbols`, a JSON list: one that is unknown spoils the answer."""
        markets, wallets = self._floor.rules.markets, self._floor.wallets
        wanted = msgspec.json.decode(request.query.get("symbols", "null"), type=list[str] | None)
        for symbol in wanted or ():
            if symbol not in markets:
                raise Refused(Reason.UNKNOWN_MARKET, symbol)
        limits = [("REQUEST_WEIGHT", "MINUTE", 1, 6000), ("ORDERS", "SECOND", 10, 100), ("ORDERS", "DAY", 1, 200_000)]
        return answer(
            {
                "timezone": "UTC",
                "serverTime": self._floor.clock(),
                "rateLimits": [
                    {"rateLimitType": kind, "interval": per, "intervalNum": count, "limit": limit}
                    for kind, per, count, limit in limits
                ],
                "exchangeFilters": [],
                "symbols": [
                    market_row(rules, wallets.status(symbol, "TRADING"))
                    for symbol, rules in markets.items()
                    if wanted is None or symbol in wanted
                ],
            }
        )

    async def _depth(self, request: web.Request) -> web.Response:
        limit = whole(request.query, "limit", 100)
        if not 0 < limit <= 5000:
            raise Malformed("limit")
        return answer(self._feed.rest_depth(known_symbol(self._floor, request.query), limit))

    async def _trades(self, request: web.Request) -> web.Response:
        day = self._feed.days[known_symbol(self._floor, request.query)]
        rows = [
            {
                "id": number,
                "price": fixed(trade.price),
                "qty": fixed(trade.qty),
                "quoteQty": fixed(trade.price * trade.qty),
                "time": trade.at_ms,
                "isBuyerMaker": trade.aggressor.value == "ask",
                "isBestMatch": True,
            }
            for number, trade in day.trades
        ]
        return answer(rows[-whole(request.query, "limit", 500) :])

    async def _aggregated(self, request: web.Request) -> web.Response:
        """Every trade is an aggregate of its own; from `fromId` or `startTime` on, oldest first."""
        day = self._feed.days[known_symbol(self._floor, request.query)]
        first, since = whole(request.query, "fromId", 0), whole(request.query, "startTime", 0)
        until, limit = whole(request.query, "endTime", self._floor.clock()), whole(request.query, "limit", 500)
        rows = [
            {
                "a": number,
                "p": fixed(trade.price),
                "q": fixed(trade.qty),
                "f": number,
                "l": number,
                "T": trade.at_ms,
                "m": trade.aggressor.value == "ask",
                "M": True,
            }
            for number, trade in day.trades
            if number >= first and since <= trade.at_ms <= until
        ]
        return answer(rows[:limit] if first or since else rows[-limit:])

    async def _ticker(self, request: web.Request) -> web.Response:
        symbol = request.query.get("symbol")
        if symbol is not None:
            return answer(self._day_row(known_symbol(self._floor, request.query)))
        return answer([self._day_row(each) for each in self._floor.rules.markets])

    async def _price(self, request: web.Request) -> web.Response:
        symbol = known_symbol(self._floor, request.query)
        return answer({"symbol": symbol, "price": fixed(self._feed.days[symbol].last)})

    async def _best(self, request: web.Request) -> web.Response:
        symbol = known_symbol(self._floor, request.query)
        depth = self._feed.rest_depth(symbol, 1)
        sides = {name: rows[0] if isinstance(rows, list) and rows else ["0", "0"] for name, rows in depth.items()}
        (bid, bid_qty), (ask, ask_qty) = sides["bids"], sides["asks"]
        return answer({"symbol": symbol, "bidPrice": bid, "bidQty": bid_qty, "askPrice": ask, "askQty": ask_qty})

    def _day_row(self, symbol: str) -> dict[str, object]:
        day = self._feed.days[symbol]
        bids, asks = self._floor.exchange.book(symbol)
        percent = day.change / day.open * 100 if day.open else day.change
        return {
            "symbol": symbol,
            "priceChange": fixed(day.change),
            "priceChangePercent": fixed(percent, 3),
            "weightedAvgPrice": fixed(day.funds / day.volume if day.volume else day.last),
            "prevClosePrice": fixed(day.open),
            "lastPrice": fixed(day.last),
            "lastQty": fixed(day.trades[-1][1].qty if day.trades else day.volume),
            "bidPrice": fixed(bids[0][0] if bids else day.last),
            "bidQty": fixed(bids[0][1] if bids else day.volume),
            "askPrice": fixed(asks[0][0] if asks else day.last),
            "askQty": fixed(asks[0][1] if asks else day.volume),
            "openPrice": fixed(day.open),
            "highPrice": fixed(day.high),
            "lowPrice": fixed(day.low),
            "volume": fixed(day.volume),
            "quoteVolume": fixed(day.funds),
            "openTime": self._floor.clock() - 86_400_000,
            "closeTime": self._floor.clock(),
            "firstId": day.trades[0][0] if day.trades else -1,
            "lastId": day.trades[-1][0] if day.trades else -1,
            "count": len(day.trades),
        }


def known_symbol(floor: Floor, query: Mapping[str, str]) -> str:
    """Raises Malformed, Refused."""
    symbol = query.get("symbol")
    if symbol is None:
        raise Malformed("symbol")
    if symbol not in floor.rules.markets:
        raise Refused(Reason.UNKNOWN_MARKET, symbol)
    return symbol


def answer(answer: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json_bytes(answer), content_type="application/json")
