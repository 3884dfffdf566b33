"""What happens to an account of perpetuals beside its orders: positions, funding, and what is booked of both."""

from decimal import Decimal

from msgspec import Struct

from engine.domain.position import FundingPaid, Position


class PositionsReported(Struct, frozen=True, kw_only=True, tag=True):
    """Every position of the account; what is not named is none. Told before the balances of the same asking."""

    venue: str
    positions: tuple[Position, ...]
    asked_ns: int
    seen_ns: int


class FundingReported(Struct, frozen=True, kw_only=True, tag=True):
    """Settlements of funding since the time that was asked for; those known before are among them."""

    venue: str
    payments: tuple[FundingPaid, ...]
    seen_ns: int


class FundingBooked(Struct, frozen=True, kw_only=True, tag=True):
    """One payment entered into the books: journaled, so that a restart neither repeats nor forgets it."""

    venue: str
    paid: FundingPaid
    krw: Decimal  # what it was worth then: part of the result
    wall_ms: int
    seen_ns: int


class MarginAligned(Struct, frozen=True, kw_only=True, tag=True):
    """The venue's own split between results that are realised and the cost of what is open, taken over; journaled.

    Amounts to add. What does not cancel out is the venue's rounding, and is booked under that name.
    """

    venue: str
    asset: str
    wallet: Decimal
    costs: dict[str, Decimal]  # symbol -> to the cost of its position
    seen_ns: int


class HedgeLost(Struct, frozen=True, kw_only=True, tag=True):
    """A part of a trade's hedge, or all, that its account carries no longer, by a person's word; journaled.

    Its venue has closed it (liquidated, deleveraged), or somebody by hand: no order of ours says when or how.
    """

    trade_id: str
    leg: int
    qty: Decimal  # signed base that is gone
    price: Decimal  # the mark when the difference was seen, quote per base
    wall_ms: int
    seen_ns: int
