"""Fills that a private stream tells one by one, added up to what a report needs."""

from collections import OrderedDict
from decimal import Decimal

from msgspec import Struct, field

from engine.domain.money import ZERO
from engine.domain.order import Fee
from engine.venues.reports import fees_of

_MOST_ORDERS = 1_000  # the oldest are forgotten: a report of theirs is not whole any more, and is looked up


class Sum(Struct):
    """Of the fills heard so far of one order."""

    qty: Decimal = ZERO
    quote: Decimal = ZERO
    fees: tuple[Fee, ...] = ()
    lacks_fees: bool = False
    ids: set[str] = field(default_factory=set)

    def is_whole(self, qty: Decimal) -> bool:
        """These are all fills of an order that has filled so much, and each named its fee."""
        return self.qty == qty and not self.lacks_fees


class FillSums:
    """By the venue's order id. A fill that comes twice counts once."""

    def __init__(self) -> None:
        self._orders: OrderedDict[str, Sum] = OrderedDict()

    def add(self, order_id: str, fill_id: str, qty: Decimal, quote: Decimal, fee_asset: str, fee: Decimal) -> None:
        """`fee` is positive where it is paid by us; without an asset it is not known, which is not zero."""
        found = self._orders.get(order_id)
        if found is None:
            found = self._orders[order_id] = Sum()
            if len(self._orders) > _MOST_ORDERS:
                self._orders.popitem(last=False)
        if fill_id in found.ids:
            return
        found.ids.add(fill_id)
        found.qty += qty
        found.quote += quote
        found.lacks_fees = found.lacks_fees or not fee_asset
        if fee_asset:
            found.fees = fees_of([*((known.asset, known.amount) for known in found.fees), (fee_asset, fee)])

    def of(self, order_id: str) -> Sum:
        return self._orders.get(order_id) or Sum()
