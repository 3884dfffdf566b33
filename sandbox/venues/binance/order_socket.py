"""Binance's WebSocket API: each request is signed, its names sorted; limits ride in the answer. So is user data."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues import auth
from sandbox.venues.binance.user_data import CHANNEL, user_data
from sandbox.venues.door import Dialect
from sandbox.venues.order_sockets import answered, body_of, say
from sandbox.venues.order_streams import OrderStreams
from sandbox.venues.sockets import OnText, Socket, Sockets

_PING_SECONDS, _PONG_WITHIN_SECONDS = 20.0, 60.0


class _Request(Struct):
    id: str | int
    method: str
    params: dict[str, str | int] = {}


class _Rest(Dialect, Protocol):
    def count(self, weight: int, *, is_order: bool) -> dict[str, str]: ...
    def check_age(self, query: Mapping[str, str]) -> None: ...
    async def placed(self, account: str, query: Mapping[str, str]) -> web.Response: ...


class OrderSocket:
    def __init__(self, rest: _Rest, sockets: Sockets) -> None:
        self._rest = rest
        self._sockets = sockets
        self._streams = OrderStreams(rest.floor, lambda change: user_data(rest.floor, change))

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        return await self._sockets.serve(
            request, self._join, self._streams.leave, idle_seconds=_PONG_WITHIN_SECONDS, ping_seconds=_PING_SECONDS
        )

    def _join(self, socket: Socket) -> OnText:
        async def on_text(text: str) -> None:
            try:
                asked = msgspec.json.decode(text, type=_Request)
            except msgspec.MsgspecError:
                error = {"code": -1135, "msg": "Invalid JSON Request"}
                say(socket, {"id": None, "status": 400, "error": error})
                return
            await self._hear(socket, asked)

        return on_text

    async def _hear(self, socket: Socket, asked: _Request) -> None:
        headers: dict[str, str] = {}

        async def work() -> web.Response:
            headers.update(self._rest.count(1, is_order=asked.method == "order.place"))
            return await self._done(socket, asked)

        response = await answered(socket, self._rest, work())
        if response is None:
            return
        said: dict[str, object] = {"id": asked.id, "status": response.status}
        if response.status == 200:
            said["result"] = body_of(response)
        else:
            said["error"] = body_of(response) | self._wait(response)
        say(socket, said | {"rateLimits": _limits(headers)})

    async def _done(self, socket: Socket, asked: _Request) -> web.Response:
        """Raises what the REST side raises."""
        now_ms = self._rest.floor.clock()
        if asked.method == "ping":
            return web.json_response({})
        if asked.method == "time":
            return web.json_response({"serverTime": now_ms})
        if asked.method not in ("order.place", "userDataStream.subscribe.signature"):
            return web.json_response({"code": -1012, "msg": "Unknown method"}, status=400)
        query = {name: str(value) for name, value in asked.params.items()}
        signature = query.pop("signature", "")
        signed = urlencode(sorted(query.items()), quote_via=quote)
        account = auth.binance(query.get("apiKey"), f"{signed}&signature={signature}", self._rest.floor.keys).account
        self._rest.check_age(query)
        if asked.method != "order.place":
            self._streams.join(socket, account, CHANNEL)
            return web.json_response({"subscriptionId": 0})
        return await self._rest.placed(account, query)

    def _wait(self, response: web.Response) -> dict[str, object]:
        if "Retry-After" not in response.headers:
            return {}
        now_ms = self._rest.floor.clock()
        until_ms = now_ms + int(response.headers["Retry-After"]) * 1000
        return {"data": {"serverTime": now_ms, "retryAfter": until_ms}}


def _limits(headers: dict[str, str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    if (weight := headers.get("X-MBX-USED-WEIGHT-1M")) is not None:
        minute = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        found.append(minute | {"limit": 6000, "count": int(weight)})
    if (orders := headers.get("X-MBX-ORDER-COUNT-10S")) is not None:
        window = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10}
        found.append(window | {"limit": 100, "count": int(orders)})
    return found
