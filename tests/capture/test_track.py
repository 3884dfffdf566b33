"""Files of a capture: rotation, a torn end, a full disk. Time and disk are arguments."""

import errno
import os

import pytest
import zstandard

from engine.capture.block_file import cut_torn
from engine.capture.track import Rotation, Track

HOUR_NS = 3_600_000_000_000
START_NS = 1_795_132_800_000_000_000  # 2026-11-20 00:00 UTC
MEGABYTE = b"%d" % (10**1000) * 1000


class Disk:
    """Takes so many bytes, then ENOSPC in the middle of a write, as a file system does."""

    def __init__(self, room):
        self.room = room

    def write(self, fd, data, offset):
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = data[: self.room]
        self.room -= len(part)
        return os.pwrite(fd, part, offset)


def stored(folder):
    """Every line of every file, by an independent reader."""
    lines = []
    for path in sorted(folder.glob("*.zst")):
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as text:
            lines += text.read().splitlines()
    return lines


def put(track, lines, wall_ns=START_NS, mono_ns=0):
    """As the writer task does; whether the disk took it."""
    for line in lines:
        track.add(line + b"\n", mono_ns)
    taken = track.take(mono_ns)
    done = bool(taken) and track.write(taken, wall_ns, mono_ns)
    if taken and not done:
        track.give_back(taken)
    return done


def test_a_file_ends_with_its_hour_and_with_its_size(tmp_path):
    track = Track(tmp_path, Rotation(max_bytes=60), lambda lost: None)
    assert put(track, [b"one"])
    assert put(track, [os.urandom(80).hex().encode()])
    assert put(track, [b"three"])
    assert put(track, [b"four"], START_NS + HOUR_NS)
    track.close()
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert names == ["20261120T00-0001.jsonl.zst", "20261120T00-0002.jsonl.zst", "20261120T01-0001.jsonl.zst"]
    assert [line[:5] for line in stored(tmp_path)][0::2] == [b"one", b"three"]
    assert track.tally.files == 3


@pytest.mark.parametrize("torn_bytes", [1, 5, 11])
def test_a_torn_block_is_cut_and_counted_and_the_rest_stays(tmp_path, torn_bytes):
    track = Track(tmp_path, Rotation(), lambda lost: None)
    assert put(track, [b"one"]) and put(track, [b"two"])
    newest = next(tmp_path.iterdir())
    with newest.open("ab") as file:
        file.write(zstandard.ZstdCompressor().compress(b"three\n")[:torn_bytes])
    again = Track(tmp_path, Rotation(), lambda lost: None)
    again.resume()
    assert again.tally.torn == 1
    assert put(again, [b"four"])
    assert stored(tmp_path) == [b"one", b"two", b"four"]
    assert [path.name[-14:-10] for path in sorted(tmp_path.iterdir())] == ["0001", "0002"]


def test_a_whole_file_loses_nothing_at_start(tmp_path):
    track = Track(tmp_path, Rotation(), lambda lost: None)
    assert put(track, [b"one"]) and put(track, [MEGABYTE])
    before = next(tmp_path.iterdir()).read_bytes()
    assert cut_torn(next(tmp_path.iterdir())) == 0
    assert next(tmp_path.iterdir()).read_bytes() == before


def test_a_file_that_is_damaged_inside_is_left_alone(tmp_path):
    path = tmp_path / "20261120T00-0001.jsonl.zst"
    path.write_bytes(b"nothing that zstd ever wrote")
    track = Track(tmp_path, Rotation(), lambda lost: None)
    track.resume()
    assert (track.tally.torn, path.read_bytes()) == (0, b"nothing that zstd ever wrote")


def test_a_full_disk_stops_the_writing_and_space_starts_it_again(tmp_path, caplog):
    disk = Disk(10_000)
    track = Track(tmp_path, Rotation(write=disk.write), lambda lost: None)
    assert put(track, [b"one"])
    disk.room = 7  # the next block tears
    assert not put(track, [b"two"], mono_ns=1)
    assert track.is_stopped
    assert not put(track, [b"three"], mono_ns=500_000_000)  # within a second it is not even tried
    assert not put(track, [], mono_ns=2_000_000_000)
    assert track.tally.stops == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]  # one line, however often it is tried
    assert "No space left" in caplog.text
    disk.room = 10_000
    assert put(track, [b"four"], mono_ns=4_000_000_000)
    assert stored(tmp_path) == [b"one", b"two", b"three", b"four"]
    assert (track.is_stopped, track.tally.lost, track.tally.stored) == (False, 0, 4)


def test_what_memory_cannot_hold_is_lost_counted_and_told_before_the_next_line(tmp_path):
    disk = Disk(0)
    holes: list[int] = []
    track = Track(tmp_path, Rotation(write=disk.write), holes.append)
    for moment in range(12):
        put(track, [MEGABYTE], mono_ns=moment * 2_000_000_000)
    assert track.tally.lines + track.tally.lost == 12
    assert track.tally.lost > 0
    assert holes == []
    disk.room = 1 << 30
    put(track, [], mono_ns=60_000_000_000)
    put(track, [b"after"], mono_ns=61_000_000_000)
    assert holes == [track.tally.lost]
    assert stored(tmp_path) == [MEGABYTE] * (12 - track.tally.lost) + [b"after"]
