"""When the engine counts as gone, as a table of what was seen when."""

import pytest

from engine.domain.money import NS_PER_S
from engine.storage.beat import Beat, Heart, read_beat
from engine.watchdog.vigil import Sight, Vigil


def beat(count: int, pid: int = 7, stopped: bool = False) -> Beat:
    return Beat(pid=pid, count=count, level=0, wall_ms=0, stopped=stopped)


# Seconds at which the watchdog looks, and what the file holds then.
CASES = [  # why, looks, the last sight
    ("no engine has ever begun", [(t, None) for t in range(30)], Sight.UNARMED),
    ("a beat each second", [(t, beat(t)) for t in range(60)], Sight.ALIVE),
    ("silent for less than the limit", [(0, beat(1))] + [(t, beat(1)) for t in range(1, 15)], Sight.ALIVE),
    ("silent for the limit", [(t, beat(1)) for t in range(16)], Sight.MISSING),
    ("the file has gone: no beat", [(0, beat(1))] + [(t, None) for t in range(1, 16)], Sight.MISSING),
    (
        "stopped cleanly",
        [(0, beat(1)), (1, beat(2, stopped=True))] + [(t, beat(2)) for t in range(2, 2)],
        Sight.UNARMED,
    ),
    ("stopped, and long ago", [(t, beat(2, stopped=True)) for t in range(60)], Sight.UNARMED),
    ("it came back", [(t, beat(1)) for t in range(16)] + [(16, beat(2))], Sight.ALIVE),
    ("another engine began", [(t, beat(9)) for t in range(16)] + [(16, beat(1, pid=8))], Sight.ALIVE),
    ("we slept ourselves: we saw nothing", [(0, beat(1)), (1, beat(2)), (100, beat(2)), (101, beat(2))], Sight.ALIVE),
    ("we slept, and it is still silent", [(0, beat(2))] + [(100 + t, beat(2)) for t in range(16)], Sight.MISSING),
    ("missing stays missing over a slow look", [(t, beat(1)) for t in range(16)] + [(30, beat(1))], Sight.MISSING),
]


@pytest.mark.parametrize("why, looks, expected", CASES, ids=[case[0] for case in CASES])
def test_sight(why, looks, expected):
    vigil = Vigil(15 * NS_PER_S)
    sights = [vigil.look(seen, at_s * NS_PER_S) for at_s, seen in looks]
    assert sights[-1] is expected
    if expected is not Sight.MISSING and why != "it came back" and why != "another engine began":
        assert Sight.MISSING not in sights


def test_a_halt_file_that_the_engine_cannot_hear_is_acted_on_sooner():
    vigil = Vigil(15 * NS_PER_S)
    sights = [vigil.look(beat(1), at_s * NS_PER_S, is_halted_by_hand=True) for at_s in range(7)]
    assert sights == [Sight.ALIVE] * 5 + [Sight.MISSING] * 2
    assert vigil.look(beat(2), 7 * NS_PER_S, is_halted_by_hand=True) is Sight.ALIVE, "it hears by itself"


def test_a_beat_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "heartbeat"
    assert read_beat(path) is None
    heart = Heart(path)
    heart.beat(2)
    first = read_beat(path)
    heart.beat(0, stopped=True)
    second = read_beat(path)
    heart.close()
    assert first is not None and second is not None
    assert (first.count, first.level, first.stopped) == (1, 2, False)
    assert (second.count, second.level, second.stopped) == (2, 0, True)


def test_a_torn_beat_is_no_beat(tmp_path):
    path = tmp_path / "heartbeat"
    path.write_bytes(b'{"pid":1,"cou')
    assert read_beat(path) is None
