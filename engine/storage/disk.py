"""Where the journal's rows become durable: one SQLite file, its own thread, one transaction per call."""

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol

from engine.domain.errors import InvariantBroken
from engine.storage.latch import sync_directory
from engine.storage.lease import Lease

GENESIS = bytes(32)
_BUSY_MS = 250  # nobody else should write here; a foreign lock that lasts longer is a failure
_CHECKPOINT_ROWS = 2_000  # when idle; the WAL is then written again from its start
_WAL_FRAME = 4_096 + 24  # bytes: a row of its own transaction takes one at least
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, kind TEXT NOT NULL, wall_ms INTEGER NOT NULL,
    mono_ns INTEGER NOT NULL, payload BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS probe (one INTEGER PRIMARY KEY CHECK (one = 1), filler BLOB NOT NULL);
"""

# Rows of one statement, the most first. SQLite gives the interpreter away for each step of a statement, and a busy loop
# keeps it for 5 ms: row by row a group waits that long again and again. 128 x 7 stays below 999, its oldest limit.
_INSERTS = {
    count: f"INSERT INTO entries VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?)'] * count)}" for count in (128, 32, 8, 2, 1)
}

Done = Callable[[str], None]  # "" when it is durable, else why it is not; called in the loop's thread


class Row(NamedTuple):
    """One entry as it lies in the file; its hash chains it to the row before."""

    seq: int
    run: int  # which life of the process wrote it
    kind: str
    wall_ms: int
    mono_ns: int  # of that life's own clock
    payload: bytes
    hash: bytes


class Head(NamedTuple):
    """The newest entry: its seq and hash."""

    seq: int
    hash: bytes


class DiskDamaged(Exception):
    """The file cannot be read on; the text says why."""


class Disk(Protocol):
    """What the journal asks of a disk. One write is under way at a time; nothing here blocks but `flush`."""

    def head(self) -> Head: ...

    def ends(self, since: int = 0) -> dict[int, int]:
        """The last monotonic time of every run with an entry from seq `since` on. Raises DiskDamaged."""
        ...

    def rows(self, since: int = 0) -> Iterator[Row]:
        """From seq `since` on, in order. Raises DiskDamaged."""
        ...

    def start(self, loop: asyncio.AbstractEventLoop) -> None: ...

    def write(self, rows: Sequence[Row], done: Done) -> None:
        """All rows and the new head in one transaction."""
        ...

    def probe(self, done: Done) -> None:
        """Whether a write of some size goes through again; `head` is read anew when it does."""
        ...

    def flush(self) -> None:
        """Wait for what is under way and call its `done` now."""
        ...

    def close(self) -> None: ...


class SqliteDisk:
    """Raises ConfigError when another engine holds `path`, InvariantBroken when it cannot be opened."""

    def __init__(self, path: Path, lease: Lease | None = None) -> None:
        """`lease`: where it was taken before."""
        self._path = path
        self._lease = lease or Lease.of(path)
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], Done] | None] = queue.SimpleQueue()
        self._finished: deque[tuple[Done, str]] = deque()
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None
        self._dead = ""  # why no job is done any more
        self._unsaved_rows = _left_in_wal(path)
        try:
            self._sql = _connect(path)
            self._head = _head(self._sql)
        except sqlite3.Error as error:
            self._lease.release()
            raise InvariantBroken(f"journal {path}: cannot be opened: {error}") from error

    def head(self) -> Head:
        return self._head

    def ends(self, since: int = 0) -> dict[int, int]:
        return _ends(self._sql, since)

    def rows(self, since: int = 0) -> Iterator[Row]:
        return _rows(self._sql, since)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def write(self, rows: Sequence[Row], done: Done) -> None:
        head = Head(rows[-1].seq, rows[-1].hash)

        def insert() -> None:
            at = 0
            for count, statement in _INSERTS.items():
                while len(rows) - at >= count:
                    self._sql.execute(statement, tuple(chain.from_iterable(rows[at : at + count])))
                    at += count
            self._sql.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", head)
            self._unsaved_rows += len(rows)

        self._put(insert, done)

    def probe(self, done: Done) -> None:
        def fill() -> None:
            # As large as a busy group: a disk with a last free page must not pass for a healthy one.
            self._sql.execute("INSERT OR REPLACE INTO probe VALUES (1, zeroblob(65536))")
            # A COMMIT that failed may have reached the disk all the same: go on from what is there.
            self._head = _head(self._sql)

        self._put(fill, done)

    def flush(self) -> None:
        self._idle.wait()
        self._deliver()

    def close(self) -> None:
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        self._sql.close()
        self._lease.release()

    def _put(self, change: Callable[[], None], done: Done) -> None:
        self._idle.clear()
        self._jobs.put((change, done))
        if self._dead:  # it may have died with the job in its queue
            self._finished.append((done, self._dead))
            self._idle.set()
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        while self._finished:
            done, reason = self._finished.popleft()
            done(reason)

    # From here on: the disk's own thread.

    def _work(self) -> None:
        done: Done | None = None
        try:
            while (job := self._jobs.get()) is not None:
                change, done = job
                self._end(done, self._attempt(change))
                done = None
                self._checkpoint()
        finally:
            self._dead = "the journal's thread has ended"
            if done is not None:
                self._end(done, self._dead)

    def _end(self, done: Done, reason: str) -> None:
        self._finished.append((done, reason))
        self._idle.set()
        self._loop.call_soon_threadsafe(self._deliver)

    def _attempt(self, change: Callable[[], None]) -> str:
        """One durable transaction; why it failed."""
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            change()
            self._sql.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):  # a failed COMMIT may have rolled back already
                self._sql.execute("ROLLBACK")
            return f"journal {self._path}: {error}"
        return ""

    def _checkpoint(self) -> None:
        if self._unsaved_rows >= _CHECKPOINT_ROWS and self._jobs.empty():
            self._unsaved_rows = 0
            with suppress(sqlite3.Error):  # the rows are durable in the WAL; if the disk fails, the next commit says so
                self._sql.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


class ReadOnlyDisk:
    """A journal that another process writes, as it was at one moment: for whoever only reads.

    Raises InvariantBroken when it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._sql = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            self._sql.execute("BEGIN")  # all that follows is of one moment
            self._head = _head(self._sql)
        except sqlite3.Error as error:
            raise InvariantBroken(f"journal {path}: cannot be read: {error}") from error

    def head(self) -> Head:
        return self._head

    def ends(self, since: int = 0) -> dict[int, int]:
        return _ends(self._sql, since)

    def rows(self, since: int = 0) -> Iterator[Row]:
        return _rows(self._sql, since)

    def start(self, _: asyncio.AbstractEventLoop) -> None:
        raise InvariantBroken("a journal opened for reading is not written")

    def write(self, _: Sequence[Row], done: Done) -> None:
        done("opened for reading")

    def probe(self, done: Done) -> None:
        done("opened for reading")

    def flush(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        self._sql.close()


def _ends(sql: sqlite3.Connection, since: int) -> dict[int, int]:
    asked = "SELECT run, max(mono_ns) FROM entries WHERE seq >= ? GROUP BY run"
    try:
        return {int(run): int(last) for run, last in sql.execute(asked, (since,))}
    except sqlite3.Error as error:
        raise DiskDamaged(str(error)) from error


def _rows(sql: sqlite3.Connection, since: int) -> Iterator[Row]:
    asked = (
        "SELECT seq, run, kind, wall_ms, mono_ns, CAST(payload AS BLOB), hash FROM entries WHERE seq >= ? ORDER BY seq"
    )
    try:
        for row in sql.execute(asked, (since,)):
            yield Row(*row)
    except sqlite3.Error as error:
        raise DiskDamaged(str(error)) from error


def _connect(path: Path) -> sqlite3.Connection:
    is_new = not path.exists()
    sql = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_MS / 1_000)
    sql.execute("PRAGMA journal_mode = WAL")
    sql.execute("PRAGMA synchronous = FULL")
    sql.execute("PRAGMA wal_autocheckpoint = 0")
    sql.executescript(_SCHEMA)
    if is_new:
        sync_directory(path.parent)
    return sql


def _left_in_wal(path: Path) -> int:
    """About how many rows: lives that end by a kill leave the WAL as it is, and each start reads all of it."""
    wal = path.with_name(path.name + "-wal")
    return wal.stat().st_size // _WAL_FRAME if wal.exists() else 0


def _head(sql: sqlite3.Connection) -> Head:
    """A journal without entries has no head yet."""
    row = sql.execute("SELECT seq, hash FROM head").fetchone()
    return Head(int(row[0]), bytes(row[1])) if row is not None else Head(0, GENESIS)
