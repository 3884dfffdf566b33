"""Which orders are ours, read from the journal's file by a process that is not its writer."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.domain.errors import JournalFailed
from engine.domain.order import OrderKind

_BUSY_S = 1.0


class _Order(Struct, frozen=True):
    cid: str
    venue: str
    kind: OrderKind = OrderKind.LIMIT


class _Intent(Struct, frozen=True):
    orders: tuple[_Order, ...]


_decode = msgspec.json.Decoder(_Intent).decode


class OwnOrders:
    """Client ids of every order that was ever meant to leave. Reads only; holds no lock that the writer would feel."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_to = 0
        self._cids: dict[str, dict[str, OrderKind]] = {}

    def refresh(self) -> None:
        """Read what was journaled since the last time. Raises JournalFailed: what was known before is still known."""
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=_BUSY_S)) as sql:
                rows = sql.execute(
                    "SELECT seq, CAST(payload AS BLOB) FROM entries WHERE seq > ? AND kind = 'intent' ORDER BY seq",
                    (self._read_to,),
                )
                for seq, payload in rows:
                    for order in _decode(payload).orders:
                        self._cids.setdefault(order.venue, {})[order.cid] = order.kind
                    self._read_to = int(seq)
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            raise JournalFailed(f"{self._path}: {error}") from error

    def holds(self, venue: str, cid: str) -> bool:
        return cid in self._cids.get(venue, ())

    def is_stop(self, venue: str, cid: str) -> bool:
        """Whether it left as a stop-loss that rests at its venue."""
        return self._cids.get(venue, {}).get(cid) is OrderKind.STOP_LOSS
