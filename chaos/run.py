"""One seed from the first start to the last restart: storm, calm, proof."""

import asyncio
import gc
import time
from collections.abc import Coroutine
from functools import cache
from typing import Any

from msgspec import Struct

from chaos.checks import fingerprint, wallet_apart
from chaos.perps import PerpBank
from chaos.storm import Storm
from chaos.world import Seams, World
from engine.config import Config
from engine.core import closing
from engine.domain.command import CloseDeadLetter, CloseHedge, ClosePosition, RetryDeadLetter
from engine.domain.money import NS_PER_S
from engine.domain.order import TradeState

_FIRST_START_S = 1_120.0  # the clock begins at 1,000: by then there is something to find
_CALM_S = 240.0  # within it a desk without faults must be flat and ready


class Flat(Struct, frozen=True, kw_only=True):
    """The slowest and the largest exposure, and what was allowed."""

    slowest_ms: int  # with whatever faults
    clear_ms: int  # without any
    clear_ms_allowed: int
    blind_ms: int  # without any but prices that were not shown
    blind_ms_allowed: int
    most_krw: int
    most_krw_allowed: int  # and as much again for each order that came when nobody counted on it
    total_krw: int
    total_krw_allowed: int


class Result(Struct, frozen=True, kw_only=True):
    """What one seed amounts to."""

    seed: int
    hours: float  # virtual
    wall_s: float
    cpu_s: float
    trace: str
    violations: list[str]
    counts: dict[str, int]
    flat: Flat
    settled_s: float  # after the faults stopped


def run(seed: int, hours: float, seams: Seams = Seams(), config: Config | None = None) -> Result:
    """Never raises for what the desk does: that is a violation."""
    began, began_cpu = time.perf_counter(), time.process_time()
    world = World(seed, seams, config)
    began_ns = world.loop.now_ns
    settled_s = live(world, _play(world, hours))
    counts = dict(sorted(world.counts.items()))
    return Result(
        seed=seed,
        hours=round((world.loop.now_ns - began_ns) / NS_PER_S / 3_600, 3),
        wall_s=round(time.perf_counter() - began, 2),
        cpu_s=round(time.process_time() - began_cpu, 2),
        trace=world.trace,
        violations=world.checks.violations,
        counts=counts,
        flat=_flat(world),
        settled_s=round(settled_s, 1),
    )


def _flat(world: World) -> Flat:
    seen, allowed = world.checks.exposure, world.checks.exposure.allowed
    return Flat(
        slowest_ms=seen.slowest_ms,
        clear_ms=seen.slowest_clear_ms,
        clear_ms_allowed=allowed.flat_ms,
        blind_ms=seen.slowest_blind_ms,
        blind_ms_allowed=allowed.blind_ms,
        most_krw=int(seen.most_krw),
        most_krw_allowed=int(allowed.trade_krw),
        total_krw=int(seen.most_total_krw),
        total_krw_allowed=int(allowed.total_krw),
    )


def live(world: World, work: Coroutine[Any, Any, float]) -> float:
    """Play `work` in the world and end it. -1.0 where the simulation itself ended: a violation says why."""
    asyncio.set_event_loop(world.loop)
    _freeze()
    gc.disable()  # while a world lives nearly all that it holds stays: what is garbage is found when it has ended
    try:
        return world.loop.run_until_complete(_named(work))
    except Exception as error:  # the simulation itself, or a deadlock: the seed tells all
        world.checks.breach("the simulation ended", repr(error)[:500])
        return -1.0
    finally:
        _close(world)
        gc.enable()
        gc.collect()


@cache
def _freeze() -> None:
    """What is loaded before the first world is never walked again."""
    gc.collect()
    gc.freeze()


async def _named(work: Coroutine[Any, Any, float]) -> float:
    task = asyncio.current_task()
    if task is not None:
        task.set_name("world")
    return await work


async def _play(world: World, hours: float) -> float:
    storm = Storm(world)
    world.start()
    await storm.rounds(8)
    while not _has_books(world):  # an account that a fault showed empty at its very first start is a person's to adopt
        await storm.rounds(1)
    await storm.play(hours * 3_600)
    settled_s = await _calm(world, storm)
    if not world.checks.violations and world.shell is not None:
        world.checks.at_rest(world.shell.desk.state, world.banks)
        world.checks.money(world.banks)
        await restart_twice(world, storm)
    return settled_s


def _has_books(world: World) -> bool:
    """Every account's opening balances are in the ledger, and on the disk."""
    opened = sum(row.kind == "opening" for row in world.platter.rows)
    return opened >= len(world.banks) or world.loop.time() > _FIRST_START_S


async def _calm(world: World, storm: Storm) -> float:
    """No fault is left; the desk is resumed; everything must come to its end."""
    world.clear_sky()
    began_s = world.loop.time()
    await storm.quiet(61)  # the last spells end by themselves, the latest orders arrive
    while world.loop.time() - began_s < _CALM_S:
        await storm.rounds(2)
        why = unsettled(world)
        if not why:
            return world.loop.time() - began_s
        if world.shell is not None and world.shell.desk.level:
            await storm.resume()
        _close_what_is_left(world, storm)
    world.checks.breach("liveness", f"not at rest {_CALM_S:.0f} s after the faults: {unsettled(world)}")
    return _CALM_S


def unsettled(world: World) -> str:
    """What keeps the desk from being at rest; "" where nothing does."""
    if world.shell is None:
        return "no process"
    state = world.shell.desk.state
    if state.level:
        return f"halted at L{state.level}: {state.level_reason}"
    waiting = [f"{n}: {v.blocked or v.failing or 'not ready'}" for n, v in state.venues.items() if not v.ready]
    live = [t.plan.trade_id for t in state.live_trades.values() if t.state is not TradeState.DEAD_LETTER]
    apart = [f"{name}: {text}" for name, bank in world.banks.items() if (text := wallet_apart(state, bank))]
    open_ = [f"{qty} {symbol} stands open at {venue}" for (venue, symbol), qty in closing.loose(state).items()]
    asked = [f"{parent_id} is {parent.state}" for parent_id, parent in state.parents.live.items()]
    return "; ".join([*waiting, *live, *asked, *state.blocked_keys.values(), *state.hedged, *open_, *apart])


def _close_what_is_left(world: World, storm: Storm) -> None:
    """What a person does after a storm: own orders, dead letters, hedges with what they stood against, positions."""
    if world.shell is None:
        return
    state = world.shell.desk.state
    storm.persons.give_up()
    storm.accept()
    if any(isinstance(bank, PerpBank) and bank.is_apart for bank in world.banks.values()):
        return  # nobody closes what may be gone
    for trade_id in list(state.hedged):
        if trade_id not in state.live_trades:
            world.counts["hedges closed"] += storm.ask(CloseHedge(trade_id=trade_id))
    for venue, symbol in closing.loose(state):
        world.counts["positions closed"] += storm.ask(ClosePosition(venue=venue, symbol=symbol))
    for trade_id in list(world.shell.desk.state.blocked_keys.values()):
        if storm.tries_again() and storm.ask(RetryDeadLetter(trade_id=trade_id)):
            world.counts["letters tried again"] += 1
            continue
        world.counts["dead letters"] += storm.ask(CloseDeadLetter(trade_id=trade_id, evidence="seen after the storm"))


async def restart_twice(world: World, storm: Storm) -> None:
    """Restart ∘ restart = restart, and a restart changes nothing that is settled."""
    seen = []
    await storm.quiet(1)  # a person's word of the last moment is on the disk by then: it waits 2 ms for company
    for _ in range(3):
        if world.shell is not None:
            seen.append(fingerprint(world.shell.desk.state, world.checks.durable))
        world.kill("restarts at rest")
        await asyncio.sleep(0.5)
        world.start()
        await _ready(world, storm)
    for name in seen[0]:
        if not seen[0][name] == seen[1][name] == seen[2][name]:
            world.checks.breach("restart", f"{name} changed: {_difference(seen, name)}")


def _difference(seen: list[dict[str, Any]], name: str) -> str:
    first, last = seen[0][name], seen[-1][name]
    if not isinstance(first, dict):
        return f"{first} -> {last}"
    changed = [key for key in {**first, **last} if first.get(key) != last.get(key)]
    return "; ".join(f"{key}: {first.get(key)} -> {last.get(key)}" for key in changed[:3])[:400]


async def _ready(world: World, storm: Storm) -> None:
    """Books still, so that nothing new is traded: only the venues are asked."""
    deadline_s = world.loop.time() + 30
    while world.loop.time() < deadline_s:
        await asyncio.sleep(0.5)
        if world.shell is not None and all(held.ready for held in world.shell.desk.state.venues.values()):
            return
    world.checks.breach("liveness", "not reconciled 30 s after a restart without faults")


def _close(world: World) -> None:
    """End what still runs, so that nothing of it leaks into the next seed."""
    for task in asyncio.all_tasks(world.loop):
        task.cancel()
    if world.life is not None:
        world.life.dead = True
    world.loop.call_later(0.001, world.loop.stop)
    world.loop.run_forever()
    world.loop.close()
