"""An order that waits for its connection is asked about once more, directly before its bytes leave: on every way."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal as D
from random import Random
from typing import Any

import aiohttp
import pytest

from engine.domain.errors import SendStopped
from engine.domain.order import Side, TimeInForce
from engine.net.pooled_http import HttpPool
from engine.venues.departure import watch
from sandbox.world import World, WorldConfig
from tests.venues.orders.test_against_sandbox import Trader

CONNECT_S = 0.15
WAYS = [
    ("upbit", "native"),
    ("upbit", "ccxt"),
    ("coinone", "native"),
    ("binance", "native"),
    ("okx", "ccxt"),
    ("kucoin", "ccxt"),
    ("gate", "ccxt"),
    ("bitget", "ccxt"),
    ("binance_usdm", "ccxt"),
]


def slowly(work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def connect(*given: Any, **named: Any) -> Any:
        await asyncio.sleep(CONNECT_S)
        return await work(*given, **named)

    return connect


async def forget_connections(trader: Trader) -> None:
    """Those that stand are as if the venue had closed them."""
    line = getattr(trader.orders, "line", None)
    pool = getattr(line, "_pool", None)
    if pool is not None:
        await pool.close()
    client: Any = trader.orders
    session = client._client._session
    if session is not None:
        await session.connector.close()  # aiohttp makes no new one of a closed connector
        client._client._session = None


@pytest.mark.parametrize("venue, path", WAYS, ids=["-".join(way) for way in WAYS])
async def test_what_is_stopped_while_it_connects_does_not_leave(monkeypatch, venue: str, path: str) -> None:
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        trader = await Trader(world, venue, path).start()
        monkeypatch.setattr(HttpPool, "_connect", slowly(HttpPool._connect))
        connector: Any = aiohttp.TCPConnector
        monkeypatch.setattr(connector, "_create_connection", slowly(connector._create_connection))
        await forget_connections(trader)
        why: list[str] = []
        asyncio.get_running_loop().call_later(CONNECT_S / 3, why.append, "halted at L2")
        before = len(trader.floor.exchange.orders)
        order = trader.wish(Side.BUY, TimeInForce.GTC, away=D("-0.1"))
        if (venue, path) == ("binance", "native"):  # its socket stands: nothing waits
            why.append("halted at L2")
        departure = watch("".join, why)
        with pytest.raises(SendStopped, match="halted at L2"):
            await trader.orders.place(order)
        departure.over()
        assert len(trader.floor.exchange.orders) == before
        await trader.orders.balances()  # asked by the same task afterwards
        assert (await trader.orders.place(trader.wish(Side.BUY, TimeInForce.GTC, away=D("-0.1")))).cid
        assert len(trader.floor.exchange.orders) == before + 1
        await trader.close()


async def test_a_connection_whose_request_was_held_back_is_kept() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            asked.append(head)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = HttpPool(f"http://127.0.0.1:{port}", timeout_s=1, clock_ns=lambda: 0, rng=Random(1), most=1)

    def held_back() -> bytes:
        raise SendStopped("halted at L2")

    for _ in range(3):
        with pytest.raises(SendStopped):
            await pool.ask(held_back)
    assert (await pool.ask(lambda: b"POST / HTTP/1.1\r\n\r\n")).status == 200
    assert len(asked) == 1 and len(server.sockets) == 1
    await pool.close()
    server.close()
