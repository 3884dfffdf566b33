"""The guard before each send: each rule stops what it is for; without it the damage goes out."""

from decimal import Decimal

import msgspec
import pytest

from engine.domain.money import NS_PER_S
from engine.domain.order import LegRole, OrderKind, OrderRequest, Side, TimeInForce
from engine.risk.last_step import LastStep, LastStepRules, Reference

RULES = LastStepRules(
    allowed={"upbit": frozenset({"KRW-BTC"}), "okx": frozenset({"BTC-USDT"})},
    collar=Decimal("0.03"),
    exit_collar=Decimal("0.06"),
    reference_age_ms=5_000,
    exit_reference_age_ms=30_000,
    orders=10,
    venue_orders=8,
    notional_krw=Decimal(100_000_000),
    venue_notional_krw=Decimal(60_000_000),
    repeats=5,
    exit_share=Decimal("0.5"),
)
MID = Reference(mid=Decimal(100_000_000), age_ms=100.0, quote_krw=Decimal(1))
NO_LIMIT = {"orders": 10**9, "venue_orders": 10**9, "repeats": 10**9}
NO_SUM = {"notional_krw": Decimal(10) ** 15, "venue_notional_krw": Decimal(10) ** 15}


def order(number: int = 0, **changes: object) -> OrderRequest:
    made = OrderRequest(
        cid=f"c{number}",
        trade_id="t",
        leg=0,
        role=LegRole.ENTRY,
        venue="upbit",
        symbol="KRW-BTC",
        side=Side.BUY,
        qty=Decimal("0.01"),
        price=Decimal(100_500_000),
        tif=TimeInForce.IOC,
    )
    return msgspec.structs.replace(made, **changes)


def admit(guard: LastStep, made: OrderRequest, seen: Reference = MID, finishes: bool = False, at_s: float = 0.0):
    return guard.admit((made,), {made.cid: seen}, finishes, int(at_s * NS_PER_S))


STOP = {"side": Side.SELL, "kind": OrderKind.STOP_LOSS, "stop_price": Decimal(80_000_000)}
UNWIND = {"role": LegRole.UNWIND}
STALE = Reference(mid=MID.mid, age_ms=6_000.0, quote_krw=Decimal(1))
DEAD = Reference(mid=MID.mid, age_ms=31_000.0, quote_krw=Decimal(1))
ONE = [  # why, changes of the order, what is known, rule, level
    ("an order as it should be", {}, MID, "", 0),
    ("a symbol that nobody listed", {"symbol": "KRW-DOGE"}, MID, "not_listed", 2),
    ("a venue that is only watched", {"venue": "kraken"}, MID, "not_listed", 2),
    ("an exit is held to the list, too", {"symbol": "KRW-DOGE", **UNWIND}, MID, "not_listed", 2),
    ("a limit far beyond the mid", {"price": Decimal(103_100_000)}, MID, "last_collar", 1),
    ("a sale far below it", {"side": Side.SELL, "price": Decimal(96_900_000)}, MID, "last_collar", 1),
    ("a resting price on our own side", {"price": Decimal(50_000_000)}, MID, "", 0),
    ("an exit may go farther", {"price": Decimal(105_000_000), **UNWIND}, MID, "", 0),
    ("and not everywhere", {"price": Decimal(107_000_000), **UNWIND}, MID, "last_collar", 1),
    ("a stop far below, its limit close", {**STOP, "price": Decimal(79_500_000)}, MID, "", 0),
    ("a stop whose limit is far from it", {**STOP, "price": Decimal(70_000_000)}, MID, "last_collar", 1),
    ("a zero too many", {"price": Decimal(1_000_000_000)}, MID, "last_collar", 1),
    ("no book of its own", {}, Reference(), "no_reference", 0),
    ("a book that is too old", {}, STALE, "no_reference", 0),
    ("an exit goes by an older one", UNWIND, STALE, "", 0),
    ("not by any", UNWIND, DEAD, "no_reference", 0),
    ("no rate to KRW", {}, Reference(mid=MID.mid, age_ms=1.0), "no_reference", 0),
    ("an exit without a rate", UNWIND, Reference(mid=MID.mid, age_ms=1.0), "", 0),
]


@pytest.mark.parametrize("why, changes, seen, rule, level", ONE, ids=[case[0] for case in ONE])
def test_one_order(why, changes, seen, rule, level):
    breach = admit(LastStep(RULES), order(**changes), seen)
    assert ((breach.rule, breach.level) if breach else ("", 0)) == (rule, level)


def loop(guard: LastStep, count: int, **changes: object) -> list[str]:
    """The same again and again, a hundred a second: the rule that stopped each, "" for what went out."""
    return [breach.rule if (breach := admit(guard, order(n, **changes), at_s=n / 100)) else "" for n in range(count)]


LOOPS = [  # why, what the rules are without the others, how many go out, the rule, its level
    ("orders within a minute", {**NO_SUM, "venue_orders": 10**9, "repeats": 10**9}, 10, "last_orders"),
    ("orders at one venue", {**NO_SUM, "repeats": 10**9}, 8, "last_orders"),
    ("money within a minute", {**NO_LIMIT, "venue_notional_krw": Decimal(10) ** 15}, 99, "last_notional"),
    ("money at one venue", NO_LIMIT, 59, "last_notional"),
    ("the same order again and again", NO_SUM, 5, "repeated"),
]


@pytest.mark.parametrize("why, changes, out, rule", LOOPS, ids=[case[0] for case in LOOPS])
def test_a_loop_gone_wild_is_stopped_and_not_without_its_rule(why, changes, out, rule):
    rules = msgspec.structs.replace(RULES, **changes)
    stopped = loop(LastStep(rules), 500)
    assert stopped.count("") == out
    assert set(stopped[out:]) == {rule}
    everything = msgspec.structs.replace(RULES, **NO_LIMIT, **NO_SUM)
    assert loop(LastStep(everything), 500).count("") == 500, "without it: 500 orders, 500 million won"


def test_exits_have_a_share_that_new_trades_cannot_use_up():
    guard = LastStep(msgspec.structs.replace(RULES, repeats=100))
    entries = loop(guard, 30)
    assert entries.count("") == 8
    exits = loop(guard, 30, **UNWIND)
    assert exits.count("") == 8, "twice as many in all: half of the total is theirs"
    breach = admit(guard, order(99, **UNWIND), at_s=1)
    assert breach is not None and breach.level == 2, "a loop of exits is a loop, too"


def test_a_minute_later_it_counts_anew():
    guard = LastStep(RULES)
    assert loop(guard, 30).count("") == 5
    assert admit(guard, order(1), at_s=62) is None
    assert guard.used(62 * NS_PER_S)["upbit"] == (1, Decimal("1005000.00"))


def test_two_legs_leave_together_or_not_at_all():
    guard = LastStep(msgspec.structs.replace(RULES, orders=3, repeats=100))
    legs = (order(1), order(2, venue="okx", symbol="BTC-USDT", side=Side.SELL))
    seen = {"c1": MID, "c2": MID}
    assert guard.admit(legs, seen, False, 0) is None
    breach = guard.admit(legs, seen, False, 1)
    assert breach is not None and breach.rule == "last_orders"
    assert guard.used(1)[""][0] == 2, "what did not leave is not counted"
    assert guard.admit(legs[:1], seen, False, 2) is None


def test_the_second_leg_of_a_trade_that_has_begun_counts_as_an_exit():
    guard = LastStep(msgspec.structs.replace(RULES, orders=1, repeats=1))
    assert admit(guard, order(1)) is None
    assert admit(guard, order(2)) is not None
    assert admit(guard, order(3), finishes=True) is None
