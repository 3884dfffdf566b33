from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.money import NS_PER_S
from engine.domain.view import PnlView
from engine.risk.breakers import Breaker, Breakers, BreakerState

D = Decimal
VENUES = ("upbit", "binance")


def result(net="0", slippage="0", expected="1000"):
    return PnlView(
        expected_krw=D(expected),
        net_krw=D(net),
        spread_krw=D(0),
        slippage_krw=D(slippage),
        fees_krw=D(0),
        unwind_krw=D(0),
    )


def at(seconds):
    return seconds * NS_PER_S


def trades(breakers, *nets, notional="1000000", start=0, **more):
    """Trades a second apart; what the last one tripped."""
    tripped: list[str] = []
    for number, net in enumerate(nets):
        tripped = breakers.note_trade(f"t{start + number}", result(net, **more), D(notional), at(start + number))
    return tripped


def test_one_implementation():
    breaker = Breaker("x", 300)
    assert breaker.state(at(0)) is BreakerState.CLOSED and breaker.why_not(at(0)) == ""
    breaker.trip(at(0), "five failures")
    assert breaker.state(at(299)) is BreakerState.OPEN
    assert breaker.why_not(at(1)) == "open for 299 s more (five failures)"
    assert breaker.state(at(300)) is BreakerState.HALF_OPEN
    assert breaker.why_not(at(300)) == ""
    breaker.pass_trade("t1", at(300))
    assert breaker.why_not(at(301)) == "half open: trade t1 is the canary (five failures)"
    assert breaker.judge("t2", True, at(302)) is False
    assert breaker.judge("t1", True, at(303)) is True
    assert breaker.state(at(303)) is BreakerState.CLOSED


def test_a_bad_canary_opens_it_again():
    breaker = Breaker("x", 300)
    breaker.trip(at(0), "five failures")
    breaker.pass_trade("t1", at(300))
    assert breaker.judge("t1", False, at(310)) is False
    assert breaker.state(at(609)) is BreakerState.OPEN
    assert breaker.state(at(610)) is BreakerState.HALF_OPEN
    assert "canary t1 failed; before: five failures" in breaker.reason


def test_a_canary_without_a_fill_proves_nothing():
    breaker = Breaker("x", 300)
    breaker.trip(at(0), "r")
    breaker.pass_trade("t1", at(300))
    breaker.forget_canary("t1")
    assert breaker.state(at(301)) is BreakerState.HALF_OPEN
    assert breaker.why_not(at(301)) == ""


def test_a_closed_breaker_makes_no_canary():
    breaker = Breaker("x", 300)
    breaker.pass_trade("t1", at(0))
    breaker.trip(at(1), "r")
    breaker.pass_trade("t2", at(2))
    assert breaker.why_not(at(301)) == ""


def test_five_failures_in_a_row_at_one_venue():
    breakers = Breakers()
    for second in range(4):
        assert breakers.note_order("upbit", True, at(second)) == []
    assert breakers.note_order("upbit", True, at(4)) == ["order_failures:upbit"]
    name, reason = breakers.why_not(VENUES, at(5))
    assert name == "order_failures:upbit"
    assert reason == "open for 299 s more (5 orders in a row failed at upbit)"
    assert breakers.why_not(("binance", "okx"), at(5)) == ("", "")
    assert breakers.states(at(5))["order_failures:upbit"] == "open"


def test_a_success_breaks_the_row():
    breakers = Breakers()
    for second in range(4):
        breakers.note_order("upbit", True, at(second))
    breakers.note_order("upbit", False, at(4))
    assert breakers.note_order("upbit", True, at(5)) == []
    assert breakers.why_not(VENUES, at(6)) == ("", "")


@pytest.mark.parametrize("last, tripped", [(300, ["failure_window"]), (301, [])])
def test_ten_failures_within_the_window_at_all_venues(last, tripped):
    breakers = Breakers()
    seconds = [0, 10, 20, 30, 40, 50, 60, 70, 80, last]
    for number, second in enumerate(seconds):
        found = breakers.note_order(f"venue{number % 3}", True, at(second))
    assert found == tripped
    assert (breakers.why_not(("okx",), at(last))[0] == "failure_window") is bool(tripped)


def test_ten_losses_in_a_row_rest_half_an_hour():
    breakers = Breakers()
    assert trades(breakers, *["-1"] * 9) == []
    assert trades(breakers, "-1", start=9) == ["loss_streak"]
    assert breakers.states(at(9 + 1_799))["loss_streak"] == "open"
    assert breakers.states(at(9 + 1_800))["loss_streak"] == "half_open"


def test_a_gain_breaks_the_streak():
    breakers = Breakers()
    trades(breakers, *["-1"] * 9, "0", *["-1"] * 9)
    assert breakers.why_not(VENUES, at(20)) == ("", "")


@pytest.mark.parametrize(
    "why, nets, tripped",
    [
        ("5 % of one trade", ["-50000"], ["loss_rate"]),
        ("a little less", ["-49999"], []),
        ("spread over several", ["10000", "-80000", "-80000"], ["loss_rate"]),
        ("gains count against losses", ["100000", "-90000"], []),
    ],
)
def test_loss_rate(why, nets, tripped):
    assert trades(Breakers(), *nets) == tripped


def test_loss_rate_forgets_after_its_window():
    breakers = Breakers()
    trades(breakers, "-49000")
    assert trades(breakers, "-49000", start=301) == []
    assert trades(breakers, "-52000", start=302) == ["loss_rate"]


def test_slippage_above_ten_bp_over_ten_trades():
    breakers = Breakers()
    assert trades(breakers, *["100"] * 9, slippage="1010") == []
    assert trades(breakers, "100", slippage="1010", start=9) == ["slippage"]
    assert breakers.slippage.reason == "fills were 10.1 bp worse than planned over 10 trades"
    steady = Breakers()
    assert trades(steady, *["100"] * 30, slippage="1000") == []


def test_a_step_that_is_planned_to_cost_its_fees_is_no_loss():
    """The tether bot pays 500 KRW on a million for every step: ten of them are not a streak of losses."""
    breakers = Breakers()
    assert trades(breakers, *["-520"] * 30, expected="-500") == []
    assert trades(Breakers(), *["-1501"] * 10, expected="-500") == ["loss_streak"]


def test_half_open_lets_one_trade_pass_and_its_gain_closes():
    breakers = Breakers()
    trades(breakers, "-50000")
    later = at(400)
    assert breakers.why_not(VENUES, later) == ("", "")
    breakers.pass_trade("canary", VENUES, later)
    assert breakers.why_not(VENUES, later)[0] == "loss_rate"
    breakers.note_unfilled("canary")
    assert breakers.why_not(VENUES, later) == ("", "")
    breakers.pass_trade("second", VENUES, later)
    breakers.note_trade("second", result("10"), D(1_000_000), later)
    assert breakers.states(later)["loss_rate"] == "closed"


@given(st.lists(st.tuples(st.sampled_from(["trip", "pass", "good", "bad", "wait"]), st.integers(0, 400)), max_size=40))
def test_at_most_one_canary_between_two_trips(steps):
    """Whatever happens: while open nothing passes, and half open passes one trade until it is judged."""
    breaker, now_s = Breaker("x", 300), 0
    passed: list[str] = []
    for number, (step, wait_s) in enumerate(steps):
        now_s += wait_s
        state = breaker.state(at(now_s))
        if step == "trip":
            breaker.trip(at(now_s), "r")
            passed.clear()
        elif step == "pass" and not breaker.why_not(at(now_s)):
            assert state is not BreakerState.OPEN
            if state is BreakerState.HALF_OPEN:
                assert passed == []
                passed.append(f"t{number}")
            breaker.pass_trade(f"t{number}", at(now_s))
        elif step in ("good", "bad") and passed:
            breaker.judge(passed.pop(), step == "good", at(now_s))
            assert breaker.state(at(now_s)) is (BreakerState.CLOSED if step == "good" else BreakerState.OPEN)
