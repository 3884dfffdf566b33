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
    ("busy pair, silent 4.9 s", {"A": every(0.1, 10), "B": every(0.1, 14.9)}, 14.9, []),
    ("busy pair, silent 5.1 s", {"A": every(0.1, 10), "B": every(0.1, 15.1)}, 15.1, ["A"]),
    ("slow pair keeps its own rhythm", {"A": every(2.0, 100), "B": every(0.1, 120)}, 120, []),
    ("slow pair, beyond 20 times its rhythm", {"A": every(2.0, 100), "B": every(0.1, 142)}, 142, ["A"]),
    ("everybody asleep: believed three times longer", {"A": every(0.1, 10), "B": every(0.1, 10)}, 20, []),
    ("everybody asleep for too long", {"A": every(0.1, 10), "B": every(0.1, 10)}, 25.2, ["A", "B"]),
    ("one pair alone", {"A": every(0.1, 10)}, 25.2, ["A"]),
]


@pytest.mark.parametrize("why, heard, now, expected", CASES, ids=[case[0] for case in CASES])
def test_silent(why, heard, now, expected):
    assert watch(heard).silent(int(now * NS_PER_S)) == expected


def test_a_look_that_found_it_right_starts_the_silence_anew():
    found = watch({"A": every(0.1, 10), "B": every(0.1, 21)})
    found.looked("A", 16 * NS_PER_S)
    assert found.silent(20 * NS_PER_S) == []
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
