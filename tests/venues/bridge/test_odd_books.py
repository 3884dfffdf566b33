"""What ccxt may hand over that is no book or no trade: counted and lost, never delivered."""

import random
import time

import pytest

from engine.domain.event import BookLost, BookSnapshot, TradePrint
from engine.venues.ccxt_bridge import CcxtBridge
from engine.venues.ccxt_client import Bridged
from engine.venues.protocol import FeedEvent

GOOD = {"bids": [[10.0, 1.0], [9.0, 2.0]], "asks": [[11.0, 1.0]], "timestamp": None}
BOOKS = [  # why, bids, asks, what is lost for
    ("a price of zero", [[0.0, 1.0]], [[11.0, 1.0]], "bad_frame"),
    ("a price that is text", [["1e-7", 1.0]], [[11.0, 1.0]], "bad_frame"),
    ("an empty text for a price", [["", 1.0]], [[11.0, 1.0]], "bad_frame"),
    ("no price", [[None, 1.0]], [[11.0, 1.0]], "bad_frame"),
    ("no number", [[float("nan"), 1.0]], [[11.0, 1.0]], "bad_frame"),
    ("an infinite size", [[10.0, float("inf")]], [[11.0, 1.0]], "bad_frame"),
    ("a negative size", [[10.0, -1.0]], [[11.0, 1.0]], "bad_frame"),
    ("a level of one number", [[10.0]], [[11.0, 1.0]], "bad_frame"),
    ("bids that rise", [[9.0, 1.0], [10.0, 1.0]], [[11.0, 1.0]], "bad_frame"),
    ("a price twice", [[10.0, 1.0]], [[11.0, 1.0], [11.0, 2.0]], "bad_frame"),
    ("a crossed book", [[12.0, 1.0]], [[11.0, 1.0]], "crossed"),
    ("a locked book", [[11.0, 1.0]], [[11.0, 1.0]], "crossed"),
]


@pytest.fixture
async def bridge():
    told: list[FeedEvent] = []
    bridged = Bridged(venue="kraken", ccxt_id="kraken", symbols=("BTC/USDT",))
    made = CcxtBridge(bridged, told.append, time.monotonic_ns, random.Random(3), lambda symbol: None)
    yield made, told


@pytest.mark.parametrize("why, bids, asks, reason", BOOKS, ids=[case[0] for case in BOOKS])
async def test_no_book_is_lost_and_counted(bridge, why, bids, asks, reason):
    made, told = bridge
    made._on_book("BTC/USDT", GOOD)
    made._on_book("BTC/USDT", {"bids": bids, "asks": asks})
    assert [type(event) for event in told] == [BookSnapshot, BookLost]
    assert told[1].reason == reason
    assert made.counters()["gaps"] == 1
    assert made.counters()["errors"] == (reason == "bad_frame")


async def test_a_level_of_size_zero_is_none_and_one_side_may_be_empty(bridge):
    made, told = bridge
    made._on_book("BTC/USDT", {"bids": [[10.0, 0.0], [9.0, 2]], "asks": [], "timestamp": 5})
    assert (told[0].bids, told[0].asks, told[0].venue_ts_ms) == ([(9.0, 2.0)], [], 5)


async def test_odd_trades_are_counted_and_a_repeated_one_is_told_once(bridge):
    made, told = bridge
    good: dict[str, object] = {"price": 10.0, "amount": 1.0, "side": "buy", "id": "7", "timestamp": 5}
    odd: list[dict[str, object]] = [
        {"price": None},
        {"price": float("nan")},
        {"amount": 0.0},
        {"amount": "1"},
        {"side": None},
    ]
    made._on_trades("BTC/USDT", [good, good, *(good | {"id": str(n)} | each for n, each in enumerate(odd))])
    assert [type(event) for event in told] == [TradePrint]
    assert made.counters()["errors"] == len(odd)
