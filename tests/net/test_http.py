"""Answers become bodies or errors that say what to do next."""

import asyncio
from contextlib import asynccontextmanager
from typing import NoReturn

import aiohttp
import pytest
from aiohttp import web

from engine.domain.errors import RateLimited, VenueRefused, VenueUnavailable
from engine.net.http import Http


@asynccontextmanager
async def server(handler):
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def ask(handler, timeout_s=5.0):
    async with server(handler) as url:
        http = Http(timeout_s)
        try:
            return await http.get(url + "/v1/orderbook?markets=KRW-BTC")
        finally:
            await http.close()


def answer(status, text="no", headers=None):
    async def handler(request):
        return web.Response(status=status, text=text, headers=headers)

    return handler


async def test_a_body():
    assert await ask(answer(200, "[1]")) == b"[1]"


async def test_no_origin_header_is_ever_sent():
    seen = {}

    async def handler(request):
        seen.update({name.lower(): value for name, value in request.headers.items()})
        return web.Response(text="ok")

    await ask(handler)
    assert seen
    assert "origin" not in seen


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_server_errors_are_unavailable(status):
    with pytest.raises(VenueUnavailable, match=str(status)):
        await ask(answer(status))


@pytest.mark.parametrize("status, header, wait_s", [(429, "7", 7.0), (418, "", 1.0), (429, "soon", 1.0)])
async def test_too_many_names_the_wait(status, header, wait_s):
    with pytest.raises(RateLimited) as caught:
        await ask(answer(status, headers={"Retry-After": header} if header else None))
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize("status", [400, 404])
async def test_client_errors_are_refusals(status):
    with pytest.raises(VenueRefused) as caught:
        await ask(answer(status, "bad code"))
    assert caught.value.code == str(status)
    assert "bad code" in caught.value.text


async def test_nobody_there_is_unavailable():
    http = Http(1.0)
    with pytest.raises(VenueUnavailable):
        await http.get("http://127.0.0.1:9/")
    await http.close()


class Taken(aiohttp.TCPConnector):
    """What uvloop says of a new socket, now and then, after a connect that was cancelled."""

    async def connect(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("File descriptor 44 is used by transport <TCPTransport closed=False>")


async def test_a_socket_that_uvloop_takes_for_another_is_unavailable():
    async with aiohttp.ClientSession(connector=Taken()) as session:
        http = Http(1.0)
        http._session = session
        with pytest.raises(VenueUnavailable, match="File descriptor"):
            await http.get("http://127.0.0.1:1/v1/orderbook")


async def test_a_slow_answer_is_unavailable():
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.Event().wait()  # nothing more comes; the client's deadline ends it
        return response

    with pytest.raises(VenueUnavailable):
        await ask(handler, timeout_s=0.2)


async def test_a_body_without_end_is_cut():
    async def handler(request):
        return web.Response(body=b"x" * (9 * 1024 * 1024))

    with pytest.raises(VenueUnavailable, match="body over"):
        await ask(handler)
