"""The book against a plain dict per side."""

from hypothesis import given
from hypothesis import strategies as st

from engine.market.book import Book

prices = st.integers(1, 30).map(lambda tenth: tenth / 10)
sizes = st.integers(1, 9).map(float)
levels = st.lists(st.tuples(prices, sizes), max_size=12, unique_by=lambda row: row[0])
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


@given(levels, levels, st.lists(st.tuples(changes, changes), max_size=8))
def test_any_updates_leave_what_a_dict_would_hold(first_bids, first_asks, updates):
    book = Book()
    book.replace(first_bids, first_asks, 1, 2)
    bids, asks = dict(first_bids), dict(first_asks)
    check(book, bids, asks)
    for number, (bid_rows, ask_rows) in enumerate(updates):
        book.change(bid_rows, ask_rows, number, number)
        naive_change(bids, bid_rows)
        naive_change(asks, ask_rows)
        check(book, bids, asks)
    assert book.updates == 1 + len(updates)


@given(levels, levels, levels, levels)
def test_a_snapshot_forgets_what_was_before(old_bids, old_asks, bids, asks):
    book = Book()
    book.replace(old_bids, old_asks, 1, 1)
    book.replace(bids, asks, 2, 3)
    check(book, dict(bids), dict(asks))
    assert (book.seen_ns, book.venue_ts_ms, book.synced) == (2, 3, True)


def test_dropped_and_empty_books_show_nothing():
    book = Book()
    check(book, {}, {})
    assert not book.synced
    book.replace([(1.0, 1.0)], [(2.0, 1.0)], 1, 1)
    book.drop()
    check(book, {}, {})
    assert not book.synced


def test_an_unknown_deletion_is_nothing():
    book = Book()
    book.replace([(1.0, 1.0)], [(2.0, 1.0)], 1, 1)
    book.change([(0.5, 0.0)], [(9.0, 0.0)], 2, 2)
    check(book, {1.0: 1.0}, {2.0: 1.0})


def test_deltas_without_a_snapshot_do_not_make_a_book():
    book = Book()
    book.change([(1.0, 1.0)], [(2.0, 1.0)], 1, 1)
    assert not book.synced
