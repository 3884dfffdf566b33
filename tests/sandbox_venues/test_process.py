"""The sandbox as a process, its sockets' idle limits, and the windows that count requests."""

import asyncio
import json
import signal
import socket
import sys
from contextlib import ExitStack

import aiohttp
import pytest
from aiohttp import web

from sandbox.venues.limits import Ban, Window
from sandbox.venues.sockets import Socket, Sockets
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.listening import DEADLINE_SECONDS


async def test_the_process_says_one_line_and_stops_when_told():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", "--seed", "3", "--no-episodes", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        ready = json.loads(await process.stdout.readline())
        assert set(ready["ready"]) == {"upbit", "bithumb", "binance", "okx", "okx_swap", "fx", "control"}
        assert set(ready["keys"]) == {"upbit", "bithumb", "binance", "okx", "okx_swap"}
        assert ready["keys"]["okx"]["passphrase"] and "seed 3" in ready["tape"]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{ready['ready']['control']['rest']}/world/status") as answer:
                assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_a_missing_recording_ends_the_process_with_one_line(tmp_path):
    argv = (sys.executable, "-m", "sandbox", "--tape", "recorded", "--tape-path", str(tmp_path))
    process = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        _, errors = await process.communicate()
    assert process.returncode == 1 and errors.decode().count("\n") == 1 and "no recordings" in errors.decode()


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


async def test_a_taken_port_leaves_no_other_one_open():
    with ExitStack() as stack:
        while True:
            taken = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            if is_free(taken - 1) and is_free(taken - 2):
                break
        with pytest.raises(OSError, match="in use"):
            async with World(WorldConfig(port_base=taken - 2)):
                raise AssertionError("stood up")
        assert is_free(taken - 1) and is_free(taken - 2)


async def dialogue(idle_seconds, ping_seconds=None, talk_every=None):
    """How a connection ends: the close code a client sees, None while it is still open after five idle spans."""
    sockets = Sockets()

    def join(_: Socket):
        async def on_text(_: str) -> None:
            return None

        return on_text

    async def serve(request: web.Request) -> web.WebSocketResponse:
        return await sockets.serve(request, join, lambda _: None, idle_seconds=idle_seconds, ping_seconds=ping_seconds)

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"http://127.0.0.1:{runner.addresses[0][1]}/") as ws:
                ends = asyncio.get_running_loop().time() + 5 * idle_seconds
                while asyncio.get_running_loop().time() < ends:
                    try:
                        async with asyncio.timeout(talk_every or 5 * idle_seconds):
                            await ws.receive()
                        return ws.close_code
                    except TimeoutError:
                        if talk_every:
                            await ws.ping()
                return None
    finally:
        await runner.cleanup()


async def test_an_idle_socket_is_cut_without_a_close_frame():
    assert await dialogue(0.15) == 1006
    assert await dialogue(0.4, talk_every=0.1) is None


async def test_a_pong_keeps_a_socket_that_the_server_pings():
    assert await dialogue(0.3, ping_seconds=0.05) is None


def test_windows_count_and_bans_grow():
    window = Window(limit=3, per_ms=1000)
    assert [window.take("ip", 1500) for _ in range(4)] == [True, True, True, False]
    assert window.take("other", 1500) and window.take("ip", 2000)
    ban = Ban(patience=2, first_ms=100, longest_ms=250)
    lengths = []
    for start in (0, 10_000, 20_000):
        for _ in range(3):
            ban.refused(start)
        lengths.append(ban.left_ms(start))
    assert lengths == [100, 200, 250]
    ban.served()
    assert ban.left_ms(30_000) == 0


@pytest.mark.parametrize("venue, path", [("upbit", "/v1/nowhere"), ("binance", "/api/v3/nowhere")])
async def test_an_unrouted_path_is_404(world, venue, path):
    async with asyncio.timeout(DEADLINE_SECONDS), aiohttp.ClientSession() as session:
        async with session.get(world.urls[venue]["rest"] + path) as answer:
            assert answer.status == 404
