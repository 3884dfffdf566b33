"""A quiet seeded world on loopback and ccxt, untouched, as the client of each of its venues."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import pytest

from sandbox.world import World, WorldConfig

SYMBOLS = {"upbit": "BTC/KRW", "bithumb": "BTC/KRW", "binance": "BTC/USDT", "okx": "BTC/USDT"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(WorldConfig(seed=7, episodes=False)) as world:
        yield world


@pytest.fixture
async def clients(world, request) -> AsyncIterator[dict[str, ccxt.Exchange]]:
    """The client of the test's `venue`; all of them where it names none."""
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    async with AsyncExitStack() as stack:
        made = {}
        for venue in [params["venue"]] if "venue" in params else SYMBOLS:
            made[venue] = client(world, venue)
            stack.push_async_callback(made[venue].close)
            await made[venue].load_markets()
        yield made


def client(world: World, venue: str, *, secret: str | None = None, kind=ccxt) -> ccxt.Exchange:
    """ccxt pointed at our server by its address alone."""
    rest, credential = world.urls[venue]["rest"], world.credentials[venue]
    exchange = getattr(kind, venue)(
        {
            "apiKey": credential.key,
            "secret": credential.secret if secret is None else secret,
            "password": credential.passphrase,
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}},
        }
    )
    exchange.timeout_on_exit = 0  # ccxt would wait a quarter of a second for sockets of its own
    ws = exchange.urls["api"].get("ws")
    exchange.urls["api"] = {
        "upbit": {"public": rest, "private": rest},
        "bithumb": {"public": rest, "private": rest},
        "binance": {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3", "sapi": f"{rest}/sapi/v1"},
        "okx": {"rest": rest},
    }[venue]
    if ws is not None:
        exchange.urls["api"]["ws"] = ws
    return exchange
