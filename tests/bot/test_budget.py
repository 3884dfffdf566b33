"""A chat's budget: bursts, a minute's window, shares by priority, and Telegram's own pause."""

from hypothesis import given
from hypothesis import strategies as st

from bot.budget import Budget
from bot.outbox import Priority


def drained(budget: Budget, priority: Priority, until_ms: int, step_ms: int = 100) -> int:
    """How many messages of one priority leave when one is always waiting."""
    sent = 0
    for now_ms in range(0, until_ms, step_ms):
        if budget.wait_ms(priority, now_ms) == 0:
            budget.spend(now_ms)
            sent += 1
    return sent


def test_a_burst_then_one_per_second_then_the_minutes_window():
    budget = Budget(20, 3, 0)
    for _ in range(3):
        assert budget.wait_ms(Priority.REPLY, 0) == 0
        budget.spend(0)
    assert 900 <= budget.wait_ms(Priority.REPLY, 0) <= 1_001
    assert drained(Budget(20, 3, 0), Priority.REPLY, 60_000) == 18


def test_edits_leave_room_for_what_matters():
    budget = Budget(20, 3, 0)
    edits = drained(budget, Priority.EDIT, 60_000)
    assert edits == 8
    assert budget.wait_ms(Priority.EDIT, 40_000) > 0
    assert budget.wait_ms(Priority.FILL, 40_000) == 0


def test_critical_goes_beyond_the_budget_but_not_beyond_a_pause():
    budget = Budget(20, 3, 0)
    drained(budget, Priority.REPLY, 50_000)
    assert budget.wait_ms(Priority.REPLY, 50_000) > 0
    assert budget.wait_ms(Priority.CRITICAL, 50_000) == 0
    budget.pause(7, 50_000)
    assert 7_000 <= budget.wait_ms(Priority.CRITICAL, 50_000) <= 7_100


@given(st.lists(st.tuples(st.sampled_from(list(Priority)), st.integers(0, 5_000)), max_size=120))
def test_no_window_of_a_minute_holds_more_than_its_share(wishes):
    budget, now_ms, sent = Budget(20, 3, 0), 0, []
    for priority, gap_ms in wishes:
        now_ms += gap_ms
        if budget.wait_ms(priority, now_ms) == 0:
            budget.spend(now_ms)
            sent.append((now_ms, priority))
    for at_ms, priority in sent:
        in_window = sum(1 for other, _ in sent if at_ms - 60_000 < other <= at_ms)
        # At the moment it left nothing later had been sent, so the window up to it is what it was judged by.
        before = sum(1 for other, _ in sent[: sent.index((at_ms, priority))] if at_ms - 60_000 < other)
        assert before < (30 if priority is Priority.CRITICAL else 18)
        assert in_window <= 31
