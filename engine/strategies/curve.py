"""Allocation curves: sorted points (premium in percent, weight), linear between, flat outside (domain.md §6)."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from engine.domain.money import ZERO

Points = tuple[tuple[Decimal, Decimal], ...]


def check(points: Points) -> None:
    """Raises ValueError naming the offending point: fewer than two, premiums not rising, a weight outside [0, 1]."""
    if len(points) < 2:
        raise ValueError(f"a curve needs at least two points, got {len(points)}")
    for premium_pct, weight in points:
        if not premium_pct.is_finite() or not -100 < premium_pct < 1000:
            raise ValueError(f"premium {premium_pct} is not a percentage in (-100, 1000)")
        if not weight.is_finite() or not ZERO <= weight <= 1:
            raise ValueError(f"weight {weight} at {premium_pct} % must lie in [0, 1]")
    for (left, _), (right, _) in pairwise(points):
        if right <= left:
            raise ValueError(f"premiums must rise strictly: {left} is followed by {right}")


def warnings(points: Points) -> tuple[str, ...]:
    """What is legal and yet unusual for a curve that holds USDT when it is cheap: a weight that rises."""
    return tuple(
        f"weight rises from {low} at {left} % to {high} at {right} %: dearer USDT would be bought"
        for (left, low), (right, high) in pairwise(points)
        if high > low
    )


def weight_at(points: Sequence[tuple[Decimal, Decimal]], premium_pct: Decimal) -> Decimal:
    """The weight at a premium in percent; flat outside the first and last point."""
    left, low = points[0]
    if premium_pct <= left:
        return low
    for right, high in points[1:]:
        if premium_pct <= right:
            return low + (high - low) * (premium_pct - left) / (right - left)
        left, low = right, high
    return low


def weight_est(points: Sequence[tuple[Decimal, Decimal]], premium: float) -> float:
    """`weight_at` for detection, in floats; here `premium` is a plain ratio, 0.01 for 1 %."""
    premium_pct = premium * 100
    left, low = float(points[0][0]), points[0][1]
    if premium_pct <= left:
        return float(low)
    for at, high in points[1:]:
        right = float(at)
        if premium_pct <= right:
            return float(low) + float(high - low) * (premium_pct - left) / (right - left)
        left, low = right, high
    return float(low)


def joined(negative: Points, positive: Points) -> Points:
    """One curve from a separate half below zero and one above; both must hold a point at 0 with one weight there.

    Raises ValueError where the halves do not meet.
    """
    if not negative or not positive or negative[-1][0] != 0 or positive[0][0] != 0:
        raise ValueError("the lower half must end and the upper half must start at premium 0")
    if negative[-1][1] != positive[0][1]:
        raise ValueError(f"the halves must meet at 0: {negative[-1][1]} is not {positive[0][1]}")
    whole = negative + positive[1:]
    check(whole)
    return whole
