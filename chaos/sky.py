"""What holds against a trade at its venues at this moment, by the world's own knowledge."""

from collections.abc import Iterable

from chaos.exposure import Sky
from chaos.faults import CALM
from chaos.world import World
from engine.domain.money import NS_PER_MS


def over(world: World, venues: Iterable[str]) -> Sky:
    """Any fault at one of them, or in the desk's own process, disk and latch."""
    named = sorted(venues)
    fault = _of_the_desk(world) or next((why for name in named if (why := _at(world, name))), "")
    return Sky(fault=fault, blind=any(_is_dark(world, name) or _has_no_rules(world, name) for name in named))


def _of_the_desk(world: World) -> str:
    if world.shell is None:
        return "no process"
    state = world.shell.desk.state
    if world.platter.full or not state.journal_writable:
        return "the journal cannot be written"
    return "halted" if state.level >= 2 or world.platter.hand_halted else ""


def _at(world: World, name: str) -> str:
    weather, client = world.fates[name].weather, world.clients.get(name)
    if weather.away or weather.badness > CALM:
        return f"{name} is away or hard to reach"
    if weather.lag_ms or weather.zero_balances or weather.stale_balances or weather.unread:
        return f"{name} tells what was, or nothing"
    return f"{name} takes no orders" if client is None or client.blocked_until_ns > world.mono_ns() else ""


def _has_no_rules(world: World, name: str) -> bool:
    """The desk has started and was not told what may be ordered there: as little to go by as without its books."""
    return world.shell is None or not world.shell.desk.state.venues[name].rules_known


def _is_dark(world: World, name: str) -> bool:
    """Its books are not shown, cannot be believed, or are older than the desk believes them."""
    market, age_ns = world.market, world.mono_ns() - world.market.shown_ns.get(name, 0)
    too_old = age_ns > world.config.venues[name].max_book_age_ms * NS_PER_MS
    return name in market.dark or name in market.crossed or too_old
