"""A venue is slow by its own measure: long enough, often enough, and not for ever."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.money import NS_PER_S
from engine.risk.latency import Latency, Line, Stage, rank

MS = 1_000
START_NS = 10_000 * NS_PER_S


class Clock:
    """A line that is fed and looked at as time passes."""

    def __init__(self) -> None:
        self.now_ns = START_NS
        self.line = Line()
        self.turns: list[bool] = []

    def play(self, us: int, seconds: int, every_s: int = 2) -> "Clock":
        for second in range(seconds):
            if us and second % every_s == 0:
                self.line.take(us, self.now_ns)
            self.look()
        return self

    def look(self) -> None:
        self.now_ns += NS_PER_S
        if self.line.turned(self.now_ns):
            self.turns.append(self.line.is_slow)


def test_three_times_its_usual_for_twenty_seconds_is_slow_and_its_usual_ends_it():
    clock = Clock().play(80 * MS, 240)
    assert clock.line.usual == 80 * MS and clock.turns == []
    clock.play(500 * MS, 20)
    assert clock.turns == [], "not yet believed"
    clock.play(500 * MS, 30)
    assert clock.turns == [True]
    clock.play(80 * MS, 60)
    assert clock.turns == [True, False] and clock.line.usual == 80 * MS


QUIET = [  # why, µs of the disturbance, seconds
    ("a spike is no weather", 5_000 * MS, 6),
    ("twice the usual is within what happens", 160 * MS, 120),
    ("a little more of very little", 150 * MS, 120),
]


@pytest.mark.parametrize("why, us, seconds", QUIET, ids=[case[0] for case in QUIET])
def test_what_is_not_slow(why, us, seconds):
    usual = 5 * MS if us == 150 * MS else 80 * MS
    clock = Clock().play(usual, 240).play(us, seconds).play(usual, 60)
    assert clock.turns == []


def test_nothing_is_judged_before_it_is_known():
    clock = Clock().play(80 * MS, 100).play(5_000 * MS, 10)
    assert clock.turns == [] and clock.line.usual == 0


def test_a_slow_one_that_is_not_asked_is_tried_again():
    clock = Clock().play(80 * MS, 240).play(500 * MS, 60)
    assert clock.turns == [True]
    clock.play(0, 290)
    assert clock.line.is_slow
    clock.play(0, 20)
    assert clock.turns == [True, False]
    clock.play(500 * MS, 60)
    assert clock.turns == [True, False, True], "and found slow again"


def test_what_stays_slow_becomes_its_usual():
    clock = Clock().play(80 * MS, 240).play(500 * MS, 2_000)
    assert clock.turns == [True, False]
    clock.play(500 * MS, 240)
    assert clock.turns == [True, False] and clock.line.usual == 500 * MS


@given(st.lists(st.tuples(st.integers(1, 400 * MS), st.integers(1, 40)), min_size=1, max_size=60))
def test_its_words_take_turns_and_never_sooner_than_believed(plays):
    """(µs, seconds) after a normal hour: slow and as usual follow each other, twenty seconds apart at least."""
    clock, at_ns = Clock().play(20 * MS, 240), []
    for us, seconds in plays:
        for _ in range(seconds):
            before = len(clock.turns)
            clock.play(us, 1, every_s=1)
            at_ns += [clock.now_ns] * (len(clock.turns) - before)
    assert clock.turns == [index % 2 == 0 for index in range(len(clock.turns))]
    assert all(late - early >= 20 * NS_PER_S for early, late in pairwise(at_ns))


def test_figures_by_venue_and_why_one_is_left_out():
    known = Latency()
    for index in range(200):
        known.take("okx", "native", Stage.WIRE_ACK, (10 + index % 100) * MS, START_NS + index * 2 * NS_PER_S)
        known.take("okx", "native", Stage.DECISION_WIRE, 50, START_NS + index * 2 * NS_PER_S)
    assert [(path, stage) for path, stage, _ in known.of("okx")] == [
        ("native", Stage.DECISION_WIRE),
        ("native", Stage.WIRE_ACK),
    ]
    line, now_ns = known.lines["okx", "native", Stage.WIRE_ACK], START_NS + 400 * NS_PER_S
    found = line.figures(now_ns)
    assert (found.count, found.p50, found.p99) == (200, 60 * MS, 109 * MS)
    assert line.figures(now_ns + 2_000 * NS_PER_S).count == 0, "an old hour tells nothing"
    assert known.why_slow("okx", now_ns) == ""
    line.is_slow = True
    assert known.why_slow("okx", now_ns).startswith("it is slow: orders (native) take ")
    assert known.why_slow("upbit", now_ns) == ""
    assert rank([], 0.5) == 0
