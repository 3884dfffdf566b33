"""A venue whose clock only its Date header tells, asked over the sandbox's sockets."""

import asyncio
import time
from contextlib import suppress

import pytest

from engine.net.clock import Clock
from engine.net.http import Http
from engine.venues.clocks import ClockPoll, TimeCall
from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.waiting import until


@pytest.mark.parametrize("venue, ahead_ms", [("upbit", 2_345), ("bithumb", -777)])
async def test_half_a_second_becomes_a_few_milliseconds_within_half_a_minute(venue, ahead_ms):
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        world.floors[venue].faults.arm(Fault(kind="clock_offset", offset_ms=ahead_ms))
        clock = Clock()
        http = Http(clock=clock, dates=True)
        call = TimeCall("/v1/orderbook?markets=KRW-BTC")
        asking = asyncio.create_task(ClockPoll(venue, call, world.urls[venue]["rest"], http, clock).run(lambda _: None))

        def known() -> bool:
            found = clock.offset(time.time() * 1e3)
            return found is not None and found.uncertainty_ms <= 90

        try:
            await until(known, 30)
            found = clock.offset(time.time() * 1e3)
            assert found is not None and abs(found.offset_ms - ahead_ms) <= found.uncertainty_ms
            assert found.samples <= 8
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
            await http.close()
