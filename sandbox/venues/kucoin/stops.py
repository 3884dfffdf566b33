"""KuCoin's stop orders, spot: apart from its orders, with ids of their own. What waits holds no money.

The order that one makes bears its client id; no record names that order.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from sandbox.venues.door import Malformed, whole
from sandbox.venues.floor import Floor
from sandbox.venues.kucoin.orders import wish
from sandbox.venues.orders import Kind, Order, OrderRequest, Refused, Side
from sandbox.venues.public import symbol_of
from sandbox.venues.spelling import fixed
from sandbox.venues.stops import Stop
from sandbox.venues.trading import json_body, positive

_WAYS = {"loss": Side.SELL, "entry": Side.BUY}  # it falls to the price, or rises to it; the floor knows no other stops
_LEAST_PAGE, _MOST_PAGE = 10, 500
Say = Callable[[object], web.Response]


class StopDesk:
    def __init__(self, floor: Floor, say: Say, account_of: Callable[[web.Request], Awaitable[str]]) -> None:
        """`account_of` says whose signed call it is, or raises Denied."""
        self._floor = floor
        self._say = say
        self._account_of = account_of

    def routes(self) -> list[web.RouteDef]:
        path = "/api/v1/stop-order"
        return [
            web.post(path, self._place),
            web.get(path, self._waiting),
            web.get(f"{path}/queryOrderByClientOid", self._named),
            web.get(f"{path}/{{order_id}}", self._numbered),
            web.delete(f"{path}/cancelOrderByClientOid", self._cancel_named),
            web.delete(f"{path}/cancel", self._cancel_all),
            web.delete(f"{path}/{{order_id}}", self._cancel_numbered),
        ]

    async def _place(self, request: web.Request) -> web.Response:
        account = await self._account_of(request)
        order = await self._floor.place(_wish(account, await json_body(request)))
        return self._say({"orderId": stop_id(order)})

    async def _waiting(self, request: web.Request) -> web.Response:
        """Newest first; nothing that has ended."""
        account, query = await self._account_of(request), request.query
        orders = self._floor.open_stops(account, self._market(query))
        rows = [stop_row(self._floor.stops.find(account, order_id=order.id)) for order in reversed(orders)]
        number, size = max(1, whole(query, "currentPage", 1)), whole(query, "pageSize", 50)
        if not _LEAST_PAGE <= size <= _MOST_PAGE:
            raise Malformed("pageSize")
        counts = {"currentPage": number, "pageSize": size, "totalNum": len(rows), "totalPage": -(-len(rows) // size)}
        return self._say({**counts, "items": rows[(number - 1) * size : number * size]})

    async def _named(self, request: web.Request) -> web.Response:
        """A list, and ended ones too; one that is not there is no data."""
        account, client_id = await self._account_of(request), _client_id(request)
        self._market(request.query)
        try:
            return self._say([stop_row(self._floor.find_stop(account, client_id=client_id))])
        except Refused:
            return self._say([])

    async def _numbered(self, request: web.Request) -> web.Response:
        number = _number(request.match_info["order_id"])
        return self._say(stop_row(self._floor.find_stop(await self._account_of(request), order_id=number)))

    async def _cancel_named(self, request: web.Request) -> web.Response:
        account, client_id = await self._account_of(request), _client_id(request)
        self._market(request.query)
        order = self._cancelled(self._floor.find_stop(account, client_id=client_id))
        return self._say({"cancelledOrderId": stop_id(order), "clientOid": order.client_id})

    async def _cancel_numbered(self, request: web.Request) -> web.Response:
        number = _number(request.match_info["order_id"])
        order = self._cancelled(self._floor.find_stop(await self._account_of(request), order_id=number))
        return self._say({"cancelledOrderIds": [stop_id(order)]})

    async def _cancel_all(self, request: web.Request) -> web.Response:
        account = await self._account_of(request)
        ended = [self._floor.cancel(order) for order in self._floor.open_stops(account, self._market(request.query))]
        return self._say({"cancelledOrderIds": [stop_id(order) for order in ended]})

    def _cancelled(self, stop: Stop) -> Order:
        """Raises Refused where it waits no more."""
        return self._floor.stops.cancel(stop.order, self._floor.clock())

    def _market(self, query: Mapping[str, str]) -> str | None:
        """Raises Malformed."""
        return symbol_of(self._floor, query["symbol"]) if query.get("symbol") else None


def _wish(account: str, body: Mapping[str, object]) -> OrderRequest:
    """Raises Malformed."""
    asked = wish(account, body)
    if _WAYS.get(str(body.get("stop") or "loss")) is not asked.side or asked.kind is not Kind.LIMIT:
        raise Malformed("stop")
    if not body.get("timeInForce"):
        raise Malformed("timeInForce")
    return replace(asked, stop=positive(body, "stopPrice"))


def stop_row(stop: Stop) -> dict[str, Any]:
    order = stop.order
    return {
        "id": stop_id(order),
        "symbol": order.symbol,
        "userId": "sandbox",
        "status": "NEW" if stop.waits else "TRIGGERED" if stop.made is not None else "CANCELLED",
        "type": "limit",
        "side": order.side.name.lower(),
        "price": _padded(order.price),
        "size": _padded(order.qty),
        "funds": None,
        "stp": None,
        "timeInForce": "GTC",
        "cancelAfter": -1,
        "postOnly": False,
        "hidden": False,
        "iceberg": False,
        "visibleSize": None,
        "channel": "API",
        "clientOid": order.client_id,
        "remark": None,
        "tags": None,
        "relatedNo": None,
        "orderTime": order.created_ms * 1_000_000,
        "domainId": "kucoin",
        "tradeSource": "USER",
        "tradeType": "TRADE",
        "feeCurrency": order.fee_asset,
        "createdAt": order.created_ms,
        "stop": "loss" if order.side is Side.SELL else "entry",
        "stopTriggerTime": stop.went_off_ms or None,
        "stopPrice": _padded(order.stop),
    }


def stop_id(order: Order) -> str:
    """Not the spelling of an order's."""
    return f"vs9{order.id:021x}"


def _number(text: str) -> int:
    try:
        return int(text.removeprefix("vs9"), 16) if text.startswith("vs9") else -1
    except ValueError:
        return -1


def _client_id(request: web.Request) -> str:
    """Raises Malformed."""
    client_id = request.query.get("clientOid", "")
    if not client_id:
        raise Malformed("clientOid")
    return client_id


def _padded(value: Decimal | None) -> str | None:
    """Twenty digits behind the point, as these records have them."""
    return None if value is None else fixed(value, 20)
