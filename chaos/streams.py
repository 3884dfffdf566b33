"""A venue's private stream of orders over the same network: frames that are lost, late, half told or told twice."""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

from msgspec.structs import replace

from chaos.disk import Life
from chaos.faults import Fates
from engine.domain.money import NS_PER_S
from engine.domain.order import OrderReport
from engine.domain.stream_event import OrderStreamState
from engine.venues.protocol import OrderTold, StreamHealth, StreamSink

_CONNECT_S = (0.05, 0.5)
_AWAY_S = (0.2, 8.0)  # between two connections


class SimStream:
    """One per life and venue. What it tells stays in order as long as a connection lasts, as in one of TCP."""

    def __init__(
        self,
        venue: str,
        fates: Fates,
        life: Life,
        random: Random,
        later: Callable[[float, Callable[[], None]], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self.venue = venue
        self._fates = fates
        self._life = life
        self._random = random
        self._later = later
        self._clock_ns = clock_ns
        self._cut = asyncio.Event()
        self._tell: StreamSink | None = None  # None: no connection stands
        self._connection = 0
        self._free_ns = 0  # before then a frame is on its way

    async def run(self, tell: StreamSink) -> None:
        """Connect whenever the venue is there, until it is cut."""
        while True:
            await asyncio.sleep(self._random.uniform(*_CONNECT_S))
            if self._fates.weather.away:
                await asyncio.sleep(1.0)
                continue
            self._connection += 1
            self._cut.clear()
            self._stand(tell, True)
            await self._cut.wait()
            self._stand(tell, False)
            await asyncio.sleep(self._random.uniform(*_AWAY_S))

    def _stand(self, tell: StreamSink, connected: bool) -> None:
        self._tell = tell if connected else None
        tell(OrderStreamState(venue=self.venue, connected=connected, reason="", seen_ns=self._clock_ns()))

    def renew(self, reason: str) -> None:
        self._fates.counts["stream.renewed"] += 1
        self._cut.set()

    def cut(self) -> None:
        """The venue, or what lies between, ends the connection."""
        self._cut.set()

    def on_order(self, report: OrderReport) -> None:
        """At the venue: something became of an order."""
        if self._tell is None or self._life.dead or self._fates.weather.deaf:
            return
        fate = self._fates.frame()
        if fate == "cut":
            self._cut.set()
        if fate in ("lost", "cut"):
            return
        is_whole = fate != "half"
        told = OrderTold(report=report if is_whole else replace(report, fees=()), is_whole=is_whole)
        for _ in range(2 if fate == "twice" else 1):
            delay_s = self._random.uniform(0.3, 3.0) if fate == "late" else self._fates.out_s()
            self._free_ns = max(self._free_ns + 1, self._clock_ns() + int(delay_s * NS_PER_S))
            work = partial(self._deliver, self._connection, told)
            self._later((self._free_ns - self._clock_ns()) / NS_PER_S, work)

    def _deliver(self, connection: int, told: OrderTold) -> None:
        if self._tell is not None and connection == self._connection and not self._life.dead:
            self._tell(told)

    def health(self) -> StreamHealth:
        state = "up" if self._tell is not None else "connecting"
        return StreamHealth(
            venue=self.venue,
            state=state,
            up_since_ms=None,
            alive_age_ms=None,
            told_age_ms=None,
            reconnects=self._connection,
            told=0,
            errors=0,
            ping_rtt_ms=None,
            reason="",
        )
