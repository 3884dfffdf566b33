"""The bucket by a hand-driven clock: rate, burst, the reserved share, order of waiters, blocking."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.net.ratelimit import SlidingWindow, TokenBucket

SECOND = 1_000_000_000


class Time:
    """A clock that sleeping moves."""

    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        return self.now_ns

    async def sleep(self, seconds):
        self.now_ns += int(seconds * SECOND) + 1
        await asyncio.sleep(0)


def bucket(time, per_second=10.0, burst=5.0, reserved=0.0):
    return TokenBucket(per_second, burst, time, reserved=reserved, sleep=time.sleep)


def test_burst_then_rate():
    time = Time()
    tokens = bucket(time)
    assert [tokens.try_take() for _ in range(6)] == [True] * 5 + [False]
    assert tokens.wait_s() == pytest.approx(0.1)
    time.now_ns += SECOND // 10
    assert tokens.try_take()
    assert not tokens.try_take()


def test_it_never_holds_more_than_the_burst():
    time = Time()
    tokens = bucket(time)
    time.now_ns += 1_000 * SECOND
    assert sum(tokens.try_take() for _ in range(50)) == 5


def test_the_reserved_share_is_for_urgent_calls_only():
    tokens = bucket(Time(), burst=5.0, reserved=2.0)
    assert [tokens.try_take() for _ in range(5)] == [True, True, True, False, False]
    assert [tokens.try_take(urgent=True) for _ in range(3)] == [True, True, False]


async def test_waiting_takes_as_long_as_the_rate_says():
    time = Time()
    tokens = bucket(time)
    for _ in range(25):
        await tokens.take()
    assert time.now_ns / SECOND == pytest.approx(2.0, abs=0.01)  # 5 at once, 20 at 10 per second


async def test_an_urgent_call_does_not_queue_behind_the_others():
    time = Time()
    tokens = bucket(time, per_second=1.0, burst=4.0, reserved=2.0)
    served = []

    async def call(name, urgent):
        await tokens.take(urgent=urgent)
        served.append(name)

    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(call(f"normal {number}", False))
        tasks.create_task(call("urgent", True))
    assert served.index("urgent") <= 2
    assert [name for name in served if name != "urgent"] == [f"normal {number}" for number in range(4)]


def test_blocked_means_nobody():
    time = Time()
    tokens = bucket(time)
    tokens.block(2.0)
    assert not tokens.try_take()
    assert not tokens.try_take(urgent=True)
    time.now_ns += 2 * SECOND
    assert tokens.try_take()


@pytest.mark.parametrize("per_second, burst, reserved", [(0, 5, 0), (1, 0.5, 0), (1, 5, 5), (1, 5, -1)])
def test_impossible_buckets_are_refused(per_second, burst, reserved):
    with pytest.raises(ValueError, match="no such bucket"):
        TokenBucket(per_second, burst, Time(), reserved=reserved)


async def test_what_never_fits_is_refused():
    with pytest.raises(ValueError, match="never fit"):
        await bucket(Time(), burst=5.0, reserved=2.0).take(4.0)


@given(st.lists(st.integers(0, SECOND), min_size=1, max_size=60))
def test_no_schedule_gets_more_than_burst_plus_rate(steps):
    time = Time()
    tokens = bucket(time, per_second=7.0, burst=3.0)
    taken = 0
    for step in steps:
        time.now_ns += step
        taken += tokens.try_take()
    assert taken <= 3 + 7 * time.now_ns / SECOND + 1e-6


@given(
    st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=120),
    st.integers(2, 12),
    st.sampled_from([1.0, 1.1, 2.0]),
)
def test_no_window_of_time_ever_holds_more_than_the_limit(steps, most, period_s):
    """What a venue counts: a bucket of the same rate lets twice as much through after a rest."""
    time = Time()
    window = SlidingWindow(most, period_s, time, reserved=1.0, sleep=time.sleep)
    spent = []
    for after_ms, urgent in steps:
        time.now_ns += after_ms * SECOND // 1_000
        if window.try_take(urgent=urgent):
            spent.append(time.now_ns)
        else:
            wait_s = window.wait_s(urgent=urgent)
            assert 0 < wait_s <= period_s
    assert all(spent[i + most] - spent[i] >= period_s * SECOND - 1 for i in range(len(spent) - most))


def test_a_bucket_alone_would_break_it():
    time = Time()
    tokens = bucket(time, per_second=5.0, burst=5.0)
    took = 0
    for _ in range(100):
        took += tokens.try_take()
        time.now_ns += SECOND // 101
    assert took == 9


async def test_a_window_serves_who_waits_as_its_tokens_come_back():
    time = Time()
    window = SlidingWindow(5, 1.0, time, sleep=time.sleep)
    for _ in range(12):
        await window.take()
    assert time.now_ns / SECOND == pytest.approx(2.0, abs=0.01)


def test_a_full_window_keeps_its_reserved_share_and_can_be_blocked():
    time = Time()
    window = SlidingWindow(5, 1.0, time, reserved=2.0)
    assert [window.try_take() for _ in range(4)] == [True, True, True, False]
    assert [window.try_take(urgent=True) for _ in range(3)] == [True, True, False]
    window.block(3.0)
    time.now_ns += 2 * SECOND
    assert not window.try_take(urgent=True)
    time.now_ns += SECOND
    assert window.try_take()


def test_what_is_owed_is_waited_for():
    time = Time()
    window = SlidingWindow(2, 1.0, time, reserved=1.0)
    assert window.try_take(urgent=True)
    window.owe(3)  # more than it ever holds
    assert not window.try_take(urgent=True)
    assert window.wait_s(urgent=True) == pytest.approx(1.0)
    time.now_ns += SECOND
    assert window.try_take() and not window.try_take(), "and nothing of it is kept against later calls"
