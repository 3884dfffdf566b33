"""One look over all coins, spread over the ticks of a second or more, and what is remembered from one to the next."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from engine.core.tripwires import Tripwires
from engine.domain.alerting import Threshold
from engine.domain.effect import Severity
from engine.market.funding import Intervals
from engine.market.pairs import Tables
from engine.risk.latency import Latency


class Down(Struct, kw_only=True):
    """A venue without market data."""

    since_ns: int
    reason: str
    told: bool = False  # that it stays away


class Ring(Struct, frozen=True, kw_only=True):
    """An alert that a round found."""

    rule: str
    severity: Severity
    text: str
    venue: str
    symbol: str
    coin: str
    numbers: dict[str, str]
    only: str = ""


class Round(Struct, kw_only=True):
    began_ns: int = 0
    tables: Tables = Tables(korean={}, world={}, tether={})
    perps: Mapping[str, Sequence[tuple[str, str]]] = {}
    coins: Sequence[str] = ()
    wanted: Sequence[tuple[str, Threshold]] = ()
    rings: list[Ring] = field(default_factory=list)
    told: int = 0  # of `rings`
    done: int = 0  # of `coins`

    def next_slice(self, most: int) -> Sequence[str]:
        """The coins of the next tick; () when all were looked at."""
        begin, self.done = self.done, min(len(self.coins), self.done + most)
        return self.coins[begin : self.done]

    @property
    def is_over(self) -> bool:
        return self.done >= len(self.coins)


class Watch(Struct, kw_only=True):
    """All that watching the markets and the ways to them remembers."""

    round: Round = field(default_factory=Round)
    tripwires: Tripwires = field(default_factory=Tripwires)
    farthest: dict[str, tuple[tuple[str, str], tuple[str, str]]] = field(default_factory=dict)  # coin -> its pair
    asleep: dict[str, int] = field(default_factory=dict)  # coin -> changes of the market when all of it was stale
    down: dict[str, Down] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    rate_use: dict[tuple[str, str], float] = field(default_factory=dict)
    rate_full: set[tuple[str, str]] = field(default_factory=set)  # warned of, not yet calm again
    intervals: Intervals = field(default_factory=Intervals)
    intervals_version: int = 0
    intervals_stored: int = 0  # contracts in the stored row
    intervals_due_ns: int = 0  # 0: nothing new to store
