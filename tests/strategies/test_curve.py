from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.strategies.curve import check, joined, warnings, weight_at, weight_est


def points(*rows):
    return tuple((Decimal(premium), Decimal(weight)) for premium, weight in rows)


TIERS = points(("-5", "1.00"), ("-2", "0.70"), ("-1", "0.50"), ("0", "0.20"), ("1", "0.05"), ("3", "0"))


@pytest.mark.parametrize(
    "premium_pct, weight",
    [  # the worked numbers of domain.md §6
        ("-6", "1.00"),
        ("-5", "1.00"),
        ("-3.5", "0.85"),
        ("-1.5", "0.60"),
        ("-0.4", "0.32"),
        ("0", "0.20"),
        ("0.5", "0.125"),
        ("2", "0.025"),
        ("3", "0"),
        ("4", "0"),
    ],
)
def test_reference_tiers(premium_pct, weight):
    assert weight_at(TIERS, Decimal(premium_pct)) == Decimal(weight)
    assert weight_est(TIERS, float(premium_pct) / 100) == pytest.approx(float(weight))


@pytest.mark.parametrize(
    "why, rows, message",
    [
        ("one point is no curve", [("0", "0.2")], "at least two points, got 1"),
        ("premiums must rise", [("0", "0.2"), ("-1", "0.5")], "0 is followed by -1"),
        ("the same premium twice", [("0", "0.2"), ("0", "0.1")], "0 is followed by 0"),
        ("a share above the whole", [("0", "1.2"), ("1", "0")], r"weight 1.2 at 0 % must lie in \[0, 1\]"),
        ("a short position", [("0", "0.2"), ("1", "-0.1")], "weight -0.1 at 1 %"),
        ("not a number", [("0", "NaN"), ("1", "0")], "weight NaN"),
        ("an endless premium", [("0", "0.2"), ("Infinity", "0")], "premium Infinity"),
    ],
)
def test_bad_curves_name_their_point(why, rows, message):
    with pytest.raises(ValueError, match=message):
        check(points(*rows))


def test_a_rising_weight_is_legal_and_warned_of():
    rising = points(("-1", "0.1"), ("1", "0.5"))
    check(rising)
    assert len(warnings(rising)) == 1
    assert warnings(TIERS) == ()


def test_halves_join_at_zero():
    lower, upper = points(("-3", "1"), ("0", "0.2")), points(("0", "0.2"), ("2", "0"))
    assert joined(lower, upper) == points(("-3", "1"), ("0", "0.2"), ("2", "0"))
    with pytest.raises(ValueError, match=r"meet at 0: 0.2 is not 0.3"):
        joined(lower, points(("0", "0.3"), ("2", "0")))
    with pytest.raises(ValueError, match="must end"):
        joined(points(("-3", "1"), ("-1", "0.2")), upper)


premiums = st.decimals("-20", "20", places=3)


@given(
    st.lists(st.tuples(premiums, st.decimals("0", "1", places=3)), min_size=2, unique_by=lambda row: row[0]), premiums
)
def test_weight_lies_between_its_neighbours(rows, premium):
    curve = tuple(sorted(rows))
    check(curve)
    weights = [w for _, w in curve]
    assert min(weights) <= weight_at(curve, premium) <= max(weights)
    assert weight_est(curve, float(premium) / 100) == pytest.approx(float(weight_at(curve, premium)), abs=1e-9)
    for at, weight in curve:
        assert weight_at(curve, at) == weight
