"""When a placement's bytes leave, and by which way: an own line over HTTP, an own socket, the library."""

import asyncio
import time
from decimal import Decimal as D

import pytest

from engine.domain.errors import SendStopped
from engine.domain.order import Side, TimeInForce
from engine.venues.departure import check, watch
from sandbox.world import World, WorldConfig
from tests.venues.orders.test_against_sandbox import Trader

WAYS = [("upbit", "native"), ("bybit", "native"), ("upbit", "ccxt")]


@pytest.mark.parametrize("venue, path", WAYS, ids=["-".join(way) for way in WAYS])
async def test_each_way_notes_when_it_was_taken(venue: str, path: str) -> None:
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        trader = await Trader(world, venue, path).start()
        asked_ns, departure = time.monotonic_ns(), watch()
        assert (departure.at_ns, departure.path) == (0, ""), "nothing has left"
        await trader.orders.place(trader.wish(Side.BUY, TimeInForce.GTC, away=D("-0.1")))
        assert departure.path == path and asked_ns < departure.at_ns < time.monotonic_ns()
        first_ns = departure.at_ns
        await trader.orders.balances()
        assert departure.at_ns == first_ns, "of the first request alone"
        await trader.close()


async def test_a_cancel_that_the_halt_asks_for_is_not_held_back_with_the_order() -> None:
    """It is begun while the order is asked about, and inherits what is known of that call."""
    cancels: list[asyncio.Task[None]] = []

    async def cancel() -> None:
        check()

    def stopped() -> str:
        cancels.append(asyncio.create_task(cancel()))
        return "halted at L2"

    departure = watch(stopped)
    with pytest.raises(SendStopped):
        check()
    await asyncio.sleep(0)  # the order's way is still being wound up
    await cancels[0]
    departure.over()
    check()
