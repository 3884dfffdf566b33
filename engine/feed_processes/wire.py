"""What the engine and its feed processes say to each other: msgpack behind a length of four bytes, on a Unix socket."""

import msgspec
from msgspec import Struct

from engine.domain.event import (
    BookDelta,
    BookLost,
    BookSnapshot,
    DayTicker,
    FeedAlive,
    FeedState,
    PerpState,
    RateUsed,
    TradePrint,
)
from engine.domain.market import plain
from engine.net.clock import ClockOffset
from engine.venues.protocol import ConnectionHealth

Told = BookSnapshot | BookDelta | BookLost | TradePrint | PerpState | DayTicker | FeedAlive | FeedState | RateUsed
LENGTH = 4
MOST = 64 * 1024 * 1024  # bytes of one message: 2,000 whole books are 40 MB; more is no message of ours


class Venue(Struct, frozen=True, kw_only=True):
    """One feed to run: what `build_feed` wants."""

    name: str
    ws_base: str
    rest_base: str
    symbols: tuple[str, ...]
    seed: float
    bad_frames: str
    ccxt_id: str = ""
    levels: int = 0


class Order(Struct, frozen=True, kw_only=True):
    """The engine's only message, the first on the socket."""

    venues: tuple[Venue, ...]
    log_level: str


class Report(Struct, frozen=True, kw_only=True):
    """How one feed does."""

    venue: str
    counters: dict[str, int]
    health: tuple[ConnectionHealth, ...]
    clock: ClockOffset | None


class Batch(Struct, frozen=True, array_like=True):
    """Events in their order; reports twice a second, which also prove that the process lives."""

    events: list[Told]
    reports: list[Report] = []
    conflated: int = 0  # deltas, trades and tickers since the start that a newer whole replaced: the reader was late


encode = msgspec.msgpack.Encoder(enc_hook=plain).encode
decode_batch = msgspec.msgpack.Decoder(Batch).decode
decode_order = msgspec.msgpack.Decoder(Order).decode


def framed(message: Batch | Order) -> bytes:
    body = encode(message)
    return len(body).to_bytes(LENGTH, "big") + body


class Unframer:
    """Bytes in, whole messages out."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Raises ValueError for a length that no message of ours has."""
        held, at, found = self._held, 0, []
        held += data
        while len(held) - at >= LENGTH:
            size = int.from_bytes(held[at : at + LENGTH], "big")
            if size > MOST:
                raise ValueError(f"a message of {size} bytes, at most {MOST} expected")
            if len(held) - at - LENGTH < size:
                break
            found.append(bytes(held[at + LENGTH : at + LENGTH + size]))
            at += LENGTH + size
        del held[:at]
        return found
