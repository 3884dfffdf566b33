"""What the native decoders share: their counters and how they ask for help. Pure: no socket, no clock."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Protocol

from msgspec import Meta, MsgspecError, Struct

# A price or a size: not negative, no infinity, no NaN; checked in C while it is decoded.
Figure: Any = Annotated[float, Meta(ge=0, le=1e300)]

# What decoding bytes may raise when they are no JSON of the expected shape: also text that is not UTF-8, and nesting
# without end. Anything else is our own mistake.
UNREADABLE: Final = (MsgspecError, UnicodeDecodeError, RecursionError)

# `Figure` on the way to the core; `Decimal` where the venue's own digits must come back exactly (`premia frames`).
# The typed decoders differ in nothing else, so both modes run the same code; in `Decimal` mode prices and sizes in
# the events are Decimals, which books take as they are.
Number = type[Any]

# (symbol, reason): the book of `symbol` cannot go on by itself; "" asks for the whole connection to be made anew.
Ask = Callable[[str, str], None]


class Counts(Struct):
    """What came in, by kind; each decoded frame counts once."""

    frames: int = 0
    book: int = 0
    trade: int = 0
    ticker: int = 0
    funding: int = 0
    ack: int = 0  # control answers: subscribed, refused, pong, status, notice
    ignored: int = 0  # another dialect, another product, or a channel that nothing here reads
    errors: int = 0  # frames of the current dialect that could not be decoded
    gaps: int = 0  # continuity of a live book broke: a missed update, a bad checksum, a crossed book
    resyncs: int = 0  # a lost book was whole again


class Decoder(Protocol):
    """Frames of one connection in, events out. Holds continuity, never a book."""

    counts: Counts

    def on_frame(self, data: bytes, seen_ns: int) -> None:
        """One whole message. Raises BadFrame after the books that it may have touched were declared lost."""
        ...

    def on_rest_book(self, symbol: str, body: bytes, seen_ns: int) -> None:
        """The venue's REST answer to `book of symbol`. Raises BadFrame."""
        ...

    def drop(self, symbol: str, reason: str, seen_ns: int) -> None:
        """Distrust one book ("" means all of this connection) until a whole one comes."""
        ...

    def is_live(self, symbol: str) -> bool:
        """Whether a trusted book of `symbol` was delivered and is followed."""
        ...
