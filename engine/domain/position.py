"""What an account holds of perpetuals, and what it was paid or charged for holding them."""

from decimal import Decimal

from msgspec import Struct


class Position(Struct, frozen=True, kw_only=True):
    """One linear perpetual, netted (one-way mode). Sizes in base, prices per 1 base, whatever a contract is."""

    symbol: str
    qty: Decimal  # signed: a short is negative
    entry: Decimal  # average, as the venue keeps it
    mark: Decimal
    margin: Decimal  # quote: what the venue keeps aside for it
    liquidation: Decimal | None = None  # None: the venue names no such price


class FundingPaid(Struct, frozen=True, kw_only=True):
    """One settlement of funding of one position."""

    id: str  # the venue's own: the same payment asked for twice is one
    symbol: str
    asset: str
    amount: Decimal  # positive: received by us
    at_ms: int  # UTC, the venue's word


class Holding(Struct, frozen=True, kw_only=True):
    """A position as the ledger takes it over: with the two assets that it is booked in."""

    symbol: str
    base: str
    quote: str
    qty: Decimal  # base, signed
    entry: Decimal  # quote per base
