"""OKX's algo orders, those of type `conditional` with a stop-loss: placing, cancelling, details, list, history.

They wait with an `algoId` of their own and hold nothing. What one makes is an ordinary order, which names it.
"""

import re
from collections.abc import Sequence

from aiohttp import web

from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.okx.answers import ENDED, algo_refusal, answer, operations, refusal
from sandbox.venues.okx.seats import Seat, Seats, body_of, check_age
from sandbox.venues.okx.wire import SWAP, algo_id, algo_number, kind_of, margin_of, number, order_id
from sandbox.venues.orders import Kind, Order, OrderRequest, Reason, Refused
from sandbox.venues.spelling import plain
from sandbox.venues.stops import Stop
from sandbox.venues.trading import side_of

_TYPE = "conditional"
_MOST = 10  # of one request that cancels
_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_ENDED_STATES = ("effective", "canceled", "order_failed")
_EMPTY = (  # what other kinds of algo orders fill
    "activePx callbackRatio callbackSpread ccy chaseType chaseVal clOrdId closeFraction isTradeBorrowMode last lever "
    "maxChaseType maxChaseVal moveTriggerPx ordPx pxLimit pxSpread pxVar quickMgnType szLimit tag timeInterval "
    "tpOrdPx tpTriggerPx tpTriggerPxType tradeQuoteCcy triggerPx triggerPxType"
).split()
Body = dict[str, object]
Row = dict[str, object]


class Algos:
    def __init__(self, floors: Sequence[Floor], seats: Seats) -> None:
        self._markets = {symbol for floor in floors for symbol in floor.rules.markets}
        self._seats = seats

    def routes(self) -> list[web.RouteDef]:
        trade = "/api/v5/trade"
        return [
            web.post(f"{trade}/order-algo", self._place),
            web.post(f"{trade}/cancel-algos", self._cancel),
            web.get(f"{trade}/order-algo", self._one),
            web.get(f"{trade}/orders-algo-pending", self._pending),
            web.get(f"{trade}/orders-algo-history", self._history),
        ]

    async def _place(self, request: web.Request) -> web.Response:
        """It is not among the paths that heed expTime: how late it may come, its timestamp alone says."""
        seat, body = await self._seats.of(request), await body_of(request, Body)
        client_id = str(body.get("algoClOrdId") or "")
        try:
            order = await seat.floor.place(_wish(seat, body), lambda: check_age(seat, request))
        except Refused as error:
            return operations([_failed(client_id, *algo_refusal(error, is_swap=seat.is_swap))])
        except Malformed as error:
            return operations([_failed(client_id, "51000", f"Parameter {error.parameter} error")])
        return operations([_done(order)])

    async def _cancel(self, request: web.Request) -> web.Response:
        seat, bodies = await self._seats.of(request), await body_of(request, list[Body])
        if not 0 < len(bodies) <= _MOST:
            raise Malformed("batch")
        return operations([_cancelled(seat, body) for body in bodies])

    async def _one(self, request: web.Request) -> web.Response:
        seat = await self._seats.of(request)
        found = _find(seat, request.query.get("algoId", ""), request.query.get("algoClOrdId", ""))
        return answer([_row(found, seat)])

    async def _pending(self, request: web.Request) -> web.Response:
        """Newest first."""
        seat = await self._seats.of(request)
        floor = seat.floor
        waiting = {order.id for order in floor.open_stops(seat.account, request.query.get("instId"))}
        return self._page([stop for stop in floor.stops.of(seat.account) if stop.order.id in waiting], seat, request)

    async def _history(self, request: web.Request) -> web.Response:
        seat, query = await self._seats.of(request), request.query
        if "state" not in query and "algoId" not in query:
            return answer([], "50015", "Either parameter state or algoId is required", 400)
        if query.get("state", _ENDED_STATES[0]) not in _ENDED_STATES:
            raise Malformed("state")
        floor = seat.floor
        shown_ms = floor.clock() - floor.faults.lag_ms()
        stops = [
            stop
            for stop in floor.stops.of(seat.account, query.get("instId"))
            if not stop.waits and stop.order.created_ms <= shown_ms and not floor.has_forgotten(stop.order)
            if query.get("state") in (None, _state(stop))
        ]
        return self._page(stops, seat, request)

    def _page(self, stops: Sequence[Stop], seat: Seat, request: web.Request) -> web.Response:
        """Of one type and instType, older than the stop `after`."""
        query = request.query
        if query.get("ordType") is None:
            raise Malformed("ordType")
        if query.get("instId", next(iter(self._markets))) not in self._markets:
            raise Refused(Reason.UNKNOWN_MARKET, query["instId"])
        if query["ordType"] != _TYPE or query.get("instType", seat.kind) != seat.kind:
            return answer([])
        after, wanted = query.get("after"), query.get("algoId")
        kept = [stop for stop in stops if wanted in (None, algo_id(stop.order))]
        kept = [stop for stop in kept if after is None or stop.order.id < algo_number(after)]
        return answer([_row(stop, seat) for stop in kept[: whole(query, "limit", 100)]])


def _wish(seat: Seat, body: Body) -> OrderRequest:
    """Raises Malformed."""
    if body.get("ordType") != _TYPE:
        raise Malformed("ordType")
    if body.get("tdMode") != seat.margin:
        raise Malformed("tdMode")
    if body.get("posSide", "net") != "net":
        raise Malformed("posSide")
    if body.get("slTriggerPxType", "last") != "last":
        raise Malformed("slTriggerPxType")
    client_id = str(body.get("algoClOrdId") or "")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise Malformed("algoClOrdId")
    return OrderRequest(
        account=seat.account,
        symbol=str(body.get("instId", "")),
        side=side_of(body),
        kind=Kind.LIMIT,
        price=number(body, "slOrdPx"),
        qty=number(body, "sz"),
        client_id=client_id,
        reduce_only=seat.is_swap and str(body.get("reduceOnly", "")).lower() == "true",
        stop=number(body, "slTriggerPx"),
    )


def _cancelled(seat: Seat, body: Body) -> Row:
    try:
        stop = _find(seat, str(body.get("algoId") or ""), str(body.get("algoClOrdId") or ""))
        if stop.order.symbol != body.get("instId") or not stop.waits:
            raise Refused(Reason.ALREADY_CLOSED, "it waits no more, or for another market")
        return _done(seat.floor.cancel(stop.order), with_client_id=False)
    except Refused:
        return _failed("", *ENDED)


def _find(seat: Seat, stop_id: str, client_id: str) -> Stop:
    """`algoId` wins where both are given. Raises Malformed, Refused."""
    if stop_id:
        return seat.floor.find_stop(seat.account, order_id=algo_number(stop_id))
    if not client_id:
        raise Malformed("algoId")
    return seat.floor.find_stop(seat.account, client_id=client_id)


def _done(order: Order, *, with_client_id: bool = True) -> Row:
    ids: Row = {"algoClOrdId": order.client_id if with_client_id else "", "algoId": algo_id(order), "clOrdId": ""}
    return ids | {"sCode": "0", "sMsg": "", "tag": ""}


def _failed(client_id: str, code: str, message: str) -> Row:
    return {"algoClOrdId": client_id, "algoId": "", "clOrdId": "", "sCode": code, "sMsg": message, "tag": ""}


def _state(stop: Stop) -> str:
    if stop.waits:
        return "live"
    if stop.refused is not None:
        return "order_failed"
    return "canceled" if stop.made is None else "effective"


def _row(stop: Stop, seat: Seat) -> Row:
    """As GET /api/v5/trade/order-algo shows it."""
    order, made = stop.order, stop.made
    made_id = order_id(made) if made is not None else ""
    return dict.fromkeys(_EMPTY, "") | {
        "actualPx": plain(made.price) if made is not None and made.price is not None else "",
        "actualSide": "sl" if made is not None else "",
        "actualSz": plain(made.qty) if made is not None and made.qty is not None else "0",
        "algoClOrdId": order.client_id,
        "algoId": algo_id(order),
        "amendPxOnTriggerType": "0",
        "attachAlgoOrds": [],
        "cTime": str(order.created_ms),
        "failCode": refusal(stop.refused, is_swap=seat.is_swap)[0] if stop.refused is not None else "",
        "instId": order.symbol,
        "instType": kind_of(order.symbol),
        "linkedOrd": {"ordId": ""},
        "ordId": made_id,
        "ordIdList": [made_id] if made_id else [],
        "ordType": _TYPE,
        "posSide": "net",
        "reduceOnly": str(order.reduce_only).lower(),
        "side": order.side.name.lower(),
        "slOrdPx": plain(order.price) if order.price is not None else "",
        "slTriggerPx": plain(order.stop) if order.stop is not None else "",
        "slTriggerPxType": "last",
        "state": _state(stop),
        "sz": plain(order.qty) if order.qty is not None else "",
        "tdMode": margin_of(order.symbol),
        "tgtCcy": "" if order.symbol.endswith(SWAP) else "base_ccy",
        "triggerTime": str(stop.went_off_ms) if stop.went_off_ms else "",
        "uTime": str(order.updated_ms),
    }
