"""A venue's own timer: set while something rests, renewed in time by whoever lives, never where others have orders."""

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.risk.countdown import Countdown

LIMIT_S = 30
START_NS = 1_000 * NS_PER_S


def set_to(timer: Countdown, seconds: int, now_ns: int, why: str = "") -> None:
    timer.ask(now_ns)
    timer.answered(seconds, now_ns, why)


def test_it_runs_while_something_rests_and_a_third_of_its_time_longer():
    timer, now_ns = Countdown(), START_NS
    assert timer.wish(False, 0, LIMIT_S, now_ns) is None, "nothing rests"
    assert timer.wish(True, 0, LIMIT_S, now_ns) == LIMIT_S
    timer.ask(now_ns)
    assert timer.wish(True, 0, LIMIT_S, now_ns + NS_PER_S) is None, "asked, and no answer yet"
    timer.answered(LIMIT_S, now_ns, "")
    assert timer.wish(True, 0, LIMIT_S, now_ns + 9 * NS_PER_S) is None
    assert timer.wish(True, 0, LIMIT_S, now_ns + 10 * NS_PER_S) == LIMIT_S
    assert timer.wish(False, 0, LIMIT_S, now_ns + 9 * NS_PER_S) is None, "the next order mostly comes sooner"
    assert timer.wish(False, 0, LIMIT_S, now_ns + 10 * NS_PER_S) == 0
    set_to(timer, 0, now_ns + 10 * NS_PER_S)
    assert timer.wish(False, 0, LIMIT_S, now_ns + 30 * NS_PER_S) is None


def test_others_orders_keep_it_off_and_end_one_that_runs_at_once():
    timer, now_ns = Countdown(), START_NS
    assert timer.wish(True, 2, LIMIT_S, now_ns) is None and timer.reason.startswith("2 open orders")
    set_to(timer, LIMIT_S, now_ns)
    assert timer.wish(True, 1, LIMIT_S, now_ns + NS_PER_S) == 0


def test_a_refusal_is_tried_again_and_told():
    timer, now_ns = Countdown(), START_NS
    set_to(timer, LIMIT_S, now_ns, "the venue says no")
    assert timer.wish(True, 0, LIMIT_S, now_ns + NS_PER_S) is None
    assert (timer.reason, timer.failures) == ("the venue says no", 1)
    assert timer.wish(True, 0, LIMIT_S, now_ns + 2 * NS_PER_S) == LIMIT_S
    set_to(timer, LIMIT_S, now_ns + 2 * NS_PER_S)
    assert (timer.reason, timer.failures, timer.left_ms(now_ns + 12 * NS_PER_S)) == ("", 0, 20_000)


def test_one_that_ran_out_is_not_believed_to_run():
    timer = Countdown()
    set_to(timer, LIMIT_S, START_NS)
    assert timer.wish(False, 0, LIMIT_S, START_NS + 36 * NS_PER_S) is None
    assert timer.armed_s == 0


LOOK = st.tuples(st.booleans(), st.integers(0, 2), st.booleans(), st.integers(50, 1_000), st.integers(0, 900))


@given(st.lists(LOOK, min_size=1, max_size=80), st.integers(5, 120))
def test_it_is_never_set_where_it_would_cancel_what_others_placed(looks, limit_s):
    """(something rests, orders of others, the venue takes it, ms to the next look, ms to the answer)."""
    timer, now_ns = Countdown(), START_NS
    for rests, foreign, takes, wait_ms, answer_ms in looks:
        wished = timer.wish(rests, foreign, limit_s, now_ns)
        if wished is not None:
            assert not wished or (rests and not foreign)
            set_to(timer, wished, now_ns, "" if takes else "no")
            now_ns += answer_ms * NS_PER_MS
        assert not (rests and foreign) or timer.reason
        now_ns += wait_ms * NS_PER_MS


@given(st.lists(st.tuples(st.integers(50, 1_000), st.integers(0, 900)), min_size=1, max_size=200), st.integers(5, 120))
def test_whoever_looks_every_second_never_lets_it_strike(looks, limit_s):
    """(ms to the next look, ms to the answer), with something at rest all the time."""
    timer, now_ns, strikes_ns = Countdown(), START_NS, 0
    for wait_ms, answer_ms in looks:
        assert not strikes_ns or now_ns < strikes_ns
        wished = timer.wish(True, 0, limit_s, now_ns)
        if wished:
            strikes_ns = now_ns + wished * NS_PER_S
            set_to(timer, wished, now_ns)
            now_ns += answer_ms * NS_PER_MS
        now_ns += wait_ms * NS_PER_MS
