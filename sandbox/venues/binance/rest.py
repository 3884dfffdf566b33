"""Binance's spot REST dialect: signed queries, recvWindow, weights and filters."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.auth import Credential, Denied, Why
from sandbox.venues.binance.feed import BinanceFeed
from sandbox.venues.binance.wire import (
    CLIENT_ID,
    account_row,
    currency_row,
    market_row,
    order_row,
    placed_row,
    trade_row,
    wish,
)
from sandbox.venues.door import Malformed
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.limits import Ban, Window
from sandbox.venues.orders import Order, Reason, Refused
from sandbox.venues.spelling import fixed, json_bytes, plain

_AHEAD_MS = 1000
_ERRORS = {
    Reason.UNKNOWN_MARKET: (-1121, "Invalid symbol."),
    Reason.BAD_TICK: (-1013, "Filter failure: PRICE_FILTER"),
    Reason.BAD_LOT: (-1013, "Filter failure: LOT_SIZE"),
    Reason.BELOW_MIN_QTY: (-1013, "Filter failure: LOT_SIZE"),
    Reason.BELOW_MIN_NOTIONAL: (-1013, "Filter failure: NOTIONAL"),
    Reason.ABOVE_MAX_NOTIONAL: (-1013, "Filter failure: NOTIONAL"),
    Reason.INSUFFICIENT_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    Reason.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    Reason.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    Reason.NO_LIQUIDITY: (-2010, "Market is closed."),
    Reason.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    Reason.ALREADY_CLOSED: (-2011, "Unknown order sent."),
    Reason.ON_REQUEST: (-2010, "Order rejected."),
}
_DENIALS = {
    Why.NO_KEY: (401, -2014, "API-key format invalid."),
    Why.UNKNOWN_KEY: (401, -2015, "Invalid API-key, IP, or permissions for action."),
    Why.BAD_SIGNATURE: (400, -1022, "Signature for this request is not valid."),
    Why.EXPIRED: (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    Why.AHEAD: (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time."),
}
_WEIGHTS = {
    ("GET", "/api/v3/exchangeInfo"): 20,
    ("GET", "/api/v3/account"): 20,
    ("GET", "/api/v3/account/commission"): 20,
    ("GET", "/api/v3/order"): 4,
    ("GET", "/api/v3/openOrders"): 6,
    ("GET", "/api/v3/myTrades"): 20,
    ("GET", "/api/v3/trades"): 25,
    ("GET", "/api/v3/ticker/24hr"): 2,
    ("GET", "/api/v3/ticker/price"): 2,
    ("GET", "/api/v3/ticker/bookTicker"): 2,
}


class Binance:
    def __init__(self, floor: Floor, feed: BinanceFeed) -> None:
        self.floor = floor
        self._feed = feed
        self._weight = Window(6000, 60_000)
        self._orders = Window(100, 10_000)
        self._orders_day = Window(200_000, 86_400_000)
        self._ban = Ban(patience=20, first_ms=120_000, longest_ms=259_200_000)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ws", self._feed.serve),
            web.get("/ws/{streams:.+}", self._feed.serve),
            web.get("/stream", self._feed.serve),
            web.get("/api/v3/ping", self._ping),
            web.get("/api/v3/time", self._time),
            web.get("/api/v3/exchangeInfo", self._info),
            web.get("/api/v3/depth", self._depth),
            web.get("/api/v3/trades", self._trades),
            web.get("/api/v3/ticker/24hr", self._ticker),
            web.get("/api/v3/ticker/price", self._price),
            web.get("/api/v3/ticker/bookTicker", self._best),
            web.post("/api/v3/order", self._place),
            web.post("/api/v3/order/test", self._test),
            web.get("/api/v3/order", self._order),
            web.delete("/api/v3/order", self._cancel),
            web.get("/api/v3/openOrders", self._open),
            web.delete("/api/v3/openOrders", self._cancel_open),
            web.get("/api/v3/allOrders", self._all),
            web.get("/api/v3/myTrades", self._mine),
            web.get("/api/v3/account", self._account),
            web.get("/api/v3/account/commission", self._commission),
            web.get("/sapi/v1/asset/tradeFee", self._fees),
            web.get("/sapi/v1/capital/config/getall", self._currencies),
            web.get("/sapi/v1/account/apiRestrictions", self._restrictions),
            web.get("/sapi/v1/margin/allPairs", self._no_margin),
            web.get("/sapi/v1/margin/isolated/allPairs", self._no_margin),
        ]

    # the door asks

    def is_placement(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path == "/api/v3/order"

    def admit(self, request: web.Request) -> dict[str, str]:
        now_ms = self.floor.clock()
        if self._ban.left_ms(now_ms):
            raise Limited(banned=True, retry_after_ms=self._ban.left_ms(now_ms))
        if not self._weight.take("ip", now_ms, _weight(request)):
            self._ban.refused(now_ms)
            raise Limited(retry_after_ms=60_000 - now_ms % 60_000)
        headers = {"X-MBX-USED-WEIGHT": str(self._weight.used("ip", now_ms))}
        headers["X-MBX-USED-WEIGHT-1M"] = headers["X-MBX-USED-WEIGHT"]
        if self.is_placement(request):
            if not self._orders.take("account", now_ms) or not self._orders_day.take("account", now_ms):
                raise Limited(retry_after_ms=10_000 - now_ms % 10_000)
            headers["X-MBX-ORDER-COUNT-10S"] = str(self._orders.used("account", now_ms))
            headers["X-MBX-ORDER-COUNT-1D"] = str(self._orders_day.used("account", now_ms))
        self._ban.served()
        return headers

    def refused(self, error: Refused) -> web.Response:
        code, message = _ERRORS[error.reason]
        return _error(400, int(error.code) if error.code.lstrip("-").isdigit() else code, message)

    def denied(self, error: Denied) -> web.Response:
        return _error(*_DENIALS[error.why])

    def malformed(self, error: Malformed) -> web.Response:
        name = error.parameter
        if name == "limit":
            return _error(400, -1130, "Data sent for parameter 'limit' is not valid.")
        if error.detail == "illegal":
            legal = CLIENT_ID.pattern
            return _error(400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^{legal}$'.")
        if name in ("type", "side", "timeInForce"):
            code = {"type": -1116, "side": -1117, "timeInForce": -1115}[name]
            return _error(400, code, f"Invalid {'orderType' if name == 'type' else name}.")
        return _error(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")

    def limited(self, error: Limited) -> web.Response:
        until = self.floor.clock() + error.retry_after_ms
        text = f"Way too much request weight used; IP banned until {until}." if error.banned else "Too many requests."
        answer = _error(418 if error.banned else 429, -1003, text)
        answer.headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
        return answer

    # public

    async def _ping(self, _: web.Request) -> web.Response:
        return _json({})

    async def _time(self, _: web.Request) -> web.Response:
        return _json({"serverTime": self.floor.clock()})

    async def _info(self, _: web.Request) -> web.Response:
        limits = [("REQUEST_WEIGHT", "MINUTE", 1, 6000), ("ORDERS", "SECOND", 10, 100), ("ORDERS", "DAY", 1, 200_000)]
        return _json(
            {
                "timezone": "UTC",
                "serverTime": self.floor.clock(),
                "rateLimits": [
                    {"rateLimitType": kind, "interval": per, "intervalNum": count, "limit": limit}
                    for kind, per, count, limit in limits
                ],
                "exchangeFilters": [],
                "symbols": [market_row(rules) for rules in self.floor.rules.markets.values()],
            }
        )

    async def _depth(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "100")
        if not limit.isdigit() or not 0 < int(limit) <= 5000:
            raise Malformed("limit")
        return _json(self._feed.rest_depth(self._symbol(request.query), int(limit)))

    async def _trades(self, request: web.Request) -> web.Response:
        day = self._feed.days[self._symbol(request.query)]
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
        return _json(rows[-int(request.query.get("limit", "500")) :])

    async def _ticker(self, request: web.Request) -> web.Response:
        symbol = request.query.get("symbol")
        if symbol is not None:
            return _json(self._day_row(self._symbol(request.query)))
        return _json([self._day_row(each) for each in self.floor.rules.markets])

    async def _price(self, request: web.Request) -> web.Response:
        symbol = self._symbol(request.query)
        return _json({"symbol": symbol, "price": fixed(self._feed.days[symbol].last)})

    async def _best(self, request: web.Request) -> web.Response:
        symbol = self._symbol(request.query)
        depth = self._feed.rest_depth(symbol, 1)
        sides = {name: rows[0] if isinstance(rows, list) and rows else ["0", "0"] for name, rows in depth.items()}
        (bid, bid_qty), (ask, ask_qty) = sides["bids"], sides["asks"]
        return _json({"symbol": symbol, "bidPrice": bid, "bidQty": bid_qty, "askPrice": ask, "askQty": ask_qty})

    def _day_row(self, symbol: str) -> dict[str, object]:
        day = self._feed.days[symbol]
        bids, asks = self.floor.exchange.book(symbol)
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
            "openTime": self.floor.clock() - 86_400_000,
            "closeTime": self.floor.clock(),
            "firstId": day.trades[0][0] if day.trades else -1,
            "lastId": day.trades[-1][0] if day.trades else -1,
            "count": len(day.trades),
        }

    def _symbol(self, query: Mapping[str, str]) -> str:
        symbol = query.get("symbol")
        if symbol is None:
            raise Malformed("symbol")
        if symbol not in self.floor.rules.markets:
            raise Refused(Reason.UNKNOWN_MARKET, symbol)
        return symbol

    # private

    async def _signed(self, request: web.Request) -> tuple[Credential, dict[str, str]]:
        """Whose request it is, and its parameters. Raises Denied, Malformed."""
        text = request.rel_url.raw_query_string + (await request.text())
        credential = auth.binance(request.headers.get("X-MBX-APIKEY"), text, self.floor.keys)
        query = dict(parse_qsl(text, keep_blank_values=True))
        self._check_age(query)
        return credential, query

    def _check_age(self, query: Mapping[str, str]) -> None:
        """Raises Denied, Malformed."""
        if not query.get("timestamp", "").isdigit():
            raise Malformed("timestamp")
        age_ms = self.floor.clock() - int(query["timestamp"])
        if age_ms > min(60_000, int(query.get("recvWindow", "5000"))):
            raise Denied(Why.EXPIRED)
        if age_ms < -_AHEAD_MS:
            raise Denied(Why.AHEAD)

    async def _place(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        order = await self.floor.place(wish(credential.account, query), lambda: self._check_age(query))
        kind = "FULL" if query.get("type") in ("MARKET", "LIMIT") else "ACK"
        return _json(placed_row(order, query.get("newOrderRespType", kind)))

    async def _test(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        self.floor.exchange.check(wish(credential.account, query))
        return _json({})

    def _find(self, account: str, query: Mapping[str, str]) -> Order:
        self._symbol(query)
        if "orderId" in query:
            return self.floor.find(account, order_id=int(query["orderId"]))
        if "origClientOrderId" not in query:
            raise Malformed("origClientOrderId")
        return self.floor.find(account, client_id=query["origClientOrderId"])

    async def _order(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        return _json(order_row(self._find(credential.account, query)))

    async def _cancel(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        try:
            order = self._find(credential.account, query)
        except Refused as error:
            raise Refused(Reason.ALREADY_CLOSED, error.detail) from error  # both are "unknown" to a cancel
        self.floor.cancel(order)
        return _json(order_row(order) | {"origClientOrderId": order.client_id, "transactTime": order.updated_ms})

    async def _open(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        return _json([order_row(o) for o in self.floor.open_orders(credential.account, query.get("symbol"))])

    async def _cancel_open(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        orders = self.floor.open_orders(credential.account, self._symbol(query))
        if not orders:
            raise Refused(Reason.ALREADY_CLOSED, "no open order")
        for order in orders:
            self.floor.cancel(order)
        return _json([order_row(order) | {"origClientOrderId": order.client_id} for order in orders])

    async def _all(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        symbol = self._symbol(query)
        mine = [o for o in self._orders_of(credential.account) if o.symbol == symbol]
        return _json([order_row(order) for order in mine][-int(query.get("limit", "500")) :])

    async def _mine(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        symbol = self._symbol(query)
        wanted = query.get("orderId")
        rows = [
            trade_row(order, fill)
            for order in self._orders_of(credential.account)
            if order.symbol == symbol and wanted in (None, str(order.id))
            for fill in order.fills
        ]
        return _json(rows[-int(query.get("limit", "500")) :])

    def _orders_of(self, account: str) -> list[Order]:
        return [order for order in self.floor.exchange.orders.values() if order.account == account]

    async def _account(self, request: web.Request) -> web.Response:
        credential, _ = await self._signed(request)
        return _json(account_row(self.floor.rules, self.floor.ledger, credential.account, self.floor.clock()))

    async def _commission(self, request: web.Request) -> web.Response:
        _, query = await self._signed(request)
        rules = self.floor.rules
        standard = {"maker": fixed(rules.maker_fee), "taker": fixed(rules.taker_fee), "buyer": "0", "seller": "0"}
        discount = {"enabledForAccount": False, "enabledForSymbol": True, "discountAsset": "BNB", "discount": "0.75"}
        row = {"symbol": self._symbol(query), "standardCommission": standard, "discount": discount}
        return _json(row | {"taxCommission": dict.fromkeys(standard, "0")})

    async def _fees(self, request: web.Request) -> web.Response:
        _, query = await self._signed(request)
        wanted = query.get("symbol")
        rules = self.floor.rules
        fees = {"makerCommission": plain(rules.maker_fee), "takerCommission": plain(rules.taker_fee)}
        return _json([{"symbol": symbol} | fees for symbol in rules.markets if wanted in (None, symbol)])

    async def _currencies(self, request: web.Request) -> web.Response:
        await self._signed(request)
        assets = dict.fromkeys(a for rules in self.floor.rules.markets.values() for a in (rules.base, rules.quote))
        return _json([currency_row(asset) for asset in assets])

    async def _no_margin(self, request: web.Request) -> web.Response:
        """Spot alone is traded here: no pair has margin."""
        await self._signed(request)
        return _json([])

    async def _restrictions(self, request: web.Request) -> web.Response:
        await self._signed(request)
        return _json(
            {
                "ipRestrict": True,
                "createTime": self.floor.clock() - 86_400_000,
                "enableReading": True,
                "enableSpotAndMarginTrading": True,
                "enableWithdrawals": False,
                "enableInternalTransfer": False,
                "enableMargin": False,
                "enableFutures": False,
                "permitsUniversalTransfer": False,
            }
        )


def _weight(request: web.Request) -> int:
    if request.path == "/api/v3/depth":
        limit = int(request.query.get("limit", "100")) if request.query.get("limit", "100").isdigit() else 100
        return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250
    if request.path == "/api/v3/openOrders" and "symbol" not in request.query:
        return 80
    return _WEIGHTS.get((request.method, request.path), 1)


def _json(answer: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json_bytes(answer), content_type="application/json")


def _error(status: int, code: int, message: str) -> web.Response:
    return _json({"code": code, "msg": message}, status=status)
