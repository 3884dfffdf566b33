"""The compiled book beside the plain one, and what holds of its memory."""

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from math import inf
from pathlib import Path
from sys import getrefcount
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.event import BookDelta, BookLost, BookSnapshot
from engine.domain.market import plain
from engine.market.book import PlainBook
from engine.market.books import PlainBooks, new_books
from engine.native import native as loaded

native: Any = loaded
pytestmark = pytest.mark.skipif(native is None, reason="the book is not compiled here")
REPOSITORY = Path(__file__).parents[2]

prices = st.one_of(
    st.integers(1, 40).map(lambda tenth: tenth / 10),
    st.floats(1e-12, 1e300, allow_nan=False, allow_infinity=False),
)
sizes = st.floats(1e-9, 1e12, allow_nan=False)
rows = st.lists(st.tuples(prices, sizes), max_size=40, unique_by=lambda row: row[0])
changes = st.lists(st.tuples(prices, st.one_of(st.just(0.0), sizes)), max_size=20)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), changes, changes),
        st.tuples(st.just("replace"), rows, rows),
        st.just(("drop",)),
    ),
    max_size=12,
)


def seen(book):
    return {
        "bids": list(book.bids()),
        "asks": list(book.asks()),
        "depth": book.depth(),
        **{name: getattr(book, name) for name in ("best_bid", "best_ask", "synced", "updates", "tops", "seen_ns")},
        **{name: getattr(book, name) for name in ("venue_ts_ms", "is_crossed", "is_two_sided")},
    }


@given(steps, st.booleans())
def test_both_books_show_the_same_after_anything(steps, compact):
    ours, theirs = native.Book(), PlainBook()
    wrap = native.Levels if compact else list
    for number, step in enumerate(steps):
        if step[0] == "drop":
            ours.drop()
            theirs.drop()
        elif step[0] == "change":
            ours.change(wrap(step[1]), wrap(step[2]), number, -number)
            theirs.change(step[1], step[2], number, -number)
        else:
            bids, asks = sorted(step[1], reverse=True), sorted(step[2])
            ours.replace(wrap(bids), wrap(asks), number, -number)
            theirs.replace(bids, asks, number, -number)
        assert seen(ours) == seen(theirs)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.booleans(), rows), max_size=12))
def test_both_keepers_of_books_show_the_same_after_anything(told):
    ours, theirs = new_books(), PlainBooks()
    for symbol in "AB":
        ours.by_symbol[symbol], theirs.by_symbol[symbol] = native.Book(), PlainBook()
    for number, (symbol, whole, levels) in enumerate(told):
        kind = BookSnapshot if whole else BookDelta
        event = kind(venue="v", symbol=symbol, bids=[], asks=sorted(levels), venue_ts_ms=-number, seen_ns=number)
        taken, also = ours.take(event), theirs.take(event)
        assert taken is ours.by_symbol.get(symbol)  # C is in nobody's keeping
        assert also is theirs.by_symbol.get(symbol)
        if taken is not None:
            assert taken is ours.last
            assert seen(taken) == seen(also)


@pytest.mark.parametrize(
    "event",
    [
        None,
        BookLost(venue="v", symbol="A", reason="gap", seen_ns=1),
        BookDelta(venue="v", symbol="A", bids=[(1.0, "x")], asks=[], venue_ts_ms=1, seen_ns=1),  # type: ignore[list-item]
    ],
)
def test_what_is_no_word_of_a_book_is_refused(event):
    books = new_books()
    book = books.by_symbol["A"] = native.Book()
    count = getrefcount(book)
    with pytest.raises((TypeError, ValueError)):
        books.take(event)
    assert (book.updates, books.last, getrefcount(book)) == (0, None, count)


def test_a_keeper_of_books_takes_the_compiled_ones_only():
    books = new_books()
    books.by_symbol["A"] = PlainBook()
    with pytest.raises(TypeError, match="no book of ours"):
        books.take(BookDelta(venue="v", symbol="A", bids=[], asks=[], venue_ts_ms=1, seen_ns=1))
    for wrong in ((), ((), ()), (("a",) * 5, ("b",) * 5)):
        with pytest.raises((TypeError, ValueError)):
            native.Books(*wrong)


@given(rows, st.floats(0, 1e15), st.floats(0.01, 1))
def test_a_walk_over_a_book_is_one_over_its_levels(levels, qty, usable):
    book = native.Book()
    book.replace([], sorted(levels), 1, 1)
    for amount in (qty, inf):
        listed = native.walk(iter(sorted(levels)), amount, usable)
        assert native.walk(book.asks(), amount, usable) == listed
        assert native.walk(native.Levels(sorted(levels)), amount, usable) == listed
        assert native.walk_amount(book.asks(), amount) == native.walk_amount(sorted(levels), amount)


def test_levels_are_a_sequence_of_pairs():
    pairs = [(3.0, 1.0), (2.0, 5.0), (1.0, 0.5)]
    levels: Any = native.Levels(pairs)
    assert isinstance(levels, Sequence)
    assert (len(levels), list(levels), levels[0], levels[-1]) == (3, pairs, (3.0, 1.0), (1.0, 0.5))
    same: list[Any] = [pairs, tuple(pairs), levels]
    assert all(levels == other and other == levels for other in same)
    assert levels != pairs[:2]
    assert levels != native.Levels(pairs[:2])
    other: Any = "abc"
    assert levels != other
    assert list(levels[1:]) == pairs[1:]
    assert list(levels[::-2]) == pairs[::-2]
    assert (3.0, 1.0) in levels
    assert repr(levels) == f"Levels({pairs})"
    assert pickle.loads(pickle.dumps(levels)) == levels
    assert msgspec.json.encode(levels, enc_hook=plain) == msgspec.json.encode(pairs)
    assert not native.Levels()
    assert not gc.is_tracked(levels)
    with pytest.raises(IndexError):
        levels[3]
    with pytest.raises(TypeError):
        hash(levels)


def test_a_side_is_put_in_order_and_rid_of_zeros():
    levels = native.Levels([(1.0, 2.0), (3.0, 0.0), (0.0, 9.0), (2.0, 1.0)])
    assert levels.best_first(True) == [(2.0, 1.0), (1.0, 2.0)]
    assert levels.best_first(False) == [(1.0, 2.0), (2.0, 1.0)]
    assert levels.priced() == [(1.0, 2.0), (3.0, 0.0), (2.0, 1.0)]
    ordered = native.Levels([(1.0, 2.0), (2.0, 1.0)])
    assert ordered.best_first(False) is ordered


@pytest.mark.parametrize("bad", [[(1.0,)], [(1.0, 2.0, 3.0)], [("a", 1.0)], [1.0], 5, None, [None]])
def test_what_are_no_levels_changes_nothing(bad):
    book = native.Book()
    book.replace([(1.0, 1.0)], [(2.0, 1.0)], 1, 1)
    before = seen(book)
    for take in (book.change, book.replace):
        wrong: list[tuple[Any, Any]] = [(bad, []), ([], bad)]
        for sides in wrong:
            with pytest.raises((TypeError, ValueError)):
                take(*sides, 2, 2)
    lacking: list[tuple[Any, ...]] = [(), ([], []), ([], [], "x", 1), ([], [], 1, 2.5), ([], [], 1, None)]
    for arguments in lacking:
        with pytest.raises(TypeError):
            book.change(*arguments)
    assert seen(book) == before


def test_a_walk_ends_within_a_book_that_shrinks_under_it():
    book = native.Book()
    book.replace([(float(price), 1.0) for price in range(100, 0, -1)], [], 1, 1)
    cursor = book.bids()
    assert next(cursor) == (100.0, 1.0)
    book.change([(float(price), 0.0) for price in range(1, 100)], [], 2, 2)
    assert list(cursor) == []
    book.drop()
    assert list(cursor) == []
    del book
    assert list(cursor) == []


def test_an_iterator_that_raises_is_heard():
    def broken():
        yield (1.0, 1.0)
        raise KeyError("gone")

    for call in (
        lambda: native.walk(broken(), 9.0, 1.0),
        lambda: native.walk_amount(broken(), 9.0),
        lambda: native.best_size(broken(), iter([(0.5, 1.0)] * 3), 1.0, 1.0, 9.0, 1.0),
        lambda: native.best_size(iter([(2.0, 1.0)] * 3), broken(), 1.0, 1.0, 9.0, 1.0),
        lambda: native.Levels(broken()),
    ):
        with pytest.raises(KeyError):
            call()


def test_nothing_is_kept_that_was_let_go():
    """References of what goes in and the memory of the process, over many lives of a book."""
    pair = (1.5, 2.5)
    side = native.Levels([pair] * 50)
    book = native.Book()

    def live():
        for number in range(300):
            book.replace(side, [pair], number, number)
            book.change([pair, (1.0, 1.0)], side, number, number)
            native.walk(book.bids(), 9.0, 1.0)
            native.best_size(book.bids(), [pair], 1.0, 1.0, 9.0, 1.0)
            side[1:] == [pair] * 49  # noqa: B015
            repr(side[:2])
            with pytest.raises(ValueError):
                book.change([pair, (1.0,)], [], 1, 1)
            book.drop()
            native.Book().replace(side, side, 1, 1)

    live()
    gc.collect()
    counts, blocks = (getrefcount(pair), getrefcount(side)), sys.getallocatedblocks()
    for _ in range(10):
        live()
    gc.collect()
    assert (getrefcount(pair), getrefcount(side)) == counts
    assert sys.getallocatedblocks() - blocks < 1_000  # 3,000 lives


def test_plain_python_is_chosen_by_the_environment_and_passes_the_same_tests():
    environment = os.environ | {"PREMIA_PURE": "1"}
    asked = "from engine.native import native, which; from engine.market.book import Book; print(native, Book.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["None", "PlainBook"]
    files = [f"tests/market/test_{name}.py" for name in ("walk", "view", "premium")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:]
