"""Binance futures' signed REST: orders, margin, positions and what they paid."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.binance.wire import number
from sandbox.venues.binance_usdm import rows, stops
from sandbox.venues.binance_usdm.refusals import refusal
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import Order, Reason, Refused, State
from sandbox.venues.public import symbol_of
from sandbox.venues.spelling import json_bytes, plain
from sandbox.venues.trading import Countdown, cancelled, shown_orders, traded_orders

Query = Mapping[str, str]
Say = Callable[[str, Query], Any]

_AHEAD_MS = 1_000
_UNFILLED_KEPT_MS = 3 * 86_400_000  # so long an order that ended without a trade is found
_INCOME_MS = 7 * 86_400_000  # without a time the statement goes so far back
_INCOME_KEPT_MS = 90 * 86_400_000
PLACEMENT = ("POST", "/fapi/v1/order")
STOP_PLACEMENT = ("POST", "/fapi/v1/algoOrder")
WEIGHTS = {
    PLACEMENT: 0,
    STOP_PLACEMENT: 0,
    ("PUT", "/fapi/v1/order"): 0,
    ("GET", "/fapi/v1/openOrders"): 1,
    ("GET", "/fapi/v1/allOrders"): 5,
    ("GET", "/fapi/v1/openAlgoOrders"): 1,
    ("GET", "/fapi/v1/allAlgoOrders"): 5,
    ("GET", "/fapi/v1/userTrades"): 5,
    ("GET", "/fapi/v2/account"): 5,
    ("GET", "/fapi/v3/account"): 5,
    ("GET", "/fapi/v2/balance"): 5,
    ("GET", "/fapi/v3/balance"): 5,
    ("GET", "/fapi/v2/positionRisk"): 5,
    ("GET", "/fapi/v3/positionRisk"): 5,
    ("GET", "/fapi/v1/symbolConfig"): 5,
    ("GET", "/fapi/v1/positionSide/dual"): 30,
    ("GET", "/fapi/v1/income"): 30,
    ("GET", "/fapi/v1/commissionRate"): 20,
    ("POST", "/fapi/v1/countdownCancelAll"): 10,
}


class Private:
    """One floor's accounts. All have cross margin; hedge mode is a setting that no order here fits."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self._hedged: set[str] = set()  # accounts in hedge mode
        self._countdowns: dict[str, Countdown] = defaultdict(lambda: Countdown(floor))  # each symbol has its own

    def routes(self) -> list[web.RouteDef]:
        def get(path: str, say: Say) -> web.RouteDef:
            return web.get(path, self._signed(say))

        return [
            web.post("/fapi/v1/order", self._place),
            get("/fapi/v1/order", lambda who, query: rows.order_row(self._find(who, query))),
            web.put("/fapi/v1/order", self._signed(self._amend)),
            web.delete("/fapi/v1/order", self._signed(self._cancel)),
            get("/fapi/v1/openOrders", self._open),
            web.delete("/fapi/v1/allOpenOrders", self._signed(self._cancel_open)),
            get("/fapi/v1/allOrders", self._all),
            get("/fapi/v1/userTrades", self._trades),
            web.post("/fapi/v1/algoOrder", self._place_stop),
            get("/fapi/v1/algoOrder", lambda who, query: stops.row(stops.find(self.floor, who, query))),
            web.delete("/fapi/v1/algoOrder", self._signed(lambda who, query: stops.cancel(self.floor, who, query))),
            get("/fapi/v1/openAlgoOrders", self._open_stops),
            get("/fapi/v1/allAlgoOrders", self._all_stops),
            web.delete("/fapi/v1/algoOpenOrders", self._signed(self._cancel_stops)),
            get("/fapi/v2/account", lambda who, _: self._account(who, list(self.floor.rules.markets))),
            get("/fapi/v3/account", lambda who, _: self._account(who, self._held(who))),
            get("/fapi/v2/balance", self._balance),
            get("/fapi/v3/balance", self._balance),
            get("/fapi/v2/positionRisk", self._older_positions),
            get("/fapi/v3/positionRisk", self._positions),
            web.post("/fapi/v1/leverage", self._signed(self._leverage)),
            web.post("/fapi/v1/marginType", self._signed(self._margin_type)),
            get("/fapi/v1/positionSide/dual", lambda who, _: {"dualSidePosition": who in self._hedged}),
            web.post("/fapi/v1/positionSide/dual", self._signed(self._mode)),
            get("/fapi/v1/symbolConfig", self._config),
            get("/fapi/v1/leverageBracket", self._brackets),
            get("/fapi/v1/income", self._income),
            get("/fapi/v1/commissionRate", self._commission),
            web.post("/fapi/v1/countdownCancelAll", self._signed(self._countdown)),
        ]

    def _signed(self, say: Say) -> Callable[[web.Request], Any]:
        async def handler(request: web.Request) -> web.Response:
            account, query = await self._whose(request)
            return _answer(say(account, query))

        return handler

    async def _whose(self, request: web.Request) -> tuple[str, dict[str, str]]:
        """Whose request it is, and its parameters. Raises Denied, Malformed."""
        text = request.rel_url.raw_query_string + (await request.text())
        credential = auth.binance(request.headers.get("X-MBX-APIKEY"), text, self.floor.keys)
        query = dict(parse_qsl(text, keep_blank_values=True))
        self.check_age(query)
        return credential.account, query

    def check_age(self, query: Query) -> None:
        """Raises Denied, Malformed."""
        if not query.get("timestamp", "").isdigit():
            raise Malformed("timestamp")
        age_ms = self.floor.clock() - int(query["timestamp"])
        if age_ms > min(60_000, whole(query, "recvWindow", 5_000)):
            raise Denied(Why.EXPIRED)
        if age_ms < -_AHEAD_MS:
            raise Denied(Why.AHEAD)

    # orders

    async def _place(self, request: web.Request) -> web.Response:
        return await self.placed(*await self._whose(request))

    async def placed(self, account: str, query: Query) -> web.Response:
        """Raises whatever the floor shows, Malformed, Denied."""
        self._check_side(account, query)
        order = await self.floor.place(rows.wish(account, query), lambda: self.check_age(query))
        says_result = query.get("newOrderRespType") == "RESULT"
        return _answer(rows.changed_row(order) if says_result else rows.accepted_row(order))

    async def _place_stop(self, request: web.Request) -> web.Response:
        account, query = await self._whose(request)
        self._check_side(account, query)
        order = await self.floor.place(stops.wish(account, query), lambda: self.check_age(query))
        return _answer(stops.placed_row(self.floor.stops.find(account, order_id=order.id)))

    def _check_side(self, account: str, query: Query) -> None:
        """Raises Refused."""
        if (query.get("positionSide", "BOTH") == "BOTH") is (account in self._hedged):
            raise refusal(-4061)

    def _open_stops(self, account: str, query: Query) -> list[dict[str, Any]]:
        return [stops.row(stop) for stop in stops.waiting(self.floor, account, query.get("symbol"))]

    def _all_stops(self, account: str, query: Query) -> list[dict[str, Any]]:
        return [stops.row(stop) for stop in stops.every(self.floor, account, query, _limit(query))]

    def _cancel_stops(self, account: str, query: Query) -> dict[str, Any]:
        for stop in stops.waiting(self.floor, account, symbol_of(self.floor, query.get("symbol"))):
            self.floor.cancel(stop.order)
        return _done("The operation of cancel all open order is done.")

    def _find(self, account: str, query: Query) -> Order:
        symbol_of(self.floor, query.get("symbol"))
        if "orderId" in query:
            order = self.floor.find(account, order_id=whole(query, "orderId", 0))
        elif "origClientOrderId" in query:
            order = self.floor.find(account, client_id=query["origClientOrderId"])
        else:
            raise Malformed("origClientOrderId")
        is_forgotten = self.floor.clock() - order.created_ms > _UNFILLED_KEPT_MS
        if is_forgotten and order.state is State.CANCELLED and not order.filled:
            raise Refused(Reason.UNKNOWN_ORDER, "too old")
        return order

    def _find_open(self, account: str, query: Query) -> Order:
        """To a cancel or a change, what has ended is as unknown as what never was."""
        try:
            order = self._find(account, query)
        except Refused as error:
            raise Refused(Reason.ALREADY_CLOSED, error.detail) from error
        if order.state is not State.OPEN:
            raise Refused(Reason.ALREADY_CLOSED, f"order {order.id} is {order.state.value}")
        return order

    def _amend(self, account: str, query: Query) -> dict[str, Any]:
        """One that would now take, or wants less than it has, is cancelled by the change."""
        order, qty, price = self._find_open(account, query), number(query, "quantity"), number(query, "price")
        if query.get("side") != order.side.name:
            raise Malformed("side")
        if (qty, price) == (order.qty, order.price):
            raise refusal(-5027)
        try:
            self.floor.amend(order, qty, price)
        except Refused as error:
            if error.reason is not Reason.WOULD_TAKE:
                raise
            self.floor.cancel(order)
        return rows.changed_row(order)

    def _cancel(self, account: str, query: Query) -> dict[str, Any]:
        return rows.changed_row(self.floor.cancel(self._find_open(account, query)))

    def _open(self, account: str, query: Query) -> list[dict[str, Any]]:
        return [rows.order_row(order) for order in self.floor.open_orders(account, query.get("symbol"))]

    def _cancel_open(self, account: str, query: Query) -> dict[str, Any]:
        for order in self.floor.open_orders(account, symbol_of(self.floor, query.get("symbol"))):
            cancelled(self.floor, order)
        return _done("The operation of cancel all open order is done.")

    def _all(self, account: str, query: Query) -> list[dict[str, Any]]:
        mine = shown_orders(self.floor, account, symbol_of(self.floor, query.get("symbol")))[::-1]
        first = whole(query, "orderId", 0)
        return [rows.order_row(o) for o in mine if o.id >= first][-_limit(query) :]

    def _trades(self, account: str, query: Query) -> list[dict[str, Any]]:
        """The last ones, or the first from an id or a time on."""
        wanted, first, since = query.get("orderId"), whole(query, "fromId", 0), whole(query, "startTime", 0)
        pairs = [
            (order, fill)
            for order in traded_orders(self.floor, account, symbol_of(self.floor, query.get("symbol")))
            if wanted in (None, str(order.id))
            for fill in order.fills
            if fill.id >= first and fill.at_ms >= since
        ]
        said = [rows.trade_row(*pair) for pair in sorted(pairs, key=lambda pair: pair[1].id)]
        return said[: _limit(query)] if first or since else said[-_limit(query) :]

    def _countdown(self, account: str, query: Query) -> dict[str, str]:
        """Of one symbol; zero stops it. Conditional orders are the algo service's: no page says that it takes them."""
        symbol = symbol_of(self.floor, query.get("symbol"))
        if "countdownTime" not in query:
            raise Malformed("countdownTime")
        left_ms = whole(query, "countdownTime", 0)
        self._countdowns[symbol].arm(account, left_ms / 1_000, frozenset({symbol}))
        return {"symbol": symbol, "countdownTime": str(left_ms)}

    # margin

    def _held(self, account: str) -> list[str]:
        """Symbols with a position or an open order."""
        statements, open_orders = self.floor.statements, self.floor.exchange.open_orders(account)
        both = (*(p.symbol for p in statements.positions(account)), *(o.symbol for o in open_orders))
        return list(dict.fromkeys(both))

    def _account(self, account: str, symbols: list[str]) -> dict[str, Any]:
        statements = self.floor.statements
        positions = [rows.account_position_row(statements.position(account, symbol)) for symbol in symbols]
        return rows.account_row(statements.margin(account), positions, self.floor.clock())

    def _balance(self, account: str, _: Query) -> list[dict[str, Any]]:
        return [rows.balance_row(self.floor.statements.margin(account), self.floor.clock())]

    def _positions(self, account: str, query: Query) -> list[dict[str, Any]]:
        statements = self.floor.statements
        held = [symbol for symbol in self._held(account) if query.get("symbol") in (None, symbol)]
        return [rows.position_row(statements.position(account, symbol)) for symbol in held]

    def _older_positions(self, account: str, query: Query) -> list[dict[str, Any]]:
        statements = self.floor.statements
        return [rows.older_position_row(statements.position(account, symbol)) for symbol in self._symbols(query)]

    def _symbols(self, query: Query) -> list[str]:
        """The one that is asked for, or all. Raises Malformed."""
        return [symbol_of(self.floor, query["symbol"])] if "symbol" in query else list(self.floor.rules.markets)

    def _leverage(self, account: str, query: Query) -> dict[str, Any]:
        symbol, leverage = symbol_of(self.floor, query.get("symbol")), whole(query, "leverage", 0)
        try:
            self.floor.exchange.clearing.set_leverage(account, symbol, leverage)
        except Refused as error:
            raise refusal(-2028) if error.reason is Reason.INSUFFICIENT_FUNDS else error from error
        return {"symbol": symbol, "leverage": leverage, "maxNotionalValue": rows.MOST_NOTIONAL}

    def _margin_type(self, account: str, query: Query) -> dict[str, Any]:
        symbol_of(self.floor, query.get("symbol"))
        codes = {"CROSSED": -4046, "ISOLATED": -4168}
        if query.get("marginType") not in codes:
            raise Malformed("marginType")
        raise refusal(codes[query["marginType"]])

    def _mode(self, account: str, query: Query) -> dict[str, Any]:
        if "dualSidePosition" not in query:
            raise Malformed("dualSidePosition")
        wants_hedge = rows.flag(query, "dualSidePosition")
        if wants_hedge is (account in self._hedged):
            raise refusal(-4059)
        if self.floor.exchange.open_orders(account):
            raise refusal(-4067)
        if self.floor.exchange.clearing.positions(account):
            raise refusal(-4068)
        self._hedged ^= {account}
        return _done("success")

    def _config(self, account: str, query: Query) -> list[dict[str, Any]]:
        clearing = self.floor.exchange.clearing
        same = {"marginType": "CROSSED", "isAutoAddMargin": False, "maxNotionalValue": rows.MOST_NOTIONAL}
        return [{"symbol": s, "leverage": clearing.leverage(account, s), **same} for s in self._symbols(query)]

    def _brackets(self, _: str, query: Query) -> list[dict[str, Any]]:
        markets = [self.floor.rules.markets[symbol] for symbol in self._symbols(query)]
        return [rows.bracket_row(market, market.perp) for market in markets if market.perp is not None]

    def _income(self, account: str, query: Query) -> list[dict[str, Any]]:
        """Oldest first, page by page."""
        now_ms, limit, page = self.floor.clock(), _limit(query, 100), max(1, whole(query, "page", 1))
        reach_ms = _INCOME_KEPT_MS if "startTime" in query else _INCOME_MS
        since_ms = max(whole(query, "startTime", 0), now_ms - reach_ms)
        flows = self.floor.exchange.clearing.statement(account, since_ms)
        said = [
            rows.income_row(flow)
            for flow in sorted(flows, key=lambda flow: (flow.at_ms, flow.id))
            if flow.at_ms <= whole(query, "endTime", flow.at_ms)
            and query.get("symbol") in (None, flow.symbol)
            and query.get("incomeType") in (None, rows.INCOME[flow.kind])
        ]
        return said[(page - 1) * limit : page * limit]

    def _commission(self, _: str, query: Query) -> dict[str, str]:
        symbol, fees = symbol_of(self.floor, query.get("symbol")), self.floor.rules
        rates = {"makerCommissionRate": plain(fees.maker_fee), "takerCommissionRate": plain(fees.taker_fee)}
        return {"symbol": symbol} | rates


def _limit(query: Query, default: int = 500) -> int:
    """Raises Malformed."""
    limit = whole(query, "limit", default)
    if not 0 < limit <= 1_000:
        raise Malformed("limit")
    return limit


def _done(text: str) -> dict[str, Any]:
    """A yes that looks like an error."""
    return {"code": 200, "msg": text}


def _answer(said: object) -> web.Response:
    return web.Response(body=json_bytes(said), content_type="application/json")
