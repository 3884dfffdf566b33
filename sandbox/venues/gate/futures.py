"""Gate's private v4 REST, USDT futures: signed sizes in contracts, cross margin, single mode, labels of its own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.gate.futures_fields import page_of, price_of, size_of
from sandbox.venues.gate.futures_rows import (
    LABELS,
    TIFS,
    USER,
    book_rows,
    order_id,
    order_number,
    order_row,
    position_row,
    trade_row,
)
from sandbox.venues.gate.orders import STAMP_MS, TEXT
from sandbox.venues.gate.price_orders import PriceOrders
from sandbox.venues.ledger import ZERO
from sandbox.venues.orders import Kind, Order, OrderRequest, Reason, Refused, Side, State, Tif
from sandbox.venues.public import symbol_of
from sandbox.venues.spelling import plain
from sandbox.venues.trading import Countdown, json_body, raw_query, shown_fills, shown_orders, stamped_ms

_TEXT_KEPT_MS = 60_000  # of an order that has ended
_LEAST_COUNTDOWN_S = 5
Say = Callable[[object], web.Response]
No = Callable[[str, str], web.Response]
Answer = Callable[[str, web.Request], Awaitable[web.Response]]


class FuturesDesk:
    """Orders, trades, positions and the one wallet of the USDT floor."""

    def __init__(self, floor: Floor, say: Say, no: No) -> None:
        self._floor = floor
        self._say = say
        self._no = no
        self._countdown = Countdown(floor)

    def routes(self) -> list[web.RouteDef]:
        root, said = "/api/v4/futures/usdt", self._said
        return [
            web.post(f"{root}/orders", said(self._place)),
            web.get(f"{root}/orders", said(self._orders)),
            web.delete(f"{root}/orders", said(self._cancel_all)),
            web.get(f"{root}/orders/{{order_id}}", said(self._order)),
            web.put(f"{root}/orders/{{order_id}}", said(self._amend)),
            web.delete(f"{root}/orders/{{order_id}}", said(self._cancel)),
            web.get(f"{root}/my_trades", said(self._trades)),
            web.get(f"{root}/my_trades_timerange", said(self._trades_of_time)),
            web.get(f"{root}/accounts", said(self._wallet)),
            web.get(f"{root}/account_book", said(self._book)),
            web.get(f"{root}/positions", said(self._positions)),
            web.get(f"{root}/positions/{{contract}}", said(self._position)),
            web.post(f"{root}/positions/{{contract}}/leverage", said(self._leverage)),
            web.post(f"{root}/dual_mode", said(self._mode)),
            web.post(f"{root}/countdown_cancel_all", said(self._arm)),
            web.get(f"{root}/fee", said(self._fee)),
            *PriceOrders(self._floor, self._say).routes(f"{root}/price_orders", said),
        ]

    def _said(self, answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Whose request it is, and the venue's label for what it refuses."""

        async def handle(request: web.Request) -> web.Response:
            try:
                return await answer(await self._account(request), request)
            except Refused as error:
                label, text = LABELS[error.reason]
                return self._no(error.code or label, text)

        return handle

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

    # orders

    async def _place(self, account: str, request: web.Request) -> web.Response:
        wish = _wish(account, await json_body(request))
        self._check_expiry(request)
        return self._say(self._row(await self._floor.place(wish, lambda: self._check_expiry(request))))

    async def _amend(self, account: str, request: web.Request) -> web.Response:
        """The new size counts what is filled, and keeps its sign."""
        order, body = self._find(account, request), await json_body(request)
        size, price = size_of(body) if "size" in body else None, body.get("price")
        if size is not None and (size > 0) is not (order.side is Side.BUY):
            raise Malformed("size")
        if order.qty is None or order.price is None or (size is None and price is None):
            raise Malformed("size")
        qty = abs(size) if size is not None else order.qty
        return self._say(self._row(self._floor.amend(order, qty, price_of(price) if price else order.price)))

    async def _cancel(self, account: str, request: web.Request) -> web.Response:
        return self._say(self._row(self._floor.cancel(self._find(account, request))))

    async def _cancel_all(self, account: str, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floor, request.query.get("contract"), "contract")
        side = {"": None, "bid": Side.BUY, "ask": Side.SELL}.get(request.query.get("side", ""))
        orders = [order for order in self._floor.open_orders(account, symbol) if side in (None, order.side)]
        return self._say([self._row(self._floor.cancel(order)) for order in orders])

    async def _order(self, account: str, request: web.Request) -> web.Response:
        return self._say(self._row(self._find(account, request)))

    def _find(self, account: str, request: web.Request) -> Order:
        """By id, or by text while the venue keeps it. Raises Refused."""
        text = request.match_info["order_id"]
        if text.isdigit():
            return self._floor.find(account, order_id=order_number(text))
        order = self._floor.find(account, client_id=text)
        if order.state is not State.OPEN and self._floor.clock() - order.updated_ms > _TEXT_KEPT_MS:
            raise Refused(Reason.UNKNOWN_ORDER, text)
        return order

    async def _orders(self, account: str, request: web.Request) -> web.Response:
        query = request.query
        if query.get("status") not in ("open", "finished"):
            raise Malformed("status")
        symbol, is_open = self._named(query), query["status"] == "open"
        found = [o for o in shown_orders(self._floor, account, symbol) if (o.state is State.OPEN) is is_open]
        return self._say(page_of([self._row(order) for order in found], query))

    async def _trades(self, account: str, request: web.Request) -> web.Response:
        query = request.query
        found = [
            trade_row(order, fill, self._floor.stops)
            for order, fill in shown_fills(self._floor, account, self._named(query))
            if query.get("order") in (None, order_id(order))
        ]
        return self._say(page_of(found, query))

    async def _trades_of_time(self, account: str, request: web.Request) -> web.Response:
        """The same trades between two times in seconds; their number has another name here."""
        query = request.query
        from_s, to_s = whole(query, "from", 0), whole(query, "to", 0)
        shown = shown_fills(self._floor, account, self._named(query))
        rows = [trade_row(order, fill, self._floor.stops) for order, fill in shown]
        kept = [row for row in rows if row["create_time"] >= from_s and (not to_s or row["create_time"] <= to_s)]
        return self._say(page_of([{**row, "trade_id": str(row["id"])} for row in kept], query))

    async def _arm(self, account: str, request: web.Request) -> web.Response:
        body = await json_body(request)
        text = str(body.get("timeout", ""))
        if not text.isdigit() or 0 < int(text) < _LEAST_COUNTDOWN_S:
            raise Malformed("timeout")
        symbol = str(body.get("contract") or "")
        self._countdown.arm(account, int(text), frozenset({symbol} if symbol else ()))
        return self._say({"triggerTime": self._floor.clock() + int(text) * 1_000})

    # the account

    async def _wallet(self, account: str, _: web.Request) -> web.Response:
        margin = self._floor.statements.margin(account)
        return self._say(
            {
                "user": USER,
                "currency": "USDT",
                "total": plain(margin.wallet),
                "available": plain(max(margin.available, ZERO)),
                "unrealised_pnl": plain(margin.unrealised),
                "position_margin": plain(margin.positions),
                "order_margin": plain(margin.orders),
                "maintenance_margin": plain(margin.maintenance),
                "point": "0",
                "bonus": "0",
                "in_dual_mode": False,
                "margin_mode": 0,
            }
        )

    async def _book(self, account: str, request: web.Request) -> web.Response:
        """Changes of the wallet, newest first; times are seconds."""
        query, clearing = request.query, self._floor.exchange.clearing
        rows = book_rows(clearing.statement(account), clearing.margin(account).wallet)
        from_s, to_s = whole(query, "from", 0), whole(query, "to", 0)
        found = [
            row
            for row in rows
            if query.get("type") in (None, row["type"])
            and query.get("contract") in (None, row["contract"])
            and row["time"] >= from_s
            and (not to_s or row["time"] <= to_s)
        ]
        return self._say(page_of(found, query))

    async def _positions(self, account: str, _: web.Request) -> web.Response:
        """Of every contract that was ever traded, and of those that are flat again, too."""
        statements = self._floor.statements
        held = [statements.position(account, symbol) for symbol in self._floor.rules.markets]
        return self._say([position_row(each) for each in held if each.updated_ms])

    async def _position(self, account: str, request: web.Request) -> web.Response:
        symbol = symbol_of(self._floor, request.match_info["contract"], "contract")
        return self._say(position_row(self._floor.statements.position(account, symbol)))

    async def _leverage(self, account: str, request: web.Request) -> web.Response:
        """A leverage of 0 is cross margin, whose limit stands beside it; isolated margin is not here."""
        symbol = symbol_of(self._floor, request.match_info["contract"], "contract")
        if request.query.get("leverage") != "0":
            raise Malformed("leverage", "isolated margin is not supported")
        clearing = self._floor.exchange.clearing
        clearing.set_leverage(account, symbol, whole(request.query, "cross_leverage_limit", 0))
        return self._say(position_row(clearing.position(account, symbol)))

    async def _mode(self, _: str, request: web.Request) -> web.Response:
        """Accounts are in single mode and stay so."""
        wanted = request.query.get("dual_mode")
        if wanted not in ("true", "false"):
            raise Malformed("dual_mode")
        return self._no("NO_CHANGE", "No change is made") if wanted == "false" else self._no("FORBIDDEN", "dual mode")

    async def _fee(self, _: str, request: web.Request) -> web.Response:
        rules, named = self._floor.rules, self._named(request.query)
        rates = {"taker_fee": plain(rules.taker_fee), "maker_fee": plain(rules.maker_fee)}
        return self._say({symbol: rates for symbol in rules.markets if named in (None, symbol)})

    def _row(self, order: Order) -> dict[str, Any]:
        return order_row(order, self._floor.stops)

    def _named(self, query: Mapping[str, str]) -> str | None:
        """Raises Malformed."""
        return symbol_of(self._floor, query["contract"], "contract") if query.get("contract") else None


def _wish(account: str, body: Mapping[str, object]) -> OrderRequest:
    """Raises Malformed."""
    tif, text = str(body.get("tif") or "gtc"), str(body.get("text") or "")
    price, size = price_of(body.get("price", "0")), size_of(body)
    if tif not in TIFS or (not price and tif not in ("ioc", "fok")):
        raise Malformed("tif")
    if text and not TEXT.fullmatch(text):
        raise Malformed("text")
    return OrderRequest(
        account=account,
        symbol=str(body.get("contract", "")),
        side=Side.BUY if size > 0 else Side.SELL,
        kind=Kind.LIMIT if price else Kind.MARKET,
        tif=TIFS[tif] if price else Tif.IOC,
        price=price or None,
        qty=abs(size),
        client_id=text,
        reduce_only=body.get("reduce_only") is True,
    )
