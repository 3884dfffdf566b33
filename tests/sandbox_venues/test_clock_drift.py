"""A venue's clock that gains or loses slowly, as its clients read it."""

import pytest

from tests.sandbox_venues.test_faults import arm, until

PPM = 1_000_000


async def asked(exchange, world):
    """Our clock before, the venue's answer, our clock after."""
    before_ms = world.clock()
    return before_ms, await exchange.fetch_time(), world.clock()


@pytest.mark.parametrize("ppm", [400_000, -400_000])
async def test_it_is_further_off_each_time_and_right_when_it_ends(clients, world, ppm):
    exchange, asked_ms = clients["okx"], world.clock()
    await arm(world, "okx", "clock_drift", drift_ppm=ppm)
    armed_ms, off = world.clock(), []
    for _ in range(2):
        before_ms, told_ms, after_ms = await asked(exchange, world)
        gained = [(moment - since) * ppm / PPM for moment in (before_ms, after_ms) for since in (asked_ms, armed_ms)]
        assert before_ms + min(gained) - 2 <= told_ms <= after_ms + max(gained) + 2
        off.append(told_ms - after_ms)
        await until(lambda since=after_ms: world.clock() > since + 400)
    assert (off[1] - off[0]) * ppm > 0
    world.floors["okx"].faults.clear("clock_drift")
    before_ms, told_ms, after_ms = await asked(exchange, world)
    assert before_ms <= told_ms <= after_ms


async def test_it_adds_to_a_clock_that_is_off_and_ends_by_itself(clients, world):
    await arm(world, "binance", "clock_offset", offset_ms=-5_000)
    await arm(world, "binance", "clock_drift", drift_ppm=PPM, ms=300)
    armed_ms = world.clock()
    await until(lambda: world.floors["binance"].clock() - world.clock() > -4_950)
    await until(lambda: world.clock() > armed_ms + 300)
    before_ms, told_ms, after_ms = await asked(clients["binance"], world)
    assert before_ms - 5_000 <= told_ms <= after_ms - 5_000
