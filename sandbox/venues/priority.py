"""Who trades first: price, then time."""

from decimal import Decimal

from sandbox.venues.orders import Kind, Order, Side


def limit_of(order: Order) -> Decimal:
    """A resting order always has a price."""
    assert order.price is not None
    return order.price


def priority(order: Order) -> tuple[Decimal, int]:
    """Sorts the resting orders of one side, first to trade first."""
    return (-limit_of(order) if order.side is Side.BUY else limit_of(order)), order.rank


def is_ahead(price: Decimal, other: Decimal, side: Side) -> bool:
    """True where `price` is strictly better than `other` for a maker on this side."""
    return price > other if side is Side.BUY else price < other


def crosses(order: Order, price: Decimal) -> bool:
    """True where the order may trade at a price of the other side."""
    if order.price is None or order.kind is not Kind.LIMIT:
        return True
    return price <= order.price if order.side is Side.BUY else price >= order.price
