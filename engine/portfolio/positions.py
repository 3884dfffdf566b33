"""A position of a perpetual by its sums: what it holds, what was paid for it, what closing a part of it realises."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

from msgspec import Struct

from engine.domain.money import ZERO

_ROOMY = Context(prec=60)
_LAST_DIGIT = Decimal("1e-8")  # of a share of a sum: the rest stays in the cost of what is still open


class Open(Struct, frozen=True):
    """What stands open in one market. `cost` is in quote: paid for a long, negative for what a short has brought."""

    base: str
    quote: str
    qty: Decimal  # base, signed
    cost: Decimal

    @property
    def entry(self) -> Decimal:
        """Average, quote per base; 0 where nothing is open."""
        return _ROOMY.divide(self.cost, self.qty) if self.qty else ZERO


def realised(qty: Decimal, cost: Decimal, traded: Decimal, paid: Decimal) -> Decimal:
    """The result, in quote, of trading `traded` base (signed) for `paid` (negative: got) on a position.

    A trade that only opens realises nothing; one that turns the position closes all of it and opens the rest. Nothing
    is left in the cost of a position that is closed, whenever its last word came.
    """
    if not _ROOMY.add(qty, traded):
        return _ROOMY.minus(_ROOMY.add(cost, paid))
    if not qty or not traded or (qty > 0) == (traded > 0):
        return ZERO
    closed = min(abs(qty), abs(traded))
    return _ROOMY.minus(_ROOMY.add(_share(paid, closed, abs(traded)), _share(cost, closed, abs(qty))))


def _share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    if part == whole:
        return amount
    share = _ROOMY.divide(_ROOMY.multiply(amount, part), whole)
    return share.quantize(_LAST_DIGIT, ROUND_HALF_EVEN, _ROOMY)
