"""Late and silent symbols by a table of times (seconds)."""

import pytest

from engine.domain.money import NS_PER_S
from engine.venues.watch import Watch

FIRST_BOOK_S = 15


def watch(heard):
    """`heard`: symbol -> arrival times."""
    found = Watch(heard, FIRST_BOOK_S * NS_PER_S)
    found.start(0)
    arrivals = sorted((at, symbol) for symbol, times in heard.items() for at in times)
    for at, symbol in arrivals:
        found.hear(symbol, int(at * NS_PER_S))
    return found


def every(step, until):
    return [step * n for n in range(1, int(until / step) + 1)]


CASES = [  # why                                          arrivals                                      now   silent
    ("busy pair, silent 1.9 s", {"A": every(0.1, 10), "B": every(0.1, 11.9)}, 11.9, []),
    ("busy pair, silent 2.1 s", {"A": every(0.1, 10), "B": every(0.1, 12.1)}, 12.1, ["A"]),
    ("the busiest is believed 1.5 s", {"A": every(0.02, 10), "B": every(0.1, 11.4)}, 11.4, []),
    ("and no longer", {"A": every(0.02, 10), "B": every(0.1, 11.6)}, 11.6, ["A"]),
    ("a liquid pair never longer than 3 s", {"A": every(0.24, 24), "B": every(0.1, 27.2)}, 27.2, ["A"]),
    ("less liquid: 5 s", {"A": every(0.26, 26), "B": every(0.1, 30.9)}, 30.9, []),
    ("less liquid: more than 5 s", {"A": every(0.26, 26), "B": every(0.1, 31.4)}, 31.4, ["A"]),
    ("a few arrivals make no rhythm", {"A": every(0.1, 1), "B": every(0.1, 5.9)}, 5.9, []),
    ("slow pair keeps its own rhythm", {"A": every(2.0, 100), "B": every(0.1, 120)}, 120, []),
    ("slow pair, beyond 20 times its rhythm", {"A": every(2.0, 100), "B": every(0.1, 142)}, 142, ["A"]),
    ("everybody asleep: believed three times longer", {"A": every(0.1, 10), "B": every(0.1, 10)}, 15.9, []),
    ("everybody asleep for too long", {"A": every(0.1, 10), "B": every(0.1, 10)}, 16.1, ["A", "B"]),
    ("one pair alone", {"A": every(0.1, 10)}, 16.1, ["A"]),
]


@pytest.mark.parametrize("why, heard, now, expected", CASES, ids=[case[0] for case in CASES])
def test_silent(why, heard, now, expected):
    assert watch(heard).silent(int(now * NS_PER_S)) == expected


QUIET = {"A": every(2.0, 100), "B": every(0.1, 200)}  # A is believed for 40 s by its rhythm
TRADES = [  # why                                        trades of A (time, price)          now    silent
    ("no trade", [], 103.0, []),
    ("a trade, and the book has time to say so", [(101.0, 10.5)], 101.9, []),
    ("a trade of which the book says nothing", [(101.0, 10.5)], 102.1, ["A"]),
    ("the first of several counts", [(101.0, 10.5), (101.8, 10.5)], 102.1, ["A"]),
    ("above the ask: sooner", [(101.0, 11.5)], 101.6, ["A"]),
    ("below the bid: sooner", [(101.0, 9.0)], 101.6, ["A"]),
    ("outside, but just now", [(101.0, 9.0)], 101.4, []),
    ("at the touch is inside", [(101.0, 11.0)], 101.6, []),
    ("before the book's last word", [(99.0, 9.0)], 103.0, []),
]


@pytest.mark.parametrize("why, trades, now, expected", TRADES, ids=[case[0] for case in TRADES])
def test_trades_contradict_a_silent_book(why, trades, now, expected):
    found = watch({"A": [], "B": []})
    story = [(at, "A", None) for at in QUIET["A"]] + [(at, "A", price) for at, price in trades]
    for at, symbol, price in sorted(story, key=lambda entry: entry[0]):
        if price is None:
            found.hear(symbol, int(at * NS_PER_S))
        else:
            found.trade(symbol, price, int(at * NS_PER_S))
    found.hear("B", int(now * NS_PER_S))
    assert found.silent(int(now * NS_PER_S), lambda symbol: (10.0, 11.0)) == expected


def test_a_look_that_found_it_right_settles_its_trades_too():
    found = watch({"A": every(2.0, 100), "B": every(0.1, 101)})
    found.trade("A", 10.5, 101 * NS_PER_S)
    found.looked("A", 103 * NS_PER_S)
    assert "A" not in found.silent(104 * NS_PER_S)


def test_age_by_channel():
    found = watch({"A": [1.0]})
    found.trade("A", 10.0, 3 * NS_PER_S)
    ages = [found.age_ns("A", channel, 5 * NS_PER_S) for channel in ("book", "trade")]
    assert ages == [4 * NS_PER_S, 2 * NS_PER_S]
    assert found.age_ns("Z", "book", 5 * NS_PER_S) is None


def test_a_look_that_found_it_right_starts_the_silence_anew():
    found = watch({"A": every(0.1, 10), "B": every(0.1, 21)})
    found.looked("A", 19 * NS_PER_S)
    assert found.silent(int(20.9 * NS_PER_S)) == []
    assert found.silent(int(21.1 * NS_PER_S)) == ["A"]


def test_a_symbol_that_never_delivered_is_late_but_not_silent():
    found = watch({"A": [1.0], "B": []})
    assert found.undelivered(15 * NS_PER_S) == []
    assert found.undelivered(16 * NS_PER_S) == ["B"]
    found.subscribed("B", 16 * NS_PER_S)
    assert found.undelivered(46 * NS_PER_S) == []  # twice the time after a try in vain
    assert found.undelivered(47 * NS_PER_S) == ["B"]
    assert "B" not in found.silent(10_000 * NS_PER_S)


def test_a_new_connection_forgets_the_old_one():
    found = watch({"A": every(0.1, 10)})
    found.start(100 * NS_PER_S)
    assert found.silent(200 * NS_PER_S) == []
    assert found.undelivered(116 * NS_PER_S) == ["A"]


def test_unknown_symbols_are_nobodys_business():
    found = watch({"A": [1.0]})
    found.hear("Z", 2 * NS_PER_S)
    assert found.undelivered(99 * NS_PER_S) == []
