"""A venue's clock from what it said, between when we asked and when we heard."""

from email.utils import formatdate
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.net.clock import Clock, ClockOffset

CASES = [  # why, samples (sent, received, venue, grain), offset, uncertainty
    ("one answer: half of its round trip", [(1_000, 1_100, 1_050, 0)], 0.0, 50.0),
    ("the venue is ahead", [(1_000, 1_100, 2_050, 0)], 1_000.0, 50.0),
    ("milliseconds are cut", [(1_000, 1_100, 1_050, 1)], 0.5, 50.5),
    ("the quickest answer is the best", [(1_000, 1_400, 1_200, 0), (1_500, 1_510, 1_505, 0)], 0.0, 5.0),
    ("a Date alone: half a second more", [(10_100, 10_120, 10_000, 1_000)], 390.0, 510.0),
    ("two sides of a second's edge", [(10_990, 11_000, 10_000, 1_000), (11_000, 11_010, 11_000, 1_000)], 0.0, 10.0),
    ("none", [], None, None),
]


@pytest.mark.parametrize("why, samples, offset_ms, uncertainty_ms", CASES, ids=[case[0] for case in CASES])
def test_offset(why, samples, offset_ms, uncertainty_ms):
    clock = Clock()
    for sample in samples:
        clock.sample(*sample)
    now_ms = samples[-1][1] if samples else 0
    found = clock.offset(now_ms)
    if offset_ms is None:
        assert found is None
    else:
        assert found is not None
        assert found.offset_ms == pytest.approx(offset_ms, abs=0.1)
        assert found.uncertainty_ms == pytest.approx(uncertainty_ms, abs=0.1)


def known(clock: Clock, now_ms: float) -> ClockOffset:
    found = clock.offset(now_ms)
    assert found is not None
    return found


def test_the_truth_lies_within_and_many_dates_narrow_it():
    clock, truth_ms = Clock(), 137.0
    for number in range(60):
        sent_ms = 1_700_000_000_000 + number * 1_237.0
        venue_s = (sent_ms + 10 + truth_ms) // 1_000
        clock.sample_date(sent_ms, sent_ms + 25, formatdate(venue_s, usegmt=True))
        found = known(clock, sent_ms + 25)
        assert abs(found.offset_ms - truth_ms) <= found.uncertainty_ms
    assert found.uncertainty_ms < 60


ways = st.floats(min_value=1.0, max_value=250.0)


@settings(max_examples=60, deadline=None)
@given(
    truth_ms=st.floats(min_value=-5_000.0, max_value=5_000.0),
    start_ms=st.integers(min_value=1_700_000_000_000, max_value=1_700_000_600_000),
    legs=st.lists(st.tuples(ways, ways, st.booleans()), min_size=8, max_size=24),
)
def test_no_answer_ever_excludes_the_truth(truth_ms, start_ms, legs):
    """Whatever the ways there and back take, and whether or not the question waits for its best moment."""
    clock, now_ms = Clock(), float(start_ms)
    for there_ms, back_ms, is_timed in legs:
        now_ms += 300.0 + (clock.wait_ms(now_ms + 300.0) if is_timed else 0.0)
        sent_ms, now_ms = now_ms, now_ms + there_ms + back_ms
        date = formatdate((sent_ms + there_ms + truth_ms) // 1_000, usegmt=True)
        clock.sample_date(sent_ms, now_ms, date)
        found = known(clock, now_ms)
        assert abs(found.offset_ms - truth_ms) <= found.uncertainty_ms + 1e-3
        assert 0.0 <= clock.wait_ms(now_ms) <= 1_000.0


@pytest.mark.parametrize("truth_ms", [-3_712.4, -499.9, 0.0, 0.3, 250.0, 999.6, 1_500.0, 44_444.4])
@pytest.mark.parametrize("there_ms, back_ms", [(4.0, 4.0), (15.0, 9.0)])
def test_seven_questions_at_the_right_moment_tell_what_a_second_hides(truth_ms, there_ms, back_ms):
    clock, now_ms, seen = Clock(), 1_700_000_000_123.0, []
    for _ in range(7):
        now_ms += 300.0 + clock.wait_ms(now_ms + 300.0)
        date = formatdate((now_ms + there_ms + truth_ms) // 1_000, usegmt=True)
        clock.sample_date(now_ms, now_ms + there_ms + back_ms, date)
        now_ms += there_ms + back_ms
        seen.append(known(clock, now_ms).uncertainty_ms)
    assert seen[0] > 500 and seen[-1] <= there_ms + back_ms + 8, seen
    assert all(later <= before + 0.1 for before, later in pairwise(seen))
    assert abs(known(clock, now_ms).offset_ms - truth_ms) <= seen[-1]


def test_a_clock_that_was_set_begins_anew():
    clock = Clock()
    clock.sample(1_000, 1_010, 1_005, 0)
    clock.sample(2_000, 2_010, 7_005, 0)
    found = known(clock, 2_010)
    assert (found.offset_ms, found.samples) == (5_000.0, 1)


def test_old_samples_fade():
    clock = Clock()
    clock.sample(0, 10, 5, 0)
    assert known(clock, 10).uncertainty_ms == 5.0
    assert known(clock, 100_010).uncertainty_ms == pytest.approx(15.0)
    assert known(clock, 100_010).age_ms == 100_000


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT"])
def test_nonsense_is_no_sample(date):
    clock = Clock()
    clock.sample_date(0, 10, date)
    assert clock.offset(10) is None


def test_our_own_clock_set_back_meanwhile_is_no_sample():
    clock = Clock()
    clock.sample(1_000, 900, 950, 0)
    assert clock.offset(1_000) is None
