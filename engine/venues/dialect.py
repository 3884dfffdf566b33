"""What differs between venues outside the frames: addresses, subscribing, and what one connection may carry."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from msgspec import Struct

from engine.net.ws import Heartbeat

Top = tuple[float, float]  # best bid, best ask
TopOf = Callable[[str], Top | None]  # None: no trusted book
A = TypeVar("A")


class Patience(Struct, frozen=True, kw_only=True):
    """How long silence is believed; the venue's own limits where they say less."""

    silence_ms: int = 5_000  # of one pair, before it is compared with REST; liquid pairs: see watch.py
    second_look_ms: int = 1_000  # between two comparisons that differ
    dead_ms: int = 10_000  # of the whole socket, pongs included
    late_ms: int = 1_500  # so much later than at its best: the connection is given up for a fresh one
    hand_over_ms: int = 60_000  # a fresh connection may go so long without bringing one more book
    max_life_ms: int = 0  # of a connection; 0: the dialect's


class LineLimits(Struct, frozen=True, kw_only=True):
    """What the venue lets one connection carry. 0: the venue names no limit."""

    max_symbols: int
    sends_per_second: float = 0.0
    send_burst: float = 1.0
    max_life_s: int = 0  # the venue cuts it then
    max_lines: int = 100  # connections of ours at a time


class Dialect(Protocol):
    """One connection of a venue: made for the symbols that it carries."""

    venue: str
    heartbeat: Heartbeat
    limits: LineLimits
    connects_per_second: float  # of all connections together
    asks_per_minute: float  # subscribe frames or REST books the venue allows us
    first_book_ms: int
    joins_from_rest: bool  # the base of a book is a REST answer, not a frame
    resubscribes_all: bool  # one subscribe frame names every symbol and replaces the one before

    def url(self) -> str: ...

    def subscribe(self) -> list[bytes]:
        """The frames that subscribe everything; sent after every connect."""
        ...

    def resubscribe(self, symbol: str) -> list[bytes]:
        """The frames that make `symbol` start anew; empty: only a new connection does."""
        ...

    def book_url(self, symbol: str) -> str:
        """REST: the book of `symbol`."""
        ...

    def top(self, symbol: str, body: bytes) -> Top:
        """Best bid and ask of that answer. Raises BadFrame."""
        ...


class SideDialect(Protocol):
    """A connection beside the books: trades, marks, tickers that the venue serves at another address."""

    venue: str
    heartbeat: Heartbeat
    limits: LineLimits

    def url(self) -> str: ...

    def subscribe(self) -> list[bytes]: ...


@runtime_checkable
class TokenDialect(SideDialect, Protocol):
    """A side whose address bears a token: `url` is the REST call that gives it, `with_token` reads the answer."""

    def with_token(self, body: bytes) -> str:
        """The socket's address. Raises BadFrame."""
        ...


def frames_of(args: Sequence[A], request: Callable[[list[A]], bytes], max_args: int, max_bytes: int) -> list[bytes]:
    """Requests of as many arguments as the venue takes in one frame. `request` spells one frame."""
    frames: list[bytes] = []
    at = 0
    while at < len(args):
        count = min(max_args, len(args) - at)
        frame = request(list(args[at : at + count]))
        while len(frame) > max_bytes and count > 1:
            count = max(1, count * max_bytes // (len(frame) + 1))
            frame = request(list(args[at : at + count]))
        frames.append(frame)
        at += count
    return frames
