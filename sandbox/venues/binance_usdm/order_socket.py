"""Binance futures' WebSocket API, `/ws-fapi/v1`: each placement is signed, names sorted; limits ride in the answer."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues import auth
from sandbox.venues.binance_usdm.private import Private
from sandbox.venues.door import Dialect
from sandbox.venues.order_sockets import answered, body_of, say
from sandbox.venues.sockets import OnText, Socket, Sockets

_PING_SECONDS, _PONG_WITHIN_SECONDS = 180.0, 600.0
_HANDSHAKE_WEIGHT = 5
_LIMITS = {
    "X-MBX-ORDER-COUNT-10S": ("ORDERS", "SECOND", 10, 300),
    "X-MBX-ORDER-COUNT-1M": ("ORDERS", "MINUTE", 1, 1_200),
    "X-MBX-USED-WEIGHT-1M": ("REQUEST_WEIGHT", "MINUTE", 1, 2_400),
}


class _Request(Struct):
    id: str | int
    method: str
    params: dict[str, str | int | bool] = {}


class _Rest(Dialect, Protocol):
    def count(self, remote: str, weight: int, *, is_order: bool) -> dict[str, str]: ...


class OrderSocket:
    """What sockets and REST of one address and account use up is counted together."""

    def __init__(self, rest: _Rest, private: Private, sockets: Sockets) -> None:
        self._rest = rest
        self._private = private
        self._sockets = sockets

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        remote = request.remote or ""
        self._rest.count(remote, _HANDSHAKE_WEIGHT, is_order=False)

        def join(socket: Socket) -> OnText:
            async def hear(text: str) -> None:
                try:
                    asked = msgspec.json.decode(text, type=_Request)
                except msgspec.MsgspecError:
                    error = {"code": -1135, "msg": "Invalid JSON Request"}
                    say(socket, {"id": None, "status": 400, "error": error})
                    return
                await self._hear(socket, remote, asked)

            return hear

        return await self._sockets.serve(
            request, join, lambda _: None, idle_seconds=_PONG_WITHIN_SECONDS, ping_seconds=_PING_SECONDS
        )

    async def _hear(self, socket: Socket, remote: str, asked: _Request) -> None:
        headers: dict[str, str] = {}
        is_order = asked.method == "order.place"

        async def work() -> web.Response:
            headers.update(self._rest.count(remote, 0 if is_order else 1, is_order=is_order))
            return await self._done(asked)

        response = await answered(socket, self._rest, work())
        if response is None:
            return
        said: dict[str, object] = {"id": asked.id, "status": response.status}
        if response.status == 200:
            said["result"] = body_of(response)
        else:
            said["error"] = body_of(response) | self._wait(response)
        say(socket, said | {"rateLimits": _limits(headers)})

    async def _done(self, asked: _Request) -> web.Response:
        """Raises what the REST side raises."""
        if asked.method == "ping":
            return web.json_response({})
        if asked.method != "order.place":
            return web.json_response({"code": -1012, "msg": "Unknown method"}, status=400)
        query = {name: str(value) for name, value in asked.params.items()}
        signature = query.pop("signature", "")
        signed = urlencode(sorted(query.items()), quote_via=quote)
        keys = self._rest.floor.keys
        account = auth.binance(query.get("apiKey"), f"{signed}&signature={signature}", keys).account
        self._private.check_age(query)
        return await self._private.placed(account, query)

    def _wait(self, response: web.Response) -> dict[str, object]:
        if "Retry-After" not in response.headers:
            return {}
        now_ms = self._rest.floor.clock()
        until_ms = now_ms + int(response.headers["Retry-After"]) * 1_000
        return {"data": {"serverTime": now_ms, "retryAfter": until_ms}}


def _limits(headers: Mapping[str, str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for header, (kind, interval, number, most) in _LIMITS.items():
        if header in headers:
            window = {"rateLimitType": kind, "interval": interval, "intervalNum": number}
            found.append(window | {"limit": most, "count": int(headers[header])})
    return found
