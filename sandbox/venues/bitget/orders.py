"""Bitget's private v2 REST, spot: signed headers with a passphrase, errors as HTTP 400 with a text `code`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from sandbox.venues.bitget.keys import Keys
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import Fill, Kind, Order, OrderRequest, Reason, Refused, Side, State, Tif
from sandbox.venues.public import symbol_of
from sandbox.venues.rules import Stp
from sandbox.venues.spelling import plain
from sandbox.venues.trading import json_body, positive, shown_fills, shown_orders, side_of

CLIENT_ID = re.compile(r"[A-Za-z0-9_.:#/-]{1,50}")
FORCES = {"gtc": Tif.GTC, "ioc": Tif.IOC, "fok": Tif.FOK, "post_only": Tif.POST_ONLY}
FORCE_NAMES = {tif: name for name, tif in FORCES.items()}
STP = {
    "none": Stp.NONE,
    "cancel_taker": Stp.CANCEL_TAKER,
    "cancel_maker": Stp.CANCEL_MAKER,
    "cancel_both": Stp.CANCEL_BOTH,
}
FIRST_ID = 1_098_000_000_000_000_000
REFUSALS = {
    Reason.UNKNOWN_MARKET: ("40034", "Parameter symbol does not exist"),
    Reason.BAD_TICK: ("40808", "Parameter verification exception price checkBDScale error"),
    Reason.BAD_LOT: ("40808", "Parameter verification exception size checkBDScale error"),
    Reason.BELOW_MIN_QTY: ("45110", "less than the minimum order quantity"),
    Reason.BELOW_MIN_NOTIONAL: ("45110", "less than the minimum amount 5 USDT"),
    Reason.ABOVE_MAX_NOTIONAL: ("45113", "Maximum order value limit triggered"),
    Reason.INSUFFICIENT_FUNDS: ("43012", "Insufficient balance"),
    Reason.DUPLICATE_CLIENT_ID: ("40786", "Duplicate clientOid"),
    Reason.NO_LIQUIDITY: ("43011", "The parameter does not meet the specification"),
    Reason.WOULD_TAKE: ("43011", "The parameter does not meet the specification"),
    Reason.UNKNOWN_ORDER: ("43001", "The order does not exist"),
    Reason.ALREADY_CLOSED: ("43001", "The order does not exist"),
    Reason.ON_REQUEST: ("43011", "The parameter does not meet the specification"),
}
Say = Callable[[object], web.Response]


class Desk:
    """Orders, fills and the spot account of one floor."""

    def __init__(self, floor: Floor, keys: Keys, say: Say) -> None:
        self._floor = floor
        self._keys = keys
        self._say = say

    def routes(self) -> list[web.RouteDef]:
        trade, account = "/api/v2/spot/trade", "/api/v2/spot/account"
        return [
            web.post(f"{trade}/place-order", self._place),
            web.post(f"{trade}/cancel-order", self._cancel),
            web.get(f"{trade}/orderInfo", self._info),
            web.get(f"{trade}/unfilled-orders", self._open),
            web.get(f"{trade}/history-orders", self._history),
            web.get(f"{trade}/fills", self._fills),
            web.get(f"{account}/assets", self._assets),
            web.get(f"{account}/info", self._account_info),
        ]

    async def _account(self, request: web.Request) -> str:
        """Raises Denied."""
        return await self._keys.account(request, self._floor)

    async def _place(self, request: web.Request) -> web.Response:
        account = await self._account(request)
        order = await self._floor.place(wish(account, await json_body(request)))
        return self._say({"orderId": order_id(order), "clientOid": order.client_id})

    async def _cancel(self, request: web.Request) -> web.Response:
        account, body = await self._account(request), await json_body(request)
        order = self._floor.cancel(self._find(account, body.get("orderId"), body.get("clientOid")))
        return self._say({"orderId": order_id(order), "clientOid": order.client_id})

    def _find(self, account: str, number: object, client_id: object) -> Order:
        """Raises Malformed, Refused."""
        if number:
            return self._floor.find(account, order_id=order_number(str(number)))
        if not client_id:
            raise Malformed("orderId")
        return self._floor.find(account, client_id=str(client_id))

    async def _info(self, request: web.Request) -> web.Response:
        """A list of one; an order that is not there makes it empty."""
        account, query = await self._account(request), request.query
        try:
            order = self._find(account, query.get("orderId"), query.get("clientOid"))
        except Refused:
            return self._say([])
        return self._say([order_row(order)])

    async def _open(self, request: web.Request) -> web.Response:
        return await self._listed(request, is_open=True)

    async def _history(self, request: web.Request) -> web.Response:
        return await self._listed(request, is_open=False)

    async def _listed(self, request: web.Request, *, is_open: bool) -> web.Response:
        account, query = await self._account(request), request.query
        if "symbol" in query:
            symbol_of(self._floor, query["symbol"])
        before = order_number(query.get("idLessThan", str(2 * FIRST_ID)))
        found = [
            order_row(order)
            for order in shown_orders(self._floor, account, query.get("symbol"))
            if (order.state is State.OPEN) is is_open
            and order.id < before
            and query.get("orderId") in (None, order_id(order))
        ]
        return self._say(found[: whole(query, "limit", 100)])

    async def _fills(self, request: web.Request) -> web.Response:
        account, query = await self._account(request), request.query
        symbol = symbol_of(self._floor, query.get("symbol"))
        before = whole(query, "idLessThan", 2 * FIRST_ID) - FIRST_ID
        found = [
            fill_row(order, fill)
            for order, fill in shown_fills(self._floor, account, symbol)
            if fill.id < before and query.get("orderId") in (None, order_id(order))
        ]
        return self._say(found[: whole(query, "limit", 100)])

    async def _assets(self, request: web.Request) -> web.Response:
        account = await self._account(request)
        said = [
            {
                "coin": asset,
                "available": plain(held.free),
                "limitAvailable": "0",
                "frozen": plain(held.held),
                "locked": "0",
                "uTime": str(self._floor.clock()),
            }
            for asset, held in self._floor.statements.balances(account).items()
            if held.total and request.query.get("coin") in (None, asset)
        ]
        return self._say(said)

    async def _account_info(self, request: web.Request) -> web.Response:
        await self._account(request)
        return self._say({"userId": "10001", "ips": "127.0.0.1", "authorities": ["stor", "stow"], "traderType": ""})

    async def rate(self, request: web.Request) -> web.Response:
        await self._account(request)
        symbol_of(self._floor, request.query.get("symbol"))
        rules = self._floor.rules
        return self._say({"makerFeeRate": plain(rules.maker_fee), "takerFeeRate": plain(rules.taker_fee)})


def refusal(error: Refused) -> tuple[str, str]:
    code, text = REFUSALS[error.reason]
    return error.code or code, text


def wish(account: str, body: Mapping[str, object]) -> OrderRequest:
    """Raises Malformed."""
    kind, force = body.get("orderType"), str(body.get("force") or "gtc").lower()
    if kind not in ("limit", "market"):
        raise Malformed("orderType")
    if force not in FORCES:
        raise Malformed("force")
    client_id = str(body.get("clientOid") or "")
    if client_id and not CLIENT_ID.fullmatch(client_id):
        raise Malformed("clientOid")
    stp = body.get("stpMode")
    if stp is not None and stp not in STP:
        raise Malformed("stpMode")
    side, market, size = side_of(body), kind == "market", positive(body, "size")
    by_money = market and side is Side.BUY
    return OrderRequest(
        account=account,
        symbol=str(body.get("symbol", "")),
        side=side,
        kind=Kind.LIMIT if not market else Kind.BUDGET if by_money else Kind.MARKET,
        tif=Tif.IOC if market else FORCES[force],
        price=None if market else positive(body, "price"),
        qty=None if by_money else size,
        budget=size if by_money else None,
        client_id=client_id,
        stp=STP[str(stp)] if stp else None,
    )


def order_row(order: Order) -> dict[str, Any]:
    """As orderInfo and the lists show it; `feeDetail` is JSON inside text."""
    detail = {"newFees": {"t": float(-order.fee)}, order.fee_asset: {"totalFee": float(-order.fee)}}
    return {
        "userId": "10001",
        "symbol": order.symbol,
        "orderId": order_id(order),
        "clientOid": order.client_id,
        "price": plain(order.price) if order.price is not None else "0",
        "size": plain(order.qty if order.qty is not None else order.budget or order.filled),
        "orderType": "limit" if order.kind is Kind.LIMIT else "market",
        "force": FORCE_NAMES[order.tif],
        "side": order.side.name.lower(),
        "status": status_of(order),
        "priceAvg": plain(round(order.average, 12)) if order.filled else "0",
        "baseVolume": plain(order.filled),
        "quoteVolume": plain(order.funds),
        "enterPointSource": "API",
        "feeDetail": msgspec.json.encode(detail).decode() if order.filled else "",
        "orderSource": "normal",
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
    }


def fill_row(order: Order, fill: Fill) -> dict[str, Any]:
    fee = {"deduction": "no", "feeCoin": fill.fee_asset, "totalDeductionFee": "", "totalFee": plain(-fill.fee)}
    return {
        "userId": "10001",
        "symbol": order.symbol,
        "orderId": order_id(order),
        "tradeId": str(FIRST_ID + fill.id),
        "orderType": "limit" if order.kind is Kind.LIMIT else "market",
        "side": order.side.name.lower(),
        "priceAvg": plain(fill.price),
        "size": plain(fill.qty),
        "amount": plain(fill.price * fill.qty),
        "feeDetail": fee,
        "tradeScope": "maker" if fill.maker else "taker",
        "cTime": str(fill.at_ms),
        "uTime": str(fill.at_ms),
    }


def status_of(order: Order) -> str:
    if order.state is State.OPEN:
        return "partially_filled" if order.filled else "live"
    return "filled" if order.state is State.FILLED else "cancelled"


def order_id(order: Order) -> str:
    return str(FIRST_ID + order.id)


def order_number(text: str) -> int:
    return int(text) - FIRST_ID if text.isdigit() else -1
