"""The engine's side: starts feed processes, hands their events to the sink, and says at once when one is gone."""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from random import Random

from engine.domain.event import BookDelta, BookSnapshot, DayTicker, FeedState, PerpState, TradePrint
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.feed_processes.wire import Order, Report, Told, Unframer, Venue, decode_batch, framed
from engine.net.backoff import Backoff
from engine.net.clock import ClockOffset
from engine.venues.protocol import ConnectionHealth

log = logging.getLogger(__name__)

_SILENT_S = 5.0  # it reports twice a second: after this it hangs
_START_S = 30.0  # the first report may take so long: ccxt alone is imported for seconds
_LEAVE_S = 2.0
_LOOK_EVERY_S = 0.5
_SETTLED_S = 10.0
_CHANNEL = {
    BookDelta: "book",
    BookSnapshot: "book",
    TradePrint: "trade",
    PerpState: "ticker",
    DayTicker: "ticker",
}

Sink = Callable[[Told], None]


class DistantFeed:
    """A Feed (engine.venues.protocol) that runs elsewhere; its process is run by `FeedProcess`."""

    def __init__(self, venue: str, clock_ns: Callable[[], int]) -> None:
        self.venue = venue
        self.report: Report | None = None  # the newest; None while its process is away
        self.heard_ns: dict[tuple[str, str], int] = {}  # by symbol and channel
        self._clock_ns = clock_ns

    async def run(self) -> None:
        """Nothing runs here."""

    def counters(self) -> Mapping[str, int]:
        return self.report.counters if self.report is not None else {}

    def health(self) -> tuple[ConnectionHealth, ...]:
        return self.report.health if self.report is not None else ()

    def clock(self) -> ClockOffset | None:
        return self.report.clock if self.report is not None else None

    def age_ms(self, symbol: str, channel: str) -> float | None:
        """Since `book`, `trade` or `ticker` of a symbol last said something, by our clock; None: never."""
        heard_ns = self.heard_ns.get((symbol, channel))
        return None if heard_ns is None else (self._clock_ns() - heard_ns) / NS_PER_MS


class _Ear(asyncio.Protocol):
    """The engine's end of the socket. What is no message of ours ends the connection."""

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        self._hear = hear
        self._unframer = Unframer()
        self._transport: asyncio.BaseTransport | None = None
        self.reason = ""
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            bodies = self._unframer.feed(data)
        except ValueError as error:
            self.reason = str(error)
            assert self._transport is not None
            self._transport.close()
            return
        for body in bodies:
            self._hear(body)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


class FeedProcess:
    """One process and its venues. `run` ends only when cancelled."""

    def __init__(
        self, venues: Sequence[Venue], sink: Sink, clock_ns: Callable[[], int], rng: Random, log_level: str
    ) -> None:
        self.feeds = {venue.name: DistantFeed(venue.name, clock_ns) for venue in venues}
        self.pid = 0  # 0: none runs now
        self.starts = self.conflated = 0
        self._order = Order(venues=tuple(venues), log_level=log_level)
        self._sink = sink
        self._clock_ns = clock_ns
        self._backoff = Backoff(rng)
        self._heard_ns = 0
        self._hears = False

    async def run(self) -> None:
        while True:
            began_ns = self._clock_ns()
            reason = await self._live()
            self._gone(reason)
            if self._clock_ns() - began_ns > _SETTLED_S * NS_PER_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    async def _live(self) -> str:
        """One process from its start to its end; returns why it ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "engine.feed_processes.worker", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
            )
        self.pid, self.starts, self._hears = process.pid, self.starts + 1, False
        self._heard_ns = self._clock_ns()
        transport, ear = await asyncio.get_running_loop().create_connection(lambda: _Ear(self._hear), sock=ours)
        try:
            transport.write(framed(self._order))
            reason = await self._until_it_ends(ear)
        finally:
            self.pid = 0
            transport.close()
            code = await _end(process)
        return reason or f"feed process ended with {code}"

    async def _until_it_ends(self, ear: _Ear) -> str:
        looked_ns = self._clock_ns()
        while True:
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await ear.closed.wait()
                return ear.reason
            except TimeoutError:
                now_ns = self._clock_ns()
                if now_ns - looked_ns > 2 * _LOOK_EVERY_S * NS_PER_S:
                    self._heard_ns = now_ns  # this loop was away itself: what it was told meanwhile is still unread
                looked_ns, silent_s = now_ns, (now_ns - self._heard_ns) / NS_PER_S
                if silent_s > (_SILENT_S if self._hears else _START_S):
                    return f"feed process silent for {silent_s:.0f} s"

    def _hear(self, body: bytes) -> None:
        batch = decode_batch(body)
        self._heard_ns, self._hears = self._clock_ns(), True
        if batch.conflated != self.conflated:
            log.warning("feed_process_conflated pid=%d events=%d", self.pid, batch.conflated)
            self.conflated = batch.conflated
        for event in batch.events:
            channel = _CHANNEL.get(type(event))
            if channel is not None:
                self.feeds[event.venue].heard_ns[event.symbol, channel] = event.seen_ns  # type: ignore[union-attr]
            self._sink(event)
        for report in batch.reports:
            self.feeds[report.venue].report = report

    def _gone(self, reason: str) -> None:
        """None of its books is followed any more."""
        log.error("feed_process_lost venues=%s reason=%s", ",".join(self.feeds), reason)
        self.conflated = 0
        for name, feed in self.feeds.items():
            feed.report = None
            self._sink(FeedState(venue=name, connected=False, reason=reason, seen_ns=self._clock_ns()))


async def _end(process: asyncio.subprocess.Process) -> int:
    """It ends by itself when its socket closes; one that hangs is killed."""
    try:
        async with asyncio.timeout(_LEAVE_S):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()


def divide(venues: Sequence[Venue], processes: int) -> list[tuple[Venue, ...]]:
    """Venues dealt out one by one; never a process without one."""
    return [tuple(venues[at::processes]) for at in range(min(processes, len(venues)))]
