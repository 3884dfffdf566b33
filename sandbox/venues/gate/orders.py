"""Gate's private v4 REST, spot: HMAC-SHA512 headers, an expiry per order, `text` as client id."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import End, Fill, Kind, Order, OrderRequest, Reason, Refused, Side, State, Tif
from sandbox.venues.public import symbol_of
from sandbox.venues.rules import Stp
from sandbox.venues.spelling import plain
from sandbox.venues.trading import (
    Countdown,
    json_body,
    positive,
    raw_query,
    shown_fills,
    shown_orders,
    side_of,
    stamped_ms,
)

TEXT = re.compile(r"t-[0-9A-Za-z_.-]{1,28}")
_TIFS = {"gtc": Tif.GTC, "ioc": Tif.IOC, "fok": Tif.FOK, "poc": Tif.POST_ONLY}
_TIF_NAMES = {tif: name for name, tif in _TIFS.items()}
_STP = {"cn": Stp.CANCEL_TAKER, "co": Stp.CANCEL_MAKER, "cb": Stp.CANCEL_BOTH, "-": Stp.NONE}
STAMP_MS = 60_000
_TEXT_KEPT_MS = 3_600_000  # of an order that has ended
_LEAST_COUNTDOWN_S = 5
REFUSALS = {
    Reason.UNKNOWN_MARKET: ("INVALID_CURRENCY_PAIR", "Invalid currency pair"),
    Reason.BAD_TICK: ("INVALID_PRECISION", "Price precision exceeds the limit"),
    Reason.BAD_LOT: ("INVALID_PRECISION", "Amount precision exceeds the limit"),
    Reason.BELOW_MIN_QTY: ("AMOUNT_TOO_LITTLE", "Order amount too little"),
    Reason.BELOW_MIN_NOTIONAL: ("AMOUNT_TOO_LITTLE", "Your order size is too small"),
    Reason.ABOVE_MAX_NOTIONAL: ("AMOUNT_TOO_MUCH", "Order amount too large"),
    Reason.INSUFFICIENT_FUNDS: ("BALANCE_NOT_ENOUGH", "Not enough balance"),
    Reason.DUPLICATE_CLIENT_ID: ("REPEATED_CREATION", "Duplicate text"),
    Reason.NO_LIQUIDITY: ("QUANTITY_NOT_ENOUGH", "Not enough quantity in the book"),
    Reason.WOULD_TAKE: ("POC_FILL_IMMEDIATELY", "Order would match and take immediately so its cancelled"),
    Reason.UNKNOWN_ORDER: ("ORDER_NOT_FOUND", "Order not found"),
    Reason.ALREADY_CLOSED: ("ORDER_CLOSED", "Order has been finished"),
    Reason.ON_REQUEST: ("TRADE_RESTRICTED", "Trade restricted"),
}
_DENIALS = {
    Why.NO_KEY: ("MISSING_REQUIRED_HEADER", "Missing required header: KEY"),
    Why.UNKNOWN_KEY: ("INVALID_KEY", "Invalid key provided"),
    Why.BAD_SIGNATURE: ("INVALID_SIGNATURE", "Signature mismatch"),
    Why.BAD_TIMESTAMP: ("MISSING_REQUIRED_HEADER", "Missing required header: Timestamp"),
}
_EXPIRED = ("REQUEST_EXPIRED", "request timestamp outside the window")
Say = Callable[[object], web.Response]


class Desk:
    """Orders, trades and the spot account of one floor."""

    def __init__(self, floor: Floor, say: Say) -> None:
        self._floor = floor
        self._say = say
        self._countdown = Countdown(floor)

    def routes(self) -> list[web.RouteDef]:
        spot = "/api/v4/spot"
        return [
            web.post(f"{spot}/orders", self._place),
            web.get(f"{spot}/orders", self._orders),
            web.get(f"{spot}/orders/{{order_id}}", self._order),
            web.patch(f"{spot}/orders/{{order_id}}", self._amend),
            web.delete(f"{spot}/orders/{{order_id}}", self._cancel),
            web.get(f"{spot}/open_orders", self._open),
            web.get(f"{spot}/my_trades", self._trades),
            web.get(f"{spot}/accounts", self._accounts),
            web.post(f"{spot}/countdown_cancel_all", self._arm),
            web.get("/api/v4/wallet/fee", self._fee),
            web.get("/api/v4/account/detail", self._detail),
        ]

    async def _account(self, request: web.Request) -> str:
        """Raises Denied."""
        query = unquote(raw_query(request))
        credential = auth.gate(
            request.headers, request.method, request.path, query, await request.read(), self._floor.keys
        )
        stamped_ms(request.headers.get("Timestamp", ""), self._floor.clock(), STAMP_MS, STAMP_MS, 1_000)
        return credential.account

    def _check_expiry(self, request: web.Request) -> None:
        text = request.headers.get("x-gate-exptime", "")
        if text and (not text.isdigit() or int(text) < self._floor.clock()):
            raise Denied(Why.EXPIRED)

    async def _place(self, request: web.Request) -> web.Response:
        account = await self._account(request)
        wish = _wish(account, await json_body(request))
        self._check_expiry(request)
        order = await self._floor.place(wish, lambda: self._check_expiry(request))
        return self._say(order_row(order))

    async def _amend(self, request: web.Request) -> web.Response:
        """Another price or another size, and not both."""
        order, body = self._find(await self._account(request), request), await json_body(request)
        self._check_expiry(request)
        qty, price = (positive(body, name) if body.get(name) else None for name in ("amount", "price"))
        if (qty is None) is (price is None) or order.qty is None or order.price is None:
            raise Malformed("amount")
        return self._say(order_row(self._floor.amend(order, qty or order.qty, price or order.price)))

    async def _cancel(self, request: web.Request) -> web.Response:
        order = self._find(await self._account(request), request)
        return self._say(order_row(self._floor.cancel(order)))

    async def _order(self, request: web.Request) -> web.Response:
        return self._say(order_row(self._find(await self._account(request), request)))

    def _find(self, account: str, request: web.Request) -> Order:
        """By id, or by text while the venue keeps it. Raises Malformed, Refused."""
        symbol_of(self._floor, request.query.get("currency_pair"), "currency_pair")
        text = request.match_info["order_id"]
        if text.isdigit():
            return self._floor.find(account, order_id=int(text) - 1_000_000)
        order = self._floor.find(account, client_id=text)
        if order.state is not State.OPEN and self._floor.clock() - order.updated_ms > _TEXT_KEPT_MS:
            raise Refused(Reason.UNKNOWN_ORDER, text)
        return order

    async def _orders(self, request: web.Request) -> web.Response:
        account, query = await self._account(request), request.query
        symbol = symbol_of(self._floor, query.get("currency_pair"), "currency_pair")
        if query.get("status") not in ("open", "finished"):
            raise Malformed("status")
        is_open = query["status"] == "open"
        found = [o for o in shown_orders(self._floor, account, symbol) if (o.state is State.OPEN) is is_open]
        return self._say(_page([order_row(order) for order in found], query, 100))

    async def _open(self, request: web.Request) -> web.Response:
        account = await self._account(request)
        said = []
        for symbol in self._floor.rules.markets:
            rows = [order_row(order) for order in reversed(self._floor.open_orders(account, symbol))]
            if shown := _page(rows, request.query, 100):
                said.append({"currency_pair": symbol, "total": len(rows), "orders": shown})
        return self._say(said)

    async def _trades(self, request: web.Request) -> web.Response:
        account, query = await self._account(request), request.query
        if "currency_pair" in query:
            symbol_of(self._floor, query["currency_pair"], "currency_pair")
        found = [
            trade_row(order, fill)
            for order, fill in shown_fills(self._floor, account, query.get("currency_pair"))
            if query.get("order_id") in (None, order_id(order))
        ]
        return self._say(_page(found, query, 100))

    async def _accounts(self, request: web.Request) -> web.Response:
        balances = self._floor.statements.balances(await self._account(request))
        return self._say(
            [
                {"currency": asset, "available": plain(held.free), "locked": plain(held.held), "update_id": 1}
                for asset, held in balances.items()
            ]
        )

    async def _fee(self, request: web.Request) -> web.Response:
        await self._account(request)
        rules = self._floor.rules
        return self._say(
            {
                "user_id": 10001,
                "maker_fee": plain(rules.maker_fee),
                "taker_fee": plain(rules.taker_fee),
                "gt_discount": False,
                "loan_fee": "0.18",
                "point_type": "0",
            }
        )

    async def _detail(self, request: web.Request) -> web.Response:
        await self._account(request)
        return self._say({"user_id": 10001, "ip_whitelist": ["127.0.0.1"], "currency_pairs": [], "key": {"mode": 1}})

    async def _arm(self, request: web.Request) -> web.Response:
        account, body = await self._account(request), await json_body(request)
        text = str(body.get("timeout", ""))
        if not text.isdigit() or 0 < int(text) < _LEAST_COUNTDOWN_S:
            raise Malformed("timeout")
        pair = str(body.get("currency_pair") or "")
        self._countdown.arm(account, int(text), frozenset({pair} if pair else ()))
        return self._say({"triggerTime": self._floor.clock() + int(text) * 1_000})


def denial(error: Denied) -> tuple[str, str]:
    return _DENIALS.get(error.why, _EXPIRED)


def refusal(error: Refused) -> tuple[str, str]:
    label, text = REFUSALS[error.reason]
    return error.code or label, text


def _wish(account: str, body: Mapping[str, object]) -> OrderRequest:
    """Raises Malformed."""
    market = body.get("type", "limit") == "market"
    tif = str(body.get("time_in_force") or "gtc")
    if tif not in _TIFS or (market and tif not in ("ioc", "fok")):
        raise Malformed("time_in_force")
    text = str(body.get("text") or "")
    if text and not TEXT.fullmatch(text):
        raise Malformed("text")
    if body.get("account", "spot") not in ("spot", "unified"):
        raise Malformed("account")
    stp = body.get("stp_act")
    if stp is not None and stp not in _STP:
        raise Malformed("stp_act")
    side, amount = side_of(body), positive(body, "amount")
    by_money = market and side is Side.BUY
    return OrderRequest(
        account=account,
        symbol=str(body.get("currency_pair", "")),
        side=side,
        kind=Kind.LIMIT if not market else Kind.BUDGET if by_money else Kind.MARKET,
        tif=_TIFS[tif],
        price=None if market else positive(body, "price"),
        qty=None if by_money else amount,
        budget=amount if by_money else None,
        client_id=text,
        stp=_STP[str(stp)] if stp else None,
    )


def order_row(order: Order) -> dict[str, Any]:
    """As /spot/orders shows it, fees and all."""
    amount = order.qty if order.qty is not None else order.budget or order.filled
    left = amount - (order.filled if order.qty is not None else order.funds)
    return {
        "id": order_id(order),
        "text": order.client_id or "apiv4",
        "create_time": str(order.created_ms // 1_000),
        "update_time": str(order.updated_ms // 1_000),
        "create_time_ms": order.created_ms,
        "update_time_ms": order.updated_ms,
        "status": {State.OPEN: "open", State.FILLED: "closed", State.CANCELLED: "cancelled"}[order.state],
        "currency_pair": order.symbol,
        "type": "limit" if order.kind is Kind.LIMIT else "market",
        "account": "spot",
        "side": order.side.name.lower(),
        "amount": plain(amount),
        "price": plain(order.price) if order.price is not None else "0",
        "time_in_force": _TIF_NAMES[order.tif],
        "iceberg": "0",
        "left": plain(left),
        "filled_amount": plain(order.filled),
        "fill_price": plain(order.funds),
        "filled_total": plain(order.funds),
        "avg_deal_price": plain(round(order.average, 12)) if order.filled else "",
        "fee": plain(order.fee),
        "fee_currency": order.fee_asset,
        "point_fee": "0",
        "gt_fee": "0",
        "gt_discount": False,
        "rebated_fee": "0",
        "rebated_fee_currency": "",
        "finish_as": _finish(order),
    }


def trade_row(order: Order, fill: Fill) -> dict[str, Any]:
    return {
        "id": str(fill.id),
        "create_time": str(fill.at_ms // 1_000),
        "create_time_ms": f"{fill.at_ms}.000000",
        "currency_pair": order.symbol,
        "side": order.side.name.lower(),
        "role": "maker" if fill.maker else "taker",
        "amount": plain(fill.qty),
        "price": plain(fill.price),
        "order_id": order_id(order),
        "fee": plain(fill.fee),
        "fee_currency": fill.fee_asset,
        "point_fee": "0",
        "gt_fee": "0",
        "text": order.client_id or "apiv4",
    }


def _page(rows: list[dict[str, Any]], query: Mapping[str, str], default: int) -> list[dict[str, Any]]:
    page, limit = max(1, whole(query, "page", 1)), whole(query, "limit", default)
    return rows[(page - 1) * limit : page * limit]


def _finish(order: Order) -> str:
    if order.state is not State.CANCELLED:
        return "open" if order.state is State.OPEN else "filled"
    return {End.USER: "cancelled", End.SELF_TRADE: "stp"}.get(order.end or End.TIF, _TIF_NAMES[order.tif])


def order_id(order: Order) -> str:
    return str(1_000_000 + order.id)
