"""KuCoin's private futures REST: whole contracts, cross margin, one-way positions; errors ride in HTTP 200."""

import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.kucoin.futures_rows import (
    REFUSALS,
    fill_row,
    order_id,
    order_number,
    order_row,
    payment_id,
    payment_row,
    position_row,
)
from sandbox.venues.kucoin.orders import STAMP_MS
from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import Kind, Order, OrderRequest, Reason, Refused, Side, State, Tif
from sandbox.venues.positions import FlowKind
from sandbox.venues.public import symbol_of
from sandbox.venues.spelling import plain
from sandbox.venues.trading import json_body, positive, shown_fills, shown_orders, side_of, stamped_ms

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_TIFS = {"GTC": Tif.GTC, "IOC": Tif.IOC}
_WAYS = {Side.SELL: "down", Side.BUY: "up"}
_DAY_MS = 86_400_000
Say = Callable[[object], web.Response]
No = Callable[[str, str], web.Response]
Answer = Callable[[str, web.Request], Awaitable[web.Response]]


class FuturesDesk:
    """Orders, fills, positions and the one margin account of the futures floor."""

    def __init__(self, floor: Floor, say: Say, no: No) -> None:
        self._floor = floor
        self._say = say
        self._no = no

    def routes(self) -> list[web.RouteDef]:
        said = self._said
        return [
            web.post("/api/v1/orders", said(self._place)),
            web.get("/api/v1/orders", said(self._orders)),
            web.delete("/api/v1/orders", said(self._cancel_all)),
            web.get("/api/v1/stopOrders", said(self._stops)),
            web.delete("/api/v1/stopOrders", said(self._cancel_stops)),
            web.get("/api/v1/orders/byClientOid", said(self._order)),
            web.get("/api/v1/orders/{order_id}", said(self._order)),
            web.delete("/api/v1/orders/client-order/{client_oid}", said(self._cancel)),
            web.delete("/api/v1/orders/{order_id}", said(self._cancel)),
            web.get("/api/v1/recentDoneOrders", said(self._done)),
            web.get("/api/v1/fills", said(self._fills)),
            web.get("/api/v1/account-overview", said(self._overview)),
            web.get("/api/v1/positions", said(self._positions)),
            web.get("/api/v1/position", said(self._position)),
            web.get("/api/v1/funding-history", said(self._funding)),
            web.get("/api/v2/position/getPositionMode", said(self._mode)),
            web.post("/api/v2/position/switchPositionMode", said(self._switch_mode)),
            web.get("/api/v2/position/getMarginMode", said(self._margin_mode)),
            web.post("/api/v2/position/changeMarginMode", said(self._change_margin_mode)),
            web.get("/api/v2/getCrossUserLeverage", said(self._leverage)),
            web.post("/api/v2/changeCrossUserLeverage", said(self._change_leverage)),
        ]

    def _said(self, answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Whose request it is, and the venue's code for what it refuses."""

        async def handle(request: web.Request) -> web.Response:
            try:
                return await answer(await self.account_of(request), request)
            except Refused as error:
                code, text = REFUSALS[error.reason]
                return self._no(error.code or code, text)

        return handle

    async def account_of(self, request: web.Request) -> str:
        """Raises Denied."""
        body = await request.text()
        credential = auth.kucoin(request.headers, request.method, request.raw_path, body, self._floor.keys)
        stamped_ms(request.headers.get("KC-API-TIMESTAMP", ""), self._floor.clock(), STAMP_MS, STAMP_MS)
        return credential.account

    # orders

    async def _place(self, account: str, request: web.Request) -> web.Response:
        order = await self._floor.place(_wish(account, await json_body(request)))
        return self._say({"orderId": order_id(order), "clientOid": order.client_id})

    async def _cancel(self, account: str, request: web.Request) -> web.Response:
        if "client_oid" in request.match_info:
            symbol_of(self._floor, request.query.get("symbol"))
            found = self._floor.find(account, client_id=request.match_info["client_oid"])
            if self._floor.stops.holds(found):  # its page says nothing of stops, where the one by order id does
                raise Refused(Reason.ALREADY_CLOSED, "a stop that waits")
            return self._say({"clientOid": self._floor.cancel(found).client_id})
        number = order_number(request.match_info["order_id"])
        order = self._floor.cancel(self._floor.find(account, order_id=number))
        return self._say({"cancelledOrderIds": [order_id(order)]})

    async def _cancel_all(self, account: str, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floor, request.query.get("symbol"))
        resting = [o for o in self._floor.open_orders(account, symbol) if not self._floor.stops.holds(o)]
        return self._say({"cancelledOrderIds": [order_id(self._floor.cancel(order)) for order in resting]})

    async def _cancel_stops(self, account: str, request: web.Request) -> web.Response:
        """Those that wait."""
        waiting = self._floor.open_stops(account, self._named(request.query))
        return self._say({"cancelledOrderIds": [order_id(self._floor.cancel(order)) for order in waiting]})

    async def _stops(self, account: str, request: web.Request) -> web.Response:
        """Those that wait, newest first."""
        waiting = self._floor.open_stops(account, self._named(request.query))
        return self._page([self._row(order) for order in reversed(waiting)], request.query)

    async def _order(self, account: str, request: web.Request) -> web.Response:
        if "order_id" in request.match_info:
            number = order_number(request.match_info["order_id"])
            return self._say(self._row(self._floor.find(account, order_id=number)))
        client_id = request.query.get("clientOid", "")
        if not client_id:
            raise Malformed("clientOid")
        return self._say(self._row(self._floor.find(account, client_id=client_id)))

    async def _orders(self, account: str, request: web.Request) -> web.Response:
        """Without those that wait."""
        query = request.query
        wanted = {"active": True, "done": False, "": False}.get(query.get("status", ""))
        kind = query.get("type", "")
        found = [
            self._row(order)
            for order in shown_orders(self._floor, account, self._named(query))
            if wanted is (order.state is State.OPEN) and not self._floor.stops.holds(order)
            if kind in ("", f"{order.kind.value}{'' if order.stop is None else '_stop'}")
        ]
        return self._page(found, query)

    async def _done(self, account: str, request: web.Request) -> web.Response:
        """What has ended within a day, a thousand at most."""
        since_ms = self._floor.clock() - _DAY_MS
        orders = shown_orders(self._floor, account, self._named(request.query))
        ended = [order for order in orders if order.state is not State.OPEN and order.updated_ms >= since_ms]
        return self._say([self._row(order) for order in ended[:1_000]])

    def _row(self, order: Order) -> dict[str, Any]:
        """A stop is one order all its life."""
        return order_row(order) | {"stopTriggered": order.stop is not None and order.id in self._floor.exchange.orders}

    async def _fills(self, account: str, request: web.Request) -> web.Response:
        query = request.query
        found = [
            fill_row(order, fill)
            for order, fill in shown_fills(self._floor, account, self._named(query))
            if query.get("orderId") in (None, order_id(order))
        ]
        return self._page(found, query)

    # the account

    async def _overview(self, account: str, request: web.Request) -> web.Response:
        if request.query.get("currency") != "USDT":
            raise Malformed("currency")
        margin = self._floor.statements.margin(account)
        free = max(margin.available, ZERO)
        return self._say(
            {
                "currency": "USDT",
                "accountEquity": margin.equity,
                "unrealisedPNL": margin.unrealised,
                "marginBalance": margin.wallet,
                "positionMargin": margin.positions,
                "orderMargin": margin.orders,
                "frozenFunds": ZERO,
                "availableBalance": free,
                "availableMargin": free,
            }
        )

    async def _positions(self, account: str, _: web.Request) -> web.Response:
        held = self._floor.statements.positions(account)
        return self._say([position_row(each) for each in held])

    async def _position(self, account: str, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floor, request.query.get("symbol"))
        return self._say(position_row(self._floor.statements.position(account, symbol)))

    async def _funding(self, account: str, request: web.Request) -> web.Response:
        """Newest first, from below the entry that `offset` names. A start counts only where no number is asked for."""
        query, symbol = request.query, symbol_of(self._floor, request.query.get("symbol"))
        most, below = whole(query, "maxCount", 10), whole(query, "offset", 0)
        since_ms = whole(query, "startAt", 0) if "maxCount" not in query else 0
        flows = self._floor.exchange.clearing.statement(account, since_ms, FlowKind.FUNDING)
        found = [f for f in reversed(flows) if f.symbol == symbol and (not below or payment_id(f) < below)]
        return self._say({"dataList": [payment_row(flow) for flow in found[:most]], "hasMore": len(found) > most})

    async def _mode(self, _: str, __: web.Request) -> web.Response:
        return self._say({"positionMode": 0})

    async def _switch_mode(self, _: str, request: web.Request) -> web.Response:
        """Accounts are one-way and stay so."""
        if str((await json_body(request)).get("positionMode")) != "0":
            raise Malformed("positionMode")
        return self._say({"positionMode": 0})

    async def _margin_mode(self, _: str, request: web.Request) -> web.Response:
        return self._say({"symbol": symbol_of(self._floor, request.query.get("symbol")), "marginMode": "CROSS"})

    async def _change_margin_mode(self, _: str, request: web.Request) -> web.Response:
        """Cross margin is all that there is."""
        body = await json_body(request)
        symbol = symbol_of(self._floor, str(body.get("symbol")))
        if body.get("marginMode") != "CROSS":
            raise Malformed("marginMode")
        return self._say({"symbol": symbol, "marginMode": "CROSS"})

    async def _leverage(self, account: str, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floor, request.query.get("symbol"))
        leverage = self._floor.exchange.clearing.leverage(account, symbol)
        return self._say({"symbol": symbol, "leverage": str(leverage)})

    async def _change_leverage(self, account: str, request: web.Request) -> web.Response:
        body = await json_body(request)
        symbol, wanted = symbol_of(self._floor, str(body.get("symbol"))), positive(body, "leverage")
        if wanted % 1:
            raise Malformed("leverage")
        self._floor.exchange.clearing.set_leverage(account, symbol, int(wanted))
        return self._say(True)

    async def fees(self, request: web.Request) -> web.Response:
        """The spot half has a call at the same path, on a host of its own."""
        await self.account_of(request)
        rules, symbol = self._floor.rules, symbol_of(self._floor, request.query.get("symbol"))
        rates = {"takerFeeRate": plain(rules.taker_fee), "makerFeeRate": plain(rules.maker_fee)}
        return self._say({"symbol": symbol, **rates})

    def _named(self, query: Mapping[str, str]) -> str | None:
        """Raises Malformed."""
        return symbol_of(self._floor, query["symbol"]) if query.get("symbol") else None

    def _page(self, rows: list[dict[str, Any]], query: Mapping[str, str]) -> web.Response:
        number, size = max(1, whole(query, "currentPage", 1)), whole(query, "pageSize", 50)
        if not 0 < size <= 1_000:
            raise Malformed("pageSize")
        counts = {"currentPage": number, "pageSize": size, "totalNum": len(rows), "totalPage": -(-len(rows) // size)}
        return self._say({**counts, "items": rows[(number - 1) * size : number * size]})


def _wish(account: str, body: Mapping[str, object]) -> OrderRequest:
    """Raises Malformed."""
    kind, tif = body.get("type", "limit"), str(body.get("timeInForce") or "GTC")
    if kind not in ("limit", "market"):
        raise Malformed("type")
    if tif not in _TIFS or (body.get("postOnly") and tif == "IOC"):
        raise Malformed("timeInForce")
    client_id = str(body.get("clientOid") or "")
    if not _CLIENT_ID.fullmatch(client_id):
        raise Malformed("clientOid")
    if body.get("marginMode", "CROSS") != "CROSS" or body.get("positionSide", "BOTH") != "BOTH":
        raise Malformed("marginMode")
    side, stop = side_of(body), body.get("stop")
    if stop is not None and (stop != _WAYS[side] or body.get("stopPriceType") != "TP" or kind == "market"):
        raise Malformed("stop")  # the floor knows no other stops
    market, size = kind == "market", body.get("size")
    if not isinstance(size, int) or size <= 0:
        raise Malformed("size")
    return OrderRequest(
        account=account,
        symbol=str(body.get("symbol", "")),
        side=side,
        kind=Kind.MARKET if market else Kind.LIMIT,
        tif=Tif.IOC if market else Tif.POST_ONLY if body.get("postOnly") else _TIFS[tif],
        price=None if market else positive(body, "price"),
        qty=Decimal(size),
        client_id=client_id,
        reduce_only=body.get("reduceOnly") is True,
        stop=positive(body, "stopPrice") if stop is not None else None,
    )
