"""Bitget's private v2 REST, USDT perpetuals: orders in base, one-way mode, crossed margin, and their fills."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.venues.bitget.keys import Keys
from sandbox.venues.bitget.orders import (
    CLIENT_ID,
    FIRST_ID,
    FORCE_NAMES,
    FORCES,
    STP,
    order_id,
    order_number,
    refusal,
)
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import Fill, Kind, Order, OrderRequest, Reason, Refused, State, Tif
from sandbox.venues.public import symbol_of
from sandbox.venues.spelling import plain
from sandbox.venues.trading import json_body, positive, shown_fills, shown_orders, side_of

PRODUCT, COIN = "USDT-FUTURES", "USDT"
REFUSALS = {
    Reason.BAD_TICK: ("45115", "The price you enter should be a multiple of the price step"),
    Reason.BAD_LOT: ("45111", "The size you enter should be a multiple of the size step"),
    Reason.BELOW_MIN_QTY: ("45111", "less than the minimum order quantity"),
    Reason.INSUFFICIENT_FUNDS: ("40762", "The order amount exceeds the balance"),
    Reason.REDUCE_ONLY: ("22002", "No position to close"),
    Reason.BAD_LEVERAGE: ("40797", "Exceeded the maximum settable leverage"),
    Reason.UNKNOWN_ORDER: ("40109", "The data of the order cannot be found, please confirm the order number"),
    Reason.ALREADY_CLOSED: ("22001", "No order to cancel"),
}
Handler = Callable[[web.Request], Awaitable[web.Response]]
Say = Callable[[object], web.Response]
No = Callable[[str, str], web.Response]


def guarded(handler: Handler, no: No, codes: Mapping[Reason, tuple[str, str]] = REFUSALS) -> Handler:
    """Refusals in the codes of this product."""

    async def guard(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Refused as error:
            code, text = codes.get(error.reason) or refusal(error)
            return no(error.code or code, text)

    return guard


class MixDesk:
    """Orders and fills of the floor of perpetuals."""

    def __init__(self, floor: Floor, keys: Keys, say: Say, no: No) -> None:
        self._floor = floor
        self._keys = keys
        self._say = say
        self._no = no

    def routes(self) -> list[web.RouteDef]:
        order = "/api/v2/mix/order"
        return [
            web.post(f"{order}/place-order", guarded(self._place, self._no)),
            web.post(f"{order}/cancel-order", guarded(self._cancel, self._no)),
            web.post(f"{order}/batch-cancel-orders", guarded(self._cancel_many, self._no)),
            web.get(f"{order}/detail", guarded(self._detail, self._no)),
            web.get(f"{order}/orders-pending", guarded(self._open, self._no)),
            web.get(f"{order}/orders-history", guarded(self._history, self._no)),
            web.get(f"{order}/fills", guarded(self._fills, self._no)),
        ]

    async def _asked(self, request: web.Request) -> str:
        """The account. Raises Denied, Malformed."""
        account = await self._keys.account(request, self._floor)
        check_product(request.query)
        return account

    async def _told(self, request: web.Request) -> tuple[str, dict[str, object]]:
        """The account and the body. Raises Denied, Malformed."""
        account, body = await self._keys.account(request, self._floor), await json_body(request)
        check_product(body)
        return account, body

    async def _place(self, request: web.Request) -> web.Response:
        account, body = await self._told(request)
        symbol_of(self._floor, str(body.get("symbol", "")))
        order = await self._floor.place(wish(account, body))
        return self._say({"orderId": order_id(order), "clientOid": order.client_id})

    async def _cancel(self, request: web.Request) -> web.Response:
        account, body = await self._told(request)
        order = self._floor.cancel(self._find(account, body))
        return self._say({"orderId": order_id(order), "clientOid": order.client_id})

    async def _cancel_many(self, request: web.Request) -> web.Response:
        """Of the ids named; of a symbol, or of all, where none is."""
        account, body = await self._told(request)
        symbol, listed = str(body.get("symbol") or "") or None, body.get("orderIdList")
        if listed:
            wanted = [self._find(account, each) for each in listed if isinstance(each, dict)]  # type: ignore[attr-defined]
        else:
            wanted = self._floor.open_orders(account, symbol)
        ended = [self._floor.cancel(order) for order in wanted]
        rows = [{"orderId": order_id(order), "clientOid": order.client_id} for order in ended]
        return self._say({"successList": rows, "failureList": []})

    async def _detail(self, request: web.Request) -> web.Response:
        account = await self._asked(request)
        symbol_of(self._floor, request.query.get("symbol"))
        row = order_row(self._find(account, request.query))
        return self._say(row | {"state": row["status"]})

    async def _open(self, request: web.Request) -> web.Response:
        return await self._listed(request, is_open=True)

    async def _history(self, request: web.Request) -> web.Response:
        return await self._listed(request, is_open=False)

    async def _listed(self, request: web.Request, *, is_open: bool) -> web.Response:
        """Newest first; `endId` is where the next page begins."""
        account, query = await self._asked(request), request.query
        before = order_number(query.get("idLessThan", str(2 * FIRST_ID)))
        symbol = symbol_of(self._floor, query["symbol"]) if "symbol" in query else None
        found = [
            order_row(order)
            for order in shown_orders(self._floor, account, symbol)
            if (order.state is State.OPEN) is is_open
            and order.id < before
            and query.get("orderId") in (None, order_id(order))
            and query.get("clientOid") in (None, order.client_id)
        ][: whole(query, "limit", 100)]
        return self._say({"entrustedList": found or None, "endId": found[-1]["orderId"] if found else None})

    async def _fills(self, request: web.Request) -> web.Response:
        account, query = await self._asked(request), request.query
        symbol = symbol_of(self._floor, query["symbol"]) if "symbol" in query else None
        before = whole(query, "idLessThan", 2 * FIRST_ID) - FIRST_ID
        found = [
            fill_row(order, fill)
            for order, fill in shown_fills(self._floor, account, symbol)
            if fill.id < before and query.get("orderId") in (None, order_id(order))
        ][: whole(query, "limit", 100)]
        return self._say({"fillList": found or None, "endId": found[-1]["tradeId"] if found else None})

    def _find(self, account: str, named: Mapping[str, object]) -> Order:
        """Raises Malformed, Refused."""
        if named.get("orderId"):
            return self._floor.find(account, order_id=order_number(str(named["orderId"])))
        if not named.get("clientOid"):
            raise Malformed("orderId")
        return self._floor.find(account, client_id=str(named["clientOid"]))


def check_product(named: Mapping[str, object]) -> None:
    """Raises Malformed."""
    if str(named.get("productType", "")).upper() != PRODUCT:
        raise Malformed("productType")


def wish(account: str, body: Mapping[str, object]) -> OrderRequest:
    """Raises Malformed."""
    kind, force = body.get("orderType"), str(body.get("force") or "gtc").lower()
    wrong = {
        "orderType": kind not in ("limit", "market"),
        "force": force not in FORCES,
        "marginMode": body.get("marginMode") != "crossed",
        "marginCoin": str(body.get("marginCoin", "")).upper() != COIN,
        "tradeSide": body.get("tradeSide") is not None,  # of hedge mode
        "reduceOnly": str(body.get("reduceOnly", "NO")).upper() not in ("YES", "NO"),
        "stpMode": body.get("stpMode") is not None and body.get("stpMode") not in STP,
    }
    client_id = str(body.get("clientOid") or "")
    wrong["clientOid"] = bool(client_id) and not CLIENT_ID.fullmatch(client_id)
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise Malformed(name)
    market = kind == "market"
    return OrderRequest(
        account=account,
        symbol=str(body.get("symbol", "")),
        side=side_of(body),
        kind=Kind.MARKET if market else Kind.LIMIT,
        tif=Tif.IOC if market else FORCES[force],
        price=None if market else positive(body, "price"),
        qty=positive(body, "size"),
        client_id=client_id,
        stp=STP[str(body["stpMode"])] if body.get("stpMode") else None,
        reduce_only=str(body.get("reduceOnly", "NO")).upper() == "YES",
    )


def order_row(order: Order) -> dict[str, Any]:
    """As the lists show it; one order by itself calls its status `state`."""
    side = order.side.name.lower()
    return {
        "symbol": order.symbol,
        "size": plain(order.qty or order.filled),
        "orderId": order_id(order),
        "clientOid": order.client_id,
        "baseVolume": plain(order.filled),
        "quoteVolume": plain(order.funds),
        "fee": plain(-order.fee),
        "price": plain(order.price) if order.price is not None else "",
        "priceAvg": plain(round(order.average, 12)) if order.filled else "",
        "status": _status(order),
        "side": side,
        "force": FORCE_NAMES[order.tif],
        "totalProfits": plain(sum((fill.realised for fill in order.fills), order.fee * 0)),
        "posSide": "net",
        "marginCoin": COIN,
        "marginMode": "crossed",
        "posMode": "one_way_mode",
        "tradeSide": f"{side}_single",
        "orderType": "limit" if order.kind is Kind.LIMIT else "market",
        "reduceOnly": "YES" if order.reduce_only else "NO",
        "orderSource": "normal",
        "enterPointSource": "API",
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
    }


def fill_row(order: Order, fill: Fill) -> dict[str, Any]:
    fee = {"deduction": "no", "feeCoin": fill.fee_asset, "totalDeductionFee": None, "totalFee": plain(-fill.fee)}
    return {
        "tradeId": str(FIRST_ID + fill.id),
        "symbol": order.symbol,
        "orderId": order_id(order),
        "price": plain(fill.price),
        "baseVolume": plain(fill.qty),
        "feeDetail": [fee],
        "side": order.side.name.lower(),
        "quoteVolume": plain(fill.price * fill.qty),
        "profit": plain(fill.realised),
        "enterPointSource": "api",
        "tradeSide": f"{order.side.name.lower()}_single",
        "posMode": "one_way_mode",
        "tradeScope": "maker" if fill.maker else "taker",
        "cTime": str(fill.at_ms),
    }


def _status(order: Order) -> str:
    """Here `canceled` has one l, in spot two."""
    if order.state is State.OPEN:
        return "partially_filled" if order.filled else "live"
    return "filled" if order.state is State.FILLED else "canceled"
