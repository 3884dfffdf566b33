"""One order book: a dict of sizes and a sorted key list per side. Plain Python beats numpy on single updates."""

from bisect import bisect_left, insort
from collections.abc import Iterable

from engine.domain.market import Levels


class Book:
    """Levels of one market in floats. Bids and asks are kept so that the best level is the last key.

    Ask keys are stored negated: most changes happen near the top, and the end of a list is the cheap end.
    """

    __slots__ = ("_ask_keys", "_ask_sizes", "_bid_keys", "_bid_sizes", "seen_ns", "synced", "updates", "venue_ts_ms")

    def __init__(self) -> None:
        self._bid_keys: list[float] = []
        self._bid_sizes: dict[float, float] = {}
        self._ask_keys: list[float] = []
        self._ask_sizes: dict[float, float] = {}
        self.synced = False
        self.updates = 0
        self.seen_ns = 0  # our monotonic clock at the last change
        self.venue_ts_ms = 0

    def replace(self, bids: Levels, asks: Levels, seen_ns: int, venue_ts_ms: int) -> None:
        """Take a whole book."""
        self._bid_sizes = {row[0]: row[1] for row in bids}
        self._bid_keys = sorted(self._bid_sizes)
        self._ask_sizes = {-row[0]: row[1] for row in asks}
        self._ask_keys = sorted(self._ask_sizes)
        self.synced = True
        self.updates += 1
        self.seen_ns = seen_ns
        self.venue_ts_ms = venue_ts_ms

    def change(self, bids: Levels, asks: Levels, seen_ns: int, venue_ts_ms: int) -> None:
        """Take changed levels; size 0 deletes, an unknown deletion is nothing."""
        sizes, keys = self._bid_sizes, self._bid_keys
        for row in bids:
            price, size = row[0], row[1]
            if size:
                if price not in sizes:
                    insort(keys, price)
                sizes[price] = size
            elif sizes.pop(price, None) is not None:
                del keys[bisect_left(keys, price)]
        sizes, keys = self._ask_sizes, self._ask_keys
        for row in asks:
            price, size = -row[0], row[1]
            if size:
                if price not in sizes:
                    insort(keys, price)
                sizes[price] = size
            elif sizes.pop(price, None) is not None:
                del keys[bisect_left(keys, price)]
        self.updates += 1
        self.seen_ns = seen_ns
        self.venue_ts_ms = venue_ts_ms

    def drop(self) -> None:
        """Forget everything: nothing here can be trusted until the next whole book."""
        self._bid_keys, self._bid_sizes, self._ask_keys, self._ask_sizes = [], {}, [], {}
        self.synced = False

    @property
    def best_bid(self) -> float:
        """Highest bid; 0.0 when the side is empty."""
        return self._bid_keys[-1] if self._bid_keys else 0.0

    @property
    def best_ask(self) -> float:
        """Lowest ask; 0.0 when the side is empty."""
        return -self._ask_keys[-1] if self._ask_keys else 0.0

    @property
    def is_crossed(self) -> bool:
        return bool(self._bid_keys and self._ask_keys and self._bid_keys[-1] >= -self._ask_keys[-1])

    @property
    def is_two_sided(self) -> bool:
        return bool(self._bid_keys and self._ask_keys)

    def bids(self) -> Iterable[tuple[float, float]]:
        """Levels best first."""
        sizes = self._bid_sizes
        return ((key, sizes[key]) for key in reversed(self._bid_keys))

    def asks(self) -> Iterable[tuple[float, float]]:
        """Levels best first."""
        sizes = self._ask_sizes
        return ((-key, sizes[key]) for key in reversed(self._ask_keys))

    def depth(self) -> tuple[int, int]:
        """Number of levels: (bids, asks)."""
        return len(self._bid_keys), len(self._ask_keys)
