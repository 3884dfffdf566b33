"""What the order clients share of a venue's word on an order: an acknowledgement, its numbers, fees by asset."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from msgspec import Struct

from engine.domain.errors import VenueUnavailable
from engine.domain.money import ZERO
from engine.domain.order import Fee, OrderReport, OrderRequest, OrderStatus, Side

_MOST_DIGITS = 40  # before or behind the point: no venue has a larger number or a finer one


class Finite(Struct):
    """A row whose Decimals are numbers: NaN, infinity and what overflows make the answer unreadable."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal) and not (value.is_finite() and abs(value.adjusted()) < _MOST_DIGITS):
                raise ValueError(f"{name} is no number: {value}")


def acknowledged(order: OrderRequest, venue_order_id: str, venue_ts_ms: int = 0) -> OrderReport:
    """The venue has it; what became of it comes with a look-up."""
    return unfilled(order.venue, order.symbol, order.side, order.cid, venue_order_id, OrderStatus.OPEN, venue_ts_ms)


def unfilled(
    venue: str, symbol: str, side: Side, cid: str, venue_order_id: str, status: OrderStatus, venue_ts_ms: int = 0
) -> OrderReport:
    """Nothing was traded: an order that is new, a stop that waits or has ended without an order."""
    return OrderReport(
        cid=cid,
        venue=venue,
        symbol=symbol,
        side=side,
        status=status,
        venue_order_id=venue_order_id,
        filled_qty=ZERO,
        filled_quote=ZERO,
        fees=(),
        venue_ts_ms=venue_ts_ms,
    )


def number(venue: str, text: str) -> Decimal:
    """Empty text is how some venues write nothing. Raises VenueUnavailable for what is no number."""
    try:
        value = Decimal(text) if text else ZERO
    except InvalidOperation as error:
        raise VenueUnavailable(f"{venue}: not a number: {text!r}") from error
    if not value.is_finite():
        raise VenueUnavailable(f"{venue}: not a number: {text!r}")
    return value


def positive(venue: str, text: str) -> Decimal:
    """A price, a size, a step: nothing and less are none. Raises VenueUnavailable."""
    value = number(venue, text)
    if value <= 0:
        raise VenueUnavailable(f"{venue}: neither a price nor a size: {text!r}")
    return value


def fees_of(paid: Iterable[tuple[str, Decimal]]) -> tuple[Fee, ...]:
    """Asset and amount of each fill, summed by asset; what sums to nothing is left out."""
    sums: dict[str, Decimal] = {}
    for asset, amount in paid:
        sums[asset] = sums.get(asset, ZERO) + amount
    return tuple(Fee(asset, amount) for asset, amount in sums.items() if amount)


def settled(venue: str, order_id: str, executed: Decimal, filled: Decimal) -> None:
    """Raises VenueUnavailable while the fills do not add up to the order: fees and money are not known yet."""
    if filled != executed:
        raise VenueUnavailable(f"{venue}: fills of {order_id} not settled: {filled} of {executed}")
