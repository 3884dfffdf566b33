"""Bybit's private v5 REST, orders of one category: placing, changing, cancelling, looking up."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.venues.bybit.rows import (
    LINEAR,
    SPOT,
    TIFS,
    fill_row,
    funding_row,
    order_id,
    order_number,
    order_row,
    refusal,
)
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import Kind, Order, OrderRequest, Reason, Refused, Side, State, Tif
from sandbox.venues.positions import FlowKind
from sandbox.venues.public import symbol_of
from sandbox.venues.rules import Stp
from sandbox.venues.spelling import plain
from sandbox.venues.trading import positive, shown_fills, shown_orders, side_of

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_WAITING = "StopOrder"
_STP = {
    "None": Stp.NONE,
    "CancelMaker": Stp.CANCEL_MAKER,
    "CancelTaker": Stp.CANCEL_TAKER,
    "CancelBoth": Stp.CANCEL_BOTH,
}
_SHOWN_CLOSED_MS = 600_000  # `realtime` keeps what ended for a while, `history` for good
Query = Mapping[str, str]
Body = Mapping[str, object]
Say = Callable[[dict[str, Any]], web.Response]
No = Callable[[int, str], web.Response]


class Desk:
    """Orders and executions of one floor, which is one category. Every method is told whose request it is."""

    def __init__(self, floor: Floor, category: str, say: Say, no: No) -> None:
        self.floor = floor
        self.category = category
        self._say = say
        self._no = no
        self._codes = SPOT if category == "spot" else LINEAR

    def refused(self, error: Refused) -> web.Response:
        """In the codes of this category."""
        return self._no(*refusal(error, self._codes))

    async def place(self, account: str, body: Body, check_window: Callable[[], None]) -> web.Response:
        """Raises whatever the floor shows, Malformed, Denied."""
        wish = _wish(account, body, is_linear=self.category == "linear")
        # The matching engine looks at the window again: what waited too long on the way is not executed.
        order = await self.floor.place(wish, check_window)
        return self._named(order)

    def amend(self, account: str, body: Body) -> web.Response:
        """What is not named stays as it is."""
        order = self._find(account, body)
        qty = positive(body, "qty") if body.get("qty") else order.qty
        price = positive(body, "price") if body.get("price") else order.price
        if qty is None or price is None:
            raise Malformed("price")
        return self._named(self.floor.amend(order, qty, price))

    def cancel(self, account: str, body: Body) -> web.Response:
        """Spot looks among those that wait for their price only where the filter says so, and only there then."""
        order = self._find(account, body)
        if self.category == "spot" and self.floor.stops.holds(order) != (body.get("orderFilter") == _WAITING):
            raise Refused(Reason.UNKNOWN_ORDER, "not of this filter")
        return self._named(self.floor.cancel(order))

    def cancel_all(self, account: str, body: Body) -> web.Response:
        """Of a symbol, or of all that settle in a coin."""
        symbol = str(body.get("symbol") or "")
        if symbol:
            symbol_of(self.floor, symbol)
        elif self.category == "linear" and not body.get("settleCoin"):
            raise Malformed("symbol")
        ended = [self.floor.cancel(order) for order in self.floor.open_orders(account, symbol or None)]
        rows = [{"orderId": order_id(order), "orderLinkId": order.client_id} for order in ended]
        return self._say({"list": rows, "success": "1"})

    def realtime(self, account: str, query: Query) -> web.Response:
        """Open orders; with an id, or `openOnly=1`, those that ended lately, too."""
        if self.category == "linear" and not any(query.get(name) for name in ("symbol", "settleCoin", "baseCoin")):
            raise Malformed("symbol")
        with_ended = query.get("openOnly") == "1" or "orderId" in query or "orderLinkId" in query
        now_ms = self.floor.clock()
        kept = [
            order
            for order in self._asked(account, query)
            if order.state is State.OPEN or (with_ended and now_ms - order.updated_ms < _SHOWN_CLOSED_MS)
        ]
        return self.page([self._row(order) for order in kept], query, 20)

    def history(self, account: str, query: Query) -> web.Response:
        ended = [order for order in self._asked(account, query) if order.state is not State.OPEN]
        return self.page([self._row(order) for order in ended], query, 20)

    def _row(self, order: Order) -> dict[str, Any]:
        waits = {"orderStatus": "Untriggered"} if self.floor.stops.holds(order) else {}
        return order_row(order) | waits

    def executions(self, account: str, query: Query) -> web.Response:
        """Trades, and settlements of funding where no order is named."""
        is_spot, kind, symbol = self.category == "spot", query.get("execType"), query.get("symbol")
        found = [
            fill_row(order, fill, fill.fee_asset if is_spot else "")
            for order, fill in shown_fills(self.floor, account, symbol)
            if kind in (None, "Trade")
            and query.get("orderId") in (None, order_id(order))
            and query.get("orderLinkId") in (None, order.client_id)
        ]
        if kind in (None, "Funding") and not ("orderId" in query or "orderLinkId" in query):
            flows = self.floor.exchange.clearing.statement(account, kind=FlowKind.FUNDING)
            found += [funding_row(flow) for flow in reversed(flows) if symbol in (None, flow.symbol)]
            found.sort(key=lambda row: -int(row["execTime"]))
        return self.page(found, query, 50)

    def rates(self, _: str, query: Query) -> web.Response:
        rules, wanted = self.floor.rules, query.get("symbol")
        symbols = list(rules.markets) if wanted is None else [symbol_of(self.floor, wanted)]
        rates = {"takerFeeRate": plain(rules.taker_fee), "makerFeeRate": plain(rules.maker_fee)}
        return self._say({"category": self.category, "list": [{"symbol": symbol, **rates} for symbol in symbols]})

    def page(self, rows: list[dict[str, Any]], query: Query, default: int) -> web.Response:
        start, limit = whole(query, "cursor", 0), whole(query, "limit", default)
        cursor = str(start + limit) if len(rows) > start + limit else ""
        return self._say({"category": self.category, "list": rows[start : start + limit], "nextPageCursor": cursor})

    def _named(self, order: Order) -> web.Response:
        return self._say({"orderId": order_id(order), "orderLinkId": order.client_id})

    def _find(self, account: str, body: Body) -> Order:
        """Raises Malformed, Refused."""
        number, client_id = body.get("orderId"), body.get("orderLinkId")
        if number:
            return self.floor.find(account, order_id=order_number(str(number)))
        if not client_id:
            raise Malformed("orderId")
        return self.floor.find(account, client_id=str(client_id))

    def _asked(self, account: str, query: Query) -> list[Order]:
        """Raises Malformed."""
        if "symbol" in query:
            symbol_of(self.floor, query["symbol"])
        return [
            order
            for order in shown_orders(self.floor, account, query.get("symbol"))
            if query.get("orderId") in (None, order_id(order)) and query.get("orderLinkId") in (None, order.client_id)
        ]


def _wish(account: str, body: Body, *, is_linear: bool) -> OrderRequest:
    """Raises Malformed."""
    kind, tif = body.get("orderType"), str(body.get("timeInForce") or "GTC")
    if kind not in ("Limit", "Market"):
        raise Malformed("orderType")
    if tif not in TIFS:
        raise Malformed("timeInForce")
    client_id = str(body.get("orderLinkId") or "")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise Malformed("orderLinkId")
    stop = positive(body, "triggerPrice") if body.get("triggerPrice") else None
    if stop is not None and not is_linear and body.get("orderFilter") != _WAITING:
        raise Malformed("orderFilter")
    if stop is not None and is_linear and body.get("triggerDirection") != (2 if side_of(body) is Side.SELL else 1):
        raise Malformed("triggerDirection")
    smp = body.get("smpType")
    if smp is not None and smp not in _STP:
        raise Malformed("smpType")
    if is_linear and body.get("positionIdx") not in (None, 0, "0"):
        raise Malformed("positionIdx", "not match position mode")
    side, market, amount = side_of(body), kind == "Market", positive(body, "qty")
    by_money = not is_linear and market and side is Side.BUY and body.get("marketUnit", "quoteCoin") == "quoteCoin"
    return OrderRequest(
        account=account,
        symbol=str(body.get("symbol", "")),
        side=side,
        kind=Kind.LIMIT if not market else Kind.BUDGET if by_money else Kind.MARKET,
        tif=Tif.IOC if market else TIFS[tif],
        price=None if market else positive(body, "price"),
        qty=None if by_money else amount,
        budget=amount if by_money else None,
        client_id=client_id,
        stp=_STP[str(smp)] if smp else None,
        reduce_only=is_linear and body.get("reduceOnly") is True,
        stop=stop,
    )
