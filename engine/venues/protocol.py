"""What the engine asks of a venue. Small protocols, not base classes: a venue folder provides both."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.domain.event import (
    BookDelta,
    BookLost,
    BookSnapshot,
    DayTicker,
    FeedAlive,
    FeedState,
    PerpState,
    TradePrint,
)
from engine.domain.market import Balance, Instrument
from engine.domain.order import OrderReport, OrderRequest

FeedEvent = BookSnapshot | BookDelta | BookLost | TradePrint | PerpState | DayTicker | FeedAlive | FeedState
Sink = Callable[[FeedEvent], None]


class Orders(Protocol):
    """One account of one venue. Every method may raise VenueUnavailable, RateLimited or VenueRefused."""

    venue: str
    # How long after sending the venue may still accept a request (its expiry where it has one, else our bound), plus
    # the settle margin of its order queries.
    late_acceptance_ms: int

    async def place(self, order: OrderRequest) -> OrderReport:
        """Send one order once. Raises OutcomeUnknown when the venue may have accepted it; VenueRefused is definitive.

        VenueUnavailable here means that nothing left (connection refused, rate budget empty). The report may still be
        OPEN with no fills: the caller looks it up.
        """
        ...

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        """Ask to cancel. Returning proves nothing; VenueRefused often means it is already done."""
        ...

    async def look_up(self, symbol: str, cid: str) -> OrderReport:
        """The order by client id with cumulative fills and fees. Raises OrderNotFound when answered cleanly: none."""
        ...

    async def open_orders(self) -> Sequence[OrderReport]:
        """Every open order of the account; `cid` is "" where it carries none."""
        ...

    async def balances(self) -> Sequence[Balance]:
        """Every asset that is not zero."""
        ...

    async def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        """Rules and the account's fees of these symbols, from the venue where it gives them."""
        ...

    async def server_time_ms(self) -> int:
        """The venue's clock, UTC, for skew."""
        ...

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key, so that the first order pays for none of it."""
        ...

    async def close(self) -> None: ...


class Feed(Protocol):
    """Public market data of one venue. Decoding and continuity are pure; the socket is net.ws."""

    venue: str

    async def run(self) -> None:
        """Connect, subscribe, deliver to the sink, reconnect with backoff and jitter; ends when cancelled."""
        ...

    def counters(self) -> Mapping[str, int]:
        """frames, events, errors, gaps, resyncs, reconnects."""
        ...
