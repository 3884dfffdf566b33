"""The HTTP door of a local venue: faults, limits and errors meet every request here, whatever the dialect."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox.venues.auth import Denied
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
        headers: dict[str, str] = {}
        try:
            _show_request_faults(dialect, request)
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
        except Cut as error:
            return await _cut(request, error.hang_ms)
        answer.headers.update(headers)
        answer.headers["Date"] = formatdate(dialect.floor.clock() / 1000, usegmt=True)
        return answer

    return guard


_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"


def _show_request_faults(dialect: Dialect, request: web.Request) -> None:
    faults = dialect.floor.faults
    if faults.lasting("rest_outage") is not None:
        raise Cut
    if faults.lasting("maintenance") is not None:
        raise Page(503)
    if dialect.is_placement(request):
        return  # the floor shows those: some of them execute first
    fault = faults.for_request("query")
    if fault is not None and fault.kind == "http_error":
        raise Page(fault.status)
    if fault is not None:
        raise Limited(banned=fault.kind == "ban")


async def _cut(request: web.Request, hang_ms: int) -> web.Response:
    if hang_ms:
        await asyncio.sleep(hang_ms / 1000)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # goes nowhere
