"""What there is of one venue's market data, and how its connections are made of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from random import Random

from msgspec import Struct

from engine.net.http import Http
from engine.net.limits import Limits
from engine.net.ratelimit import TokenBucket
from engine.venues.bad_frames import BadFrames
from engine.venues.clocks import ClockPoll, TimeCall
from engine.venues.decoder import Ask, Decoder, Figure, Number
from engine.venues.dialect import Dialect, LineLimits, Patience, SideDialect, TokenDialect, TopOf
from engine.venues.facts import FactPoll, Facts
from engine.venues.protocol import Sink
from engine.venues.stream import Owner, Stream
from engine.venues.tap import Tap, tapped


class Native(Struct, frozen=True, kw_only=True):
    """A venue's entry: a new one is its own folder and one of these."""

    decoder: Callable[[Sink, Ask, Number], Decoder]
    dialect: Callable[[str, str, tuple[str, ...], Random], Dialect]
    # Connections beside the books, for what the venue serves at other addresses.
    sides: tuple[Callable[[str, str, tuple[str, ...], Random], SideDialect], ...] = ()
    facts: tuple[Facts, ...] = ()  # what REST alone tells
    time: TimeCall | None = None  # how its clock is read
    limits: Limits | None = None  # of its public calls; None: as engine.venues.limits knows them
    # REST paths whose answer is the base of a book: the query parameter that names the symbol, and whose book it is.
    bases: Mapping[str, tuple[str, str]] = {}
    # Parts of socket addresses that carry another product of the same venue, and the name of that product here.
    sockets: Mapping[str, str] = {}


class Surroundings(Struct, frozen=True, kw_only=True):
    """What the connections of one feed share."""

    ws_base: str
    rest_base: str
    clock_ns: Callable[[], int]
    rng: Random
    top_of: TopOf
    http: Http
    connects: TokenBucket
    bad: BadFrames
    patience: Patience
    tap: Tap | None


class Connector:
    """Makes the connections and polls of one feed."""

    def __init__(self, found: Native, around: Surroundings) -> None:
        self._found = found
        self._around = around

    def limits(self) -> tuple[LineLimits, ...]:
        """Of each kind of connection, the one with the books first."""
        return tuple(self._dialect(kind, ()).limits for kind in range(1 + len(self._found.sides)))

    def _dialect(self, kind: int, symbols: tuple[str, ...]) -> Dialect | SideDialect:
        make = (self._found.dialect, *self._found.sides)[kind]
        return make(self._around.ws_base, self._around.rest_base, symbols, self._around.rng)

    def connect(self, name: str, symbols: tuple[str, ...], kind: int, owner: Owner, sinks: tuple[Sink, Sink]) -> Stream:
        around, dialect = self._around, self._dialect(kind, symbols)

        def make(deliver: Sink, ask: Ask) -> Decoder:
            return self._found.decoder(deliver, ask, Figure)

        return Stream(
            name,
            dialect,
            symbols,
            make if around.tap is None else tapped(make, around.tap, dialect.url(), getattr(dialect, "book_url", str)),
            owner,
            sinks,
            around.clock_ns,
            around.rng,
            around.http,
            around.connects,
            around.bad,
            around.patience,
            None if kind else around.top_of,
            partial(self._address, dialect) if isinstance(dialect, TokenDialect) else None,
        )

    async def _address(self, dialect: TokenDialect) -> str:
        return dialect.with_token(await self._around.http.post(dialect.url()))

    def polls(self, venue: str, symbols: tuple[str, ...]) -> Sequence[Callable[[Sink], Awaitable[None]]]:
        found, base, http = self._found, self._around.rest_base, self._around.http
        polls = [FactPoll(venue, facts, base, symbols, http, self._around.clock_ns).run for facts in found.facts]
        if found.time is not None and http.clock is not None:
            polls.append(ClockPoll(venue, found.time, base, http, http.clock).run)
        return polls
