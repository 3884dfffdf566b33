"""What the sockets tell the door: connections, clocks, and how much of the rate budgets is used."""

import asyncio
from collections.abc import Callable, Mapping

from engine.domain.board import ClockView, ConnectionView, OrderStreamView, Wires
from engine.domain.event import RateUsed
from engine.venues.limits import Limiters
from engine.venues.protocol import ConnectionHealth, Feed

_LOOK_EVERY_S = 1.0
_CALM = 0.6  # below it the next approach to a limit is told again


class Wiring:
    """Every feed of this process under its venue. Asked in the loop's thread."""

    def __init__(self, sink: Callable[[RateUsed], None], clock_ns: Callable[[], int], watched: frozenset[str]) -> None:
        self._sink = sink
        self._clock_ns = clock_ns
        self._watched = watched  # venues without an account
        self._feeds: dict[str, Feed] = {}
        self._full: dict[tuple[str, str], None] = {}  # limits that were told of and have not calmed down
        self.limiters = Limiters(clock_ns, self._near)
        self.order_streams: Callable[[], Mapping[str, OrderStreamView]] = dict

    def add(self, feed: Feed) -> None:
        self._feeds[feed.venue] = feed

    def _near(self, host: str, rule: str, used: float) -> None:
        self._full[host, rule] = None
        self._tell(host, rule, used)

    def _tell(self, host: str, rule: str, used: float) -> None:
        self._sink(RateUsed(venue=host, name=rule, used=used, seen_ns=self._clock_ns()))

    async def run(self) -> None:
        """Tell when a limit that was nearly used has room again."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        used = self.limiters.used()
        for host, rule in list(self._full):
            share = max((value for name, value in used.get(host, {}).items() if name.startswith(rule)), default=0.0)
            if share < _CALM:
                del self._full[host, rule]
                self._tell(host, rule, share)

    def told(self) -> Wires:
        """As it is at this moment."""
        return Wires(
            connections={name: tuple(_line(found) for found in feed.health()) for name, feed in self._feeds.items()},
            clocks={name: _clock(feed) for name, feed in self._feeds.items()},
            rates={name: self.limiters.of(name).used_share() for name in self._feeds},
            watched=self._watched,
            order_streams=self.order_streams(),
        )


def _clock(feed: Feed) -> ClockView:
    found = feed.clock()
    if found is None:
        return ClockView(offset_ms=None, uncertainty_ms=None)
    return ClockView(offset_ms=found.offset_ms, uncertainty_ms=found.uncertainty_ms)


def _line(found: ConnectionHealth) -> ConnectionView:
    return ConnectionView(
        name=found.name,
        state=found.state,
        symbols=found.symbols,
        connected_since_ms=found.connected_since_ms,
        last_frame_age_ms=found.last_frame_age_ms,
        frames_per_s=found.frames_per_s,
        reconnects=found.reconnects,
        gaps=found.gaps,
        resyncs=found.resyncs,
        errors=found.errors,
        latency_p50_ms=found.latency_p50_ms,
        latency_p99_ms=found.latency_p99_ms,
        ping_rtt_ms=found.ping_rtt_ms,
        reason=found.reason,
    )
