"""The cases that every venue with diffs must pass the same way, over its own frames into the market's own books.

What is a venue's own (gap, overlap, duplicate, late, reset, checksum, a base older than its diffs) stands in the table
of that venue's file; docs/feeds.md lists where.
"""

from collections.abc import Callable
from typing import Any

import pytest

from engine.domain.event import BookDelta, BookSnapshot
from engine.market.fx import FxRules
from engine.market.view import Market, VenueRules
from tests.venues.feeds import (
    test_binance,
    test_binance_usdm,
    test_bitget,
    test_bybit,
    test_gate,
    test_kucoin,
    test_okx,
)
from tests.venues.feeds.ear import Ear

Sides = tuple[list[list[str]], list[list[str]]]  # bids, asks: texts of price and size


def wide(sides: Sides) -> Sides:
    """OKX's rows carry two fields more."""
    bids, asks = sides
    return [[*row, "0", "1"] for row in bids], [[*row, "0", "1"] for row in asks]


def gate(first: int, last: int, sides: Sides, **more: Any) -> Any:
    return test_gate.obu(first, last, b=sides[0], a=sides[1], **more)


# venue -> symbol, its book with these sides, and the n-th change after it.
SNAPSHOTS: dict[str, tuple[str, Callable[[Ear, Sides], Any], Callable[[int, Sides], Any]]] = {
    "okx": (
        "BTC-USDT",
        lambda ear, sides: ear.hear(test_okx.books("snapshot", -1, 10, *wide(sides))),
        lambda n, sides: test_okx.books("update", 9 + n, 10 + n, *wide(sides)),
    ),
    "bybit": (
        "BTCUSDT",
        lambda ear, sides: ear.hear(test_bybit.book("snapshot", 10, *sides)),
        lambda n, sides: test_bybit.book("delta", 10 + n, *sides),
    ),
    "kucoin": (
        "BTC-USDT",
        lambda ear, sides: ear.hear(test_kucoin.obu("snapshot", 100, 100, *sides)),
        lambda n, sides: test_kucoin.obu("delta", 100 + n, 100 + n, *sides),
    ),
    "gate": (
        "BTC_USDT",
        lambda ear, sides: ear.hear(gate(90, 100, sides, full=True)),
        lambda n, sides: gate(100 + n, 100 + n, sides),
    ),
    "bitget": (
        "BTCUSDT",
        lambda ear, sides: ear.hear(test_bitget.books("snapshot", 0, 10, *sides)),
        lambda n, sides: test_bitget.books("update", 9 + n, 10 + n, *sides),
    ),
    "binance": (
        "BTCUSDT",
        lambda ear, sides: (
            ear.hear(test_binance.diff(95, 100)),
            ear.rest("BTCUSDT", test_binance.snapshot(100, *sides)),
        ),
        lambda n, sides: test_binance.diff(100 + n, 100 + n, *sides),
    ),
    "binance_usdm": (
        "BTCUSDT",
        lambda ear, sides: (
            ear.hear(test_binance_usdm.diff(90, 100)),
            ear.rest("BTCUSDT", test_binance_usdm.snapshot(100, *sides)),
        ),
        lambda n, sides: test_binance_usdm.diff(99 + n, 100 + n, *sides),
    ),
}
START: Sides = ([["10", "1"], ["9", "4"]], [["11", "2"], ["12", "3"]])

CASES = [  # why, changes one after the other, best bid and ask after them; None: the book is unusable
    ("a zero level goes, wherever it is", [([["9", "0"]], [["11", "0"]])], (10.0, 12.0)),
    ("a zero that is not there changes nothing", [([["8", "0"]], [["15", "0"]])], (10.0, 11.0)),
    ("a level goes and comes again", [([["10", "0"]], []), ([["10", "5"]], [])], (10.0, 11.0)),
    ("the last of a side goes: no top", [([], [["11", "0"], ["12", "0"]])], (10.0, 0.0)),
    ("a bid over the ask is no book", [([["11.5", "1"]], [])], None),
    ("an ask on the bid is no book", [([], [["10", "1"]])], None),
    ("both move through each other in one frame", [([["11", "1"]], [["11", "0"]])], (11.0, 12.0)),
    ("no change says that it stands", [([], [])], (10.0, 11.0)),
]


@pytest.mark.parametrize("venue", SNAPSHOTS)
@pytest.mark.parametrize("why, changes, expected", CASES, ids=[case[0] for case in CASES])
def test_levels(venue, why, changes, expected):
    symbol, begin, change = SNAPSHOTS[venue]
    ear = Ear(venue)
    begin(ear, START)
    ear.hear(*(change(number, sides) for number, sides in enumerate(changes, start=1)))
    market = Market({venue: VenueRules(max_book_age_ms=2_000)}, FxRules())
    for event in ear.events:
        if isinstance(event, BookSnapshot | BookDelta):
            market.take_book(event)
    book = market.book(venue, symbol)
    assert book is not None
    if expected is None:
        assert not book.synced and market.why_unusable(venue, symbol, 1) == "not_synced:crossed"
    else:
        assert book.synced and (book.best_bid, book.best_ask) == expected


RESTARTS: list[tuple[str, Any, list[str]]] = [  # venue, the counter begins anew: what is told of it
    ("kucoin", test_kucoin.obu("delta", 1, 2, [["9", "1"]]), []),
    ("gate", test_gate.obu(1, 2, b=[["9", "1"]]), []),
]


@pytest.mark.parametrize("venue, frame, told", RESTARTS)
def test_a_counter_that_starts_over_without_a_snapshot_is_older_until_its_snapshot_comes(venue, frame, told):
    symbol, begin, change = SNAPSHOTS[venue]
    ear = Ear(venue)
    begin(ear, START)
    ear.take()
    assert ear.hear(frame) == told, "wholly older: a duplicate by all that can be known"
    begin(ear, ([["7", "1"]], [["8", "1"]]))
    assert ear.hear(change(1, ([["7.5", "1"]], []))) == [f"change {symbol} 7.5x1|"]
