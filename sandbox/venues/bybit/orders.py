"""Bybit's private v5 REST, spot: signed headers, a window per request, answers in HTTP 200 with a `retCode`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import End, Fill, Kind, Order, OrderRequest, Reason, Refused, Side, State, Tif
from sandbox.venues.public import symbol_of
from sandbox.venues.rules import Stp
from sandbox.venues.spelling import plain
from sandbox.venues.trading import json_body, positive, raw_query, shown_fills, shown_orders, side_of, stamped_ms

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_TIFS = {"GTC": Tif.GTC, "IOC": Tif.IOC, "FOK": Tif.FOK, "PostOnly": Tif.POST_ONLY}
_TIF_NAMES = {tif: name for name, tif in _TIFS.items()}
_STP = {
    "None": Stp.NONE,
    "CancelMaker": Stp.CANCEL_MAKER,
    "CancelTaker": Stp.CANCEL_TAKER,
    "CancelBoth": Stp.CANCEL_BOTH,
}
_AHEAD_MS = 1_000
_SHOWN_CLOSED_MS = 600_000  # `realtime` keeps what ended for a while, `history` for good
REFUSALS = {
    Reason.UNKNOWN_MARKET: (170_121, "Invalid symbol."),
    Reason.BAD_TICK: (170_134, "Order price has too many decimals."),
    Reason.BAD_LOT: (170_137, "Order quantity has too many decimals."),
    Reason.BELOW_MIN_QTY: (170_136, "The quantity of a single order is less than the minimum."),
    Reason.BELOW_MIN_NOTIONAL: (170_140, "Order value exceeded lower limit."),
    Reason.ABOVE_MAX_NOTIONAL: (170_124, "Order amount too large."),
    Reason.INSUFFICIENT_FUNDS: (170_131, "Insufficient balance."),
    Reason.DUPLICATE_CLIENT_ID: (170_141, "Duplicate clientOrderId."),
    Reason.NO_LIQUIDITY: (170_210, "New order rejected."),
    Reason.WOULD_TAKE: (170_218, "The LIMIT-MAKER order is rejected due to invalid price."),
    Reason.UNKNOWN_ORDER: (170_213, "Order does not exist."),
    Reason.ALREADY_CLOSED: (170_213, "Order does not exist."),
    Reason.ON_REQUEST: (170_210, "New order rejected."),
}
DENIALS = {
    Why.NO_KEY: (10_003, "API key is invalid."),
    Why.UNKNOWN_KEY: (10_003, "API key is invalid."),
    Why.BAD_SIGNATURE: (10_004, "Error sign, please check your signature generation algorithm."),
}
EXPIRED = (10_002, "invalid request, please check your server timestamp or recv_window param")
Say = Callable[[dict[str, Any]], web.Response]


class Desk:
    """Orders, executions and the unified account of one floor."""

    def __init__(self, floor: Floor, say: Say) -> None:
        self._floor = floor
        self._say = say

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v5/order/create", self._place),
            web.post("/v5/order/cancel", self._cancel),
            web.get("/v5/order/realtime", self._realtime),
            web.get("/v5/order/history", self._history),
            web.get("/v5/execution/list", self._executions),
            web.get("/v5/account/wallet-balance", self._balance),
            web.get("/v5/account/fee-rate", self._rates),
            web.get("/v5/account/info", self._info),
            web.get("/v5/user/query-api", self._key),
            web.get("/v5/asset/coin/query-info", self._coins),
        ]

    async def _account(self, request: web.Request) -> str:
        """Raises Denied."""
        payload = await request.text() if request.method == "POST" else raw_query(request)
        credential = auth.bybit(request.headers, payload, self._floor.keys)
        self.check_window(request.headers)
        return credential.account

    def check_window(self, headers: Mapping[str, str]) -> None:
        """Raises Denied."""
        window = headers.get("X-BAPI-RECV-WINDOW", "")
        past_ms = int(window) if window.isdigit() else 5_000
        stamped_ms(headers.get("X-BAPI-TIMESTAMP", ""), self._floor.clock(), past_ms, _AHEAD_MS)

    async def _place(self, request: web.Request) -> web.Response:
        return await self.placed(await self._account(request), await json_body(request), request.headers)

    async def placed(self, account: str, body: dict[str, object], headers: Mapping[str, str]) -> web.Response:
        """Raises whatever the floor shows, Malformed, Denied."""
        # The matching engine looks at the window again: what waited too long on the way is not executed.
        order = await self._floor.place(_wish(account, body), lambda: self.check_window(headers))
        return self._say({"orderId": order_id(order), "orderLinkId": order.client_id})

    async def _cancel(self, request: web.Request) -> web.Response:
        account, body = await self._account(request), await json_body(request)
        order = self._floor.cancel(self._find(account, body.get("orderId"), body.get("orderLinkId")))
        return self._say({"orderId": order_id(order), "orderLinkId": order.client_id})

    def _find(self, account: str, number: object, client_id: object) -> Order:
        """Raises Malformed, Refused."""
        if number:
            return self._floor.find(account, order_id=_order_number(str(number)))
        if not client_id:
            raise Malformed("orderId")
        return self._floor.find(account, client_id=str(client_id))

    async def _realtime(self, request: web.Request) -> web.Response:
        """Open orders; with an id, or `openOnly=1`, those that ended lately, too."""
        orders, now_ms = self._asked(await self._account(request), request), self._floor.clock()
        with_ended = request.query.get("openOnly") == "1" or _names_one(request)
        kept = [
            order
            for order in orders
            if order.state is State.OPEN or (with_ended and now_ms - order.updated_ms < _SHOWN_CLOSED_MS)
        ]
        return self._page([order_row(order) for order in kept], request, 20)

    async def _history(self, request: web.Request) -> web.Response:
        orders = self._asked(await self._account(request), request)
        return self._page([order_row(order) for order in orders if order.state is not State.OPEN], request, 20)

    async def _executions(self, request: web.Request) -> web.Response:
        account, query = await self._account(request), request.query
        _check_category(request)
        found = [
            fill_row(order, fill)
            for order, fill in shown_fills(self._floor, account, query.get("symbol"))
            if query.get("orderId") in (None, order_id(order)) and query.get("orderLinkId") in (None, order.client_id)
        ]
        return self._page(found, request, 50)

    def _asked(self, account: str, request: web.Request) -> list[Order]:
        """Raises Malformed."""
        _check_category(request)
        query = request.query
        if "symbol" in query:
            symbol_of(self._floor, query["symbol"])
        return [
            order
            for order in shown_orders(self._floor, account, query.get("symbol"))
            if query.get("orderId") in (None, order_id(order)) and query.get("orderLinkId") in (None, order.client_id)
        ]

    def _page(self, rows: list[dict[str, Any]], request: web.Request, default: int) -> web.Response:
        start, limit = whole(request.query, "cursor", 0), whole(request.query, "limit", default)
        cursor = str(start + limit) if len(rows) > start + limit else ""
        return self._say({"category": "spot", "list": rows[start : start + limit], "nextPageCursor": cursor})

    async def _balance(self, request: web.Request) -> web.Response:
        account = await self._account(request)
        if request.query.get("accountType") != "UNIFIED":
            raise Malformed("accountType")
        coins = [
            {"coin": asset, "walletBalance": plain(held.total), "locked": plain(held.held), "equity": plain(held.total)}
            for asset, held in self._floor.ledger.balances(account).items()
            if held.total
        ]
        return self._say({"list": [{"accountType": "UNIFIED", "coin": coins}]})

    async def _rates(self, request: web.Request) -> web.Response:
        await self._account(request)
        _check_category(request)
        rules, wanted = self._floor.rules, request.query.get("symbol")
        symbols = list(rules.markets) if wanted is None else [symbol_of(self._floor, wanted)]
        rates = {"takerFeeRate": plain(rules.taker_fee), "makerFeeRate": plain(rules.maker_fee)}
        return self._say({"category": "spot", "list": [{"symbol": symbol, **rates} for symbol in symbols]})

    async def _info(self, request: web.Request) -> web.Response:
        await self._account(request)
        return self._say({"unifiedMarginStatus": 5, "marginMode": "REGULAR_MARGIN", "dcpStatus": "OFF"})

    async def _key(self, request: web.Request) -> web.Response:
        account = await self._account(request)
        permissions = {"Spot": ["SpotTrade"], "Wallet": []}
        return self._say(
            {"note": account, "readOnly": 0, "permissions": permissions, "ips": ["127.0.0.1"], "unified": 0, "uta": 1}
        )

    async def _coins(self, request: web.Request) -> web.Response:
        await self._account(request)
        wanted, wallets = request.query.get("coin"), self._floor.wallets
        networks = {"BTC": ("BTC",), "ETH": ("ETH", "ARBI"), "XRP": ("XRP",), "USDT": ("TRX", "ETH")}
        rows = [
            {
                "coin": coin,
                "name": coin,
                "remainAmount": "1000000",
                "chains": [
                    {
                        "chain": name,
                        "chainType": name,
                        "confirmation": "2",
                        "withdrawFee": "0.0005",
                        "depositMin": "0.0001",
                        "withdrawMin": "0.001",
                        "minAccuracy": "8",
                        "chainDeposit": str(int(wallets.of(coin, name).deposits)),
                        "chainWithdraw": str(int(wallets.of(coin, name).withdrawals)),
                        "withdrawPercentageFee": "0",
                    }
                    for name in names
                ],
            }
            for coin, names in networks.items()
            if wanted in (None, "", coin)
        ]
        return self._say({"rows": rows})


def denial(error: Denied) -> tuple[int, str]:
    return DENIALS.get(error.why, EXPIRED)


def refusal(error: Refused) -> tuple[int, str]:
    code, text = REFUSALS[error.reason]
    return (int(error.code) if error.code.isdigit() else code), text


def _wish(account: str, body: dict[str, object]) -> OrderRequest:
    """Raises Malformed."""
    if body.get("category") != "spot":
        raise Malformed("category")
    kind, tif = body.get("orderType"), str(body.get("timeInForce") or "GTC")
    if kind not in ("Limit", "Market"):
        raise Malformed("orderType")
    if tif not in _TIFS:
        raise Malformed("timeInForce")
    client_id = str(body.get("orderLinkId") or "")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise Malformed("orderLinkId")
    smp = body.get("smpType")
    if smp is not None and smp not in _STP:
        raise Malformed("smpType")
    side, market, amount = side_of(body), kind == "Market", positive(body, "qty")
    by_money = market and side is Side.BUY and body.get("marketUnit", "quoteCoin") == "quoteCoin"
    return OrderRequest(
        account=account,
        symbol=str(body.get("symbol", "")),
        side=side,
        kind=Kind.LIMIT if not market else Kind.BUDGET if by_money else Kind.MARKET,
        tif=Tif.IOC if market else _TIFS[tif],
        price=None if market else positive(body, "price"),
        qty=None if by_money else amount,
        budget=amount if by_money else None,
        client_id=client_id,
        stp=_STP[str(smp)] if smp else None,
    )


def _check_category(request: web.Request) -> None:
    if request.query.get("category") != "spot":
        raise Malformed("category")


def _names_one(request: web.Request) -> bool:
    return "orderId" in request.query or "orderLinkId" in request.query


def order_row(order: Order) -> dict[str, Any]:
    """As /v5/order/realtime shows it."""
    return {
        "orderId": order_id(order),
        "orderLinkId": order.client_id,
        "symbol": order.symbol,
        "side": order.side.name.capitalize(),
        "orderType": "Limit" if order.kind is Kind.LIMIT else "Market",
        "timeInForce": _TIF_NAMES[order.tif],
        "price": plain(order.price) if order.price is not None else "0",
        "qty": plain(order.qty if order.qty is not None else order.budget or order.filled),
        "marketUnit": "quoteCoin" if order.kind is Kind.BUDGET else "baseCoin" if order.kind is Kind.MARKET else "",
        "orderStatus": _status(order),
        "rejectReason": "EC_PostOnlyWillTakeLiquidity" if _crossed(order) else "EC_NoError",
        "cancelType": "CancelByUser" if order.end is End.USER else "UNKNOWN",
        "avgPrice": plain(round(order.average, 12)) if order.filled else "",
        "leavesQty": plain(order.open_qty) if order.state is State.OPEN else "0",
        "cumExecQty": plain(order.filled),
        "cumExecValue": plain(order.funds),
        "cumExecFee": plain(order.fee),
        "smpType": "None",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def fill_row(order: Order, fill: Fill) -> dict[str, Any]:
    """As /v5/execution/list shows it."""
    return {
        "symbol": order.symbol,
        "orderId": order_id(order),
        "orderLinkId": order.client_id,
        "side": order.side.name.capitalize(),
        "orderPrice": plain(order.price) if order.price is not None else "0",
        "orderQty": plain(order.qty) if order.qty is not None else "0",
        "orderType": "Limit" if order.kind is Kind.LIMIT else "Market",
        "execId": str(2_100_000_000_000_000_000 + fill.id),
        "execPrice": plain(fill.price),
        "execQty": plain(fill.qty),
        "execValue": plain(fill.price * fill.qty),
        "execFee": plain(fill.fee),
        "feeCurrency": fill.fee_asset,
        "feeRate": "",
        "execType": "Trade",
        "isMaker": fill.maker,
        "execTime": str(fill.at_ms),
    }


def _status(order: Order) -> str:
    if order.state is State.OPEN:
        return "PartiallyFilled" if order.filled else "New"
    if order.state is State.FILLED:
        return "Filled"
    if _crossed(order):
        return "Rejected"
    return "PartiallyFilledCanceled" if order.filled else "Cancelled"


def _crossed(order: Order) -> bool:
    return order.tif is Tif.POST_ONLY and order.end is End.TIF


def order_id(order: Order) -> str:
    return str(1_520_000_000_000_000_000 + order.id)


def _order_number(text: str) -> int:
    return int(text) - 1_520_000_000_000_000_000 if text.isdigit() else -1
