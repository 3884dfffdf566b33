"""The write-ahead journal: nothing is sent that is not on disk first. sqlite3 in its own thread, hash-chained rows."""

import asyncio
import hashlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.domain.effect import LatchChanged, OpenLedger, Submit
from engine.domain.errors import InvariantBroken, JournalFailed
from engine.domain.event import (
    CancelRefused,
    Commanded,
    IntentJournaled,
    JournalState,
    LedgerOpened,
    OrderEvent,
    OrderLost,
    OrderMissing,
    OrderNotSent,
    OrderRefused,
    OrderReported,
    OrderSent,
    TradeSettled,
)
from engine.storage.latch import sync_directory
from engine.storage.lease import Lease

Entry = Submit | OpenLedger | LatchChanged | Commanded | OrderEvent | TradeSettled
Recalled = IntentJournaled | LedgerOpened | LatchChanged | Commanded | OrderEvent | TradeSettled

_KINDS: dict[type[Struct], str] = {
    Submit: "intent",
    OpenLedger: "opening",
    LatchChanged: "latch",
    Commanded: "command",
    OrderSent: "event",
    OrderNotSent: "event",
    OrderReported: "event",
    OrderRefused: "event",
    OrderLost: "event",
    OrderMissing: "event",
    CancelRefused: "event",
    TradeSettled: "event",
}
_GENESIS = bytes(32)
_GROUP = 256  # appends that may share one fsync
_BUSY_MS = 250  # nobody else should write here; a foreign lock that lasts longer is a failure
_CHECKPOINT_ROWS = 2_000  # when idle; the WAL is then written again from its start
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, kind TEXT NOT NULL, wall_ms INTEGER NOT NULL,
    mono_ns INTEGER NOT NULL, payload BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS probe (one INTEGER PRIMARY KEY CHECK (one = 1), filler BLOB NOT NULL);
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


class _Pending(Struct, gc=False):
    kind: str
    wall_ms: int
    mono_ns: int
    payload: bytes
    done: asyncio.Future[int]


class Journal:
    """One file, one writer. Life: construct → `read_all` → `start` (in the loop's thread) → `append` … → `close`.

    `on_state` is called in the loop's thread when the journal can no longer be written and when it can again.
    Raises ConfigError when another engine holds `path`, InvariantBroken when it is not a sound journal.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_state: Callable[[JournalState], None],
        mono_ns: Callable[[], int] = time.monotonic_ns,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        probe_every_ms: int = 500,
    ) -> None:
        self._lease = Lease.take(path.with_name(path.name + ".lock"))
        self._path = path
        self._on_state = on_state
        self._mono_ns = mono_ns
        self._wall_ms = wall_ms
        self._probe_every_s = probe_every_ms / 1_000
        self._waiting: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._failure = ""  # written by the journal's thread alone
        self._thread: threading.Thread | None = None
        self._unsaved_rows = 0
        began_ns = time.perf_counter_ns()
        try:
            self._sql = _connect(path)
            self._seq, self._hash = _head(self._sql)
            self._run = 1 + int(self._sql.execute("SELECT coalesce(max(run), 0) FROM entries").fetchone()[0])
        except sqlite3.Error as error:
            self._lease.release()
            raise InvariantBroken(f"journal {path}: cannot be opened: {error}") from error
        # Start-up cost so far: opening, and reading once that is done.
        self.open_ms = (time.perf_counter_ns() - began_ns) / 1e6
        self._verified = False

    def read_all(self, now_ns: int) -> Iterator[Recalled]:
        """Every entry in order, the chain checked on the way. Read it to its end before `start`.

        Monotonic times of a former process are moved so that its last entry happened at `now_ns`: ages come out too
        young and deadlines too late, never the other way, and what was evidence then is evidence now.
        Raises InvariantBroken naming the first entry that is missing or was changed.
        """
        began_ns = time.perf_counter_ns()
        try:
            shift_ns = {
                int(run): now_ns - int(last)
                for run, last in self._sql.execute("SELECT run, max(mono_ns) FROM entries GROUP BY run")
            }
            rows = self._sql.execute(
                "SELECT seq, run, kind, wall_ms, mono_ns, CAST(payload AS BLOB), hash FROM entries ORDER BY seq"
            )
            expected, chained = 1, _GENESIS
            for seq, run, kind, wall_ms, mono_ns, payload, stored in rows:
                if seq != expected:
                    raise InvariantBroken(f"journal {self._path}: entry {expected} is missing, found {seq}")
                chained = _chain(chained, seq, run, kind, wall_ms, mono_ns, payload)
                if chained != stored:
                    raise InvariantBroken(f"journal {self._path}: entry {seq} was changed: hash does not match")
                yield self._recall(seq, payload, mono_ns, shift_ns[run])
                expected += 1
        except sqlite3.Error as error:
            raise InvariantBroken(f"journal {self._path}: damaged at or after entry {expected}: {error}") from error
        if (expected - 1, chained) != (self._seq, self._hash):
            raise InvariantBroken(f"journal {self._path}: entry {expected} is missing, the head names {self._seq}")
        self._verified = True
        self.open_ms += (time.perf_counter_ns() - began_ns) / 1e6

    def _recall(self, seq: int, payload: bytes, mono_ns: int, shift_ns: int) -> Recalled:
        try:
            entry: Entry = _decode(payload)
        except msgspec.MsgspecError as error:
            raise InvariantBroken(f"journal {self._path}: entry {seq} cannot be decoded: {error}") from error
        match entry:
            case Submit():
                return IntentJournaled(plan=entry.plan, orders=entry.orders, seen_ns=mono_ns + shift_ns)
            case OpenLedger():
                return LedgerOpened(venue=entry.venue, balances=entry.balances, seen_ns=mono_ns + shift_ns)
            case LatchChanged():
                return entry
            case OrderLost():
                final_after_ns = entry.final_after_ns + shift_ns
                return msgspec.structs.replace(entry, seen_ns=entry.seen_ns + shift_ns, final_after_ns=final_after_ns)
            case OrderMissing():
                asked_ns = entry.asked_ns + shift_ns
                return msgspec.structs.replace(entry, seen_ns=entry.seen_ns + shift_ns, asked_ns=asked_ns)
            case _:
                return msgspec.structs.replace(entry, seen_ns=entry.seen_ns + shift_ns)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to write. Raises InvariantBroken unless the journal was read to its end."""
        if not self._verified:
            raise InvariantBroken(f"journal {self._path}: started before it was read")
        self._loop = loop
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def append(self, entry: Entry) -> asyncio.Future[int]:
        """Resolves to the entry's seq once it is durable; fails with JournalFailed when it could not be written.

        While the journal is known to fail the future has already failed: no waiting on a dead disk.
        """
        if self._thread is None:
            raise InvariantBroken(f"journal {self._path}: not started, and yet {type(entry).__name__} is to be written")
        done: asyncio.Future[int] = self._loop.create_future()
        if self._failure:
            done.set_exception(JournalFailed(self._failure))
            return done
        self._waiting.put(_Pending(_KINDS[type(entry)], self._wall_ms(), self._mono_ns(), _encode(entry), done))
        return done

    def close(self) -> None:
        """Write what waits, end the thread, give the lease back."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None
        self._sql.close()
        self._lease.release()

    # From here on: the journal's own thread.

    def _work(self) -> None:
        reason = "the journal's thread died"
        try:
            while True:
                group, closing = self._next_group()
                if self._failure and group:
                    self._settle(group, 0)
                elif group:
                    self._write(group)
                elif self._failure:
                    self._attempt(self._probe)
                if closing:
                    reason = "the journal is closed"
                    return
        finally:
            self._failure = reason  # whoever appends now is told at once, and does not wait for ever

    def _next_group(self) -> tuple[list[_Pending], bool]:
        """All that waits, and whether to end after it. Empty when it is time to probe."""
        group: list[_Pending] = []
        try:
            pending = self._waiting.get(timeout=self._probe_every_s if self._failure else None)
            while pending is not None:
                group.append(pending)
                if len(group) == _GROUP:
                    return group, False
                pending = self._waiting.get_nowait()
        except queue.Empty:
            return group, False
        return group, True

    def _write(self, entries: list[_Pending]) -> None:
        first = self._seq + 1
        rows, chained = [], self._hash
        for seq, e in enumerate(entries, first):
            chained = _chain(chained, seq, self._run, e.kind, e.wall_ms, e.mono_ns, e.payload)
            rows.append((seq, self._run, e.kind, e.wall_ms, e.mono_ns, e.payload, chained))

        def insert() -> None:
            self._sql.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._sql.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", (rows[-1][0], chained))

        if self._attempt(insert):
            self._seq, self._hash = rows[-1][0], chained
        self._settle(entries, first)
        self._unsaved_rows += len(rows)
        if self._unsaved_rows >= _CHECKPOINT_ROWS and self._waiting.empty() and not self._failure:
            self._unsaved_rows = 0
            with suppress(sqlite3.Error):  # the rows are durable in the WAL; if the disk fails, the next commit says so
                self._sql.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _attempt(self, change: Callable[[], None]) -> bool:
        """One durable transaction. A failure, or the end of one, is told to the loop."""
        before = self._failure
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            change()
            self._sql.execute("COMMIT")
            self._failure = ""
        except sqlite3.Error as error:
            self._failure = f"journal {self._path}: {error}"
            with suppress(sqlite3.Error):  # a failed COMMIT may have rolled back already
                self._sql.execute("ROLLBACK")
        if bool(before) != bool(self._failure):
            state = JournalState(writable=not self._failure, reason=self._failure, seen_ns=self._mono_ns())
            self._loop.call_soon_threadsafe(self._on_state, state)
        return not self._failure

    def _probe(self) -> None:
        # As large as a busy group: a disk with a last free page must not pass for a healthy one.
        self._sql.execute("INSERT OR REPLACE INTO probe VALUES (1, zeroblob(65536))")
        # A COMMIT that failed may have reached the disk all the same: go on from what is there.
        self._seq, self._hash = _head(self._sql)

    def _settle(self, entries: list[_Pending], first: int) -> None:
        self._loop.call_soon_threadsafe(_resolve, [pending.done for pending in entries], first, self._failure)


def _resolve(futures: list[asyncio.Future[int]], first: int, failure: str) -> None:
    for seq, done in enumerate(futures, first):
        if done.cancelled():
            continue
        if failure:
            done.set_exception(JournalFailed(failure))
        else:
            done.set_result(seq)


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


def _head(sql: sqlite3.Connection) -> tuple[int, bytes]:
    """Newest seq and its hash. A journal without entries has no head yet."""
    row = sql.execute("SELECT seq, hash FROM head").fetchone()
    return (int(row[0]), bytes(row[1])) if row is not None else (0, _GENESIS)


def _chain(before: bytes, seq: int, run: int, kind: str, wall_ms: int, mono_ns: int, payload: bytes) -> bytes:
    return hashlib.sha256(before + f"{seq}|{run}|{kind}|{wall_ms}|{mono_ns}|".encode() + payload).digest()
