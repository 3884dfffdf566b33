"""What is promised to orders under way, so that nothing is promised twice (R118): available = free - reserved."""

from decimal import Context, Decimal, Inexact

from msgspec import Struct

from engine.domain.errors import InvariantBroken
from engine.domain.money import ZERO

_EXACT = Context(prec=60, traps=[Inexact])


class Reservation(Struct, frozen=True):
    owner: str  # an order's client id
    venue: str
    asset: str
    amount: Decimal


class Reservations:
    """One reservation per owner. Written by the core alone."""

    def __init__(self) -> None:
        self._by_owner: dict[str, Reservation] = {}
        self._totals: dict[tuple[str, str], Decimal] = {}

    def reserve(self, owner: str, venue: str, asset: str, amount: Decimal, free: Decimal | None = None) -> Reservation:
        """Promise `amount` to `owner`. With `free` given (what the account holds) the sum may not pass it.

        Raises InvariantBroken for a second promise to one owner, a negative amount, or more than there is: the review
        comes first and refuses; here it is our own mistake. Without `free` (orders read back from the journal, which
        are already under way) the promise is only written down.
        """
        if owner in self._by_owner:
            raise InvariantBroken(f"{owner} holds a reservation already")
        if amount < 0:
            raise InvariantBroken(f"{owner} reserves a negative amount: {amount} {asset}")
        if free is not None and self.available(venue, asset, free) < amount:
            left = self.available(venue, asset, free)
            raise InvariantBroken(f"{owner} reserves {amount} {asset} at {venue}, available {left}")
        made = Reservation(owner, venue, asset, amount)
        self._by_owner[owner] = made
        self._totals[venue, asset] = _EXACT.add(self.total(venue, asset), amount)
        return made

    def consume(self, owner: str, amount: Decimal) -> Decimal:
        """A fill took `amount` of what was promised; returns what is left. A fill beyond the promise takes it all.

        An owner without a reservation (released already) is nothing: a late fill is the ledger's business.
        """
        held = self._by_owner.get(owner)
        if held is None:
            return ZERO
        if amount < 0:
            raise InvariantBroken(f"{owner} consumes a negative amount: {amount} {held.asset}")
        taken = min(amount, held.amount)
        left = _EXACT.subtract(held.amount, taken)
        self._by_owner[owner] = Reservation(owner, held.venue, held.asset, left)
        self._totals[held.venue, held.asset] = _EXACT.subtract(self.total(held.venue, held.asset), taken)
        return left

    def release(self, owner: str) -> Decimal:
        """The order ended: give back what is left. Returns it; 0 for an owner that holds nothing."""
        held = self._by_owner.pop(owner, None)
        if held is None:
            return ZERO
        self._totals[held.venue, held.asset] = _EXACT.subtract(self.total(held.venue, held.asset), held.amount)
        return held.amount

    def of(self, owner: str) -> Reservation | None:
        return self._by_owner.get(owner)

    def total(self, venue: str, asset: str) -> Decimal:
        """Sum of all promises of one asset at one venue."""
        return self._totals.get((venue, asset), ZERO)

    def available(self, venue: str, asset: str, free: Decimal) -> Decimal:
        """What may still be promised of `free`; below zero where others took what was promised."""
        return _EXACT.subtract(free, self.total(venue, asset))
