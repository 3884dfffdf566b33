"""At the send points a life ends at its n-th order and at nothing else: each account, each way, and its stops."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from crash.points import POINTS
from engine.domain.order import OrderRequest, Side, TimeInForce
from sandbox.venues.opening import HOUSES, TRADED
from tests.crash.asker import Errand
from tests.venues.orders.test_stops_at_venues import PERPS, SPOT, Watcher, watching
from tests.waiting import until

AWAY = Decimal("0.02")
ROOT = Path(__file__).parent.parent.parent
ACCOUNTS = (*TRADED, *(venue for house in HOUSES.values() for venue in house.margined))
SOCKETS = ("binance", "okx", "bybit", "binance_usdm", "okx_swap", "bybit_linear")
WAYS = [(venue, "ccxt") for venue in ACCOUNTS] + [
    (venue, "native") for venue in ("upbit", "bithumb", "coinone", *SOCKETS)
]


async def told(shim: Path, watcher: Watcher, path: str, orders: list[OrderRequest], at: str) -> tuple[list[str], int]:
    """What a process said that asks everything and then places these orders, and its exit code."""
    trader = watcher.trader
    config = replace(trader.settings, order_path=path, order_timeout_ms=5_000, late_acceptance_ms=6_000)
    errand = Errand(trader.venue, config, trader.credential, tuple(orders))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crash.asker"),
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(shim), "CRASH_AT": at},
        stdin=PIPE,
        stdout=PIPE,
    )
    out, _ = await process.communicate(msgspec.json.encode(errand) + b"\n")
    assert process.returncode is not None
    return out.decode().split(), process.returncode


@pytest.mark.timeout(120)
@pytest.mark.parametrize("venue, path", WAYS, ids=["-".join(way) for way in WAYS])
async def test_no_question_ends_a_life_and_every_order_does(shim: Path, venue: str, path: str):
    async with watching(venue) as watcher:
        orders = [watcher.trader.wish(Side.BUY, TimeInForce.IOC, away=AWAY)]
        if venue in SPOT + PERPS:
            orders.append(watcher.stop())
        at = next(point for point in POINTS if point.name == "after the send").call.format(n=len(orders))
        said, code = await told(shim, watcher, path, orders, at)
        assert (said, code) == (["asked", *["placed"] * (len(orders) - 1)], -signal.SIGKILL)
        await until(lambda: watcher.floor.exchange.orders)  # all of it had left
