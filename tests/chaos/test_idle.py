"""A desk that sleeps because nothing happens is awake as soon as something is under way."""

import asyncio

from chaos.run import live
from chaos.scenarios.stage import Stage
from chaos.world import World
from engine.domain.money import NS_PER_MS

_LOOK_S = 0.02
_MOST_MS = 150  # a tick is 100 ms, a look 20


async def _ages_ms(world: World, stage: Stage, seen: list[int]) -> float:
    """How old the last tick was at each look at a desk with a trade of more than a look's age."""
    await stage.ready()
    await stage.storm.quiet(20)
    stage.force("okx", *["refused"] * 8)
    premium = asyncio.ensure_future(stage.premium("okx", seconds=8))
    was_live = False
    while not premium.done():
        await asyncio.sleep(_LOOK_S)
        state = world.shell.desk.state if world.shell else None
        is_live = bool(state and state.live_trades)
        if state and is_live and was_live:
            seen.append((world.mono_ns() - state.tick_ns) // NS_PER_MS)
        was_live = is_live
    return 0.0


def test_a_trade_under_way_is_looked_at_ten_times_a_second() -> None:
    for seed in range(4):
        world, seen = World(seed), list[int]()
        live(world, _ages_ms(world, Stage(world, guarded=True), seen))
        assert not world.checks.violations
        assert len(seen) > 3
        assert max(seen) <= _MOST_MS, seed
