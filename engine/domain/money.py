"""Exact amounts: ticks, lots and rounding that may cost a fill but never money."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from msgspec import Struct

ZERO = Decimal(0)
BPS = Decimal("0.0001")
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class TickBand(Struct, frozen=True):
    """Prices from `from_price` up (inclusive) move in steps of `tick`."""

    from_price: Decimal
    tick: Decimal


def tick_at(bands: Sequence[TickBand], price: Decimal) -> Decimal:
    """The tick valid at `price`; `bands` are sorted by rising `from_price`, the first starts at 0."""
    tick = bands[0].tick
    for band in bands:
        if price < band.from_price:
            break
        tick = band.tick
    return tick


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` not above `value`."""
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` not below `value`."""
    return (value / step).to_integral_value(ROUND_CEILING) * step


def floor_price(bands: Sequence[TickBand], price: Decimal) -> Decimal:
    """`price` rounded down to its tick."""
    return floor_to(price, tick_at(bands, price))


def ceil_price(bands: Sequence[TickBand], price: Decimal) -> Decimal:
    """`price` rounded up to its tick."""
    return ceil_to(price, tick_at(bands, price))


def exact(value: float) -> Decimal:
    """The Decimal that a float prints as: the venue's own digits again, up to 15 of them."""
    return Decimal(repr(value))
