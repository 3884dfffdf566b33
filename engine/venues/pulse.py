"""What the arrivals of one connection say of its health. Pure: times are arguments."""

from collections import deque
from itertools import takewhile

from engine.domain.money import NS_PER_MS, NS_PER_S

_WINDOW_NS = 60 * NS_PER_S
SAMPLE_EVERY_NS = 20 * NS_PER_MS  # the frame path pays for one in many
SETTLING_NS = 2 * NS_PER_S  # what a new connection says first is history, not latency
_MAX_SAMPLES = 1_024
_RATE_NS = 10 * NS_PER_S
_LATE_NS = 5 * NS_PER_S
_FEW = 20  # samples: fewer say nothing of lateness


class Pulse:
    """Latency (venue time to receipt) and frames per second, over sliding windows."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, float]] = deque(maxlen=_MAX_SAMPLES)
        self._counted: deque[tuple[int, int]] = deque()
        self._best_ms: float | None = None

    def opened(self) -> None:
        """A new connection."""
        self._samples.clear()
        self._best_ms = None

    def sample(self, seen_ns: int, latency_ms: float) -> None:
        self._samples.append((seen_ns, latency_ms))

    def count(self, now_ns: int, frames: int) -> None:
        """`frames` so far; said a few times a second."""
        self._counted.append((now_ns, frames))
        while self._counted[0][0] < now_ns - _RATE_NS:
            self._counted.popleft()

    def frames_per_s(self) -> float:
        if len(self._counted) < 2 or self._counted[-1][0] == self._counted[0][0]:
            return 0.0
        (begun_ns, before), (ended_ns, after) = self._counted[0], self._counted[-1]
        return (after - before) * NS_PER_S / (ended_ns - begun_ns)

    def latency_ms(self, now_ns: int) -> tuple[float, float] | None:
        """Median and 99th percentile of the last minute; None without a sample."""
        while self._samples and self._samples[0][0] < now_ns - _WINDOW_NS:
            self._samples.popleft()
        found = sorted(latency for _, latency in self._samples)
        if not found:
            return None
        return found[len(found) // 2], found[min(len(found) - 1, len(found) * 99 // 100)]

    def late_ms(self, now_ns: int) -> float:
        """How much later frames come than at this connection's best: a queue grows, whatever the clocks say."""
        newest_first = takewhile(lambda sample: sample[0] >= now_ns - _LATE_NS, reversed(self._samples))
        recent = sorted(latency for _, latency in newest_first)
        if len(recent) < _FEW:
            return 0.0
        middle = recent[len(recent) // 2]
        self._best_ms = middle if self._best_ms is None else min(self._best_ms, middle)
        return middle - self._best_ms
