"""OKX's v5 REST dialect: signed headers, an expiry per request, errors in the body's `code` and `sCode`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from aiohttp import web

from sandbox.venues import auth, candles
from sandbox.venues.auth import Credential, Denied, Why
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor, Limited
from sandbox.venues.limits import Window
from sandbox.venues.okx.countdown import CancelAllAfter
from sandbox.venues.okx.feed import OkxFeed
from sandbox.venues.okx.order_socket import OrderSocket
from sandbox.venues.okx.swaps import Swaps
from sandbox.venues.okx.wire import (
    FIRST_CODE,
    balance_row,
    currency_row,
    fill_row,
    instrument_row,
    order_number,
    order_row,
    placed_row,
    wish,
)
from sandbox.venues.orders import Order, Reason, Refused, State
from sandbox.venues.sockets import Sockets
from sandbox.venues.spelling import plain

T = TypeVar("T")
STAMP_MS = 30_000
_ERRORS = {
    Reason.UNKNOWN_MARKET: ("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."),
    Reason.BAD_TICK: ("51000", "Parameter px error"),
    Reason.BAD_LOT: ("51121", "Order quantity must be a multiple of the lot size."),
    Reason.BELOW_MIN_QTY: ("51020", "Your order should meet or exceed the minimum order amount."),
    Reason.BELOW_MIN_NOTIONAL: ("51020", "Your order should meet or exceed the minimum order amount."),
    Reason.ABOVE_MAX_NOTIONAL: ("51201", "Value of per market order cannot exceed the maximum."),
    Reason.INSUFFICIENT_FUNDS: ("51008", "Order failed. Insufficient balance in account."),
    Reason.DUPLICATE_CLIENT_ID: ("51016", "Client order ID already exists."),
    Reason.NO_LIQUIDITY: ("51006", "Order price is not within the price limit."),
    Reason.WOULD_TAKE: ("51006", "Order price is not within the price limit."),
    Reason.UNKNOWN_ORDER: ("51603", "Order does not exist"),
    Reason.ALREADY_CLOSED: (
        "51400",
        "Cancellation failed as the order has been filled, canceled or does not exist.",
    ),
    Reason.ON_REQUEST: ("51006", "Order price is not within the price limit."),
}
_DENIALS = {
    Why.NO_KEY: ("50103", 'Request header "OK-ACCESS-KEY" can\'t be empty.'),
    Why.UNKNOWN_KEY: ("50111", "Invalid OK-ACCESS-KEY"),
    Why.BAD_SIGNATURE: ("50113", "Invalid Sign"),
    Why.BAD_PASSPHRASE: ("50105", "Request header OK-ACCESS-PASSPHRASE incorrect."),
    Why.BAD_TIMESTAMP: ("50112", "Invalid OK-ACCESS-TIMESTAMP"),
    Why.EXPIRED: ("50102", "Timestamp request expired."),
    Why.AHEAD: ("50102", "Timestamp request expired."),
}
_LIMITS = {  # per path: so many per 2 s
    "/api/v5/trade/order": 60,
    "/api/v5/trade/batch-orders": 300,
    "/api/v5/trade/cancel-order": 60,
    "/api/v5/account/balance": 10,
    "/api/v5/public/instruments": 20,
    "/api/v5/market/books": 40,
    "/api/v5/market/candles": 40,
    "/api/v5/market/history-candles": 20,
    "/api/v5/market/history-trades": 20,
}
_PLACEMENTS = ("/api/v5/trade/order", "/api/v5/trade/batch-orders")


class _Failed(Exception):
    """A request whose own answer says no; carries code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Okx:
    def __init__(self, floor: Floor, feed: OkxFeed, sockets: Sockets) -> None:
        self.floor = floor
        self._order_socket = OrderSocket(self, sockets)
        self._feed = feed
        self._windows = {path: Window(limit, 2000) for path, limit in _LIMITS.items()}
        self._other = Window(100, 2000)

    def routes(self) -> list[web.RouteDef]:
        v5 = "/api/v5"
        return [
            web.get("/ws/v5/public", self._feed.serve),
            web.get("/ws/v5/private", self._order_socket.serve),
            web.get(f"{v5}/public/time", self._time),
            web.get(f"{v5}/public/instruments", self._instruments),
            web.get(f"{v5}/system/status", self._status),
            *Swaps(self.floor).routes(),
            *CancelAllAfter(self.floor, self._account, _answer).routes(),
            web.get(f"{v5}/market/books", self._books),
            web.get(f"{v5}/market/ticker", self._ticker),
            web.get(f"{v5}/market/tickers", self._tickers),
            web.get(f"{v5}/market/trades", self._trades),
            web.get(f"{v5}/market/history-trades", self._trades),
            web.get(f"{v5}/market/candles", candles.okx(self.floor, is_history=False)),
            web.get(f"{v5}/market/history-candles", candles.okx(self.floor, is_history=True)),
            web.get(f"{v5}/account/balance", self._balance),
            web.get(f"{v5}/account/config", self._config),
            web.get(f"{v5}/account/trade-fee", self._fee),
            web.get(f"{v5}/account/interest-rate", self._loans),
            web.get(f"{v5}/asset/currencies", self._currencies),
            web.post(f"{v5}/trade/order", self._place),
            web.post(f"{v5}/trade/batch-orders", self._place_many),
            web.post(f"{v5}/trade/cancel-order", self._cancel),
            web.post(f"{v5}/trade/cancel-batch-orders", self._cancel_many),
            web.get(f"{v5}/trade/order", self._order),
            web.get(f"{v5}/trade/orders-pending", self._pending),
            web.get(f"{v5}/trade/orders-history", self._history),
            web.get(f"{v5}/trade/fills", self._fills),
        ]

    # the door asks

    def is_placement(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path in _PLACEMENTS

    def admit(self, request: web.Request) -> dict[str, str]:
        self.count(request.method, request.path)
        return {}

    def count(self, method: str, path: str) -> None:
        """Sockets and REST share what an account may do. Raises Limited."""
        if not self._windows.get(path, self._other).take(f"{method} {path}", self.floor.clock()):
            raise Limited

    def refused(self, error: Refused) -> web.Response:
        code, message = _ERRORS[error.reason]
        return _answer([], error.code or code, message)

    def denied(self, error: Denied) -> web.Response:
        return _answer([], *_DENIALS[error.why], status=401)

    def malformed(self, error: Malformed) -> web.Response:
        return _answer([], "51000", f"Parameter {error.parameter} error", status=400)

    def limited(self, error: Limited) -> web.Response:
        return _answer([], "50011", "Too Many Requests", status=418 if error.banned else 429)

    # public

    async def _time(self, _: web.Request) -> web.Response:
        return _answer([{"ts": str(self.floor.clock())}])

    async def _status(self, _: web.Request) -> web.Response:
        return _answer([])

    async def _instruments(self, request: web.Request) -> web.Response:
        kind, wanted = request.query.get("instType"), request.query.get("instId")
        if wanted is not None and wanted not in self.floor.rules.markets:
            raise Refused(Reason.UNKNOWN_MARKET, wanted)
        rows = [
            instrument_row(rules, code, self.floor.wallets)
            for code, rules in enumerate(self.floor.rules.markets.values(), FIRST_CODE)
        ]
        return _answer([row for row in rows if row["instType"] == kind and wanted in (None, row["instId"])])

    async def _books(self, request: web.Request) -> web.Response:
        size = whole(request.query, "sz", 1)
        if not 0 < size <= 400:
            raise Malformed("sz")
        return _answer([self._feed.rest_book(self._symbol(request), size)])

    async def _ticker(self, request: web.Request) -> web.Response:
        return _answer([self._feed.ticker_row(self._symbol(request))])

    async def _tickers(self, request: web.Request) -> web.Response:
        kind = request.query.get("instType")
        rows = [self._feed.ticker_row(symbol) for symbol in self.floor.rules.markets]
        return _answer([row for row in rows if row["instType"] == kind])

    async def _trades(self, request: web.Request) -> web.Response:
        symbol = self._symbol(request)
        rows = [
            {
                "instId": symbol,
                "side": "buy" if trade.aggressor.value == "bid" else "sell",
                "sz": plain(trade.qty),
                "px": plain(trade.price),
                "tradeId": str(number),
                "ts": str(trade.at_ms),
            }
            for number, trade in reversed(self._feed.days[symbol].trades)
            if number < whole(request.query, "after", number + 1)
        ]
        return _answer(rows[: whole(request.query, "limit", 100)])

    def _symbol(self, request: web.Request) -> str:
        symbol = request.query.get("instId", "")
        if symbol not in self.floor.rules.markets:
            raise Refused(Reason.UNKNOWN_MARKET, symbol)
        return symbol

    # private

    async def _account(self, request: web.Request) -> Credential:
        """Raises Denied."""
        path = request.rel_url.raw_path_qs
        credential = auth.okx(request.headers, request.method, path, await request.text(), self.floor.keys)
        try:
            stamp = datetime.fromisoformat(request.headers.get("OK-ACCESS-TIMESTAMP", ""))
        except ValueError as error:
            raise Denied(Why.BAD_TIMESTAMP) from error
        if abs(self.floor.clock() - stamp.timestamp() * 1000) > STAMP_MS:
            raise Denied(Why.EXPIRED)
        return credential

    def _check_expiry(self, text: str) -> None:
        if text and (not text.isdigit() or int(text) < self.floor.clock()):
            raise _Failed("51149", "Order timed out. Please try again later.")

    async def _place(self, request: web.Request) -> web.Response:
        account = (await self._account(request)).account
        expires = request.headers.get("expTime", "")
        return await self.placed(account, await _body(request, dict[str, object]), expires)

    async def placed(self, account: str, body: dict[str, object], expires: str) -> web.Response:
        """Raises whatever the floor shows but a refusal: that is an answer here."""
        return _operations([await self._placed(account, body, expires)])

    async def _place_many(self, request: web.Request) -> web.Response:
        account = (await self._account(request)).account
        bodies = await _body(request, list[dict[str, object]])
        if not 0 < len(bodies) <= 20:
            raise Malformed("batch")
        expires = request.headers.get("expTime", "")
        return _operations([await self._placed(account, body, expires) for body in bodies])

    async def _placed(self, account: str, body: dict[str, object], expires: str) -> dict[str, object]:
        try:
            self._check_expiry(expires)
            order = await self.floor.place(wish(account, body), lambda: self._check_expiry(expires))
        except Refused as error:
            code, message = _ERRORS[error.reason]
            return _failed_row(body, error.code or code, message, self.floor.clock())
        except Malformed as error:
            return _failed_row(body, "51000", f"Parameter {error.parameter} error", self.floor.clock())
        except _Failed as error:
            return _failed_row(body, error.code, error.message, self.floor.clock())
        return placed_row(order, self.floor.clock())

    async def _cancel(self, request: web.Request) -> web.Response:
        account = (await self._account(request)).account
        return _operations([self._cancelled(account, await _body(request, dict[str, object]))])

    async def _cancel_many(self, request: web.Request) -> web.Response:
        account = (await self._account(request)).account
        bodies = await _body(request, list[dict[str, object]])
        return _operations([self._cancelled(account, body) for body in bodies])

    def _cancelled(self, account: str, body: dict[str, object]) -> dict[str, object]:
        try:
            order = self._find(account, str(body.get("ordId") or ""), str(body.get("clOrdId") or ""))
            self.floor.cancel(order)
        except Refused:
            return _failed_row(body, *_ERRORS[Reason.ALREADY_CLOSED], self.floor.clock())
        return placed_row(order, self.floor.clock())

    def _find(self, account: str, order_id: str, client_id: str) -> Order:
        """`ordId` wins where both are given. Raises Malformed, Refused."""
        if order_id:
            return self.floor.find(account, order_id=order_number(order_id))
        if not client_id:
            raise Malformed("ordId")
        return self.floor.find(account, client_id=client_id)

    async def _order(self, request: web.Request) -> web.Response:
        account = (await self._account(request)).account
        self._symbol(request)
        order = self._find(account, request.query.get("ordId", ""), request.query.get("clOrdId", ""))
        return _answer([order_row(order)])

    async def _pending(self, request: web.Request) -> web.Response:
        account = (await self._account(request)).account
        orders = self.floor.open_orders(account, request.query.get("instId"))
        return _answer([order_row(order) for order in reversed(orders)][: whole(request.query, "limit", 100)])

    async def _history(self, request: web.Request) -> web.Response:
        account = (await self._account(request)).account
        orders = [o for o in self._mine(account, request) if o.state is not State.OPEN]
        return _answer([order_row(order) for order in orders][: whole(request.query, "limit", 100)])

    async def _fills(self, request: web.Request) -> web.Response:
        account = (await self._account(request)).account
        wanted = request.query.get("ordId")
        rows = [
            fill_row(order, fill)
            for order in self._mine(account, request)
            if wanted is None or order.id == order_number(wanted)
            for fill in reversed(order.fills)
        ]
        return _answer(rows[: whole(request.query, "limit", 100)])

    def _mine(self, account: str, request: web.Request) -> list[Order]:
        """Newest first."""
        symbol = request.query.get("instId")
        orders = reversed(self.floor.exchange.orders.values())
        return [order for order in orders if order.account == account and symbol in (None, order.symbol)]

    async def _balance(self, request: web.Request) -> web.Response:
        account = (await self._account(request)).account
        row = balance_row(self.floor.ledger, account, self.floor.clock())
        wanted = request.query.get("ccy")
        if wanted and isinstance(row["details"], list):
            row["details"] = [detail for detail in row["details"] if detail["ccy"] in wanted.split(",")]
        return _answer([row])

    async def _config(self, request: web.Request) -> web.Response:
        await self._account(request)
        row = {
            "uid": "44705892343619584",
            "acctLv": "1",
            "posMode": "net_mode",
            "level": "Lv1",
            "perm": "read_only,trade",
        }
        return _answer([row | {"level": "Lv1", "acctStpMode": "cancel_maker", "ip": "127.0.0.1", "label": "premia"}])

    async def _fee(self, request: web.Request) -> web.Response:
        await self._account(request)
        maker, taker = plain(-self.floor.rules.maker_fee), plain(-self.floor.rules.taker_fee)
        row = {
            "category": "1",
            "instType": "SPOT",
            "level": "Lv1",
            "maker": maker,
            "taker": taker,
            "makerU": "",
            "takerU": "",
        }
        return _answer([row | {"makerU": "", "takerU": "", "ruleType": "normal", "ts": str(self.floor.clock())}])

    async def _loans(self, request: web.Request) -> web.Response:
        """The account's rates per hour; of one coin where `ccy` names it."""
        await self._account(request)
        wanted, hourly = request.query.get("ccy"), self.floor.loans.hourly
        rows = [{"ccy": coin, "interestRate": plain(rate)} for coin, rate in hourly.items() if wanted in (None, coin)]
        return _answer(rows)

    async def _currencies(self, request: web.Request) -> web.Response:
        await self._account(request)
        assets = dict.fromkeys(a for rules in self.floor.rules.markets.values() for a in (rules.base, rules.quote))
        return _answer([currency_row(asset, self.floor.wallets) for asset in assets])


def _failed_row(body: dict[str, object], code: str, message: str, now_ms: int) -> dict[str, object]:
    ids: dict[str, object] = {"clOrdId": str(body.get("clOrdId") or ""), "ordId": str(body.get("ordId") or "")}
    return ids | {"sCode": code, "sMsg": message, "tag": "", "ts": str(now_ms)}


def _operations(rows: list[dict[str, object]]) -> web.Response:
    """`code` 0 where all went well, 1 where none, 2 where some."""
    failed = sum(row["sCode"] != "0" for row in rows)
    if not failed:
        return _answer(rows)
    return _answer(rows, "1" if failed == len(rows) else "2", "All operations failed" if failed == len(rows) else "")


async def _body(request: web.Request, kind: type[T]) -> T:
    """Raises Malformed."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise Malformed("body") from error


def _answer(
    data: Sequence[Mapping[str, object]], code: str = "0", message: str = "", status: int = 200
) -> web.Response:
    body = msgspec.json.encode({"code": code, "data": data, "msg": message})
    return web.Response(status=status, body=body, content_type="application/json")
