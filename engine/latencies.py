"""What the shell measures on the way of an order, gathered for a second, then told to the core."""

from collections import deque

from engine.domain.account_event import LatencySampled
from engine.risk.latency import Stage, rank

_MOST = 256  # samples of one line and second; a flood's newest stand for the rest


class Latencies:
    """Samples since the last `drain`, and the newest of all venues for the metrics. All in µs."""

    def __init__(self) -> None:
        self.frame_to_send: deque[int] = deque(maxlen=2_000)  # trigger event seen -> handed to the venue's client
        self.send_to_ack: deque[int] = deque(maxlen=2_000)
        self._fresh: dict[tuple[str, str, Stage], deque[int]] = {}

    def take(self, venue: str, path: str, stage: Stage, us: int) -> None:
        key = (venue, path, stage)
        found = self._fresh.get(key)
        if found is None:
            found = self._fresh[key] = deque(maxlen=_MOST)
        found.append(max(0, us))

    def drain(self, now_ns: int) -> list[LatencySampled]:
        """What came since the last time."""
        made = [
            LatencySampled(venue=venue, path=path, stage=stage, us=tuple(found), seen_ns=now_ns)
            for (venue, path, stage), found in self._fresh.items()
        ]
        self._fresh.clear()
        return made

    def summary(self) -> dict[str, object]:
        """p50 and p99 of each stage, µs; 0 where there are no samples."""
        return {
            name: {"p50": rank(samples, 0.50), "p99": rank(samples, 0.99), "count": len(samples)}
            for name, samples in (("frame_to_send_us", self.frame_to_send), ("send_to_ack_us", self.send_to_ack))
        }
