"""Binance USD-M's public REST: rules, books, trades, tickers, premium index and funding."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from sandbox.venues import candles
from sandbox.venues.auth import Denied
from sandbox.venues.binance_usdm.order_socket import OrderSocket
from sandbox.venues.binance_usdm.private import PLACEMENT, STOP_PLACEMENT, WEIGHTS, Private
from sandbox.venues.binance_usdm.refusals import DENIALS, malformed_of, no_of
from sandbox.venues.binance_usdm.socket import Streams, rows
from sandbox.venues.binance_usdm.user_data import UserData
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited, PerpState
from sandbox.venues.ledger import ZERO
from sandbox.venues.limits import Window
from sandbox.venues.listings import INTERVALS_MS, perps, venue
from sandbox.venues.orders import Refused, Side
from sandbox.venues.public import Public, symbol_of
from sandbox.venues.rules import ClientIds, FeeFrom, MarketRules, Stp, VenueRules
from sandbox.venues.settlements import Settlements
from sandbox.venues.sockets import Sockets
from sandbox.venues.spelling import json_bytes, plain

_WEIGHT, _WINDOW_MS = 2_400, 60_000
_MIN_NOTIONAL = Decimal(5)
_USUAL_HOURS = 8
_WEIGHTS = {"/fapi/v1/ticker/24hr": 40, "/fapi/v1/ticker/price": 2, "/fapi/v1/ticker/bookTicker": 5}  # of all symbols
_DEPTHS = (5, 10, 20, 50, 100, 500, 1000)


def rules() -> VenueRules:
    lots = {"BTC": "0.001", "ETH": "0.001", "XRP": "0.1"}
    contracts = perps(lambda base: f"{base}USDT", dict.fromkeys(lots, "1"), lots)
    made = venue(
        "binance_usdm",
        "0.0002",
        "0.0005",
        FeeFrom.QUOTE,
        (replace(contract, min_notional=_MIN_NOTIONAL) for contract in contracts),
        client_ids=ClientIds.UNIQUE_AMONG_OPEN,
        stp=Stp.CANCEL_MAKER,
        refuses_taking_post_only=True,
    )
    stops = {"stops_apart": True, "stops_name_child": True}
    return replace(made, margined=True, cuts_reduce_only=True, counts_reduce_only=True, **stops)


class BinanceUsdm(Public):
    """A Dialect."""

    def __init__(self, floor: Floor, sockets: Sockets) -> None:
        super().__init__(floor, sockets, Window(_WEIGHT, _WINDOW_MS))
        self._streams = Streams(floor, self)
        self._stream = self._streams.stream
        self._settled = Settlements(floor)
        self._private = Private(floor)
        self._user_data = UserData(floor, sockets)
        self._order_socket = OrderSocket(self, self._private, sockets)
        self._order_windows = {"10S": Window(300, 10_000), "1M": Window(1_200, 60_000)}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/public/stream", self._streams.public),
            web.get("/market/stream", self._streams.market),
            web.get("/public/ws{rest:.*}", self._streams.public),
            web.get("/market/ws{rest:.*}", self._streams.market),
            web.get("/fapi/v1/ping", self._ping),
            web.get("/fapi/v1/time", self._time),
            web.get("/fapi/v1/exchangeInfo", self._info),
            web.get("/fapi/v1/depth", self._depth),
            web.get("/fapi/v1/trades", self._trades),
            web.get("/fapi/v1/aggTrades", self._agg_trades),
            web.get("/fapi/v1/ticker/24hr", self._tickers),
            web.get("/fapi/v1/ticker/price", self._prices),
            web.get("/fapi/v1/ticker/bookTicker", self._tops),
            web.get("/fapi/v1/klines", candles.binance(self.floor)),
            web.get("/fapi/v1/premiumIndex", self._premium),
            web.get("/fapi/v1/fundingInfo", self._funding_info),
            web.get("/fapi/v1/fundingRate", self._funding),
            *self._private.routes(),
            *self._user_data.routes(),
            web.get("/ws-fapi/v1", self._order_socket.serve),
        ]

    def is_placement(self, request: web.Request) -> bool:
        return (request.method, request.path) in (PLACEMENT, STOP_PLACEMENT)

    def admit(self, request: web.Request) -> dict[str, str]:
        is_order = request.path == PLACEMENT[1] and request.method in ("POST", "PUT")
        return self.count(request.remote or "", _weight(request), is_order=is_order)

    def count(self, remote: str, weight: int, *, is_order: bool) -> dict[str, str]:
        """Placements and changes count by account, everything by address; by socket as by REST. Raises Limited."""
        now_ms, headers = self.floor.clock(), {}
        if is_order:
            for name, window in self._order_windows.items():
                if not window.take("account", now_ms):
                    raise Limited(retry_after_ms=window.per_ms - now_ms % window.per_ms)
                headers[f"X-MBX-ORDER-COUNT-{name}"] = str(window.used("account", now_ms))
        if not self.window.take(remote, now_ms, weight):
            raise Limited(retry_after_ms=_WINDOW_MS - now_ms % _WINDOW_MS)
        return headers | {"X-MBX-USED-WEIGHT-1M": str(self.window.used(remote, now_ms))}

    def refused(self, error: Refused) -> web.Response:
        return _no(*no_of(error))

    def denied(self, error: Denied) -> web.Response:
        status, code, text = DENIALS[error.why]
        return _no(code, text, status)

    def malformed(self, error: Malformed) -> web.Response:
        return _no(*malformed_of(error))

    def limited(self, error: Limited) -> web.Response:
        answer = _no(-1003, "Too many requests.", 418 if error.banned else 429)
        answer.headers["Retry-After"] = str(max(1, error.retry_after_ms // 1_000))
        return answer

    async def _ping(self, _: web.Request) -> web.Response:
        return _yes({})

    async def _time(self, _: web.Request) -> web.Response:
        return _yes({"serverTime": self.floor.clock()})

    async def _info(self, _: web.Request) -> web.Response:
        symbols = [_described(market) for market in self.floor.rules.markets.values()]
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": _WEIGHT}
        head = {"timezone": "UTC", "serverTime": self.floor.clock(), "futuresType": "U_MARGINED"}
        return _yes({**head, "rateLimits": [limit], "exchangeFilters": [], "assets": [], "symbols": symbols})

    async def _depth(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self.floor, request.query.get("symbol"))
        shown, limit = self._stream.shown[symbol], whole(request.query, "limit", 500)
        if limit not in _DEPTHS:
            raise Malformed("limit")
        sides = {"bids": rows(shown.bids[:limit]), "asks": rows(shown.asks[:limit])}
        return _yes({"lastUpdateId": shown.last_id, "E": shown.at_ms, "T": shown.at_ms - 1, **sides})

    async def _trades(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self.floor, request.query.get("symbol"))
        said = [
            {
                "id": number,
                "price": plain(trade.price),
                "qty": plain(trade.qty),
                "quoteQty": plain(trade.price * trade.qty),
                "time": trade.at_ms,
                "isBuyerMaker": trade.aggressor is Side.SELL,
            }
            for number, trade in self._stream.days[symbol].trades
        ]
        return _yes(said[-whole(request.query, "limit", 500) :])

    async def _agg_trades(self, request: web.Request) -> web.Response:
        symbol = symbol_of(self.floor, request.query.get("symbol"))
        said = [
            {
                "a": number,
                "p": plain(trade.price),
                "q": plain(trade.qty),
                "f": number,
                "l": number,
                "T": trade.at_ms,
                "m": trade.aggressor is Side.SELL,
            }
            for number, trade in self._stream.days[symbol].trades
        ]
        return _yes(said[-whole(request.query, "limit", 500) :])

    async def _tickers(self, request: web.Request) -> web.Response:
        return self._each(request, self._ticker)

    def _ticker(self, symbol: str) -> dict[str, Any]:
        day, now_ms = self._stream.days[symbol], self.floor.clock()
        percent = day.change / day.open * 100 if day.open else day.change
        return {
            "symbol": symbol,
            "priceChange": plain(day.change),
            "priceChangePercent": f"{percent:.3f}",
            "weightedAvgPrice": plain(day.last),
            "lastPrice": plain(day.last),
            "lastQty": "0",
            "openPrice": plain(day.open),
            "highPrice": plain(day.high),
            "lowPrice": plain(day.low),
            "volume": plain(day.volume),
            "quoteVolume": plain(day.funds),
            "openTime": now_ms - 86_400_000,
            "closeTime": now_ms,
            "firstId": 0,
            "lastId": 0,
            "count": len(day.trades),
        }

    async def _prices(self, request: web.Request) -> web.Response:
        now_ms = self.floor.clock()
        return self._each(request, lambda s: {"symbol": s, "price": plain(self._stream.days[s].last), "time": now_ms})

    async def _tops(self, request: web.Request) -> web.Response:
        return self._each(request, self._top)

    def _top(self, symbol: str) -> dict[str, Any]:
        shown = self._stream.shown[symbol]
        said: dict[str, Any] = {"symbol": symbol, "time": shown.at_ms, "lastUpdateId": shown.last_id}
        for name, levels in (("bid", shown.bids), ("ask", shown.asks)):
            price, qty = levels[0] if levels else (ZERO, ZERO)
            said |= {f"{name}Price": plain(price), f"{name}Qty": plain(qty)}
        return said

    def _each(self, request: web.Request, row: Callable[[str], dict[str, Any]]) -> web.Response:
        """One row of the asked symbol, or a list of all."""
        wanted = request.query.get("symbol")
        if wanted is not None:
            return _yes(row(symbol_of(self.floor, wanted)))
        return _yes([row(symbol) for symbol in self.floor.rules.markets])

    async def _premium(self, request: web.Request) -> web.Response:
        wanted = request.query.get("symbol")
        if wanted is not None:
            return _yes(self._index(self.floor.perps[symbol_of(self.floor, wanted)]))
        return _yes([self._index(state) for state in self.floor.perps.values()])

    def _index(self, state: PerpState) -> dict[str, Any]:
        return {
            "symbol": state.symbol,
            "markPrice": plain(state.mark),
            "indexPrice": plain(state.index),
            "estimatedSettlePrice": plain(state.mark),
            "lastFundingRate": plain(state.funding_rate),
            "interestRate": "0.00010000",
            "nextFundingTime": state.next_ms,
            "time": state.at_ms,
        }

    async def _funding_info(self, _: web.Request) -> web.Response:
        """Only the contracts whose interval is not the usual one."""
        said = [
            {
                "symbol": market.symbol,
                "adjustedFundingRateCap": "0.003",
                "adjustedFundingRateFloor": "-0.003",
                "fundingIntervalHours": INTERVALS_MS[market.base] // 3_600_000,
                "disclaimer": False,
            }
            for market in self.floor.rules.markets.values()
            if INTERVALS_MS[market.base] // 3_600_000 != _USUAL_HOURS
        ]
        return _yes(said)

    async def _funding(self, request: web.Request) -> web.Response:
        """Oldest first: from `startTime` on, or the last ones."""
        query = request.query
        wanted = query.get("symbol")
        symbols = list(self.floor.perps) if wanted is None else [symbol_of(self.floor, wanted)]
        count, end_ms = min(1_000, whole(query, "limit", 100)), whole(query, "endTime", 0) or None
        said: list[tuple[int, str, str]] = []
        for symbol in symbols:
            if "startTime" in query:
                found = self._settled.oldest(symbol, count, whole(query, "startTime", 0), end_ms)
            else:
                found = self._settled.newest(symbol, count, 0, end_ms)[::-1]
            said += [(each.at_ms, symbol, plain(each.rate)) for each in found]
        rows = [
            {"symbol": symbol, "fundingTime": at_ms, "fundingRate": rate, "markPrice": ""}
            for at_ms, symbol, rate in sorted(said)[-count:]
        ]
        return _yes(rows)


def _weight(request: web.Request) -> int:
    if request.path == "/fapi/v1/depth":
        limit = whole(request.query, "limit", 500)
        return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20
    if request.path in ("/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders") and "symbol" not in request.query:
        return 40
    signed = WEIGHTS.get((request.method, request.path))
    if signed is not None:
        return signed
    return _WEIGHTS.get(request.path, 1) if "symbol" not in request.query else 1


def _described(market: MarketRules) -> dict[str, Any]:
    tick, lot = plain(market.bands[-1].tick), plain(market.lot)
    return {
        "symbol": market.symbol,
        "pair": market.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": market.base,
        "quoteAsset": market.quote,
        "marginAsset": market.quote,
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "100000", "stepSize": lot},
            {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": "100000", "stepSize": lot},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _yes(said: object) -> web.Response:
    return web.Response(body=json_bytes(said), content_type="application/json")


def _no(code: int, text: str, status: int = 400) -> web.Response:
    return web.Response(status=status, body=json_bytes({"code": code, "msg": text}), content_type="application/json")
