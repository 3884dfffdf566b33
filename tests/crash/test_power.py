"""The disk that forgets: what was synced is there after a power cut, what was not may be gone."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from crash.power import Platter

WRITER = Path(__file__).with_name("writer.py")


def life(shim: Path, folder: Path, synchronous: str, seed: int, at: str = "") -> tuple[list[int], list[int], Platter]:
    """One writer that is killed, then the power cut: (rows told to be durable, rows that are there, the disk)."""
    data = folder / "var"
    data.mkdir(exist_ok=True)
    platter = Platter(data, folder, Random(seed))
    platter.remember()
    orders = {"CRASH_DIR": str(data), "CRASH_LOG": str(platter.log), "CRASH_AT": at, "LD_PRELOAD": str(shim)}
    writer = subprocess.Popen(
        [sys.executable, WRITER, data / "j.db", synchronous, "12"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **orders},
        text=True,
    )
    assert writer.stdin and writer.stdout
    told = []
    for line in writer.stdout:
        if line == "end\n":
            break
        told.append(int(line))
    writer.kill()
    writer.wait()
    writer.stdin.close()
    writer.stdout.close()
    platter.cut()
    with closing(sqlite3.connect(data / "j.db")) as sql:
        tables = sql.execute("SELECT count(*) FROM sqlite_master WHERE name = 'rows'").fetchone()[0]
        kept = [row for (row,) in sql.execute("SELECT x FROM rows ORDER BY x")] if tables else []
        assert sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return told, kept, platter


@pytest.mark.parametrize(
    "at", ["", "write before 9 -wal", "sync before 5 -wal", "sync after 5 -wal", "write before 1 j.db"]
)
def test_what_sqlite_called_durable_outlives_the_power(shim: Path, tmp_path: Path, at: str):
    """One life after the other on what the last one's cut has left."""
    known: list[int] = []
    for seed in range(4):
        told, kept, _ = life(shim, tmp_path, "FULL", seed, at)
        known += told
        assert set(known) <= set(kept)
        known = kept


def test_what_nobody_synced_is_lost(shim: Path, tmp_path: Path):
    """Else the test above would prove nothing."""
    told, kept, _ = life(shim, tmp_path, "OFF", 0)
    assert told == list(range(1, 13))
    assert not set(told) <= set(kept)


def test_a_name_is_durable_only_with_its_directory(tmp_path: Path):
    """A file that was renamed into place and whose directory nobody synced is the old one, or the new one whole."""
    seen = set()
    for seed in range(12):
        folder = tmp_path / str(seed)
        data = folder / "var"
        data.mkdir(parents=True)
        (data / "latch").write_bytes(b"old")
        platter = Platter(data, folder, Random(seed))
        platter.remember()
        fresh, latch = str(data / "latch.new"), str(data / "latch")
        log = b"".join(
            (
                record(b"c", fresh),
                record(b"w", fresh, data=b"new"),
                record(b"s", fresh),
                record(b"S", fresh),
                record(b"r", fresh, data=latch.encode()),
            )
        )
        platter.log.write_bytes(log)
        platter.cut()
        seen.add((data / "latch").read_bytes())
    assert seen == {b"old", b"new"}


def record(kind: bytes, path: str, offset: int = 0, data: bytes = b"") -> bytes:
    """As crash/shim.c writes it."""
    name = path.encode()
    return (
        kind
        + bytes(3)
        + len(name).to_bytes(4, "little")
        + offset.to_bytes(8, "little")
        + len(data).to_bytes(8, "little")
        + name
        + data
    )
