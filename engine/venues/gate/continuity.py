"""Continuity of one Gate symbol: the guard of its update ids, and what waits for a base."""

from engine.domain.errors import SequenceGap
from engine.venues.gate import wire

SPOT, FUTURES = "gate", "gate_futures"
Row = wire.Row[float] | wire.NamedRow[float]
Changes = wire.Changes[wire.Row[float]] | wire.Changes[wire.NamedRow[float]]


class SequenceGuard:
    """Continuity of one symbol's ranges of changes. Holds one integer, does no I/O."""

    __slots__ = ("last_id",)

    def __init__(self, snapshot_id: int) -> None:
        self.last_id = snapshot_id

    def accepts(self, first_id: int, last_id: int) -> bool:
        """False for a range older than the book. Raises SequenceGap if one was missed.

        A range that overlaps is taken: its sizes are absolute, so nothing is missed and nothing counted twice.
        """
        if last_id <= self.last_id:
            return False
        if first_id > self.last_id + 1:
            raise SequenceGap(f"expected {self.last_id + 1}, received {first_id}")
        self.last_id = last_id
        return True


class Chain:
    __slots__ = ("guard", "is_asked", "symbol", "venue", "waiting", "was_lost")

    def __init__(self, venue: str, symbol: str) -> None:
        self.venue = venue
        self.symbol = symbol
        self.guard: SequenceGuard | None = None
        self.waiting: list[Changes] = []  # of `order_book_update`: what came before the base
        self.was_lost = False
        self.is_asked = False
