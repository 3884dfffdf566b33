"""The book against a plain dict per side, in both builds."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.book import PlainBook
from engine.native import native

pytestmark = pytest.mark.parametrize("make", [PlainBook, *([native.Book] if native is not None else [])])

prices = st.integers(1, 30).map(lambda tenth: tenth / 10)
sizes = st.integers(1, 9).map(float)
levels = st.lists(st.tuples(prices, sizes), max_size=12, unique_by=lambda row: row[0])
whole_bids, whole_asks = levels.map(lambda rows: sorted(rows, reverse=True)), levels.map(sorted)
changes = st.lists(st.tuples(prices, st.one_of(st.just(0.0), sizes)), max_size=12)


def naive_change(side, rows):
    for price, size in rows:
        if size:
            side[price] = size
        else:
            side.pop(price, None)


def check(book, bids, asks):
    assert list(book.bids()) == sorted(bids.items(), reverse=True)
    assert list(book.asks()) == sorted(asks.items())
    assert book.best_bid == max(bids, default=0.0)
    assert book.best_ask == min(asks, default=0.0)
    assert book.depth() == (len(bids), len(asks))
    assert book.is_two_sided is bool(bids and asks)
    assert book.is_crossed is bool(bids and asks and max(bids) >= min(asks))


@given(whole_bids, whole_asks, st.lists(st.tuples(changes, changes), max_size=8))
def test_any_updates_leave_what_a_dict_would_hold(make, first_bids, first_asks, updates):
    book = make()
    book.replace(first_bids, first_asks, 1, 2)
    bids, asks = dict(first_bids), dict(first_asks)
    check(book, bids, asks)
    for number, (bid_rows, ask_rows) in enumerate(updates):
        book.change(bid_rows, ask_rows, number, number)
        naive_change(bids, bid_rows)
        naive_change(asks, ask_rows)
        check(book, bids, asks)
    assert book.updates == 1 + len(updates)


@given(whole_bids, whole_asks, whole_bids, whole_asks)
def test_a_snapshot_forgets_what_was_before(make, old_bids, old_asks, bids, asks):
    book = make()
    book.replace(old_bids, old_asks, 1, 1)
    book.replace(bids, asks, 2, 3)
    check(book, dict(bids), dict(asks))
    assert (book.seen_ns, book.venue_ts_ms, book.synced) == (2, 3, True)


def test_dropped_and_empty_books_show_nothing(make):
    book = make()
    check(book, {}, {})
    assert not book.synced
    book.replace([(1.0, 1.0)], [(2.0, 1.0)], 1, 1)
    book.drop()
    check(book, {}, {})
    assert not book.synced


def test_an_unknown_deletion_is_nothing(make):
    book = make()
    book.replace([(1.0, 1.0)], [(2.0, 1.0)], 1, 1)
    book.change([(0.5, 0.0)], [(9.0, 0.0)], 2, 2)
    check(book, {1.0: 1.0}, {2.0: 1.0})


def test_deltas_without_a_snapshot_do_not_make_a_book(make):
    book = make()
    book.change([(1.0, 1.0)], [(2.0, 1.0)], 1, 1)
    assert not book.synced


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("depth", [20, 130, 900])
@pytest.mark.parametrize("deleted", [0.2, 0.5, 0.8])
def test_a_deep_book_stays_right_near_the_touch_and_far_from_it(make, seed, depth, deleted):
    """Changes of all depths, runs that eat the top away and floods that bury it; the whole side is compared."""
    random = Random(seed)
    book = make()
    bids = {1_000.0 - step: 1.0 for step in range(depth)}
    asks = {1_001.0 + step: 1.0 for step in range(depth)}
    book.replace(list(bids.items()), list(asks.items()), 1, 1)
    for number in range(120):
        bid_rows, ask_rows = [], []
        for _ in range(random.choice([1, 5, 40])):
            far = random.choice([5, 100, depth])
            size = 0.0 if random.random() < deleted else float(random.randint(1, 9))
            bid_rows.append((1_000.0 - random.randint(0, far), size))
            ask_rows.append((1_001.0 + random.randint(0, far), size))
        if number % 30 == 29:
            bid_rows = [(price, 0.0) for price in sorted(bids, reverse=True)[: len(bids) * 9 // 10]]
        book.change(bid_rows, ask_rows, number, number)
        naive_change(bids, bid_rows)
        naive_change(asks, ask_rows)
        assert (book.best_bid, book.best_ask) == (max(bids, default=0.0), min(asks, default=0.0))
        if number % 10 == 9:
            check(book, bids, asks)
    check(book, bids, asks)


def test_tops_counts_what_another_best_price_is(make):
    """Strategies sleep on it: a book that was dropped and came back at the same price is not the book it was."""
    book = make()
    book.replace([(9.0, 1.0)], [(10.0, 1.0)], 1, 1)
    began = book.tops
    book.change([(9.0, 5.0), (8.0, 1.0)], [(11.0, 2.0)], 2, 2)
    assert book.tops == began
    book.change([(9.5, 1.0)], [], 3, 3)
    assert book.tops == began + 1
    book.replace([(9.5, 2.0)], [(10.0, 1.0)], 4, 4)
    assert book.tops == began + 1
    book.drop()
    book.replace([(9.5, 2.0)], [(10.0, 1.0)], 5, 5)
    assert book.tops > began + 1
