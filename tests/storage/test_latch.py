"""The halt level on disk holds when nothing else does."""

import pytest

from engine.domain.effect import LatchChanged
from engine.storage.latch import FileLatch, Latch, hand_halted, read_latch, write_latch


def changed(level: int) -> LatchChanged:
    return LatchChanged(level=level, reason="kill", actor="telegram:1001", wall_ms=5)


def test_it_comes_back(tmp_path):
    path = tmp_path / "latch.json"
    assert read_latch(path).level == 0
    write_latch(path, changed(3))
    assert read_latch(path) == Latch(level=3, reason="kill", actor="telegram:1001", wall_ms=5)
    write_latch(path, changed(0))
    assert read_latch(path).level == 0
    assert [file.name for file in tmp_path.iterdir()] == ["latch.json"]


DAMAGED = [  # why                 bytes on disk
    ("empty", b""),
    ("cut short", b'{"level": 0, "rea'),
    ("noise", b"\x00\xff\x13"),
    ("another shape", b'{"levle": 0}'),
    ("a level that is none", b'{"level": 7}'),
    ("a negative level", b'{"level": -1}'),
    ("a word for a level", b'{"level": "off"}'),
]


@pytest.mark.parametrize("why, raw", DAMAGED, ids=[case[0] for case in DAMAGED])
def test_what_cannot_be_understood_halts(tmp_path, why, raw):
    path = tmp_path / "latch.json"
    path.write_bytes(raw)
    latch = read_latch(path)
    assert (latch.level, latch.reason.startswith("latch damaged")) == (2, True)


def test_what_cannot_be_read_halts(tmp_path):
    path = tmp_path / "latch.json"
    path.mkdir()
    assert read_latch(path).level == 2
    with pytest.raises(OSError):
        write_latch(path, changed(1))


LEVELS = [(0, 2), (1, 2), (2, 2), (3, 3)]


@pytest.mark.parametrize("stored, felt", LEVELS)
def test_a_hand_made_halt_file_is_level_2_at_least(tmp_path, stored, felt):
    path = tmp_path / "latch.json"
    write_latch(path, changed(stored))
    assert not hand_halted(path)
    (tmp_path / "HALT").touch()
    assert hand_halted(path)
    assert read_latch(path).level == felt
    (tmp_path / "HALT").unlink()
    assert read_latch(path).level == stored


def test_a_dangling_link_halts_too(tmp_path):
    (tmp_path / "HALT").symlink_to(tmp_path / "nowhere")
    assert hand_halted(tmp_path / "latch.json")


def test_a_crash_between_writing_and_replacing_leaves_the_old_level(tmp_path):
    path = tmp_path / "latch.json"
    write_latch(path, changed(2))
    (tmp_path / "latch.json.new").write_bytes(b'{"level": 0')
    assert read_latch(path).level == 2
    write_latch(path, changed(3))
    assert read_latch(path).level == 3


def test_a_latch_raised_by_another_is_heard_and_never_lowered_unheard(tmp_path):
    """The watchdog writes while the engine hangs; the engine, awake again, must not write over it."""
    path = tmp_path / "latch.json"
    ours = FileLatch(path)
    ours.write(changed(1))
    assert ours.outside() is None
    write_latch(path, LatchChanged(level=2, reason="no heartbeat", actor="watchdog", wall_ms=9))
    ours.write(changed(1))
    assert ours.outside() == Latch(level=2, reason="no heartbeat", actor="watchdog", wall_ms=9)
    ours.write(changed(0))
    assert read_latch(path).level == 2
    ours.write(changed(2))
    assert ours.outside() is None
    ours.write(changed(0))
    assert (read_latch(path).level, ours.outside()) == (0, None)


def test_a_latch_damaged_under_a_running_engine_halts_it(tmp_path):
    path = tmp_path / "latch.json"
    ours = FileLatch(path)
    path.write_bytes(b"\x00")
    raised = ours.outside()
    assert raised is not None and raised.level == 2
