"""What the engine asks of a venue. Small protocols, not base classes: a venue folder provides both."""

from collections.abc import Callable, Container, Mapping, Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

from msgspec import Struct

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
from engine.domain.market import Balance, Instrument, Loan, MarketWarning, Wallet
from engine.domain.order import Abilities, OrderReport, OrderRequest
from engine.domain.position import FundingPaid, Position
from engine.domain.stream_event import OrderStreamState
from engine.net.clock import ClockOffset

FeedEvent = BookSnapshot | BookDelta | BookLost | TradePrint | PerpState | DayTicker | FeedAlive | FeedState
Sink = Callable[[FeedEvent], None]


class ConnectionHealth(Struct, frozen=True, kw_only=True):
    """One connection of a feed, now. None: not known, or not yet."""

    venue: str
    name: str
    state: str  # up | connecting | handing_over: its symbols are moving to a fresh connection
    symbols: tuple[str, ...]
    connected_since_ms: int | None  # our wall clock, UTC
    last_frame_age_ms: float | None
    frames_per_s: float  # over the last 10 s
    reconnects: int
    gaps: int
    resyncs: int
    errors: int  # frames that could not be decoded
    latency_p50_ms: float | None  # venue time to receipt over the last minute, by the venue's clock (± its uncertainty)
    latency_p99_ms: float | None
    ping_rtt_ms: float | None  # of the last ping
    reason: str  # why it broke last


class Orders(Protocol):
    """One account of one venue. Every method may raise VenueUnavailable, RateLimited or VenueRefused."""

    venue: str
    # How long after sending the venue may still accept a request (its expiry where it has one, else our bound), plus
    # the settle margin of its order queries.
    late_acceptance_ms: int
    abilities: Abilities

    async def place(self, order: OrderRequest) -> OrderReport:
        """Send one order once. Raises OutcomeUnknown when the venue may have accepted it; VenueRefused is definitive.

        VenueUnavailable here means that nothing left (connection refused, rate budget empty). The report may still be
        OPEN with no fills: the caller looks it up. What the venue's `abilities` lack is refused without a request
        (VenueRefused, code "unsupported").
        """
        ...

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: Decimal, price: Decimal) -> None:
        """Ask to change an open order: `qty` in all, fills included. Returning proves nothing: look it up.

        VenueRefused (code "unsupported" where `abilities.amend` is false) leaves the order as it was.
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

    async def wallets(self, assets: Sequence[str]) -> Sequence[Wallet]:
        """Deposits and withdrawals of these assets, network by network; assets in the venue's own spelling."""
        ...

    async def warnings(self, symbols: Sequence[str]) -> Sequence[MarketWarning]:
        """What the venue says against these markets now."""
        ...

    async def server_time_ms(self) -> int:
        """The venue's clock, UTC, for skew."""
        ...

    async def warm(self) -> None:
        """Connect, learn the venue's clock and prove the key, so that the first order pays for none of it."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Lender(Protocol):
    """An account that may borrow coins. May raise what `Orders` may."""

    venue: str

    async def loans(self, assets: Sequence[str]) -> Sequence[Loan]:
        """What borrowing these coins costs; those that are not lent are left out. The venue's own spelling."""
        ...


@runtime_checkable
class Conditional(Protocol):
    """An account where a stop-loss is an order of another kind, with an id and a list of its own until it goes off.

    `place` takes it; from its price on it is an ordinary order, whatever id the venue gives that one, and `open_orders`
    lists it under our client id. `abilities.kinds` names STOP_LOSS where both are found by that id. May raise what
    `Orders` may.
    """

    async def waiting_stops(self) -> Sequence[OrderReport]:
        """Every conditional order of the account that waits; `cid` is "" where it is none of a desk's.

        One row that says nothing understood is a foreign one: it must not hide the others.
        """
        ...

    async def cancel_stop(self, symbol: str, cid: str, venue_order_id: str) -> None:
        """As `cancel`, whether it waits or has gone off."""
        ...

    async def look_up_stop(self, symbol: str, cid: str) -> OrderReport:
        """As `look_up`: OPEN while it waits, then what became of the order that it made."""
        ...


async def everything_open(orders: Orders, stops: Container[str] | None) -> Sequence[OrderReport]:
    """Our `stops` that wait, then what rests: one that goes off meanwhile is in both lists, and told once.

    None: there never was one, and a list more is not asked for; a start's budget is small. Others' stops stay untold: a
    venue's timer is not known to reach them, and ours need not be given up for them.
    """
    if stops is None or not isinstance(orders, Conditional):
        return await orders.open_orders()
    waiting = [stop for stop in await orders.waiting_stops() if stop.cid in stops]
    resting = await orders.open_orders()
    gone_off = {report.cid for report in resting}
    return [*resting, *(stop for stop in waiting if stop.cid not in gone_off)]


@runtime_checkable
class DeadMan(Protocol):
    """An account with a timer at the venue (`abilities.countdown`). May raise what `Orders` may."""

    async def arm(self, timeout_s: int) -> None:
        """Every open order of the account is cancelled unless this comes again in time; 0 disarms.

        The venue's least and longest time win over what is asked for.
        """
        ...


@runtime_checkable
class Margined(Protocol):
    """An account of perpetuals in one asset: `balances` tells its wallet (total: without unrealised results).

    May raise what `Orders` may. Sizes of orders, reports and positions are in base; contracts stay behind this line.
    """

    venue: str

    async def prepare(self, symbols: Sequence[str], leverage: int) -> None:
        """One-way mode and this leverage on these symbols. Raises VenueRefused where open positions forbid it."""
        ...

    async def positions(self) -> Sequence[Position]:
        """Every position that is not zero, of whatever symbol."""
        ...

    async def funding_since(self, at_ms: int) -> Sequence[FundingPaid]:
        """Payments from that time on, oldest first."""
        ...


class OrderTold(Struct, frozen=True, kw_only=True):
    """One order of the account, ours or not, as its private stream tells it; `cid` is "" where it carries none."""

    report: OrderReport
    is_whole: bool  # False: fills, money or fees are missing from it, and a look-up must tell them


class StreamHealth(Struct, frozen=True, kw_only=True):
    """A private stream, now. None: not yet."""

    venue: str
    state: str  # up | connecting | refused
    up_since_ms: int | None  # our wall clock, UTC
    alive_age_ms: float | None  # since its socket last gave a sign of life
    told_age_ms: float | None  # since it last spoke of an order
    reconnects: int
    told: int  # orders' messages
    errors: int  # frames that could not be decoded
    ping_rtt_ms: float | None
    reason: str  # why it broke last


StreamSink = Callable[[OrderTold | OrderStreamState], None]


class OrderStream(Protocol):
    """The venue's own word on every order of one account, as it happens. Never the only source: frames get lost."""

    venue: str

    async def run(self, tell: StreamSink) -> None:
        """Connect, prove the key, subscribe, tell, reconnect with backoff and jitter; ends when cancelled."""
        ...

    def renew(self, reason: str) -> None:
        """Give this connection up and make another."""
        ...

    def health(self) -> StreamHealth: ...


class Feed(Protocol):
    """Public market data of one venue. Decoding and continuity are pure; the socket is net.ws."""

    venue: str

    async def run(self) -> None:
        """Connect, subscribe, deliver to the sink, reconnect with backoff and jitter; ends when cancelled."""
        ...

    def counters(self) -> Mapping[str, int]:
        """frames, events, errors, rest_errors, gaps, resyncs, reconnects, rollovers, moves, connections."""
        ...

    def health(self) -> tuple[ConnectionHealth, ...]:
        """Every connection, in the order in which they were made."""
        ...

    def age_ms(self, symbol: str, channel: str) -> float | None:
        """Since `book`, `trade` or `ticker` of a symbol last said something new, by our clock; None: never."""
        ...

    def clock(self) -> ClockOffset | None:
        """The venue's clock less ours, and how far that may be wrong; None before anything told it."""
        ...
