"""The journal's promises without a disk: order kept, runs told apart, only what was saved outlives a crash."""

from typing import Any

import msgspec

from engine.domain import event as ev
from engine.domain.effect import OpenLedger, Submit
from engine.storage.journal import Entry

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


class MemoryJournal:
    """Entries are kept as their bytes: what cannot be decoded again would be lost here, too."""

    def __init__(self) -> None:
        self.saved: list[tuple[int, int, bytes]] = []  # (run, monotonic ns, entry)
        self.unsaved: list[tuple[int, int, bytes]] = []

    def append(self, run: int, now_ns: int, entry: Entry) -> None:
        self.unsaved.append((run, now_ns, _encode(entry)))

    def save(self) -> None:
        self.saved += self.unsaved
        self.unsaved = []

    def crash(self, loses_tail: bool) -> None:
        if not loses_tail:
            self.save()
        self.unsaved = []

    def recall(self, now_ns: int) -> list[Any]:
        """Like engine.storage.journal: each run is moved so that its last entry happened at `now_ns`."""
        ends = {run: mono_ns for run, mono_ns, _ in self.saved}
        out: list[Any] = []
        for run, mono_ns, payload in self.saved:
            shift_ns = now_ns - ends[run]
            entry = _decode(payload)
            if isinstance(entry, Submit):
                out.append(ev.IntentJournaled(plan=entry.plan, orders=entry.orders, seen_ns=mono_ns + shift_ns))
            elif isinstance(entry, OpenLedger):
                out.append(ev.LedgerOpened(**msgspec.structs.asdict(entry), seen_ns=mono_ns + shift_ns))
            else:
                times = {
                    name: getattr(entry, name) + shift_ns
                    for name in ("seen_ns", "final_after_ns", "asked_ns")
                    if hasattr(entry, name)
                }
                out.append(msgspec.structs.replace(entry, **times))
        return out
