"""Coinone's private v2.1 REST: every call a POST whose payload is signed, errors in HTTP 200, no IOC and no FOK."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.door import Malformed
from sandbox.venues.floor import Floor
from sandbox.venues.orders import Fill, Kind, Order, OrderRequest, Reason, Refused, Side, State, Tif
from sandbox.venues.spelling import plain
from sandbox.venues.trading import positive, shown_fills, side_of

_CLIENT_ID = re.compile(r"[a-z0-9_.-]{1,150}")
_FIRST_ID = 0x8A82C561_0000_0000_0000_000000000000
REFUSALS = {
    Reason.UNKNOWN_MARKET: ("108", "Unknown cryptocurrency"),
    Reason.BAD_TICK: ("310", "Invalid price unit"),
    Reason.BAD_LOT: ("307", "Invalid qty unit"),
    Reason.BELOW_MIN_QTY: ("306", "Quantity is below the minimum"),
    Reason.BELOW_MIN_NOTIONAL: ("306", "Order amount is below the minimum"),
    Reason.ABOVE_MAX_NOTIONAL: ("309", "Order amount is above the maximum"),
    Reason.INSUFFICIENT_FUNDS: ("103", "Lack of Balance"),
    Reason.DUPLICATE_CLIENT_ID: ("313", "Duplicated user_order_id"),
    Reason.NO_LIQUIDITY: ("107", "Parameter value is wrong"),
    Reason.WOULD_TAKE: ("107", "Parameter value is wrong"),
    Reason.WOULD_TRIGGER: ("167", "Trigger price is equal to current price"),
    Reason.UNKNOWN_ORDER: ("104", "Order id is not exist"),
    Reason.ALREADY_CLOSED: ("104", "Order id is not exist"),
    Reason.ON_REQUEST: ("107", "Parameter value is wrong"),
}
_DENIALS = {
    Why.NO_KEY: ("11", "Access token is missing"),
    Why.UNKNOWN_KEY: ("40", "Invalid API permission"),
    Why.BAD_SIGNATURE: ("12", "Invalid access token"),
    Why.NONCE_USED: ("131", "Nonce is already used"),
    Why.BAD_TIMESTAMP: ("130", "Invalid nonce"),
}
_DENIED = ("12", "Invalid access token")
_KEPT_NONCES = 10_000
Say = Callable[[dict[str, Any]], web.Response]


class Desk:
    """Orders, trades and the account of one floor."""

    def __init__(self, floor: Floor, say: Say) -> None:
        self._floor = floor
        self._say = say
        self._nonces: dict[str, None] = {}

    def routes(self) -> list[web.RouteDef]:
        order, account = "/v2.1/order", "/v2.1/account"
        return [
            web.post(order, self._place),
            web.post(f"{order}/cancel", self._cancel),
            web.post(f"{order}/cancel/all", self._cancel_all),
            web.post(f"{order}/detail", self._detail),
            web.post(f"{order}/active_orders", self._active),
            web.post(f"{order}/completed_orders", self._completed),
            web.post(f"{order}/completed_orders/all", self._completed),
            web.post(f"{account}/balance/all", self._balances),
            web.post(f"{account}/trade_fee", self._fees),
            web.post(f"{account}/trade_fee/{{quote}}/{{target}}", self._fees),
        ]

    async def _asked(self, request: web.Request) -> tuple[str, dict[str, object]]:
        """The account, and the fields of its payload. Raises Denied."""
        credential, fields = auth.coinone(request.headers, await request.text(), self._floor.keys)
        nonce = str(fields.get("nonce") or "")
        try:
            is_fourth = UUID(nonce).version == 4
        except ValueError:
            is_fourth = False
        if not is_fourth:
            raise Denied(Why.BAD_TIMESTAMP, "the nonce is no UUID of version 4")
        if nonce in self._nonces:
            raise Denied(Why.NONCE_USED)
        self._nonces[nonce] = None
        if len(self._nonces) > _KEPT_NONCES:
            del self._nonces[next(iter(self._nonces))]
        return credential.account, fields

    async def _place(self, request: web.Request) -> web.Response:
        account, fields = await self._asked(request)
        order = await self._floor.place(_wish(account, fields))
        return self._say({"order_id": order_id(order)})

    async def _cancel(self, request: web.Request) -> web.Response:
        account, fields = await self._asked(request)
        order = self._floor.cancel(self._find(account, fields))
        return self._say(self._row(order) | {"canceled_qty": plain(order.open_qty)})

    async def _cancel_all(self, request: web.Request) -> web.Response:
        account, fields = await self._asked(request)
        orders = self._floor.open_orders(account, _symbol(fields))
        for order in orders:
            self._floor.cancel(order)
        return self._say({"canceled_count": len(orders), "total_order_count": len(orders)})

    async def _detail(self, request: web.Request) -> web.Response:
        account, fields = await self._asked(request)
        return self._say({"order": self._row(self._find(account, fields))})

    def _row(self, order: Order) -> dict[str, Any]:
        """A stop is one order all its life, under the same ids."""
        row = order_row(order)
        if order.stop is None:
            return row
        stop = self._floor.stops.find(order.account, order_id=order.id)
        status = row["status"]
        if stop.waits:
            status = "NOT_TRIGGERED"
        elif stop.made is None:
            status = "NOT_TRIGGERED_CANCELED"
        elif status == "LIVE":
            status = "TRIGGERED"
        went_off = {"is_triggered": stop.made is not None, "triggered_at": stop.went_off_ms or None}
        return row | went_off | {"status": status, "trigger_price": plain(order.stop)}

    def _find(self, account: str, fields: Mapping[str, object]) -> Order:
        """By one of its ids, not both. Raises Malformed, Refused."""
        number, client_id = str(fields.get("order_id") or ""), str(fields.get("user_order_id") or "")
        if bool(number) == bool(client_id):
            raise Malformed("order_id")
        _symbol(fields)
        if client_id:
            return self._floor.find(account, client_id=client_id)
        return self._floor.find(account, order_id=_order_number(number))

    async def _active(self, request: web.Request) -> web.Response:
        account, fields = await self._asked(request)
        symbol = _symbol(fields) if "target_currency" in fields else None
        orders = self._floor.open_orders(account, symbol)
        return self._say({"active_orders": [self._row(order) for order in reversed(orders)]})

    async def _completed(self, request: web.Request) -> web.Response:
        account, fields = await self._asked(request)
        symbol = _symbol(fields) if "target_currency" in fields else None
        fills = shown_fills(self._floor, account, symbol)
        return self._say({"completed_orders": [fill_row(order, fill) for order, fill in fills[:100]]})

    async def _balances(self, request: web.Request) -> web.Response:
        account, _ = await self._asked(request)
        said = [
            {"currency": asset, "available": plain(held.free), "limit": plain(held.held), "average_price": "0"}
            for asset, held in self._floor.statements.balances(account).items()
        ]
        return self._say({"balances": said})

    async def _fees(self, request: web.Request) -> web.Response:
        await self._asked(request)
        rules, wanted = self._floor.rules, request.match_info.get("target", "").upper()
        said = [
            {
                "quote_currency": market.quote,
                "target_currency": market.base,
                "maker": plain(rules.maker_fee),
                "taker": plain(rules.taker_fee),
            }
            for market in rules.markets.values()
            if wanted in ("", market.base)
        ]
        return self._say({"fee_rates": said})


def denial(error: Denied) -> tuple[str, str]:
    return _DENIALS.get(error.why, _DENIED)


def refusal(error: Refused) -> tuple[str, str]:
    code, text = REFUSALS[error.reason]
    return error.code or code, text


def _symbol(fields: Mapping[str, object]) -> str:
    return f"{fields.get('quote_currency', '')}-{fields.get('target_currency', '')}".upper()


def _wish(account: str, fields: Mapping[str, object]) -> OrderRequest:
    """Raises Malformed."""
    kind, side = fields.get("type"), side_of(fields)
    if kind not in ("LIMIT", "MARKET", "STOP_LIMIT"):
        raise Refused(Reason.ON_REQUEST, "type", code="166")
    if kind == "STOP_LIMIT" and not fields.get("trigger_price"):
        raise Refused(Reason.ON_REQUEST, "trigger_price", code="164")
    post_only = fields.get("post_only")
    if kind == "LIMIT" and not isinstance(post_only, bool):
        raise Malformed("post_only", "is required")
    client_id = str(fields.get("user_order_id") or "")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise Refused(Reason.ON_REQUEST, "user_order_id", code="312")
    market = kind == "MARKET"
    by_money = market and side is Side.BUY
    return OrderRequest(
        account=account,
        symbol=_symbol(fields),
        side=side,
        kind=Kind.LIMIT if not market else Kind.BUDGET if by_money else Kind.MARKET,
        tif=Tif.IOC if market else Tif.POST_ONLY if post_only else Tif.GTC,
        price=None if market else positive(fields, "price"),
        qty=None if by_money else positive(fields, "qty"),
        budget=positive(fields, "amount") if by_money else None,
        client_id=client_id,
        stop=positive(fields, "trigger_price") if kind == "STOP_LIMIT" else None,
    )


def order_row(order: Order) -> dict[str, Any]:
    """As order/detail shows it, active_orders alike."""
    quote, _, base = order.symbol.partition("-")
    is_cancelled = order.state is State.CANCELLED
    return {
        "order_id": order_id(order),
        "user_order_id": order.client_id or None,
        "type": type_name(order),
        "quote_currency": quote,
        "target_currency": base,
        "status": _status(order),
        "side": order.side.name,
        "fee": plain(order.fee),
        "fee_rate": "0.0002",
        "average_executed_price": plain(round(order.average, 8)) if order.filled else "0",
        "updated_at": order.updated_ms,
        "ordered_at": order.created_ms,
        "is_triggered": None,
        "trigger_price": None,
        "triggered_at": None,
        "price": plain(order.price) if order.price is not None else None,
        "original_qty": plain(order.qty) if order.qty is not None else None,
        "executed_qty": plain(order.filled),
        "canceled_qty": plain(order.open_qty) if is_cancelled else "0",
        "remain_qty": plain(order.open_qty) if order.state is State.OPEN else "0",
        "traded_amount": plain(order.funds),
        "original_amount": plain(order.budget) if order.budget is not None else None,
    }


def fill_row(order: Order, fill: Fill) -> dict[str, Any]:
    quote, _, base = order.symbol.partition("-")
    return {
        "trade_id": str(fill.id),
        "order_id": order_id(order),
        "quote_currency": quote,
        "target_currency": base,
        "order_type": type_name(order),
        "is_ask": order.side is Side.SELL,
        "is_maker": fill.maker,
        "price": plain(fill.price),
        "qty": plain(fill.qty),
        "timestamp": fill.at_ms,
        "fee_rate": "0.0002",
        "fee": plain(fill.fee),
        "fee_currency": fill.fee_asset,
    }


def type_name(order: Order) -> str:
    if order.stop is not None:
        return "STOP_LIMIT"
    return "LIMIT" if order.kind is Kind.LIMIT else "MARKET"


def _status(order: Order) -> str:
    if order.state is State.OPEN:
        return "PARTIALLY_FILLED" if order.filled else "LIVE"
    if order.state is State.FILLED:
        return "FILLED"
    return "PARTIALLY_CANCELED" if order.filled else "CANCELED"


def order_id(order: Order) -> str:
    return str(UUID(int=_FIRST_ID + order.id))


def _order_number(text: str) -> int:
    try:
        return UUID(text).int - _FIRST_ID
    except ValueError:
        return -1
