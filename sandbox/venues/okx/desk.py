"""OKX's orders: placing, changing, cancelling, looking up; an expiry per request, a code per row."""

from collections.abc import Callable, Sequence

from aiohttp import web

from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.okx.answers import ENDED, OTHER_MODE, Failed, answer, failed_row, operations, refusal
from sandbox.venues.okx.seats import Seat, Seats, body_of
from sandbox.venues.okx.wire import fill_row, number, order_number, order_row, placed_row, wish
from sandbox.venues.orders import Order, Reason, Refused, State
from sandbox.venues.trading import shown_orders, traded_orders

_MOST = 20  # orders of one batch
Body = dict[str, object]
Row = dict[str, object]


class Desk:
    def __init__(self, floors: Sequence[Floor], seats: Seats) -> None:
        self._floors = floors
        self._seats = seats

    def routes(self) -> list[web.RouteDef]:
        trade = "/api/v5/trade"
        return [
            web.post(f"{trade}/order", self._place),
            web.post(f"{trade}/batch-orders", self._place_many),
            web.post(f"{trade}/amend-order", self._amend),
            web.post(f"{trade}/cancel-order", self._cancel),
            web.post(f"{trade}/cancel-batch-orders", self._cancel_many),
            web.get(f"{trade}/order", self._order),
            web.get(f"{trade}/orders-pending", self._pending),
            web.get(f"{trade}/orders-history", self._history),
            web.get(f"{trade}/fills", self._fills),
            web.get(f"{trade}/fills-history", self._fills),
        ]

    async def _place(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        return await self.placed(seat, await body_of(request, Body), request.headers.get("expTime", ""))

    async def placed(self, seat: Seat, body: Body, expires: str) -> web.Response:
        """Raises whatever the floor shows but a refusal: that is an answer here."""
        return operations([await self._placed(seat, body, expires)])

    async def _place_many(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        bodies = await body_of(request, list[Body])
        if not 0 < len(bodies) <= _MOST:
            raise Malformed("batch")
        expires = request.headers.get("expTime", "")
        return operations([await self._placed(seat, body, expires) for body in bodies])

    async def _placed(self, seat: Seat, body: Body, expires: str) -> Row:
        now_ms = seat.floor.clock
        try:
            _check_expiry(expires, now_ms())
            self._check_market(seat, str(body.get("instId", "")))
            asked = wish(seat.account, body, seat.margin)
            order = await seat.floor.place(asked, lambda: _check_expiry(expires, now_ms()))
        except Refused as error:
            return failed_row(body, *refusal(error, is_swap=seat.is_swap), now_ms())
        except Malformed as error:
            return failed_row(body, "51000", f"Parameter {error.parameter} error", now_ms())
        except Failed as error:
            return failed_row(body, error.code, error.message, now_ms())
        return placed_row(order, now_ms())

    async def _amend(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        body = await body_of(request, Body)
        expires = request.headers.get("expTime", "")
        return operations([_done(seat, body, lambda: _amended(seat, body, expires), amending=True)])

    async def _cancel(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        body = await body_of(request, Body)
        return operations([_cancelled(seat, body)])

    async def _cancel_many(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        return operations([_cancelled(seat, body) for body in await body_of(request, list[Body])])

    async def _order(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        self._check_market(seat, request.query.get("instId", ""))
        found = _find(seat, request.query.get("ordId", ""), request.query.get("clOrdId", ""))
        return answer([order_row(found, seat.floor)])

    async def _pending(self, request: web.Request) -> web.Response:
        """Newest first."""
        seat = await self._seats.of(request)
        orders = seat.floor.open_orders(seat.account, request.query.get("instId"))
        return _page([(order.id, order_row(order, seat.floor)) for order in reversed(orders)], seat, request)

    async def _history(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        orders = shown_orders(seat.floor, seat.account, request.query.get("instId"))
        return _page([(o.id, order_row(o, seat.floor)) for o in orders if o.state is not State.OPEN], seat, request)

    async def _fills(self, request: web.Request) -> web.Response:
        """Newest first, pages by billId."""
        seat, wanted = await self._seats.of(request), request.query.get("ordId")
        rows = [
            fill_row(order, fill)
            for order in traded_orders(seat.floor, seat.account, request.query.get("instId"))
            if wanted is None or order.id == order_number(wanted)
            for fill in reversed(order.fills)
        ]
        before = whole(request.query, "after", 0)
        kept = [row for row in rows if not before or int(str(row["billId"])) < before]
        return answer(kept[: whole(request.query, "limit", 100)])

    def _check_market(self, seat: Seat, symbol: str) -> None:
        """Raises Refused, with another code where it is a market of another product."""
        if symbol not in seat.floor.rules.markets:
            is_elsewhere = any(symbol in floor.rules.markets for floor in self._floors)
            raise Refused(Reason.UNKNOWN_MARKET, symbol, code=OTHER_MODE if is_elsewhere else "")


def _check_expiry(text: str, now_ms: int) -> None:
    if text and (not text.isdigit() or int(text) < now_ms):
        raise Failed("51149", "Order timed out. Please try again later.")


def _done(seat: Seat, body: Body, act: Callable[[], Order], *, amending: bool = False) -> Row:
    try:
        order = act()
    except Refused as error:
        return failed_row(body, *refusal(error, is_swap=seat.is_swap, amending=amending), seat.floor.clock())
    except Malformed as error:
        return failed_row(body, "51000", f"Parameter {error.parameter} error", seat.floor.clock())
    except Failed as error:
        return failed_row(body, error.code, error.message, seat.floor.clock())
    return placed_row(order, seat.floor.clock())


def _amended(seat: Seat, body: Body, expires: str) -> Order:
    """`newSz` counts what is filled already. Raises Malformed, Refused, Failed."""
    _check_expiry(expires, seat.floor.clock())
    order = _find(seat, str(body.get("ordId") or ""), str(body.get("clOrdId") or ""))
    qty = number(body, "newSz") if body.get("newSz") else order.qty
    price = number(body, "newPx") if body.get("newPx") else order.price
    if qty is None or price is None or not (body.get("newSz") or body.get("newPx")):
        raise Malformed("newSz")
    return seat.floor.amend(order, qty, price)


def _cancelled(seat: Seat, body: Body) -> Row:
    try:
        order = _find(seat, str(body.get("ordId") or ""), str(body.get("clOrdId") or ""))
        seat.floor.cancel(order)
    except Refused:
        return failed_row(body, *ENDED, seat.floor.clock())
    return placed_row(order, seat.floor.clock())


def _find(seat: Seat, order_id: str, client_id: str) -> Order:
    """`ordId` wins where both are given. Raises Malformed, Refused."""
    if order_id:
        return seat.floor.find(seat.account, order_id=order_number(order_id))
    if not client_id:
        raise Malformed("ordId")
    return seat.floor.find(seat.account, client_id=client_id)


def _page(rows: Sequence[tuple[int, Row]], seat: Seat, request: web.Request) -> web.Response:
    """Of one instType, older than the order `after`."""
    if request.query.get("instType", seat.kind) != seat.kind:
        return answer([])
    after = request.query.get("after")
    kept = [row for number_, row in rows if after is None or number_ < order_number(after)]
    return answer(kept[: whole(request.query, "limit", 100)])
