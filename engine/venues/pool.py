"""A venue's feed: as many connections as its limits ask for, replaced before they are cut or when they go bad."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from random import Random

import msgspec
from msgspec import Struct

from engine.domain.event import DayTicker, FeedAlive, FeedState, PerpState, TradePrint
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.net.clock import ClockOffset
from engine.net.http import Http
from engine.venues.decoder import Counts
from engine.venues.dialect import LineLimits, Patience
from engine.venues.handover import Handover
from engine.venues.protocol import ConnectionHealth, FeedEvent, Sink
from engine.venues.stream import Owner, Stream
from engine.venues.tickers import Tickers

log = logging.getLogger(__name__)

_TEND_EVERY_S = 0.1
_LOOK_EVERY_NS = 1 * NS_PER_S
_LINGER_NS = 5 * NS_PER_S  # after the old one closed, late repeats of its trades still come from the fresh one
_FAILURES = 3  # in a row, while a sibling stands: the symbols go elsewhere
_AGAIN_NS = 60 * NS_PER_S  # between two moves of the same symbols
_LATE_AGAIN_NS = 600 * NS_PER_S  # late again so soon: the connection carries too much
_RETRY_ROLL_NS = 60 * NS_PER_S
_LIFE = (0.90, 0.97)  # of a connection's maximal life: when its successor is made
_COARSE_MS = 100.0  # an offset less certain than this says nothing of latencies

Connect = Callable[[str, tuple[str, ...], int, Owner, tuple[Sink, Sink]], Stream]


class Plan(Struct, frozen=True):
    """How a venue's connections are made: the first kind carries the books, the others are sides.

    `connect` takes name, symbols, kind, owner and sinks.
    """

    venue: str
    symbols: tuple[str, ...]
    limits: tuple[LineLimits, ...]  # by kind
    connect: Connect


class _Line:
    """A connection and what is planned for it."""

    def __init__(self, stream: Stream, kind: int) -> None:
        self.stream = stream
        self.kind = kind
        self.roll_ns = 0  # give it up for a fresh one at this time; 0: never
        self.look_ns = 0  # how it does is looked at again then
        self.moved_ns = 0  # when it was last made, or tried to be replaced, because of lateness
        self.task: asyncio.Task[None] | None = None


class Pool:
    """A Feed (engine.venues.protocol) of many connections."""

    def __init__(
        self,
        plan: Plan,
        sink: Sink,
        clock_ns: Callable[[], int],
        rng: Random,
        patience: Patience,
        others: Sequence[Callable[[Sink], Awaitable[None]]] = (),  # what runs beside: REST polls
        http: Http | None = None,
    ) -> None:
        self.venue = plan.venue
        self._plan = plan
        self._sink = sink
        self._clock_ns = clock_ns
        self._rng = rng
        self._patience = patience
        self._others = others
        self._http = http
        self._tickers = Tickers(sink)
        self._lines: dict[str, _Line] = {}
        self._line_of: dict[str, Stream] = {}
        self._last: dict[str, float] = {}
        self._said_ns: dict[str, int] = {}
        self._handovers: dict[str, Handover] = {}  # by the old connection's name
        self._lingering: list[tuple[int, Stream]] = []
        self._up: set[str] = set()
        self._is_up: bool | None = None
        self._gone = Counts()
        self._rest_errors = self._reconnects = self._rollovers = self._moves = self._made = 0
        self._tasks: asyncio.TaskGroup | None = None
        for kind, limits in enumerate(plan.limits):
            for part in shards(plan.symbols, limits.max_symbols):
                self._make(kind, part)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for line in self._lines.values():
                    self._start(line)
                for other in self._others:
                    tasks.create_task(_run(other(self.hear_said)))
                tasks.create_task(self._tend(), name=f"{self.venue}.pool")
        finally:
            self._tasks = None
            if self._http is not None:
                await self._http.close()

    def counters(self) -> Mapping[str, int]:
        total: dict[str, int] = msgspec.structs.asdict(self._gone)
        streams = [line.stream for line in self._lines.values()]
        for stream in streams:
            for name, value in msgspec.structs.asdict(stream.decoder.counts).items():
                total[name] += value
        total["events"] = total["book"] + total["trade"]
        total["reconnects"] = self._reconnects + sum(max(0, stream.socket.connects - 1) for stream in streams)
        total["rest_errors"] = self._rest_errors + sum(stream.rest_errors for stream in streams)
        total["rollovers"], total["moves"], total["connections"] = self._rollovers, self._moves, len(streams)
        return total

    def health(self) -> tuple[ConnectionHealth, ...]:
        moving = {line.name for handover in self._handovers.values() for line in (handover.old, *handover.fresh)}
        found, clock = [], self.clock()
        for line in self._lines.values():
            health = _by_venue_clock(line.stream.health(), clock)
            if health.name in moving and health.state == "up":
                health = msgspec.structs.replace(health, state="handing_over")
            found.append(health)
        return tuple(found)

    def age_ms(self, symbol: str, channel: str) -> float | None:
        """Since `book`, `trade` or `ticker` of a symbol last said something new, by our clock; None: never."""
        now_ns = self._clock_ns()
        if channel == "ticker":
            said_ns = self._said_ns.get(symbol)
            return None if said_ns is None else (now_ns - said_ns) / NS_PER_MS
        stream = self._line_of.get(symbol)
        age_ns = None if stream is None else stream.age_ns(symbol, channel, now_ns)
        return None if age_ns is None else age_ns / NS_PER_MS

    def clock(self) -> ClockOffset | None:
        """The venue's clock beside ours; None before anything told it."""
        if self._http is None or self._http.clock is None:
            return None
        return self._http.clock.offset(self._http.wall_ms())

    def hear_said(self, event: FeedEvent) -> None:
        """Marks, funding and turnover, from whichever connection or poll: told as one whole."""
        if isinstance(event, PerpState | DayTicker):
            self._said_ns[event.symbol] = event.seen_ns
            self._tickers.hear(event)
        if isinstance(event, DayTicker):
            before = self._last.get(event.symbol)
            self._last[event.symbol] = event.last
            stream = self._line_of.get(event.symbol)
            if before not in (None, event.last) and stream is not None:  # somebody traded
                stream.heard_trade(event.symbol, event.last, event.seen_ns)

    def _from_side(self, event: FeedEvent) -> None:
        if type(event) is TradePrint and (stream := self._line_of.get(event.symbol)) is not None:
            stream.heard_trade(event.symbol, event.price, event.seen_ns)
        self._sink(event)

    # What the connections say.

    def on_up(self, stream: Stream) -> None:
        line = self._lines.get(stream.name)
        if line is None:  # retired while its connect was under way: it ends at its next wait
            return
        now_ns = self._clock_ns()
        life_s = self._patience.max_life_ms / 1e3 or self._plan.limits[line.kind].max_life_s
        line.roll_ns = now_ns + round(self._rng.uniform(*_LIFE) * life_s * NS_PER_S) if life_s else 0
        log.info("feed_connected line=%s symbols=%d", stream.name, len(stream.symbols))
        if not stream.is_side and not self._is_candidate(stream):
            self._up.add(stream.name)
            self._tell_carried(stream, stream.symbols, "connected" if self._is_up is not True else "another")

    def on_alive(self, stream: Stream, seen_ns: int) -> None:
        if not stream.is_side:
            self._sink(FeedAlive(venue=self.venue, seen_ns=seen_ns, line=stream.name))

    def on_down(self, stream: Stream, reason: str) -> None:
        handover = self._handovers.get(stream.name)
        if handover is not None and handover.taken:
            self._up.update(line.name for line in handover.fresh)  # what they took stands on them
        if stream.is_side or (self._is_candidate(stream) and stream.name not in self._up):
            return
        if stream.name in self._up or self._is_up is None:
            log.warning("feed_lost line=%s reason=%s", stream.name, reason)
        self._up.discard(stream.name)
        if not self._up and self._is_up is not False:
            self._is_up = False
            self._sink(FeedState(venue=self.venue, connected=False, reason=reason, seen_ns=self._clock_ns()))

    def on_leave(self, stream: Stream, reason: str) -> None:
        line = self._lines.get(stream.name)
        if line is not None:
            stream.reason = reason
            line.roll_ns = self._clock_ns()

    def _tell_carried(self, stream: Stream, symbols: tuple[str, ...], reason: str) -> None:
        self._is_up = True
        for symbol in symbols:
            self._line_of[symbol] = stream
        told = {"line": stream.name, "symbols": symbols, "seen_ns": self._clock_ns()}
        self._sink(FeedState(venue=self.venue, connected=True, reason=reason, **told))  # type: ignore[arg-type]

    def _is_candidate(self, stream: Stream) -> bool:
        return any(stream in handover.fresh for handover in self._handovers.values())

    # What is done about it.

    def _make(self, kind: int, symbols: tuple[str, ...]) -> _Line:
        self._made += 1
        sink = self._sink if kind == 0 else self._from_side
        name = f"{self.venue}-{self._made}"
        stream = self._plan.connect(name, symbols, kind, self, (sink, self.hear_said))
        line = self._lines[name] = _Line(stream, kind)
        # Each at a time of its own, which it keeps: a hundred connections' looks must not become one long pause.
        line.look_ns = self._clock_ns() + self._rng.randrange(_LOOK_EVERY_NS)
        return line

    def _start(self, line: _Line) -> None:
        assert self._tasks is not None
        line.task = self._tasks.create_task(line.stream.run(), name=line.stream.name)

    def _retire(self, stream: Stream) -> None:
        line = self._lines.pop(stream.name)
        if line.task is not None:
            line.task.cancel()
        self._up.discard(stream.name)
        counts = stream.decoder.counts
        for name, value in msgspec.structs.asdict(counts).items():
            setattr(self._gone, name, getattr(self._gone, name) + value)
        self._reconnects += max(0, stream.socket.connects - 1)
        self._rest_errors += stream.rest_errors

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_TEND_EVERY_S)
            now_ns = self._clock_ns()
            for line in list(self._lines.values()):
                if line.stream.name in self._handovers or self._is_candidate(line.stream):
                    continue
                if line.roll_ns and now_ns >= line.roll_ns and line.stream.socket.connected:
                    line.roll_ns = now_ns + _RETRY_ROLL_NS
                    self._begin(line, [line.stream.symbols], "rollover")
                    self._rollovers += 1
                elif now_ns >= line.look_ns:
                    line.look_ns += (now_ns - line.look_ns) // _LOOK_EVERY_NS * _LOOK_EVERY_NS + _LOOK_EVERY_NS
                    self._relieve(line, now_ns)
            for handover in list(self._handovers.values()):
                self._advance(handover, now_ns)
            for until_ns, stream in [entry for entry in self._lingering if entry[0] <= now_ns]:
                self._lingering.remove((until_ns, stream))
                stream.sink = self._sink if not stream.is_side else self._from_side

    def _relieve(self, line: _Line, now_ns: int) -> None:
        """A connection that fails again and again, or whose frames come late, gives its symbols to fresh ones."""
        stream = line.stream
        if line.moved_ns and now_ns - line.moved_ns < _AGAIN_NS:
            return
        if stream.socket.connected:
            if stream.pulse.late_ms(now_ns) > self._patience.late_ms:
                too_much = line.moved_ns > 0 and now_ns - line.moved_ns < _LATE_AGAIN_NS
                line.moved_ns = now_ns
                self._moves += 1
                self._begin(line, halves(stream.symbols) if too_much else [stream.symbols], "late")
        elif stream.socket.failures >= _FAILURES and len(stream.symbols) > 1 and self._has_room():
            # Down already: nothing is to be handed over. By halves, for one symbol may be what the venue cuts it for.
            stands = any(other.kind == line.kind and self._stands(other) for other in self._lines.values())
            is_alone = sum(other.kind == line.kind for other in self._lines.values()) == 1
            if stands or (is_alone and stream.socket.cut_short >= _FAILURES):
                self._moves += 1
                log.warning("feed_moved line=%s reason=%s", stream.name, stream.reason)
                self._retire(stream)
                for part in halves(stream.symbols):
                    self._start(self._make(line.kind, part))

    def _stands(self, line: _Line) -> bool:
        return line.stream.socket.connected and line.stream.socket.failures == 0

    def _has_room(self) -> bool:
        return len(self._lines) < self._plan.limits[0].max_lines

    def _begin(self, line: _Line, parts: Sequence[tuple[str, ...]], reason: str) -> None:
        old = line.stream
        fresh = [self._make(line.kind, part) for part in parts]
        deadline_ns = self._clock_ns() + self._patience.hand_over_ms * NS_PER_MS
        sink = self._from_side if old.is_side else self._sink
        handover = Handover(old, [made.stream for made in fresh], sink, deadline_ns)
        self._handovers[old.name] = handover
        old.sink = handover.from_old
        log.info("feed_hand_over line=%s reason=%s to=%s", old.name, reason, [made.stream.name for made in fresh])
        for made in fresh:
            made.stream.sink = handover.from_new
            made.moved_ns = line.moved_ns
            self._start(made)

    def _advance(self, handover: Handover, now_ns: int) -> None:
        fresh = [self._lines[line.name].stream for line in handover.fresh]
        old = self._lines[handover.old.name].stream
        for stream in fresh:
            if taken := handover.newly_taken(stream):
                # As long as books come it goes on: where REST gives the bases they may cost minutes of its budget.
                handover.deadline_ns = now_ns + self._patience.hand_over_ms * NS_PER_MS
                self._up.add(stream.name)
                self._tell_carried(stream, taken, "handed over")
        stand = all(stream.socket.connected for stream in fresh)
        delivered = all(stream.decoder.counts.frames for stream in fresh)
        if stand and delivered and handover.is_complete():
            self._finish(handover, old, fresh, now_ns)
        elif now_ns >= handover.deadline_ns and handover.taken:
            handover.lose_rest(now_ns)
            self._finish(handover, old, fresh, now_ns)
        elif now_ns >= handover.deadline_ns:
            log.warning("feed_hand_over_failed line=%s", old.name)
            del self._handovers[old.name]
            old.sink = self._from_side if old.is_side else self._sink
            for stream in fresh:
                self._retire(stream)

    def _finish(self, handover: Handover, old: Stream, fresh: Sequence[Stream], now_ns: int) -> None:
        del self._handovers[old.name]
        for stream in fresh:
            if not stream.is_side:
                self._up.add(stream.name)
                self._tell_carried(stream, stream.symbols, "handed over")
            self._lingering.append((now_ns + _LINGER_NS, stream))
        self._retire(old)
        log.info("feed_handed_over line=%s", old.name)


async def _run(awaitable: Awaitable[None]) -> None:
    await awaitable


def _by_venue_clock(health: ConnectionHealth, clock: ClockOffset | None) -> ConnectionHealth:
    """The latency as the venue's own clock would measure it: that of two machines is off by their offset.

    Not told where that offset is known too coarsely (a Date header, the first minutes): it would hide the latency.
    """
    if clock is None or health.latency_p50_ms is None or health.latency_p99_ms is None:
        return health
    if clock.uncertainty_ms > _COARSE_MS:
        return msgspec.structs.replace(health, latency_p50_ms=None, latency_p99_ms=None)
    p50_ms, p99_ms = health.latency_p50_ms + clock.offset_ms, health.latency_p99_ms + clock.offset_ms
    return msgspec.structs.replace(health, latency_p50_ms=p50_ms, latency_p99_ms=p99_ms)


def shards(symbols: tuple[str, ...], most: int) -> list[tuple[str, ...]]:
    """As few parts as the limit allows, equally long to within one symbol, in order."""
    count = -(-len(symbols) // most)
    edges = [len(symbols) * at // count for at in range(count + 1)] if count else []
    return [symbols[begin:end] for begin, end in pairwise(edges)]


def halves(symbols: tuple[str, ...]) -> list[tuple[str, ...]]:
    middle = (len(symbols) + 1) // 2
    return [part for part in (symbols[:middle], symbols[middle:]) if part]
