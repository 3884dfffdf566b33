"""Waits grow, are spread, stay under the cap, and start over."""

from random import Random

from engine.net.backoff import Backoff


class Highest(Random):
    """Always the top of the range: the ceilings themselves."""

    def uniform(self, a, b):
        return b


def test_ceilings_double_up_to_the_cap_and_start_over():
    backoff = Backoff(Highest(), first_s=0.5, cap_s=5.0)
    assert [backoff.next_s() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next_s() == 0.5


def test_waits_are_spread_and_never_zero():
    backoff = Backoff(Random(1), first_s=1.0, cap_s=10.0, floor_s=0.05)
    waits = [backoff.next_s() for _ in range(500)]
    assert min(waits) >= 0.05
    assert max(waits) <= 10.0
    assert len({round(wait, 3) for wait in waits}) > 400


def test_a_thousand_failures_do_not_overflow():
    backoff = Backoff(Highest(), first_s=0.25, cap_s=30.0)
    assert [backoff.next_s() for _ in range(2_000)][-1] == 30.0
