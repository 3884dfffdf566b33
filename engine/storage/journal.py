"""The write-ahead journal: nothing is sent that is not on disk first. Rows chained by hash; the disk is a seam."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
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
    ParentMoved,
    ParentOpened,
    PastRecalled,
    TradeSettled,
)
from engine.domain.margin_event import FundingBooked, HedgeLost, MarginAligned
from engine.storage.checkpoint import Carried, Checkpoint
from engine.storage.disk import GENESIS, Disk, DiskDamaged, Head, Row, SqliteDisk
from engine.storage.lease import Lease

log = logging.getLogger(__name__)

Entry = (
    Submit
    | OpenLedger
    | LatchChanged
    | Commanded
    | OrderEvent
    | TradeSettled
    | ParentOpened
    | ParentMoved
    | FundingBooked
    | MarginAligned
    | HedgeLost
)
Recalled = (
    IntentJournaled
    | LedgerOpened
    | PastRecalled
    | LatchChanged
    | Commanded
    | OrderEvent
    | TradeSettled
    | ParentOpened
    | ParentMoved
    | FundingBooked
    | MarginAligned
    | HedgeLost
)

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
    ParentOpened: "event",
    ParentMoved: "event",
    FundingBooked: "event",
    MarginAligned: "event",
    HedgeLost: "event",
}
_GROUP = 1_024  # entries that may share one fsync
_COMPANY_S = 0.002  # so long a note waits for an intent that goes to the disk at once
_KEPT = 20_000  # notes while the disk fails: hours of a desk that has halted

_EMPTY = hashlib.sha256()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


class _Pending(Struct, gc=False):
    entry: Entry  # written out when its turn has come: a note waits for an order's way, not the other way round
    wall_ms: int
    mono_ns: int
    done: asyncio.Future[int] | None  # None: nobody waits for it


class Journal:
    """One writer. Life: construct → `read_all` → `start` (in the loop's thread) → `append`, `note` … → `close`.

    Entries that come while a write is under way go to the disk together with the next one, in their order.
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
        disk: Disk | None = None,
        checkpoint: Checkpoint | None = None,
        lease: Lease | None = None,
    ) -> None:
        began_ns = time.perf_counter_ns()
        self._path = path
        self._disk = disk or SqliteDisk(path, lease)
        # Whoever wrote here before is dead by then, and its sockets are closed.
        self.leased_ns = lease.taken_ns if lease is not None else mono_ns()
        self._checkpoint = checkpoint
        self.folded = 0  # up to this entry a checkpoint stood for what was read
        self.runs: dict[int, int] = {}  # those that were read -> their last monotonic time
        self._on_state = on_state
        self._mono_ns = mono_ns
        self._wall_ms = wall_ms
        self._probe_every_s = probe_every_ms / 1_000
        self._waiting: list[_Pending] = []
        self._writing: list[_Pending] = []
        self._doubtful: list[_Pending] = []  # notes of a write that failed: the disk may have kept it all the same
        self._failure = ""
        self._started = self._closing = self._noted = False
        self._head = self._disk.head()
        self._run = 0
        # Start-up cost so far: opening, and reading once that is done.
        self.open_ms = (time.perf_counter_ns() - began_ns) / 1e6
        self._verified = False

    def read_all(self, now_ns: int) -> Iterator[Recalled]:
        """Every entry in order, the chain checked on the way; what a checkpoint has folded comes as its sums.

        Read it to its end before `start`. Monotonic times of a former process are moved so that its last entry happened
        at `now_ns`: ages come out too young and deadlines too late, never the other way, and what was evidence then is
        evidence now. Raises InvariantBroken naming the first entry that is missing or was changed.
        """
        for _, recalled in self.read_rows(now_ns):
            yield recalled

    def read_rows(self, now_ns: int) -> Iterator[tuple[Carried | None, Recalled]]:
        """`read_all` with what lies on the disk; None beside a checkpoint's sums."""
        began_ns = time.perf_counter_ns()
        try:
            found = self._checkpoint if self._checkpoint is not None and self._holds(self._checkpoint) else None
            self.folded = found.seq if found is not None else 0
            runs = self.runs = (found.ends if found is not None else {}) | self._disk.ends(self.folded + 1)
            if found is not None:
                for row in found.carried:
                    yield row, self._recall(0, row.payload, row.mono_ns, now_ns - runs[row.run])
                yield None, PastRecalled(past=found.past, seen_ns=now_ns)
            yield from self._tail(found, now_ns, runs)
        except DiskDamaged as error:
            raise InvariantBroken(f"journal {self._path}: damaged: {error}") from error
        self._run = 1 + max(runs, default=0)
        self._verified = True
        self.open_ms += (time.perf_counter_ns() - began_ns) / 1e6

    def _tail(
        self, found: Checkpoint | None, now_ns: int, ends: dict[int, int]
    ) -> Iterator[tuple[Carried | None, Recalled]]:
        """What came after the checkpoint, or everything."""
        expected, chained = (found.seq + 1, found.hash) if found is not None else (1, GENESIS)
        try:
            for seq, run, kind, wall_ms, mono_ns, payload, stored in self._disk.rows(expected):
                if seq != expected:
                    raise InvariantBroken(f"journal {self._path}: entry {expected} is missing, found {seq}")
                chained = _chain(chained, seq, run, kind, wall_ms, mono_ns, payload)
                if chained != stored:
                    raise InvariantBroken(f"journal {self._path}: entry {seq} was changed: hash does not match")
                row = Carried(run, kind, wall_ms, mono_ns, payload)
                yield row, self._recall(seq, payload, mono_ns, now_ns - ends[run])
                expected += 1
        except DiskDamaged as error:
            raise InvariantBroken(f"journal {self._path}: damaged at or after entry {expected}: {error}") from error
        if Head(expected - 1, chained) != self._head:
            raise InvariantBroken(f"journal {self._path}: entry {expected} is missing, the head names {self._head.seq}")

    def _holds(self, checkpoint: Checkpoint) -> bool:
        """Of this journal, and nothing that came later is about an order that it folded away."""
        at = next(self._disk.rows(checkpoint.seq), None)
        if at is None or (at.seq, at.hash) != (checkpoint.seq, checkpoint.hash):
            log.warning("checkpoint_unusable path=%s: entry %d is another one", self._path, checkpoint.seq)
            return False
        later = self._disk.rows(checkpoint.seq + 1)
        unknown = strangers([*(row.payload for row in checkpoint.carried), *(row.payload for row in later)])
        if unknown:
            log.warning("checkpoint_unusable path=%s: late word on %s", self._path, unknown[:3])
        return not unknown

    def _recall(self, seq: int, payload: bytes, mono_ns: int, shift_ns: int) -> Recalled:
        try:
            entry: Entry = _decode(payload)
        except msgspec.MsgspecError as error:
            raise InvariantBroken(f"journal {self._path}: entry {seq} cannot be decoded: {error}") from error
        match entry:
            case Submit():
                return IntentJournaled(plan=entry.plan, orders=entry.orders, seen_ns=mono_ns + shift_ns)
            case OpenLedger():
                return LedgerOpened(
                    venue=entry.venue,
                    balances=entry.balances,
                    holdings=entry.holdings,
                    paid=entry.paid,
                    asked_ms=entry.asked_ms,
                    seen_ns=mono_ns + shift_ns,
                )
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
        self._disk.start(loop)
        self._started = True

    def append(self, entry: Entry) -> asyncio.Future[int]:
        """Resolves to the entry's seq once it is durable; fails with JournalFailed when it could not be written.

        While the journal is known to fail the future has already failed: no waiting on a dead disk.
        """
        self._check_started(entry)
        done: asyncio.Future[int] = self._loop.create_future()
        if self._failure or self._closing:
            done.set_exception(JournalFailed(self._failure or "the journal is closed"))
            return done
        self._enter(entry, done)
        if not self._writing:
            self._write()
        return done

    def note(self, entry: Entry) -> None:
        """Written soon, with what comes next. For what a restart finds out by itself where it was lost.

        A sync of its own would meet the order that is just being sent. While the journal fails notes are kept, and
        written when it can be again: what a person cancelled meanwhile must not go on after the next start.
        """
        self._check_started(entry)
        if self._closing or (self._failure and len(self._waiting) >= _KEPT):
            return
        self._enter(entry, None)
        if not self._writing and not self._noted and not self._failure:
            self._noted = True
            self._loop.call_later(_COMPANY_S, self._write_notes)

    def _check_started(self, entry: Entry) -> None:
        if not self._started:
            raise InvariantBroken(f"journal {self._path}: not started, and yet {type(entry).__name__} is to be written")

    def _enter(self, entry: Entry, done: asyncio.Future[int] | None) -> None:
        self._waiting.append(_Pending(entry, self._wall_ms(), self._mono_ns(), done))

    def _write_notes(self) -> None:
        self._noted = False
        if self._waiting and not self._writing and not self._failure:
            self._write()

    def stuck_ns(self) -> int:
        """How long the write that is under way has taken so far; 0 while none is."""
        return self._mono_ns() - self._writing[0].mono_ns if self._writing else 0

    def close(self) -> None:
        """Write what waits, end the disk's thread, give the lease back."""
        self._closing = True
        self._write_notes()
        while self._writing:
            self._disk.flush()
        self._disk.close()

    def _write(self) -> None:
        self._writing, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
        rows, chained = [], self._head.hash
        for seq, e in enumerate(self._writing, self._head.seq + 1):
            kind, payload = _KINDS[type(e.entry)], _encode(e.entry)
            chained = _chain(chained, seq, self._run, kind, e.wall_ms, e.mono_ns, payload)
            rows.append(Row(seq, self._run, kind, e.wall_ms, e.mono_ns, payload, chained))
        head = Head(rows[-1].seq, chained)
        self._disk.write(rows, lambda reason: self._written(head, reason))

    def _written(self, head: Head, reason: str) -> None:
        written, self._writing = self._writing, []
        if reason:
            self._fail(written, reason)
            return
        first = self._head.seq + 1
        self._head = head
        if self._waiting:
            self._write()  # the disk works while those who wait are told
        for seq, pending in enumerate(written, first):
            if pending.done is not None and not pending.done.cancelled():
                pending.done.set_result(seq)

    def _fail(self, written: list[_Pending], reason: str) -> None:
        """Whoever waits is told; from now on the disk is asked from time to time whether it writes again."""
        self._failure = reason
        lost = [*written, *self._waiting]
        self._doubtful, self._waiting = (
            [each for each in part if each.done is None] for part in (written, self._waiting)
        )
        for pending in lost:
            if pending.done is not None and not pending.done.cancelled():
                pending.done.set_exception(JournalFailed(reason))
        self._tell()
        self._probe_later()

    def _probe_later(self) -> None:
        if not self._closing:
            self._loop.call_later(self._probe_every_s, self._probe)

    def _probe(self) -> None:
        if not self._closing:
            self._disk.probe(self._probed)

    def _probed(self, reason: str) -> None:
        if reason:
            self._failure = reason
            self._probe_later()
            return
        before, self._head = self._head, self._disk.head()
        if self._head == before:  # a write is whole or not at all
            self._waiting = self._doubtful + self._waiting
        self._doubtful, self._failure = [], ""
        self._tell()
        self._write_notes()

    def _tell(self) -> None:
        self._on_state(JournalState(writable=not self._failure, reason=self._failure, seen_ns=self._mono_ns()))


def strangers(payloads: Iterable[bytes]) -> list[str]:
    """Client ids and trades that entries speak of and that none before them has planned."""
    planned: set[str] = set()
    found = []
    for payload in payloads:
        entry = _decode(payload)
        match entry:
            case Submit():
                planned.update(each for order in entry.orders for each in (order.cid, order.trade_id))
            case OrderReported() if entry.report.cid not in planned:
                found.append(entry.report.cid)
            case TradeSettled() | HedgeLost() if entry.trade_id not in planned:
                found.append(entry.trade_id)
            case OrderSent() | OrderNotSent() | OrderRefused() | OrderLost() | OrderMissing() | CancelRefused():
                if entry.cid not in planned:
                    found.append(entry.cid)
    return found


def _chain(before: bytes, seq: int, run: int, kind: str, wall_ms: int, mono_ns: int, payload: bytes) -> bytes:
    hashed = _EMPTY.copy()  # a quarter less than a new one
    hashed.update(before + f"{seq}|{run}|{kind}|{wall_ms}|{mono_ns}|".encode() + payload)
    return hashed.digest()
