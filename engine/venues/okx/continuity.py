"""OKX: how one symbol's updates follow each other. Pure."""

from engine.domain.errors import SequenceGap
from engine.venues.okx import wire
from engine.venues.okx.checksum import TextBook


class SequenceGuard:
    """Continuity of one symbol's updates: each names its predecessor. Holds one integer, does no I/O."""

    __slots__ = ("last_seq",)

    def __init__(self, snapshot_seq: int) -> None:
        self.last_seq = snapshot_seq

    def accepts(self, prev_seq: int, seq: int) -> bool:
        """False for a repeat. Raises SequenceGap if an update was missed.

        After maintenance `seq` may be lower than before: only the link counts, not the order of the numbers.
        """
        if prev_seq == self.last_seq or prev_seq == wire.NO_SEQUENCE:
            self.last_seq = seq
            return True
        if seq == self.last_seq:
            return False
        raise SequenceGap(f"expected {self.last_seq}, received {prev_seq}")


class Chain:
    __slots__ = ("guard", "texts", "was_lost")

    def __init__(self) -> None:
        self.guard: SequenceGuard | None = None
        self.texts: TextBook | None = None
        self.was_lost = False
