"""How long to wait before the next attempt."""

from random import Random


class Backoff:
    """Exponential with full jitter: each wait is drawn from [0, min(cap, first · 2^n)), never below `floor_s`.

    Jitter keeps the clients of a venue that went down from coming back at the same instant.
    """

    def __init__(self, rng: Random, first_s: float = 0.25, cap_s: float = 30.0, floor_s: float = 0.05) -> None:
        self._rng = rng
        self._first_s = first_s
        self._cap_s = cap_s
        self._floor_s = floor_s
        self._failures = 0

    def next_s(self) -> float:
        """The wait after one more failure."""
        ceiling = min(self._cap_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return max(self._floor_s, self._rng.uniform(0.0, ceiling))

    def reset(self) -> None:
        """It worked."""
        self._failures = 0
