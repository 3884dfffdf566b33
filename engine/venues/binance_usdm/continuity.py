"""Continuity of one Binance USD-M symbol: the guard of its chain, and its place between stream and snapshot."""

from engine.domain.errors import SequenceGap
from engine.venues.binance_usdm import wire


class ChainGuard:
    """Continuity of one symbol's diffs: each names the last id of its predecessor. Holds two values, does no I/O."""

    __slots__ = ("is_joined", "last_id")

    def __init__(self, snapshot_id: int) -> None:
        self.last_id = snapshot_id
        self.is_joined = False

    def accepts(self, prev_id: int, last_id: int) -> bool:
        """False for a diff older than the book. Raises SequenceGap if one was missed.

        The first diff must reach over the snapshot's id; it may start before it, for its sizes are absolute.
        """
        if prev_id == self.last_id or (not self.is_joined and prev_id < self.last_id <= last_id):
            self.is_joined = True
            self.last_id = last_id
            return True
        if last_id <= self.last_id:
            return False
        raise SequenceGap(f"expected {self.last_id}, received {prev_id}")


class Join:
    """One symbol between its stream and its snapshot: either it waits with diffs in hand, or it has a guard."""

    __slots__ = ("guard", "late", "waiting", "was_lost")

    def __init__(self) -> None:
        self.guard: ChainGuard | None = None
        self.waiting: list[wire.Depth[float]] = []
        self.was_lost = False
        self.late = 0  # diffs in a row that were older than the book
