"""Frames that plainly continue a live book, taken in one pass by the compiled follower, where that was built.

A track is a table of what such a frame holds and where the decoder keeps what it must follow. The follower checks the
whole frame, the ids, and that nothing is out of the ordinary; then it moves the guard on, counts, and tells the sink.
Any other frame (a gap, a repeat, a whole book, an unknown symbol, a number or a text that is not written as every day)
it hands to the decoder's own `on_frame`, with nothing changed. So plain Python stays what decides.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Protocol

from msgspec import Struct

from engine.domain.event import BookDelta
from engine.native import native
from engine.venues.decoder import Counts, Figure, Number
from engine.venues.protocol import Sink


class Is(IntEnum):
    """What a member of a frame is to the follower. As engine/native/parts.h numbers them."""

    FIRST = 0  # id of the first change in the frame; without it LAST is also the first
    LAST = 1
    PREVIOUS = 2  # the id that this frame follows
    SENT = 3  # ms: the time of the book where TIME is not there or 0
    TIME = 4
    WHOLE = 5  # a whole number that is read by nobody, but by the typed decoder
    SYMBOL = 6
    TOPIC = 7
    BIDS = 8
    ASKS = 9
    ANY = 10
    NEVER = 11  # a frame that has it is another


class Follows(IntEnum):
    """How a change proves that nothing is missing before it. As engine/native/track.h numbers them."""

    STEP = 0  # its first id is the last one and 1
    LINK = 1  # it names the last one


# The slots of the event that the follower makes: all that it has.
_FIELDS = tuple(getattr(BookDelta, name) for name in ("venue", "symbol", "bids", "asks", "venue_ts_ms", "seen_ns"))
_SAME, _HOLDS, _MEMBERS, _ONLY = range(12, 16)
# key -> what its value is. A text: that very one; `*text*`: one that holds it. A table: an object; in a list: one that
# is alone in it. A key with a `?` may be missing.
Table = Mapping[str, Any]


class Track(Struct, frozen=True, kw_only=True):
    """One kind of frame. The attributes named here are in the `__slots__` of the decoder's own classes."""

    begins: bytes  # what the decoder's own `on_frame` knows such a frame by, or more
    table: Table
    venue: str
    chains: dict[str, Any]  # symbol -> chain
    chain: type  # its `guard` is None where the book is not live
    guard: type
    last: str  # attribute of a guard: the last id
    follows: Follows
    topic: str = ""  # attribute of a chain that must be equal to the frame's TOPIC
    musts: tuple[tuple[type, str, object], ...] = ()  # (class of chain or guard, attribute, what must stand there)
    exact_rows: bool = True  # rows are [price, size]; else they may be longer
    priced: bool = False  # frames with a level at price 0 are left to the decoder
    per_ms: int = 1  # of TIME
    stem: bytes | None = None  # before the symbol, which ends with the text or a point


class OnFrame(Protocol):
    def __call__(self, data: bytes, seen_ns: int) -> None: ...


def followed(on_frame: OnFrame, sink: Sink, counts: Counts, number: Number, tracks: Sequence[Track]) -> OnFrame:
    """What does as `on_frame` does, faster where it can be."""
    if native is None or number is not Figure:
        return on_frame
    rows = tuple(_row(track) for track in tracks)
    slots = (getattr(Counts, name) for name in ("frames", "book"))
    made: OnFrame = native.Follower(on_frame, sink, _FIELDS, counts, *slots, rows)
    return made


def _row(track: Track) -> tuple[Any, ...]:
    """As `track_from` in track.c takes it: attributes as the descriptors of their slots."""
    topic = getattr(track.chain, track.topic) if track.topic else None
    musts = tuple((getattr(owner, name), value) for owner, name, value in track.musts)
    return (
        *(track.begins, track.stem, _members(track.table), track.chains, track.venue),
        *(vars(track.chain)["guard"], getattr(track.guard, track.last), topic, musts),
        *(track.follows, track.exact_rows, track.priced, track.per_ms),
    )


def _members(table: Table) -> tuple[tuple[Any, ...], ...]:
    return tuple(_part(key.removesuffix("?"), not key.endswith("?"), value) for key, value in table.items())


def _part(key: str, is_wanted: bool, value: Any) -> tuple[Any, ...]:
    """(key as it stands in a frame, role, is it wanted, text, members)."""
    name = f'"{key}":'.encode()
    if isinstance(value, Is):
        return (name, int(value), is_wanted and value is not Is.NEVER, None, None)
    if isinstance(value, str) and value.startswith("*"):
        return (name, _HOLDS, is_wanted, value.strip("*").encode(), None)
    if isinstance(value, str):
        return (name, _SAME, is_wanted, f'"{value}"'.encode(), None)
    if isinstance(value, list):
        return (name, _ONLY, is_wanted, None, _members(value[0]))
    return (name, _MEMBERS, is_wanted, None, _members(value))
