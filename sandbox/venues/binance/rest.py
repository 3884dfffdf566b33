"""Binance's spot REST dialect: signed queries, recvWindow, weights and filters."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.auth import Credential, Denied, Why
from sandbox.venues.binance.feed import BinanceFeed
from sandbox.venues.binance.order_socket import OrderSocket
from sandbox.venues.binance.quotes import Quotes, answer, known_symbol
from sandbox.venues.binance.wire import (
    CLIENT_ID,
    account_row,
    currency_row,
    order_row,
    placed_row,
    trade_row,
    wish,
)
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.limits import Ban, Window
from sandbox.venues.orders import Order, Reason, Refused
from sandbox.venues.sockets import Sockets
from sandbox.venues.spelling import fixed, plain
from sandbox.venues.trading import shown_orders, traded_orders

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
    Reason.WOULD_TRIGGER: (-2010, "Stop price would trigger immediately."),
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
    ("GET", "/api/v3/allOrders"): 20,
    ("GET", "/api/v3/myTrades"): 20,
    ("GET", "/api/v3/trades"): 25,
    ("GET", "/api/v3/ticker/24hr"): 2,
    ("GET", "/api/v3/ticker/price"): 2,
    ("GET", "/api/v3/ticker/bookTicker"): 2,
    ("GET", "/sapi/v1/capital/config/getall"): 10,
    ("GET", "/sapi/v1/spot/delist-schedule"): 100,
    ("GET", "/sapi/v1/margin/next-hourly-interest-rate"): 100,
}


class Binance:
    def __init__(self, floor: Floor, feed: BinanceFeed, sockets: Sockets) -> None:
        self.floor = floor
        self._order_socket = OrderSocket(self, sockets)
        self._feed = feed
        self._weight = Window(6000, 60_000)
        self._wallet_weight = Window(12_000, 60_000)  # of each /sapi path for itself
        self._orders = Window(100, 10_000)
        self._orders_day = Window(200_000, 86_400_000)
        self._ban = Ban(patience=20, first_ms=120_000, longest_ms=259_200_000)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ws", self._feed.serve),
            web.get("/ws/{streams:.+}", self._feed.serve),
            web.get("/stream", self._feed.serve),
            web.get("/ws-api/v3", self._order_socket.serve),
            *Quotes(self.floor, self._feed).routes(),
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
            web.get("/sapi/v1/spot/delist-schedule", self._ending),
            web.get("/sapi/v1/margin/next-hourly-interest-rate", self._loans),
            web.get("/sapi/v1/account/apiRestrictions", self._restrictions),
            web.get("/sapi/v1/margin/allPairs", self._no_margin),
            web.get("/sapi/v1/margin/isolated/allPairs", self._no_margin),
        ]

    # the door asks

    def is_placement(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path == "/api/v3/order"

    def admit(self, request: web.Request) -> dict[str, str]:
        if request.path.startswith("/sapi/"):
            # Each for itself: none of it counts against what spot may be asked.
            return {"X-SAPI-USED-IP-WEIGHT-1M": self._weigh(self._wallet_weight, request.path, _weight(request))}
        return self.count(_weight(request), is_order=self.is_placement(request))

    def _weigh(self, window: Window, who: str, weight: int) -> str:
        """What `who` has used of it, this call included. Raises Limited, once too often with a ban."""
        now_ms = self.floor.clock()
        if self._ban.left_ms(now_ms):
            raise Limited(banned=True, retry_after_ms=self._ban.left_ms(now_ms))
        if not window.take(who, now_ms, weight):
            self._ban.refused(now_ms)
            raise Limited(retry_after_ms=60_000 - now_ms % 60_000)
        return str(window.used(who, now_ms))

    def count(self, weight: int, *, is_order: bool) -> dict[str, str]:
        """Sockets and REST share what an address and an account may do. Raises Limited."""
        used = self._weigh(self._weight, "ip", weight)
        headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        if is_order:
            now_ms = self.floor.clock()
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
        response = _error(418 if error.banned else 429, -1003, text)
        response.headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
        return response

    # private

    async def _signed(self, request: web.Request) -> tuple[Credential, dict[str, str]]:
        """Whose request it is, and its parameters. Raises Denied, Malformed."""
        text = request.rel_url.raw_query_string + (await request.text())
        credential = auth.binance(request.headers.get("X-MBX-APIKEY"), text, self.floor.keys)
        query = dict(parse_qsl(text, keep_blank_values=True))
        self.check_age(query)
        return credential, query

    def check_age(self, query: Mapping[str, str]) -> None:
        """Raises Denied, Malformed."""
        if not query.get("timestamp", "").isdigit():
            raise Malformed("timestamp")
        age_ms = self.floor.clock() - int(query["timestamp"])
        if age_ms > min(60_000, whole(query, "recvWindow", 5000)):
            raise Denied(Why.EXPIRED)
        if age_ms < -_AHEAD_MS:
            raise Denied(Why.AHEAD)

    async def _place(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        return await self.placed(credential.account, query)

    async def placed(self, account: str, query: Mapping[str, str]) -> web.Response:
        """Raises whatever the floor shows, Malformed, Denied."""
        order = await self.floor.place(wish(account, query), lambda: self.check_age(query))
        kind = "FULL" if query.get("type") in ("MARKET", "LIMIT") else "ACK"
        return answer(placed_row(order, query.get("newOrderRespType", kind)))

    async def _test(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        self.floor.exchange.check(wish(credential.account, query))
        return answer({})

    def _find(self, account: str, query: Mapping[str, str]) -> Order:
        known_symbol(self.floor, query)
        if "orderId" in query:
            return self.floor.find(account, order_id=whole(query, "orderId", 0))
        if "origClientOrderId" not in query:
            raise Malformed("origClientOrderId")
        return self.floor.find(account, client_id=query["origClientOrderId"])

    async def _order(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        return answer(order_row(self._find(credential.account, query)))

    async def _cancel(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        try:
            order = self._find(credential.account, query)
        except Refused as error:
            raise Refused(Reason.ALREADY_CLOSED, error.detail) from error  # both are "unknown" to a cancel
        self.floor.cancel(order)
        return answer(order_row(order) | {"origClientOrderId": order.client_id, "transactTime": order.updated_ms})

    async def _open(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        return answer([order_row(o) for o in self.floor.open_orders(credential.account, query.get("symbol"))])

    async def _cancel_open(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        orders = self.floor.open_orders(credential.account, known_symbol(self.floor, query))
        if not orders:
            raise Refused(Reason.ALREADY_CLOSED, "no open order")
        for order in orders:
            self.floor.cancel(order)
        return answer([order_row(order) | {"origClientOrderId": order.client_id} for order in orders])

    async def _all(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        symbol = known_symbol(self.floor, query)
        mine = shown_orders(self.floor, credential.account, symbol)[: whole(query, "limit", 500)]
        return answer([order_row(order) for order in reversed(mine)])

    async def _mine(self, request: web.Request) -> web.Response:
        credential, query = await self._signed(request)
        symbol = known_symbol(self.floor, query)
        wanted = query.get("orderId")
        rows = [
            trade_row(order, fill)
            for order in reversed(traded_orders(self.floor, credential.account, symbol))
            if wanted in (None, str(order.id))
            for fill in order.fills
        ]
        return answer(rows[-whole(query, "limit", 500) :])

    async def _account(self, request: web.Request) -> web.Response:
        credential, _ = await self._signed(request)
        return answer(account_row(self.floor.rules, self.floor.statements, credential.account, self.floor.clock()))

    async def _commission(self, request: web.Request) -> web.Response:
        _, query = await self._signed(request)
        rules = self.floor.rules
        standard = {"maker": fixed(rules.maker_fee), "taker": fixed(rules.taker_fee), "buyer": "0", "seller": "0"}
        discount = {"enabledForAccount": False, "enabledForSymbol": True, "discountAsset": "BNB", "discount": "0.75"}
        row = {"symbol": known_symbol(self.floor, query), "standardCommission": standard, "discount": discount}
        return answer(row | {"taxCommission": dict.fromkeys(standard, "0")})

    async def _fees(self, request: web.Request) -> web.Response:
        _, query = await self._signed(request)
        wanted = query.get("symbol")
        rules = self.floor.rules
        fees = {"makerCommission": plain(rules.maker_fee), "takerCommission": plain(rules.taker_fee)}
        return answer([{"symbol": symbol} | fees for symbol in rules.markets if wanted in (None, symbol)])

    async def _currencies(self, request: web.Request) -> web.Response:
        await self._signed(request)
        assets = dict.fromkeys(a for rules in self.floor.rules.markets.values() for a in (rules.base, rules.quote))
        return answer([currency_row(asset, self.floor.wallets) for asset in assets])

    async def _ending(self, request: web.Request) -> web.Response:
        """Markets that are taken off, by their day."""
        await self._signed(request)
        ends = {symbol: self.floor.wallets.end_ms(symbol) for symbol in self.floor.rules.markets}
        days = sorted({end_ms for end_ms in ends.values() if end_ms})
        return answer([{"delistTime": day, "symbols": [s for s, end in ends.items() if end == day]} for day in days])

    async def _loans(self, request: web.Request) -> web.Response:
        """Of cross margin, for twenty coins at most."""
        _, query = await self._signed(request)
        assets = query.get("assets", "").split(",")
        if len(assets) > 20 or query.get("isIsolated") not in ("TRUE", "FALSE"):
            raise Malformed("assets")
        hourly = self.floor.loans.hourly
        return answer(
            [{"asset": a, "nextHourlyInterestRate": plain(hourly[a])} for a in assets if a in hourly],
        )

    async def _no_margin(self, request: web.Request) -> web.Response:
        """Spot alone is traded here: no pair has margin."""
        await self._signed(request)
        return answer([])

    async def _restrictions(self, request: web.Request) -> web.Response:
        await self._signed(request)
        return answer(
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
        limit = whole(request.query, "limit", 100)
        return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250
    if request.path == "/api/v3/openOrders" and "symbol" not in request.query:
        return 80
    return _WEIGHTS.get((request.method, request.path), 1)


def _error(status: int, code: int, message: str) -> web.Response:
    return answer({"code": code, "msg": message}, status=status)
