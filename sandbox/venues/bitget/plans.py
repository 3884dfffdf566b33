"""Bitget's plan orders, v2, spot and USDT perpetuals: stop-losses and their like, with ids and lists of their own.

No direction is named: the venue waits for the price from the side on which it finds it. The client id of what a plan
makes is the plan's id. Only limit orders and the last price are known here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from sandbox.venues.bitget import mix, orders
from sandbox.venues.bitget.keys import Keys
from sandbox.venues.bitget.mix import Handler, No, Say, check_product, guarded
from sandbox.venues.bitget.orders import CLIENT_ID, FIRST_ID, order_id, order_number
from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.orders import Order, OrderRequest, Reason, Refused, State
from sandbox.venues.public import symbol_of
from sandbox.venues.spelling import plain
from sandbox.venues.stops import Stop
from sandbox.venues.trading import json_body, positive

_REFUSALS = {
    Reason.UNKNOWN_ORDER: ("43025", "Plan order does not exist"),
    Reason.ALREADY_CLOSED: ("43026", "The planned order has been closed"),
}
_LONGEST_MS = 90 * 86_400_000
_KINDS = ("normal_plan", "track_plan", "profit_loss")


class _Plans:
    """What both products share."""

    def __init__(self, floor: Floor, keys: Keys, say: Say, no: No) -> None:
        self._floor = floor
        self._keys = keys
        self._say = say
        self._no = no
        floor.stops.name_made = order_id

    async def _asked(self, request: web.Request) -> str:
        """The account. Raises Denied."""
        return await self._keys.account(request, self._floor)

    def _find(self, account: str, named: Mapping[str, object]) -> Stop:
        """Raises Malformed, Refused."""
        if named.get("orderId"):
            return self._floor.find_stop(account, order_id=order_number(str(named["orderId"])))
        if not named.get("clientOid"):
            raise Malformed("orderId")
        return self._floor.find_stop(account, client_id=str(named["clientOid"]))

    def _listed(self, account: str, query: Mapping[str, str], *, waits: bool, limit: int) -> list[Stop]:
        """Newest first, as far as the venue shows them by now."""
        symbol = symbol_of(self._floor, query["symbol"]) if "symbol" in query else None
        before = order_number(query.get("idLessThan", str(2 * FIRST_ID)))
        now_ms, lag_ms = self._floor.clock(), self._floor.faults.lag_ms()
        found = [
            stop
            for stop in self._floor.stops.of(account, symbol)
            if stop.waits is waits
            and stop.order.id < before
            and now_ms - stop.order.created_ms >= lag_ms
            and query.get("orderId") in (None, order_id(stop.order))
            and query.get("clientOid") in (None, stop.order.client_id)
        ]
        return found[: min(100, whole(query, "limit", limit))]


class SpotPlans(_Plans):
    def routes(self) -> list[web.RouteDef]:
        trade = "/api/v2/spot/trade"
        return [
            web.post(f"{trade}/place-plan-order", self._guarded(self._place)),
            web.post(f"{trade}/cancel-plan-order", self._guarded(self._cancel)),
            web.get(f"{trade}/current-plan-order", self._guarded(self._waiting)),
            web.get(f"{trade}/history-plan-order", self._guarded(self._ended)),
            web.get(f"{trade}/plan-sub-order", self._guarded(self._made)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        return guarded(handler, self._no, _REFUSALS)

    async def _place(self, request: web.Request) -> web.Response:
        account, body = await self._asked(request), await json_body(request)
        if body.get("planType", "amount") != "amount":
            raise Malformed("planType")
        wish = _wish(orders.wish, account, body, "executePrice")
        order = await self._floor.place(wish)
        return self._say({"orderId": order_id(order), "clientOid": order.client_id})

    async def _cancel(self, request: web.Request) -> web.Response:
        account, body = await self._asked(request), await json_body(request)
        self._floor.cancel(_still_waits(self._find(account, body)))
        return self._say({"result": "success"})

    async def _waiting(self, request: web.Request) -> web.Response:
        account = await self._asked(request)
        return self._page(self._listed(account, request.query, waits=True, limit=20))

    async def _ended(self, request: web.Request) -> web.Response:
        """Ninety days at most between `startTime` and `endTime`."""
        account, query = await self._asked(request), request.query
        last_ms = whole(query, "endTime", self._floor.clock())
        first_ms = whole(query, "startTime", max(0, last_ms - _LONGEST_MS))
        if last_ms - first_ms > _LONGEST_MS:
            raise Malformed("startTime")
        found = self._listed(account, query, waits=False, limit=100)
        return self._page([stop for stop in found if first_ms <= stop.order.created_ms <= last_ms])

    def _page(self, stops: list[Stop]) -> web.Response:
        rows = [
            _row(stop) | {"executePrice": _limit(stop), "planType": "amount", "status": _word(stop)} for stop in stops
        ]
        last = rows[-1]["orderId"] if rows else None
        return self._say({"nextFlag": len(rows) == 100, "idLessThan": last, "orderList": rows})

    async def _made(self, request: web.Request) -> web.Response:
        """Of a plan that has gone off alone."""
        account = await self._asked(request)
        stop = self._find(account, {"orderId": request.query.get("planOrderId", "")})
        if stop.waits or stop.made is None:
            return self._no("40307", "The current plan order does not exist or has not been triggered")
        made = {"orderId": order_id(stop.made), "price": _limit(stop), "type": "limit", "status": "success"}
        return self._say([made])


class MixPlans(_Plans):
    def routes(self) -> list[web.RouteDef]:
        order = "/api/v2/mix/order"
        return [
            web.post(f"{order}/place-plan-order", self._guarded(self._place)),
            web.post(f"{order}/cancel-plan-order", self._guarded(self._cancel)),
            web.get(f"{order}/orders-plan-pending", self._guarded(self._waiting)),
            web.get(f"{order}/orders-plan-history", self._guarded(self._ended)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        return guarded(handler, self._no, mix.REFUSALS | _REFUSALS)

    async def _place(self, request: web.Request) -> web.Response:
        account, body = await self._asked(request), await json_body(request)
        check_product(body)
        if body.get("planType") != "normal_plan":
            raise Malformed("planType")
        symbol_of(self._floor, str(body.get("symbol", "")))
        order = await self._floor.place(_wish(mix.wish, account, body, "price"))
        return self._say({"orderId": order_id(order), "clientOid": order.client_id})

    async def _cancel(self, request: web.Request) -> web.Response:
        """Of the ids named, each in one of two lists; of a symbol, or of all, where none is."""
        account, body = await self._asked(request), await json_body(request)
        check_product(body)
        symbol, listed = str(body.get("symbol") or "") or None, body.get("orderIdList")
        if isinstance(listed, list) and listed:
            if symbol is None:
                raise Malformed("symbol")
            named = [each for each in listed if isinstance(each, dict)]
        else:
            named = [{"orderId": order_id(order)} for order in self._floor.open_stops(account, symbol)]
        ended, failed = [], []
        for each in named:
            try:
                order = self._floor.cancel(_still_waits(self._find(account, each)))
                ended.append({"orderId": order_id(order), "clientOid": order.client_id})
            except Refused:
                ids = {"orderId": each.get("orderId", ""), "clientOid": each.get("clientOid", "")}
                failed.append(ids | {"errorMsg": "notExistend"})  # its own spelling
        return self._say({"successList": ended, "failureList": failed})

    async def _waiting(self, request: web.Request) -> web.Response:
        account = await self._of_a_kind(request)
        stops = self._listed(account, request.query, waits=True, limit=100)
        return self._page([_contract_row(stop) | {"planStatus": "live"} for stop in stops])

    async def _ended(self, request: web.Request) -> web.Response:
        account, wanted = await self._of_a_kind(request), request.query.get("planStatus")
        stops = self._listed(account, request.query, waits=False, limit=100)
        rows = [
            _contract_row(stop)
            | {
                "planStatus": _word(stop),
                "executeOrderId": order_id(stop.made) if stop.made is not None else "",
                "priceAvg": plain(round(stop.made.average, 12)) if stop.made and stop.made.filled else "",
                "baseVolume": plain(stop.made.filled) if stop.made is not None else "0",
            }
            for stop in stops
            if wanted in (None, _word(stop))
        ]
        return self._page(rows)

    async def _of_a_kind(self, request: web.Request) -> str:
        """The account. Raises Denied, Malformed, Refused."""
        account = await self._asked(request)
        check_product(request.query)
        if request.query.get("planType") not in _KINDS:
            raise Refused(Reason.ON_REQUEST, "planType", code="40812")
        return account

    def _page(self, rows: list[dict[str, Any]]) -> web.Response:
        return self._say({"entrustedList": rows or None, "endId": rows[-1]["orderId"] if rows else None})


def _wish(
    read: Callable[[str, Mapping[str, object]], OrderRequest], account: str, body: Mapping[str, object], limit: str
) -> OrderRequest:
    """`limit` is what the product calls the price of what is made. Raises Malformed."""
    wrong = {
        "orderType": body.get("orderType") != "limit",
        "triggerType": body.get("triggerType") != "fill_price",
        "clientOid": bool(body.get("clientOid")) and not CLIENT_ID.fullmatch(str(body["clientOid"])),
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise Malformed(name)
    wish = read(account, {**body, "price": positive(body, limit), "force": "gtc"})
    return replace(wish, stop=positive(body, "triggerPrice"))


def _still_waits(stop: Stop) -> Order:
    """Raises Refused."""
    if not stop.waits:
        raise Refused(Reason.ALREADY_CLOSED, order_id(stop.order))
    return stop.order


def _word(stop: Stop) -> str:
    if stop.waits:
        return "live"
    if stop.made is not None:
        return "executed"
    return "fail_execute" if stop.refused is not None else "cancelled"


def _limit(stop: Stop) -> str:
    return plain(stop.order.price) if stop.order.price is not None else ""


def _row(stop: Stop) -> dict[str, Any]:
    order = stop.order
    return {
        "orderId": order_id(order),
        "clientOid": order.client_id,
        "symbol": order.symbol,
        "size": plain(order.qty or order.filled),
        "triggerPrice": plain(order.stop) if order.stop is not None else "",
        "triggerType": "fill_price",
        "orderType": "limit",
        "side": order.side.name.lower(),
        "enterPointSource": "API",
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms if order.state is not State.OPEN or stop.went_off_ms else order.created_ms),
    }


def _contract_row(stop: Stop) -> dict[str, Any]:
    unset = ("stopSurplusTriggerPrice", "stopSurplusExecutePrice", "stopLossTriggerPrice", "stopLossExecutePrice")
    return _row(stop) | {
        "planType": "normal_plan",
        "price": _limit(stop),
        "executePrice": _limit(stop),
        "callbackRatio": "",
        "posSide": "net",
        "marginCoin": mix.COIN,
        "marginMode": "crossed",
        "tradeSide": f"{stop.order.side.name.lower()}_single",
        "posMode": "one_way_mode",
        **dict.fromkeys(unset, ""),
    }
