"""Bybit's v5 REST: one host, the category names the product."""

from typing import Any

from aiohttp import web
from msgspec.structs import replace

from sandbox.venues.auth import Denied
from sandbox.venues.bybit.history import History
from sandbox.venues.bybit.order_socket import OrderSocket
from sandbox.venues.bybit.order_stream import OrderStream
from sandbox.venues.bybit.orders import Desk
from sandbox.venues.bybit.positions import Positions
from sandbox.venues.bybit.private import Private
from sandbox.venues.bybit.rows import SPOT, denial, refusal
from sandbox.venues.bybit.socket import DEPTHS, Frames, Talk, contract_of, day_of, rows
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.limits import Window
from sandbox.venues.listings import perps, spot, venue
from sandbox.venues.orders import Refused, Side
from sandbox.venues.public import Public, Stream, symbol_of
from sandbox.venues.rules import ClientIds, FeeFrom, MarketRules, Stp, VenueRules
from sandbox.venues.sockets import Sockets
from sandbox.venues.spelling import json_bytes, plain

_PER_WINDOW, _WINDOW_MS = 600, 5_000
_IDLE_SECONDS = 600.0
_UNKNOWN = 10_001


def rules() -> tuple[VenueRules, VenueRules]:
    markets = spot(lambda base: f"{base}USDT")
    spots = venue("bybit", "0.001", "0.001", FeeFrom.RECEIVED, markets, client_ids=ClientIds.REFUSED, stp=Stp.NONE)
    lots = {"BTC": "0.001", "ETH": "0.01", "XRP": "1"}
    contracts = perps(lambda base: f"{base}USDT", dict.fromkeys(lots, "1"), lots, min_notional="5")
    linear = venue("bybit_linear", "0.0002", "0.00055", FeeFrom.QUOTE, contracts, margined=True, cuts_reduce_only=True)
    return replace(spots, stops_either_way=True), linear


class Product:
    """One category: its floor, past, frames and stream."""

    def __init__(self, floor: Floor, first_id: int) -> None:
        self.floor = floor
        self.history = History(floor)
        frames = Frames(floor)
        self.stream = Stream(floor, frames, first_id)
        self.talk = Talk(floor, self.stream, frames)


class Bybit(Public):
    """A Dialect."""

    def __init__(self, spots: Floor, linear: Floor, sockets: Sockets) -> None:
        super().__init__(spots, sockets, Window(_PER_WINDOW, _WINDOW_MS))
        self._products = {"spot": Product(spots, 100_000), "linear": Product(linear, 900_000)}
        desks = {name: Desk(each.floor, name, self._yes, self._no) for name, each in self._products.items()}
        self._private = Private(desks, Positions(self._yes, self._no), self._yes)
        self._order_socket = OrderSocket(self, self._private, sockets)
        self._order_stream = OrderStream({"spot": spots, "linear": linear}, sockets)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v5/public/{category}", self._socket),
            web.get("/v5/trade", self._order_socket.serve),
            web.get("/v5/private", self._order_stream.serve),
            web.get("/v5/market/time", self._time),
            web.get("/v5/market/instruments-info", self._instruments),
            web.get("/v5/market/orderbook", self._orderbook),
            web.get("/v5/market/recent-trade", self._trades),
            web.get("/v5/market/tickers", self._tickers),
            web.get("/v5/market/kline", self._candles),
            web.get("/v5/market/funding/history", self._funding),
            web.get("/v5/spot-margin-trade/data", self._loans),
            *self._private.routes(),
        ]

    def is_placement(self, request: web.Request) -> bool:
        return request.path == "/v5/order/create"

    def admit(self, request: web.Request) -> dict[str, str]:
        try:
            left = self.take(request)
        except Limited as error:  # of an address: it is shut out
            raise Limited(banned=True, retry_after_ms=error.retry_after_ms) from None
        return {"X-Bapi-Limit": str(_PER_WINDOW), "X-Bapi-Limit-Status": str(left)}

    def refused(self, error: Refused) -> web.Response:
        return self._no(*refusal(error, SPOT))

    def denied(self, error: Denied) -> web.Response:
        return self._no(*denial(error))

    def malformed(self, error: Malformed) -> web.Response:
        return self._no(_UNKNOWN, f"params error: {error.parameter} invalid {error.detail}".strip())

    def limited(self, error: Limited) -> web.Response:
        """An account's window is a word in an answer like any other; only an address is shut out."""
        return self._no(10_006, "Too many visits!", 403 if error.banned else 200)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        product = self._products.get(request.match_info["category"])
        if product is None:
            return web.Response(status=404)
        return await self.run_socket(request, (product.stream,), product.talk.hear, idle_seconds=_IDLE_SECONDS)

    async def _time(self, _: web.Request) -> web.Response:
        now_ms = self.floor.clock()
        return self._yes({"timeSecond": str(now_ms // 1_000), "timeNano": str(now_ms * 1_000_000)})

    async def _instruments(self, request: web.Request) -> web.Response:
        product, category = self._product(request)
        found = list(product.floor.rules.markets.values())
        if request.query.get("status") == "PreLaunch":
            found = []
        if "symbol" in request.query:
            found = [product.floor.rules.markets[symbol_of(product.floor, request.query["symbol"])]]
        listed = [_spot(market) if market.perp is None else _linear(market) for market in found]
        return self._yes({"category": category, "list": listed, "nextPageCursor": ""})

    async def _loans(self, request: web.Request) -> web.Response:
        """What a coin costs per hour, whoever borrows it; of one coin where `currency` names it."""
        wanted, level = request.query.get("currency"), request.query.get("vipLevel", "No VIP")
        if level != "No VIP":
            return self._yes({"vipCoinList": []})
        coins = [
            {
                "borrowable": True,
                "collateralRatio": "0.95",
                "currency": coin,
                "hourlyBorrowRate": plain(rate),
                "liquidationOrder": "1",
                "marginCollateral": True,
                "maxBorrowingAmount": "1000",
            }
            for coin, rate in self.floor.loans.hourly.items()
            if wanted in (None, "", coin)
        ]
        return self._yes({"vipCoinList": [{"list": coins, "vipLevel": "No VIP"}]})

    async def _orderbook(self, request: web.Request) -> web.Response:
        product, _ = self._product(request)
        symbol = symbol_of(product.floor, request.query.get("symbol"))
        shown, limit = product.stream.shown[symbol], whole(request.query, "limit", 25)
        if not 0 < limit <= DEPTHS[-1]:
            raise Malformed("limit")
        return self._yes(
            {
                "s": symbol,
                "b": rows(shown.bids[:limit]),
                "a": rows(shown.asks[:limit]),
                "ts": shown.at_ms,
                "u": shown.last_id,
                "seq": 7_000_000_000 + shown.last_id,
                "cts": shown.at_ms,
            }
        )

    async def _trades(self, request: web.Request) -> web.Response:
        product, category = self._product(request)
        symbol = symbol_of(product.floor, request.query.get("symbol"))
        kept = list(product.stream.days[symbol].trades)[-whole(request.query, "limit", 60) :]
        listed = [
            {
                "execId": str(2_290_000_000_000 + number),
                "symbol": symbol,
                "price": plain(trade.price),
                "size": plain(trade.qty),
                "side": "Buy" if trade.aggressor is Side.BUY else "Sell",
                "time": str(trade.at_ms),
                "isBlockTrade": False,
            }
            for number, trade in reversed(kept)
        ]
        return self._yes({"category": category, "list": listed})

    async def _tickers(self, request: web.Request) -> web.Response:
        product, category = self._product(request)
        wanted = request.query.get("symbol")
        symbols = list(product.floor.rules.markets) if wanted is None else [symbol_of(product.floor, wanted)]
        return self._yes({"category": category, "list": [self._ticker(product, symbol) for symbol in symbols]})

    def _ticker(self, product: Product, symbol: str) -> dict[str, Any]:
        shown = product.stream.shown[symbol]
        tops: dict[str, str] = {}
        for name, levels in (("bid1", shown.bids), ("ask1", shown.asks)):
            if levels:
                tops |= {f"{name}Price": plain(levels[0][0]), f"{name}Size": plain(levels[0][1])}
        state = product.floor.perps.get(symbol)
        return {
            "symbol": symbol,
            **tops,
            **day_of(product.stream.days[symbol]),
            **(contract_of(state) if state else {}),
        }

    async def _candles(self, request: web.Request) -> web.Response:
        product, category = self._product(request)
        rows_ = product.history.candles(request.query)
        return self._yes({"symbol": request.query["symbol"], "category": category, "list": rows_})

    async def _funding(self, request: web.Request) -> web.Response:
        product, category = self._product(request)
        return self._yes({"category": category, "list": product.history.settlements(request.query)})

    def _product(self, request: web.Request) -> tuple[Product, str]:
        category = request.query.get("category", "")
        if category not in self._products:
            raise Malformed("category", category)
        return self._products[category], category

    def _yes(self, result: dict[str, Any]) -> web.Response:
        return self._answer(0, "OK", result)

    def _no(self, code: int, text: str, status: int = 200) -> web.Response:
        return self._answer(code, text, {}, status)

    def _answer(self, code: int, text: str, result: dict[str, Any], status: int = 200) -> web.Response:
        said = {"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": self.floor.clock()}
        return web.Response(status=status, body=json_bytes(said), content_type="application/json")


def _spot(market: MarketRules) -> dict[str, Any]:
    return {
        "symbol": market.symbol,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "lotSizeFilter": {
            "basePrecision": plain(market.lot),
            "quotePrecision": "0.0000001",
            "minOrderQty": plain(market.min_qty),
            "maxOrderQty": "1000000",
            "minOrderAmt": plain(market.min_notional),
            "maxOrderAmt": plain(market.max_notional),
        },
        "priceFilter": {"tickSize": plain(market.bands[-1].tick)},
    }


def _linear(market: MarketRules) -> dict[str, Any]:
    interval_ms = market.perp.interval_ms if market.perp else 0
    tick = plain(market.bands[-1].tick)
    return {
        "symbol": market.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "settleCoin": market.quote,
        "launchTime": "1584230400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": tick, "maxPrice": "1999999.8", "tickSize": tick},
        "lotSizeFilter": {
            "maxOrderQty": "1190.000",
            "minOrderQty": plain(market.min_qty),
            "qtyStep": plain(market.lot),
            "minNotionalValue": plain(market.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": interval_ms // 60_000,
        "copyTrading": "both",
    }
