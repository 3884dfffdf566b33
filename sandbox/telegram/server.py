"""The HTTP face of the Bot API: tokens, methods, files, faults and the log of calls."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import msgspec
from aiohttp import web

from sandbox.telegram.bot_state import BotState, Call
from sandbox.telegram.failures import ApiError, conflict, too_many_requests
from sandbox.telegram.faults import Fault, FaultKind
from sandbox.telegram.methods import METHODS
from sandbox.telegram.methods.account import remember_allowed
from sandbox.telegram.phone_api import PhoneApi
from sandbox.telegram.phone_page import add_page
from sandbox.telegram.polling import TERMINATED, WEBHOOK_IS_SET
from sandbox.telegram.request import Arguments, read_arguments
from sandbox.telegram.settings import NS_PER_MS, Settings
from sandbox.telegram.webhook import deliver

MAX_BODY_BYTES = 64 << 20  # above the 50 MB of a document, so that the method itself says no
SHUTDOWN_S = 0.2  # long polls are cut, not waited for
BAD_GATEWAY_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class BotApiServer:
    """Several bots, one set of people, one port. Start it once, stop it once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._by_token = {identity.token: BotState(identity, settings) for identity in settings.bots}
        self._phone = PhoneApi({bot.identity.username: bot for bot in self._by_token.values()}, settings.clock)
        self._exit = AsyncExitStack()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Returns the base URL without a trailing slash; port 0 takes a free one. Raises OSError."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/bot{token:[^/]+}/{method:[^/]*}", self._serve_method)
        app.router.add_get("/file/bot{token:[^/]+}/{path:.+}", self._serve_file)
        self._phone.add_routes(app)
        add_page(app)
        app.router.add_route("*", "/{other:.*}", self._serve_nothing)
        # No access log: every line of it would hold a token.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        self._exit.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, host, port).start()
        await self._start_webhooks()
        bound_port = runner.addresses[0][1]
        return f"http://{host}:{bound_port}"

    async def stop(self) -> None:
        """Cuts every connection; a second call does nothing."""
        await self._exit.aclose()

    def state(self, token: str) -> BotState:
        """For tests in the same process. Raises KeyError."""
        return self._by_token[token]

    async def _start_webhooks(self) -> None:
        session = await self._exit.enter_async_context(aiohttp.ClientSession())
        tasks = [asyncio.create_task(deliver(bot, session), name="webhook") for bot in self._by_token.values()]

        async def cancel() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

        self._exit.push_async_callback(cancel)

    async def _serve_method(self, request: web.Request) -> web.StreamResponse:
        bot = self._by_token.get(request.match_info["token"])
        if bot is None:
            return _refusal(ApiError(401, "Unauthorized"))
        started_ns, started_wall_ms = bot.clock.monotonic_ns(), bot.clock.wall_ns() // NS_PER_MS
        method, args = request.match_info["method"], Arguments({}, {})
        try:
            args = await read_arguments(request)
            fault = bot.faults.strike(method, args.integer("chat_id"), started_ns)
            response, description = await _answer(bot, method, args, fault)
        except ApiError as error:
            response, description = _refusal(error), error.description
        except web.HTTPRequestEntityTooLarge:
            response, description = _refusal(ApiError(413, "Request Entity Too Large")), "Request Entity Too Large"
        call = Call(
            seq=bot.calls[-1].seq + 1 if bot.calls else 1,
            method=method,
            status=response.status if response is not None else 0,
            description=description,
            chat_id=args.integer("chat_id"),
            params=args.printable(),
            started_wall_ms=started_wall_ms,
            started_ns=started_ns,
            took_us=(bot.clock.monotonic_ns() - started_ns) // 1000,
        )
        bot.calls.append(call)
        bot.changes.stir()
        return response if response is not None else _cut(request)

    async def _serve_file(self, request: web.Request) -> web.Response:
        bot = self._by_token.get(request.match_info["token"])
        if bot is None:
            return _refusal(ApiError(401, "Unauthorized"))
        try:
            stored = bot.files.by_link(request.match_info["path"], bot.clock.monotonic_ns())
        except ApiError as error:
            return _refusal(error)
        return web.Response(body=stored.data, content_type="application/octet-stream")

    async def _serve_nothing(self, request: web.Request) -> web.Response:
        return _refusal(ApiError(404, "Not Found"))


async def _answer(bot: BotState, method: str, args: Arguments, fault: Fault | None) -> tuple[web.Response | None, str]:
    """(None, …) where the connection is to be cut instead of answered. Raises ApiError."""
    kind = fault.kind if fault else None
    if fault and kind is FaultKind.TOO_MANY:
        raise too_many_requests(fault.retry_after_s)
    if kind is FaultKind.CONFLICT:
        raise conflict(TERMINATED)
    if kind is FaultKind.DROP:
        return None, "fault: dropped"
    if kind is FaultKind.BAD_GATEWAY:
        return web.Response(status=502, text=BAD_GATEWAY_PAGE, content_type="text/html"), "fault: bad gateway"
    try:
        result = await _carry_out(bot, method, args)
    except ApiError as error:
        if kind is not FaultKind.DROP_AFTER:
            raise
        return None, f"fault: dropped after {error.description}"
    if kind is FaultKind.DROP_AFTER:
        return None, "fault: done, then dropped"
    if fault and kind is FaultKind.SLOW:
        await bot.clock.sleep(fault.delay_s)
    return _json({"ok": True, "result": result}), ""


async def _carry_out(bot: BotState, method: str, args: Arguments) -> object:
    if bot.clock.monotonic_ns() < bot.logged_out_until_ns:
        raise ApiError(400, "Logged out")
    name = method.lower()
    if name == "getupdates":
        if bot.webhook.url:
            raise conflict(WEBHOOK_IS_SET)
        remember_allowed(bot, args)
        updates = await bot.poller.get_updates(
            args.integer("offset"), args.integer("limit", 100), args.integer("timeout")
        )
        return [update.as_wire() for update in updates]
    if name not in METHODS:
        raise ApiError(404, "Not Found: method not found")
    return METHODS[name](bot, args)


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def _refusal(error: ApiError) -> web.Response:
    answer: dict[str, object] = {"ok": False, "error_code": error.code, "description": error.description}
    if not error.retry_after_s:
        return _json(answer, error.code)
    answer["parameters"] = {"retry_after": error.retry_after_s}
    return _json(answer, error.code, {"Retry-After": str(error.retry_after_s)})


def _cut(request: web.Request) -> web.Response:
    """Closes the socket under the answer: the client sees a connection that died."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)
