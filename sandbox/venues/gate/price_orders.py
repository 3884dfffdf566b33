"""Gate's price orders of USDT futures: stops with ids, lists and refusals of their own. They do not expire here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.venues.door import Malformed
from sandbox.venues.floor import Floor
from sandbox.venues.gate.futures_fields import page_of, price_of, size_of
from sandbox.venues.gate.futures_rows import STOP_BASE, TIFS, stop_number, stop_row
from sandbox.venues.gate.orders import TEXT
from sandbox.venues.orders import Kind, OrderRequest, Reason, Refused, Side
from sandbox.venues.public import symbol_of
from sandbox.venues.stops import Stop
from sandbox.venues.trading import json_body

_MOST_ROWS = 100
_RISES, _FALLS = 1, 2
_SOURCES = ("", "api", "web", "app")
_UNKNOWN = "AUTO_ORDER_NOT_FOUND"  # also of one that waits no more
_LABELS = {
    Reason.UNKNOWN_ORDER: _UNKNOWN,
    Reason.ALREADY_CLOSED: _UNKNOWN,
    Reason.BAD_TICK: "AUTO_INVALID_PARAM_PRICE",
    Reason.BAD_LOT: "AUTO_INVALID_PARAM_INITIAL_SIZE",
}
_THERE = {
    Side.BUY: "AUTO_TRIGGER_PRICE_GREATE_LAST",
    Side.SELL: "AUTO_TRIGGER_PRICE_LESS_LAST",
}  # as the venue spells it
Answer = Callable[[str, web.Request], Awaitable[web.Response]]
Handler = Callable[[web.Request], Awaitable[web.Response]]


class PriceOrders:
    def __init__(self, floor: Floor, say: Callable[[object], web.Response]) -> None:
        self._floor = floor
        self._say = say

    def routes(self, root: str, said: Callable[[Answer], Handler]) -> list[web.RouteDef]:
        return [
            web.post(root, said(self._labelled(self._place))),
            web.get(root, said(self._labelled(self._list))),
            web.get(f"{root}/{{order_id}}", said(self._labelled(self._get))),
            web.delete(f"{root}/{{order_id}}", said(self._labelled(self._cancel))),
        ]

    def _labelled(self, answer: Answer) -> Answer:
        async def handle(account: str, request: web.Request) -> web.Response:
            try:
                return await answer(account, request)
            except Refused as error:
                label = _LABELS.get(error.reason, "")
                if error.reason is Reason.WOULD_TRIGGER and error.side is not None:
                    label = _THERE[error.side]
                raise Refused(error.reason, error.detail, side=error.side, code=error.code or label) from error

        return handle

    async def _place(self, account: str, request: web.Request) -> web.Response:
        order = await self._floor.place(_wish(account, await json_body(request)))
        return self._say({"id": stop_number(order), "id_string": str(stop_number(order))})

    async def _list(self, account: str, request: web.Request) -> web.Response:
        query, floor = request.query, self._floor
        if query.get("status") not in ("open", "finished"):
            raise Malformed("status")
        symbol = symbol_of(floor, query["contract"], "contract") if query.get("contract") else None
        now_ms, lag_ms, is_open = floor.clock(), floor.faults.lag_ms(), query["status"] == "open"
        found = [
            stop_row(stop)
            for stop in floor.stops.of(account, symbol)
            if stop.waits is is_open and now_ms - stop.order.created_ms >= lag_ms
        ]
        return self._say(page_of(found, query, _MOST_ROWS))

    async def _get(self, account: str, request: web.Request) -> web.Response:
        return self._say(stop_row(self._find(account, request)))

    async def _cancel(self, account: str, request: web.Request) -> web.Response:
        """The answer's times count microseconds, those of the lists seconds."""
        stop = self._find(account, request)
        order = self._floor.stops.cancel(stop.order, self._floor.clock())
        times = {"create_time": order.created_ms * 1_000, "finish_time": order.updated_ms * 1_000}
        return self._say(stop_row(stop) | times)

    def _find(self, account: str, request: web.Request) -> Stop:
        """By its id alone: no text finds it. Raises Refused."""
        text = request.match_info["order_id"]
        if not text.isdigit():
            raise Malformed("order_id")
        return self._floor.find_stop(account, order_id=int(text) - STOP_BASE)


def _wish(account: str, body: Mapping[str, object]) -> OrderRequest:
    """A limit at the last price. Raises Malformed, Refused."""
    initial, trigger = _part(body, "initial"), _part(body, "trigger")
    size, price, tif = size_of(initial), price_of(initial.get("price", "")), str(initial.get("tif") or "gtc")
    text, side = str(initial.get("text") or ""), Side.BUY if size > 0 else Side.SELL
    if tif not in ("gtc", "ioc") or not price:
        raise Refused(Reason.ON_REQUEST, "tif", code="AUTO_INVALID_PARAM_INITIAL_TIF")
    if text not in _SOURCES and not TEXT.fullmatch(text):
        raise Malformed("text")
    if trigger.get("strategy_type", 0) != 0 or trigger.get("price_type", 0) != 0:
        raise Malformed("price_type", "the last price alone")
    if trigger.get("rule") != (_RISES if side is Side.BUY else _FALLS):
        raise Refused(Reason.ON_REQUEST, "rule", code="AUTO_INVALID_PARAM_TRIGGER_RULE")
    if trigger.get("expiration"):
        raise Refused(Reason.ON_REQUEST, "expiration", code="AUTO_INVALID_PARAM_TRIGGER_EXPIRATION")
    return OrderRequest(
        account=account,
        symbol=str(initial.get("contract", "")),
        side=side,
        kind=Kind.LIMIT,
        tif=TIFS[tif],
        price=price,
        qty=abs(size),
        client_id=text,
        reduce_only=initial.get("reduce_only") is True,
        stop=price_of(trigger.get("price", "")),
    )


def _part(body: Mapping[str, object], name: str) -> dict[str, Any]:
    """Raises Malformed."""
    part = body.get(name)
    if not isinstance(part, dict):
        raise Malformed(name)
    return part
