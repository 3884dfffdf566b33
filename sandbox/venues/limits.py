"""Counting requests as a venue counts them: a fixed window, and a ban for who goes on after a 429."""

from collections import defaultdict


class Window:
    """So many units of weight per window of `per_ms`, aligned to the clock as the venues do."""

    def __init__(self, limit: int, per_ms: int) -> None:
        self.limit = limit
        self.per_ms = per_ms
        self._used: dict[str, tuple[int, int]] = defaultdict(lambda: (-1, 0))

    def take(self, who: str, now_ms: int, weight: int = 1) -> bool:
        """False where the window is full; the attempt counts all the same."""
        used = self.used(who, now_ms) + weight
        self._used[who] = (now_ms // self.per_ms, used)
        return used <= self.limit

    def used(self, who: str, now_ms: int) -> int:
        window, used = self._used[who]
        return used if window == now_ms // self.per_ms else 0

    def remaining(self, who: str, now_ms: int) -> int:
        return max(0, self.limit - self.used(who, now_ms))


class Ban:
    """A caller who ignores `patience` refusals in a row is shut out, twice as long each time."""

    def __init__(self, patience: int, first_ms: int, longest_ms: int) -> None:
        self._patience = patience
        self._first_ms = first_ms
        self._longest_ms = longest_ms
        self._refusals = 0
        self._bans = 0
        self._until_ms = 0

    def left_ms(self, now_ms: int) -> int:
        return max(0, self._until_ms - now_ms)

    def refused(self, now_ms: int) -> None:
        self._refusals += 1
        if self._refusals > self._patience:
            self._until_ms = now_ms + min(self._longest_ms, self._first_ms << self._bans)
            self._bans += 1
            self._refusals = 0

    def served(self) -> None:
        self._refusals = 0
