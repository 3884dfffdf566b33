"""Continuity of one Bitget symbol: the guard of its sequence ids, and what is known of it."""

from engine.domain.errors import SequenceGap
from engine.venues.bitget import wire
from engine.venues.bitget.checksum import TextBook

SPOT, FUTURES = "bitget", "bitget_futures"


class SequenceGuard:
    """Continuity of one symbol's updates: each names its predecessor. Holds one integer, does no I/O."""

    __slots__ = ("last_seq",)

    def __init__(self, snapshot_seq: int) -> None:
        self.last_seq = snapshot_seq

    def accepts(self, prev_seq: int, seq: int) -> bool:
        """False for a repeat. Raises SequenceGap if an update was missed, or if the venue starts over with a 0."""
        if prev_seq == self.last_seq or prev_seq == wire.NO_SEQUENCE:
            self.last_seq = seq
            return True
        if seq == self.last_seq:
            return False
        raise SequenceGap(f"expected {self.last_seq}, received {prev_seq}")


class Chain:
    __slots__ = ("guard", "last_trade_ms", "symbol", "texts", "venue", "was_asked", "was_lost")

    def __init__(self, venue: str, symbol: str) -> None:
        self.venue = venue
        self.symbol = symbol
        self.guard: SequenceGuard | None = None
        self.texts: TextBook | None = None
        self.was_lost = False
        self.was_asked = False  # an update came before any snapshot
        self.last_trade_ms = 0
