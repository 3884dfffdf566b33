"""What may happen to one request or to one venue for a while. Drawn from a seed; every draw is counted."""

from collections import Counter, deque
from collections.abc import Mapping
from random import Random

from msgspec import Struct

# How a placement goes: weight while the weather is bad, name.
_PLACEMENTS: tuple[tuple[int, str], ...] = (
    (6, "lost_request"),  # never arrives
    (6, "lost_reply"),  # executed, nobody hears
    (5, "late"),  # arrives after our time-out
    (3, "very_late"),  # arrives when nobody expects it any more; a venue with request expiry refuses it
    (4, "error_executed"),  # a page of HTML instead of an answer, executed all the same
    (4, "error_not_executed"),
    (4, "partial"),
    (3, "ack_only"),  # OPEN in the reply although it has ended
    (3, "refused"),
    (2, "no_connection"),
    (3, "cold"),  # a connection has to be made first
    (2, "rate_limited"),
    (1, "banned"),
)
_QUERIES: tuple[tuple[int, str], ...] = (
    (4, "lost"),
    (3, "slow"),
    (2, "error"),
    (1, "rate_limited"),
)
_FRAMES: tuple[tuple[int, str], ...] = (
    (4, "lost"),
    (3, "late"),
    (2, "twice"),
    (2, "half"),  # fills or fees are missing from it
    (2, "cut"),
)


# How the count of what went wrong begins. What else has a dot (orders, persons' acts, stops) is nobody's fault.
_KINDS = ("cancel.", "frame.", "kill.", "place.", "query.", "refused.", "spell.")

CALM = 0.01  # even then one request in a hundred goes wrong


def only_faults(counts: Mapping[str, int]) -> dict[str, int]:
    """Of all that was counted in a run, by name."""
    return {name: count for name, count in sorted(counts.items()) if name.startswith(_KINDS)}


class Weather(Struct):
    """What holds at one venue now."""

    badness: float = CALM  # chance that a request goes wrong
    lag_ms: int = 0  # an order cannot be looked up until it is so old
    away: bool = False  # maintenance: every call fails before it does anything
    unread: bool = False  # its account is not told: neither balances nor open orders; all else works
    zero_balances: bool = False  # answers without any balance
    stale_balances: bool = False  # answers of some seconds ago
    forgets_ms: int = 0  # an order that ended longer ago is not found any more, then or later; 0: it remembers all
    deaf: bool = False  # its private stream stands and tells nothing


class Fates:
    """Draws the fate of each request of one venue."""

    def __init__(self, random: Random, counts: Counter[str]) -> None:
        self._random = random
        self.counts = counts
        self.weather = Weather()
        self.script: deque[str] = deque()  # what the next placements meet, before any chance
        self.fills_first = 0  # so many cancels meet an order that trades before they arrive

    def placement(self) -> str:
        if self.script:
            fate = self.script.popleft()
            self.counts[f"place.{fate}"] += 1
            return fate
        return self._draw(_PLACEMENTS, "place")

    def query(self) -> str:
        return self._draw(_QUERIES, "query")

    def frame(self) -> str:
        """Of the private stream."""
        return self._draw(_FRAMES, "frame")

    def _draw(self, menu: tuple[tuple[int, str], ...], what: str) -> str:
        if self.weather.away:
            self.counts[f"{what}.away"] += 1
            return "no_connection"
        if self._random.random() >= self.weather.badness:
            return "fine"
        fate = self._random.choices([name for _, name in menu], [weight for weight, _ in menu])[0]
        self.counts[f"{what}.{fate}"] += 1
        return fate

    def out_s(self) -> float:
        """One way, without a fault."""
        return self._random.uniform(0.002, 0.04)
