"""What a tape says. The world hands each to the venue (or the FX sources) it concerns."""

from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from sandbox.venues.floor import PerpState, RawFrame
from sandbox.venues.liquidity import Levels
from sandbox.venues.orders import Print


class BookTick(Struct, frozen=True):
    """A whole book of one market; the venue's own symbol."""

    venue: str
    symbol: str
    bids: Levels
    asks: Levels


class PrintTick(Struct, frozen=True):
    venue: str
    trade: Print


class RawTick(Struct, frozen=True):
    """A recorded frame, to be sent byte for byte."""

    venue: str
    frame: RawFrame


class DepthTick(Struct, frozen=True):
    """A recording's whole book behind its raw deltas, for REST. The dicts belong to the tape."""

    venue: str
    symbol: str
    update_id: int
    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]


class PerpTick(Struct, frozen=True):
    """What a perpetual's venue says of it now."""

    venue: str
    state: PerpState


class FxTick(Struct, frozen=True):
    usdkrw: Decimal


TapeEvent = BookTick | PrintTick | RawTick | DepthTick | PerpTick | FxTick


class Tape(Protocol):
    label: str  # what the numbers rest on, for people
    recorded: dict[str, set[str]]  # venue -> symbols whose frames are raw

    def advance(self, at_ms: int) -> list[TapeEvent]:
        """Everything due up to this moment; called every 20 ms of venue time."""

    def force(self, venue: str, coin: str, bps: float, seconds: float) -> None:
        """Open a premium now: `coin` on `venue` (empty: every Korean venue) moves by `bps` for so long."""
