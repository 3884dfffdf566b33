"""The HTTP door of a local venue: faults, limits and errors meet every request here, whatever the dialect."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox.venues.auth import Denied, Why
from sandbox.venues.floor import Cut, Floor, Limited, Page
from sandbox.venues.orders import Refused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Malformed(Exception):
    """A parameter is missing or no number; carries its name."""

    def __init__(self, parameter: str, detail: str = "") -> None:
        super().__init__(f"{parameter} {detail}")
        self.parameter = parameter
        self.detail = detail


def whole(query: Mapping[str, str], name: str, default: int) -> int:
    """A whole number of a query, or its default. Raises Malformed."""
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit():
        raise Malformed(name)
    return int(text)


class Dialect(Protocol):
    """One venue's way to speak: routes, and how each kind of no is written."""

    floor: Floor

    def routes(self) -> list[web.RouteDef]: ...
    def is_placement(self, request: web.Request) -> bool: ...
    def admit(self, request: web.Request) -> dict[str, str]:
        """Count the request; its headers for the answer. Raises Limited."""

    def refused(self, error: Refused) -> web.Response: ...
    def denied(self, error: Denied) -> web.Response: ...
    def malformed(self, error: Malformed) -> web.Response: ...
    def limited(self, error: Limited) -> web.Response: ...


def build_app(dialect: Dialect) -> web.Application:
    app = web.Application(middlewares=[_guard(dialect)])
    app.router.add_routes(dialect.routes())
    return app


def _guard(dialect: Dialect) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            faults = dialect.floor.faults
            if faults.lasting("ws_refuse") is not None or faults.lasting("maintenance") is not None:
                return web.Response(status=503, text="unavailable")
            return await handler(request)
        try:
            return await _carried(dialect, request, handler)
        except Cut as error:
            return await _cut(request, error.hang_ms)

    return guard


_TIMERS = ("countdown", "cancel-all-after", "dead-cancel")
_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"


async def _carried(dialect: Dialect, request: web.Request, handler: Handler) -> web.StreamResponse:
    """There and back, with what the way shows. Raises Cut."""
    faults, scope = dialect.floor.faults, _scope(dialect, request)
    if faults.lasting("rest_outage") is not None:
        raise Cut
    if faults.lasting("maintenance") is not None:
        return await _answered(dialect, request, handler, Page(503))
    fault = faults.for_request(scope)
    if fault is None:
        return await _answered(dialect, request, handler)
    match fault.kind:
        case "http_error":
            return await _answered(dialect, request, handler, Page(fault.status))
        case "rate_limit" | "ban":
            return await _answered(dialect, request, handler, Limited(banned=fault.kind == "ban"))
        case "nonce_used":
            if fault.executed:
                await _answered(dialect, request, handler)
            return await _answered(dialect, request, handler, Denied(Why.NONCE_USED))
        case "drop_before":
            raise Cut(fault.ms)
        case "delay_before":
            await asyncio.sleep(fault.ms / 1000)
    answer = await _answered(dialect, request, handler)
    match fault.kind:
        case "twice":
            again = await _answered(dialect, request, handler)
            return again if fault.answers == "last" else answer
        case "drop_after":
            raise Cut(fault.ms)
        case "delay_after":
            await asyncio.sleep(fault.ms / 1000)
    return answer


async def _answered(
    dialect: Dialect, request: web.Request, handler: Handler, no: Exception | None = None
) -> web.StreamResponse:
    """What the venue says; `no` stands before its door. Raises Cut."""
    headers: dict[str, str] = {}
    answer: web.StreamResponse
    try:
        if no is not None:
            raise no
        headers = dialect.admit(request)
        answer = await handler(request)
    except Refused as error:
        answer = dialect.refused(error)
    except Denied as error:
        answer = dialect.denied(error)
    except Malformed as error:
        answer = dialect.malformed(error)
    except Limited as error:
        answer = dialect.limited(error)
    except Page as error:
        answer = web.Response(status=error.status, text=_PAGE.format(error.status), content_type="text/html")
    for name, value in headers.items():  # what a refusal says of its own limit stands
        answer.headers.setdefault(name, value)
    answer.headers["Date"] = formatdate(dialect.floor.clock() / 1000, usegmt=True)
    return answer


def _scope(dialect: Dialect, request: web.Request) -> str:
    """Every venue cancels by DELETE or says so in the path, and so does every dead man's timer."""
    if dialect.is_placement(request):
        return "placement"
    path = request.path.lower()
    is_cancel = (request.method == "DELETE" and "listenkey" not in path) or "cancel" in path
    return "cancel" if is_cancel and not any(timer in path for timer in _TIMERS) else "query"


async def _cut(request: web.Request, hang_ms: int) -> web.Response:
    if hang_ms:
        await asyncio.sleep(hang_ms / 1000)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # goes nowhere
