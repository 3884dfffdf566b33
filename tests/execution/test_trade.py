"""A trade's life, read from its orders: exposure, who lags, what comes next, how it ends."""

from decimal import Decimal

import pytest

from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.domain.order import LegRole, OrderStatus, Policy, Side
from engine.execution import trade as life
from engine.execution.order_state import OrderState
from engine.execution.trade import End, NextLeg, Repair
from tests.execution.cases import D, leg, order, plan, trade

S = OrderStatus
ENTRY, CHASE, UNWIND, FLATTEN = LegRole.ENTRY, LegRole.CHASE, LegRole.UNWIND, LegRole.FLATTEN
PLAN = plan()  # leg 0 buys at binance, leg 1 sells at upbit
HARD = plan(policy=Policy.HARD_LEG_FIRST, hard_leg=1)
MIRROR = plan(leg("upbit", Side.BUY), leg("binance", Side.SELL))

EXPOSURES = [  # why, orders, signed base
    ("nothing done", [order(PLAN, 0), order(PLAN, 1)], "0"),
    ("bought alone", [order(PLAN, 0, filled="0.01")], "0.01"),
    ("bought alone, fee in coin", [order(PLAN, 0, filled="0.01", fee="0.00001 BTC")], "0.00999"),
    ("sold alone", [order(PLAN, 1, filled="0.01", fee="700 KRW")], "-0.01"),
    (
        "balanced but for the fee in coin",
        [order(PLAN, 0, filled="0.01", fee="0.00001 BTC"), order(PLAN, 1, filled="0.00999")],
        "0",
    ),
    (
        "what is unwound counts against it",
        [order(PLAN, 0, filled="0.01"), order(PLAN, 0, UNWIND, filled="0.004")],
        "0.006",
    ),
    (
        "a chase counts for its leg",
        [order(PLAN, 0, filled="0.01"), order(PLAN, 1, filled="0.003"), order(PLAN, 1, CHASE, filled="0.007")],
        "0",
    ),
]


@pytest.mark.parametrize("why, orders, naked", EXPOSURES, ids=[case[0] for case in EXPOSURES])
def test_exposure(why: str, orders: list[OrderState], naked: str):
    assert life.exposure(trade(PLAN, *orders)) == D(naked)


def test_a_single_leg_wants_what_it_holds():
    single = plan(leg("upbit", Side.BUY))
    assert life.exposure(trade(single, order(single, 0, filled="0.01"))) == 0


def test_what_a_person_closed_by_hand_is_no_exposure():
    made = trade(PLAN, order(PLAN, 0, filled="0.01"))
    made.written_off = D("0.01")
    assert life.exposure(made) == 0


@pytest.mark.parametrize("made_for, naked, lag, lead", [(PLAN, "1", 1, 0), (PLAN, "-1", 0, 1), (MIRROR, "1", 1, 0)])
def test_lagging(made_for, naked, lag, lead):
    assert life.lagging(trade(made_for), D(naked)) == (lag, lead)


def made_before(chases: int, unwinds: int, flattens: int = 0) -> list[OrderState]:
    return (
        [order(PLAN, 0, filled="0.01"), order(PLAN, 1)]
        + [order(PLAN, 1, CHASE)] * chases
        + [order(PLAN, 0, UNWIND)] * unwinds
        + [order(PLAN, 0, FLATTEN)] * flattens
    )


REPAIRS = [  # why, orders before, ms since naked, does a chase pay, next
    ("first chase", made_before(0, 0), 0, True, "chase"),
    ("second chase", made_before(1, 0), 1_400, True, "chase"),
    ("chases used up", made_before(2, 0), 100, True, "unwind"),
    ("the deadline is over", made_before(0, 0), 1_500, True, "unwind"),
    ("a chase that does not pay", made_before(0, 0), 0, False, "unwind"),
    ("third unwind", made_before(2, 2), 9_000, False, "unwind"),
    ("unwinds used up", made_before(2, 3), 9_000, False, "end"),
    ("flattening counts as unwinding", made_before(0, 1, 2), 9_000, False, "end"),
    ("unwinds used up, yet a chase pays in time", made_before(0, 3), 100, True, "chase"),
]


@pytest.mark.parametrize("why, orders, ms, pays, step", REPAIRS, ids=[case[0] for case in REPAIRS])
def test_repair(why: str, orders: list[OrderState], ms: int, pays: bool, step: str):
    made = trade(PLAN, *orders, naked_since_ns=NS_PER_S)
    found = life.repair(made, D("0.01"), NS_PER_S + ms * NS_PER_MS, pays)
    if step == "chase":
        assert found == Repair(CHASE, 1, Side.SELL, D("0.01"))
    elif step == "unwind":
        assert found == Repair(UNWIND, 0, Side.SELL, D("0.01"))
    else:
        assert isinstance(found, End) and (found.outcome, "0.01 BTC" in found.reason) == ("dead_letter", True)


def test_a_sale_without_its_purchase_is_repaired_the_other_way_round():
    made = trade(PLAN, order(PLAN, 0), order(PLAN, 1, filled="0.01"), naked_since_ns=NS_PER_S)
    assert life.repair(made, D("-0.01"), NS_PER_S, True) == Repair(CHASE, 0, Side.BUY, D("0.01"))
    assert life.repair(made, D("-0.01"), NS_PER_S, False) == Repair(UNWIND, 1, Side.BUY, D("0.01"))


SECONDS = [  # why, plan, orders, next
    ("both at once need no second", PLAN, [order(PLAN, 0, filled="0.01")], None),
    ("the hard leg has not filled", HARD, [order(HARD, 1, status=S.CANCELLED)], None),
    ("sized from what filled", HARD, [order(HARD, 1, filled="0.004", fee="100 KRW")], NextLeg(0, D("0.004"))),
    ("sent already", HARD, [order(HARD, 1, filled="0.01"), order(HARD, 0)], None),
]


@pytest.mark.parametrize("why, made_for, orders, second", SECONDS, ids=[case[0] for case in SECONDS])
def test_next_leg(why, made_for, orders, second):
    assert life.next_leg(trade(made_for, *orders)) == second


def test_the_second_leg_sells_the_confirmed_net_fill():
    buys_first = plan(policy=Policy.HARD_LEG_FIRST, hard_leg=0)
    made = trade(buys_first, order(buys_first, 0, filled="0.01", fee="0.00001 BTC"))
    assert life.next_leg(made) == NextLeg(1, D("0.00999"))


WAITS = [  # why, status, ms since sent, rest_ms, at once, ms since the last cancel, cancelled?
    ("an open IOC, young", S.OPEN, 1_400, 0, False, None, False),
    ("an open IOC, past the naked deadline", S.OPEN, 1_500, 0, False, None, True),
    ("resting in its time", S.OPEN, 14_000, 15_000, False, None, False),
    ("resting beyond it", S.OPEN, 15_000, 15_000, False, None, True),
    ("a halt does not wait", S.OPEN, 1, 15_000, True, None, True),
    ("asked a moment ago", S.OPEN, 20_000, 15_000, False, 999, False),
    ("asked a second ago", S.OPEN, 20_000, 15_000, True, 1_000, True),
    ("without an answer: looked up, never cancelled blindly", S.UNKNOWN, 20_000, 0, True, None, False),
    ("not sent yet", S.PLANNED, 20_000, 0, True, None, False),
    ("ended", S.CANCELLED, 20_000, 0, True, None, False),
]


@pytest.mark.parametrize("why, status, ms, rest_ms, at_once, asked_ms, is_due", WAITS, ids=[case[0] for case in WAITS])
def test_waits(why, status, ms, rest_ms, at_once, asked_ms, is_due):
    made_for = plan(rest_ms=rest_ms)
    one = order(made_for, 0, status=status)
    one.sent_ns = NS_PER_S
    now_ns = NS_PER_S + ms * NS_PER_MS
    one.cancel_asked_ns = now_ns - asked_ms * NS_PER_MS if asked_ms is not None else 0
    found = life.waits(trade(made_for, one), now_ns, at_once)
    assert [wait.order for wait in found] == ([one] if is_due else [])


ENDINGS = [  # why, orders, outcome, reason
    ("nothing filled", [order(PLAN, 0, status=S.REJECTED), order(PLAN, 1, status=S.CANCELLED)], "nothing_filled", "no"),
    ("balanced", [order(PLAN, 0, filled="0.01"), order(PLAN, 1, filled="0.01")], "balanced", ""),
    ("unwound", [order(PLAN, 0, filled="0.01"), order(PLAN, 0, UNWIND, filled="0.01")], "unwound", ""),
    ("flattened", [order(PLAN, 0, filled="0.01"), order(PLAN, 0, FLATTEN, filled="0.01")], "unwound", ""),
    (
        "an unwind without a fill unwound nothing",
        [order(PLAN, 0, filled="0.01"), order(PLAN, 0, UNWIND, S.CANCELLED), order(PLAN, 1, CHASE, filled="0.01")],
        "balanced",
        "",
    ),
]


@pytest.mark.parametrize("why, orders, outcome, reason", ENDINGS, ids=[case[0] for case in ENDINGS])
def test_ending(why: str, orders: list[OrderState], outcome: str, reason: str):
    orders[0].reason = reason
    end = life.ending(trade(PLAN, *orders))
    assert (end.state, end.outcome, end.reason) == ("closed", outcome, reason)
    orders[0].reason = ""


CHASES = [  # why, leg to fill, at, the other leg's VWAP, pays?
    ("selling at the planned price", 1, "141400000", "100000", True),
    ("selling at the break-even", 1, "140210400", "100000", True),
    ("selling below it", 1, "140200000", "100000", False),
    ("buying at the planned price", 0, "100000", "141400000", True),
    ("buying at the break-even", 0, "100848.5", "141400000", True),
    ("buying above it", 0, "100849", "141400000", False),
]


@pytest.mark.parametrize("why, index, price, done_at, pays", CHASES, ids=[case[0] for case in CHASES])
def test_chase_pays(why: str, index: int, price: str, done_at: str, pays: bool):
    assert life.chase_pays(PLAN.legs[index], D(price), PLAN.legs[1 - index], D(done_at)) is pays


def test_the_average_of_a_leg_counts_entry_and_chase():
    made = trade(PLAN, order(PLAN, 0, filled="0.01"), order(PLAN, 0, UNWIND, filled="0.005"))
    assert life.leg_vwap(made, 0) == 100_000
    assert life.leg_vwap(made, 1) == 141_400_000, "the plan's, where nothing filled"
    assert life.filled(made.orders, frozenset({UNWIND})) == (D("0.005"), D(500))
    assert life.has_fills(made) and not life.has_fills(trade(PLAN, order(PLAN, 0)))
    assert Decimal(0) == life.exposure(trade(PLAN))
