"""Binance: how one symbol's diffs follow each other and their snapshot. Pure."""

from engine.domain.errors import SequenceGap
from engine.venues.binance import wire


class SequenceGuard:
    """Continuity of one symbol's diffs. Holds one integer, does no I/O."""

    __slots__ = ("last_id",)

    def __init__(self, snapshot_id: int) -> None:
        self.last_id = snapshot_id

    def accepts(self, first_id: int, last_id: int) -> bool:
        """False for a diff older than the book. Raises SequenceGap if one was missed.

        A diff that overlaps is taken: its sizes are absolute, so nothing is missed and nothing counted twice.
        """
        if last_id <= self.last_id:
            return False
        if first_id > self.last_id + 1:
            raise SequenceGap(f"expected {self.last_id + 1}, received {first_id}")
        self.last_id = last_id
        return True


class Join:
    """One symbol between its stream and its snapshot: either it waits with diffs in hand, or it has a guard."""

    __slots__ = ("guard", "late", "late_at", "waiting", "was_lost")

    def __init__(self) -> None:
        self.guard: SequenceGuard | None = None
        self.waiting: list[wire.Depth[float]] = []
        self.was_lost = False
        self.late = 0  # diffs in a row that were older than the book
        self.late_at = 0  # where the book stood at the last of them
