"""Who is heard while two connections carry the same symbols: by a table of what comes, and from which."""

from typing import Any

import pytest

from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.domain.order import Side
from engine.venues.dialect import Patience
from engine.venues.handover import Handover
from tests.venues.feeds.test_pool import names, pool, speaking
from tests.waiting import until


class Line:
    venue = "v"

    def __init__(self, name, symbols, live):
        self.name, self.symbols, self.live = name, symbols, set(live)

    def is_live(self, symbol):
        return symbol in self.live


def event(kind, symbol, number):
    match kind:
        case "book":
            rows = [(1.0, float(number))]
            return BookSnapshot(venue="v", symbol=symbol, bids=rows, asks=[], venue_ts_ms=0, seen_ns=0)
        case "change":
            rows = [(1.0, float(number))]
            return BookDelta(venue="v", symbol=symbol, bids=rows, asks=[], venue_ts_ms=0, seen_ns=0)
        case "lost":
            return BookLost(venue="v", symbol=symbol, reason="gap", seen_ns=0)
    trade = {"price": 1.0, "qty": 1.0, "taker_side": Side.BUY, "venue_ts_ms": number, "seen_ns": 0}
    return TradePrint(venue="v", symbol=symbol, trade_id=f"t{number}" if kind == "trade" else "", **trade)


CASES = [  # why, what comes (from, kind, symbol, number), what is heard, complete
    ("the old goes on until", [("old", "change", "A", 1)], "change A 1", False),
    ("changes of the fresh mean nothing yet", [("new", "change", "A", 2)], "", False),
    ("its whole book changes hands", [("new", "book", "A", 2), ("old", "change", "A", 3)], "book A 2", False),
    ("and then it is followed", [("new", "book", "A", 2), ("new", "change", "A", 3)], "book A 2|change A 3", False),
    ("each symbol by itself", [("new", "book", "A", 2), ("old", "change", "B", 3)], "book A 2|change B 3", False),
    ("the old may still lose what it has", [("old", "lost", "B", 0)], "lost B 0", False),
    ("not what it gave away", [("new", "book", "A", 2), ("old", "lost", "A", 0)], "book A 2", False),
    ("all", [("new", "book", "A", 2), ("new", "book", "B", 2)], "book A 2|book B 2", True),
    ("a trade once, whoever is first", [("old", "trade", "A", 1), ("new", "trade", "A", 1)], "trade A 1", False),
    ("or the other way about", [("new", "trade", "A", 1), ("old", "trade", "A", 1)], "trade A 1", False),
    (
        "of another symbol: another trade",
        [("old", "trade", "A", 1), ("new", "trade", "B", 1)],
        "trade A 1|trade B 1",
        False,
    ),
    ("without ids: by what it was", [("old", "print", "A", 7), ("new", "print", "A", 7)], "trade A 7", False),
    (
        "the old's last trades count too",
        [("new", "book", "A", 2), ("old", "trade", "A", 5)],
        "book A 2|trade A 5",
        False,
    ),
]


@pytest.mark.parametrize("why, comes, heard, complete", CASES, ids=[case[0] for case in CASES])
def test_who_is_heard(why, comes, heard, complete):
    told: list[Any] = []
    old, fresh = Line("old", ("A", "B"), "AB"), Line("new", ("A", "B"), "")
    handover = Handover(old, [fresh], told.append, 0)
    for side, kind, symbol, number in comes:
        (handover.from_old if side == "old" else handover.from_new)(event(kind, symbol, number))
    assert "|".join(spelled(found) for found in told) == heard
    assert handover.is_complete() is complete


def spelled(found):
    match found:
        case BookSnapshot():
            return f"book {found.symbol} {found.bids[0][1]:.0f}"
        case BookDelta():
            return f"change {found.symbol} {found.bids[0][1]:.0f}"
        case TradePrint():
            return f"trade {found.symbol} {found.venue_ts_ms}"
    return f"lost {found.symbol} 0"


def test_books_that_the_old_one_does_not_follow_are_not_waited_for():
    handover = Handover(Line("old", ("A", "B"), "A"), [Line("new", ("A", "B"), "")], lambda found: None, 0)
    handover.from_new(event("book", "A", 1))
    assert handover.is_complete()


def test_what_nobody_follows_any_more_is_lost():
    told: list[Any] = []
    handover = Handover(Line("old", ("A", "B", "C"), "AB"), [], told.append, 0)
    handover.from_new(event("book", "A", 1))
    handover.lose_rest(9)
    assert [(found.symbol, found.reason) for found in told[1:]] == [("B", "reconnect")]
    handover.from_old(event("change", "B", 3))
    assert len(told) == 2


def test_what_was_taken_is_told_once():
    fresh = [Line("n1", ("A",), ""), Line("n2", ("B",), "")]
    handover = Handover(Line("old", ("A", "B"), "AB"), fresh, lambda found: None, 0)
    handover.from_new(event("book", "B", 1))
    assert [handover.newly_taken(line) for line in fresh] == [(), ("B",)]
    assert [handover.newly_taken(line) for line in fresh] == [(), ()]


async def test_the_old_one_may_die_in_the_middle():
    symbols = names(2)
    life = Patience(silence_ms=60_000, dead_ms=60_000, max_life_ms=600)
    native = speaking(2)
    native.dialect.first_book_ms = 700
    async with pool(symbols, native, life) as (there, feed, story):
        await until(lambda: story.all_synced(symbols))
        there.unlisted = symbols[1]  # the fresh connection gets one book of two
        (old,) = there.sockets
        await until(lambda: len(there.sockets) == 2 and feed.counters()["rollovers"] == 1)
        await until(lambda: any(line.symbols and line.state == "handing_over" for line in feed.health()))
        await until(lambda: symbols[0] in next(iter(feed._handovers.values())).taken)
        await old.close()
        await until(lambda: f"{symbols[1]} reconnect" in story.lost)
        there.unlisted = ""
        await until(lambda: story.all_synced(symbols))
        assert story.lost == [f"{symbols[1]} reconnect"]
        assert "down" not in story.told
