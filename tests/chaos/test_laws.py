"""Each law of the storm is broken where its guard is gone: a law that cannot fail says nothing."""

import asyncio
import logging
from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest

from chaos.exposure import bounds
from chaos.faults import Fates
from chaos.persons import Persons
from chaos.run import live, run
from chaos.storm import Storm
from chaos.venue import SimVenue
from chaos.world import World, configuration
from engine import carrier
from engine.carrier import Carrier
from engine.config import Config
from engine.core import accounts, following, gate, placing, trades
from engine.domain.command import Halt
from engine.domain.money import NS_PER_S
from engine.domain.order import LegRole, Side
from engine.domain.parent import Ask, Template
from engine.risk import latch, review, rules
from engine.risk.limits import Held
from engine.venues.purse import Purpose, Purse


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def breaks(law: str, seeds: range, hours: float, config: Config | None = None, says: str = "") -> None:
    """Play until a seed breaks the law with these words. Fails where none does."""
    broken: list[str] = []
    for seed in seeds:
        found = run(seed, hours, config=config).violations
        broken += found
        if any(line.startswith(law) and says in line for line in found):
            return
    raise AssertionError(f"no seed broke `{law}`: {broken}")


def test_entries_to_a_venue_that_does_not_agree_break_a_law(monkeypatch):
    kept = tuple(rule for rule in rules.RULES if rule.__name__ != "_venue")
    assert len(kept) == len(rules.RULES) - 1
    monkeypatch.setattr(review, "RULES", kept)
    breaks("no send while unreconciled", range(401, 431), 1.0, says="agreed False")


def forget_l1(level, role, *, finishes=False):
    return level == 1 or latch.allows(level, role, finishes=finishes)


def test_entries_at_the_lowest_level_of_a_halt_break_a_law(monkeypatch):
    """Whoever forgets L1: the gate and the look before the send, for the one makes up for the other."""
    monkeypatch.setattr(rules, "opens_trades", lambda level: level <= 1)
    monkeypatch.setattr(carrier, "allows", forget_l1)
    breaks("no send while latched", range(401, 421), 2.0, says="(entry) left at L1")


def test_entries_that_a_halt_overtakes_break_a_law(monkeypatch):
    """Planned before it and written after it, for a connection had to be made: the look before the send alone knows."""
    monkeypatch.setattr(Fates, "placement", lambda fates: "cold")
    assert [run(seed, 1.0).violations for seed in (401, 402)] == [[], []]
    monkeypatch.setattr(carrier, "allows", forget_l1)
    breaks("no send while latched", range(401, 441), 2.0, says="(entry) left at L1")


@pytest.fixture
def ladders(monkeypatch) -> None:
    """Every person rests five slices that follow the touch where they can be moved; books go on until somebody halts.

    A move waits for its budget for up to a second.
    """
    pay = Purse.pay

    def wish(persons, random):
        return Ask(
            template=Template.LADDER,
            side=random.choice((Side.BUY, Side.SELL)),
            base="BTC",
            qty=Decimal(random.randint(6, 14)) / 1_000,
            venue="okx",
            over_ms=600_000,
            parts=5,
            follow=True,
        )

    async def go_on(storm):
        for _ in range(3):
            storm.persons.trade()
        await storm.rounds(20)
        storm.ask(Halt(level=1, reason="nothing new"))
        await storm.rounds(2)

    async def pay_late(purse, purpose, price=1):
        if purpose is Purpose.CANCEL:
            await asyncio.sleep(asyncio.get_running_loop().time() % 1)
        await pay(purse, purpose, price)

    monkeypatch.setattr(Purse, "pay", pay_late)
    monkeypatch.setattr(Persons, "_wish", wish)
    monkeypatch.setattr(Storm, "_go_on", go_on)


def test_moves_that_do_not_look_at_the_latch_break_a_law(monkeypatch, ladders):
    played = [run(seed, 2.0) for seed in (401, 402, 403)]
    assert [each.violations for each in played] == [[]] * 3
    assert sum(each.counts["amend"] for each in played) > 20

    def but_for_moves(look):
        def careless(self, order, *, finishes):
            is_moving = self._desk.state.orders[order.cid][1].is_moving
            return "" if is_moving else look(self, order, finishes=finishes)

        return careless

    monkeypatch.setattr(Carrier, "_stopped", but_for_moves(Carrier._stopped))
    monkeypatch.setattr(Carrier, "_held", but_for_moves(Carrier._held))
    breaks("no send while latched", range(401, 441), 2.0, says="was moved at L")


def test_a_move_of_more_than_was_journaled_breaks_a_law(monkeypatch, ladders):
    amend = SimVenue.amend

    async def doubled(venue, symbol, cid, venue_order_id, qty, price):
        await amend(venue, symbol, cid, venue_order_id, qty * 2, price)

    monkeypatch.setattr(SimVenue, "amend", doubled)
    breaks("moved as journaled", range(401, 411), 1.0)


def silent_for_minutes(seed: int) -> tuple[int, list[str]]:
    """Slices follow at a venue that does not tell its account: how often they were moved after 130 s, and breaches."""
    world = World(seed)

    async def work() -> float:
        storm = Storm(world)
        world.start()
        await storm.rounds(8)
        for _ in range(3):
            storm.persons.trade()
        await storm.rounds(3)
        world.fates["okx"].weather.unread = True
        await storm.rounds(130)
        before = world.counts["amend"]
        await storm.rounds(30)
        return world.counts["amend"] - before

    return int(live(world, work())), world.checks.violations


def test_moves_at_a_venue_whose_account_is_not_told_break_a_law(monkeypatch, ladders):
    monkeypatch.setattr(Persons, "change_their_mind", lambda persons: None)
    assert [silent_for_minutes(seed) for seed in (2, 4)] == [(0, []), (0, [])]
    monkeypatch.setattr(following, "_takes_new_risk", lambda state, venue: True)
    moves, broken = silent_for_minutes(2)
    assert moves and all(line.startswith("no send while unreconciled") and "was moved" in line for line in broken)
    assert "its account was last told" in broken[0]


def test_a_doubled_leg_breaks_a_law(monkeypatch):
    made = placing.make_order

    def doubled(state, trade, leg, role, side, qty, price, **how):
        is_first = role is LegRole.ENTRY and leg == 0 and len(trade.plan.legs) > 1
        return made(state, trade, leg, role, side, qty * (2 if is_first else 1), price, **how)

    monkeypatch.setattr(placing, "make_order", doubled)
    breaks("order size", range(401, 404), 1.0)
    breaks("unhedged notional", range(401, 421), 1.0)


def test_a_doubled_unwind_breaks_a_law(monkeypatch):
    """Weighed at the price its trade began at: hours later a move may not hide a coin too many."""
    made = placing.make_order

    def doubled(state, trade, leg, role, side, qty, price, **how):
        return made(state, trade, leg, role, side, qty * (2 if role is LegRole.UNWIND else 1), price, **how)

    monkeypatch.setattr(placing, "make_order", doubled)
    breaks("order size", range(401, 421), 1.0, says="unwind")


def test_exposures_of_all_trades_beyond_the_limit_of_a_coin_break_a_law(monkeypatch):
    """Each is no larger than a trade may be; together they are."""
    known = configuration()
    risk = msgspec.structs.replace(
        known.risk, overrides=known.risk.overrides | {"max_position_coin_usd": Decimal(1_100)}
    )
    config = msgspec.structs.replace(known, risk=risk)
    assert bounds(config).total_krw < 2 * bounds(config).trade_krw
    assert [run(seed, 1.0, config=config).violations for seed in (401, 402)] == [[], []]
    monkeypatch.setattr(gate, "held", lambda state, coin: Held())
    breaks("unhedged notional", range(401, 431), 2.0, config, says="all trades together")


def test_an_exposure_that_is_left_alone_breaks_a_law(monkeypatch):
    monkeypatch.setattr(trades, "mend", lambda state, trade, naked: None)
    breaks("time to flat", range(401, 421), 1.0, says="without a fault, 15000 are allowed")


def test_an_exposure_without_a_price_that_is_no_persons_breaks_a_law(monkeypatch):
    """Nothing is shown after an episode: what is open then is a dead letter half a minute later."""
    monkeypatch.setattr(trades, "_HOPELESS_NS", 600 * NS_PER_S)
    breaks("time to flat", range(401, 441), 2.0, says="without a fault but books")


def test_entries_on_an_account_that_is_not_told_break_a_law(monkeypatch):
    monkeypatch.setattr(accounts, "why_unread", lambda state, held: "")
    breaks("no send while unreconciled", range(401, 461), 2.0, says="its account was last told")
