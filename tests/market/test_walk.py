import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.market.walk import best_size, median, walk

ASKS = [(100.0, 1.0), (100.1, 2.0), (100.3, 5.0)]
BIDS = [(100.9, 1.5), (100.8, 1.0), (100.5, 10.0)]


def test_worked_numbers():
    """domain.md §3."""
    assert walk(ASKS, 4.0).vwap == pytest.approx(100.125)
    assert walk(BIDS, 4.0).vwap == pytest.approx(100.725)
    assert walk(ASKS, 4.0).worst == 100.3
    gross = walk(BIDS, 4.0).vwap / walk(ASKS, 4.0).vwap - 1
    net = walk(BIDS, 4.0).vwap * (1 - 0.0005) / (walk(ASKS, 4.0).vwap * (1 + 0.001)) - 1
    assert gross == pytest.approx(0.005993, abs=5e-7)
    assert net == pytest.approx(0.004485, abs=5e-7)


def test_a_book_that_ends_is_never_extrapolated():
    taken = walk(ASKS, 100.0)
    assert (taken.qty, taken.worst) == (8.0, 100.3)
    assert taken.quote == pytest.approx(100.0 + 200.2 + 501.5)
    assert walk(ASKS, math.inf) == taken
    assert walk([], 1.0).qty == 0.0
    assert walk([], 1.0).vwap == 0.0


sizes = st.floats(0.001, 50)
rising = st.lists(st.tuples(st.floats(1, 1_000), sizes), max_size=8, unique_by=lambda row: row[0]).map(sorted)
falling = rising.map(lambda rows: rows[::-1])
shares = st.sampled_from([0.3, 0.4, 0.5, 1.0])


def naive_walk(levels, qty, usable):
    """One unit of taking after the other, by running sums."""
    taken = quote = 0.0
    for price, size in levels:
        take = min(size * usable, qty - taken)
        taken, quote = taken + take, quote + take * price
    return taken, quote


@given(rising, st.floats(0.001, 500), shares)
def test_walk_is_the_plain_sum(levels, qty, usable):
    found = walk(levels, qty, usable)
    taken, quote = naive_walk(levels, qty, usable)
    assert found.qty == pytest.approx(taken)
    assert found.quote == pytest.approx(quote)
    assert found.qty <= qty
    if levels and found.qty:
        assert levels[0][0] * (1 - 1e-12) <= found.vwap <= found.worst * (1 + 1e-12)


def earned(bids, asks, keep, cost, qty, usable):
    sold, bought = walk(bids, qty, usable), walk(asks, qty, usable)
    if sold.qty < qty * (1 - 1e-9) or bought.qty < qty * (1 - 1e-9):
        return -math.inf
    return sold.quote * keep - bought.quote * cost


def boundaries(bids, asks, cap, usable):
    found = {cap}
    for levels in (bids, asks):
        total = 0.0
        for _, size in levels:
            total += size * usable
            found.add(min(total, cap))
    return found


@given(falling, rising, st.floats(0.01, 200), shares, st.floats(0.99, 1.0), st.floats(1.0, 1.01))
@example([(3.0, 1.445946606344048), (2.0, 33.0)], [(1.0, 34.0)], 16.93993462591965, 0.5, 1.0, 1.0)
def test_no_boundary_earns_more_than_the_best_size(bids, asks, cap, usable, keep, cost):
    """domain.md §3: the optimum stands at a level boundary of one of the books; here all of them are tried."""
    best = best_size(bids, asks, keep, cost, cap, usable)
    assert 0.0 <= best <= cap
    most = max(
        (earned(bids, asks, keep, cost, qty, usable) for qty in boundaries(bids, asks, cap, usable)), default=0.0
    )
    found = earned(bids, asks, keep, cost, best, usable) if best else 0.0
    assert found >= max(most, 0.0) - 1e-6 * (1 + abs(most))


def test_best_size_without_an_edge_is_nothing():
    assert best_size([(99.0, 1.0)], [(100.0, 1.0)], 1.0, 1.0, 10.0, 1.0) == 0.0
    assert best_size([], [(100.0, 1.0)], 1.0, 1.0, 10.0, 1.0) == 0.0
    assert best_size([(101.0, 1.0)], [], 1.0, 1.0, 10.0, 1.0) == 0.0


def test_best_size_of_an_endless_cap_ends_with_the_edge():
    assert best_size(BIDS, ASKS, 0.9995, 1.001, math.inf, 1.0) == pytest.approx(8.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_median_halves_the_values(values):
    middle = median(values)
    assert sum(1 for value in values if value < middle) <= len(values) / 2
    assert sum(1 for value in values if value > middle) <= len(values) / 2
