"""Which orders are ours, read from the journal's file by a process that is not its writer."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.domain.errors import JournalFailed
from engine.domain.order import OrderKind
from engine.storage.disk import GENESIS, Head

_BUSY_S = 1.0
# UnicodeDecodeError, TypeError: a damaged entry may hold text that is no UTF-8, or nothing where something must be.
_UNREADABLE = (sqlite3.Error, msgspec.MsgspecError, UnicodeDecodeError, TypeError)


class _Order(Struct, frozen=True):
    cid: str
    venue: str
    kind: OrderKind = OrderKind.LIMIT


class _Intent(Struct, frozen=True):
    orders: tuple[_Order, ...]


_decode = msgspec.json.Decoder(_Intent).decode


class OwnOrders:
    """Client ids of every order that was ever meant to leave. Reads only; holds no lock that the writer would feel.

    `refresh` may run in a thread, one at a time, while others ask: ids are only added, each in one step.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_to = Head(0, GENESIS)
        # Never forgotten: a stop may rest for months, and what ended is not known here. An id takes about 120 bytes:
        # 90 MB for a year of 1,000 trades of two orders a day, which takes 3 s to read.
        self._cids: dict[str, dict[str, OrderKind]] = {}

    def refresh(self) -> None:
        """Read what was journaled since the last time. Raises JournalFailed: what was known before is still known."""
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=_BUSY_S)) as sql:
                self._read(sql)
        except _UNREADABLE as error:
            raise JournalFailed(f"{self._path}: {error}") from error

    def _read(self, sql: sqlite3.Connection) -> None:
        sql.execute("BEGIN")  # all that follows is of one moment
        newest = sql.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        intents = sql.execute(
            "SELECT seq, hash, CAST(payload AS BLOB) FROM entries WHERE seq > ? AND kind = 'intent' ORDER BY seq",
            (self._known_to(sql),),
        )
        for seq, digest, payload in intents:
            for order in _decode(payload).orders:
                self._cids.setdefault(order.venue, {})[order.cid] = order.kind
            self._read_to = Head(int(seq), bytes(digest))
        if newest is not None:  # events after the last intent need no second look
            self._read_to = Head(int(newest[0]), bytes(newest[1]))

    def _known_to(self, sql: sqlite3.Connection) -> int:
        """0 where another journal lies there, begun anew or restored: its seqs say nothing about what was read."""
        found = sql.execute("SELECT hash FROM entries WHERE seq = ?", (self._read_to.seq,)).fetchone()
        return self._read_to.seq if found is not None and bytes(found[0]) == self._read_to.hash else 0

    def holds(self, venue: str, cid: str) -> bool:
        return cid in self._cids.get(venue, ())

    def is_stop(self, venue: str, cid: str) -> bool:
        """Whether it left as a stop-loss that rests at its venue."""
        return self._cids.get(venue, {}).get(cid) is OrderKind.STOP_LOSS
