"""What the templates share: the touch they start from, the limit they never pass, and a size cut into whole steps."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from engine.domain.market import Instrument
from engine.domain.money import BPS, ZERO, ceil_price, ceil_to, floor_price, floor_to
from engine.domain.order import Side
from engine.domain.parent import Ask
from engine.execution.plan import NotExecutable

_MARGIN = Decimal("1.02")  # over a minimum in quote: the price may fall until the slice's time


class Touch(Struct, frozen=True):
    """Best prices of the market when the order was planned."""

    bid: Decimal
    ask: Decimal

    def hit(self, side: Side) -> Decimal:
        """The price that `side` takes."""
        return self.ask if side is Side.BUY else self.bid

    def join(self, side: Side) -> Decimal:
        """The price at which `side` waits."""
        return self.bid if side is Side.BUY else self.ask


def limit_of(ask: Ask, rules: Instrument, touch: Touch) -> Decimal:
    """The worst price of any child, on the tick: as asked, else the band around what is taken. Never rounded worse."""
    top = touch.hit(ask.side)
    if ask.side is Side.BUY:
        wanted = ask.price if ask.price is not None else top * (1 + ask.band_bps * BPS)
        return floor_price(rules.ticks, wanted)
    wanted = ask.price if ask.price is not None else top * (1 - ask.band_bps * BPS)
    return ceil_price(rules.ticks, wanted)


def joined(ask: Ask, rules: Instrument, touch: Touch) -> Decimal:
    """Our own side of the touch, no worse than the limit: where what follows the touch begins."""
    limit = limit_of(ask, rules, touch)
    return min(touch.join(ask.side), limit) if ask.side is Side.BUY else max(touch.join(ask.side), limit)


def least(rules: Instrument, price: Decimal) -> Decimal:
    """The smallest size that the venue takes at `price` or a little below, in whole steps."""
    by_money = rules.min_notional * _MARGIN / price
    return ceil_to(max(rules.min_qty, by_money, rules.qty_step), rules.qty_step)


def split(qty: Decimal, weights: Sequence[Decimal], rules: Instrument, price: Decimal) -> tuple[Decimal, ...]:
    """`qty` cut by `weights` into whole steps that add up to `qty` rounded down; 0 where a part was too small to send.

    What is too small goes on into the next part, and the last remainder into the last part that stands.
    """
    whole, total = floor_to(qty, rules.qty_step), sum(weights, ZERO)
    smallest = least(rules, price)
    parts: list[Decimal] = []
    given = seen = ZERO
    for weight in weights:
        seen += weight
        due = whole if seen == total else floor_to(whole * seen / total, rules.qty_step)
        parts.append(due - given if due - given >= smallest else ZERO)
        given += parts[-1]
    rest = whole - given
    if rest:
        last = max((index for index, part in enumerate(parts) if part), default=len(parts) - 1)
        parts[last] += rest
    return tuple(parts)


def even(count: int) -> tuple[Decimal, ...]:
    return (Decimal(1),) * count


def too_little(ask: Ask, rules: Instrument, price: Decimal) -> NotExecutable | None:
    """A size that the venue would not take even whole."""
    smallest = least(rules, price)
    if floor_to(ask.qty, rules.qty_step) >= smallest:
        return None
    return NotExecutable(
        rule="min_notional",
        text=f"{ask.qty} {ask.base} is below the least that {rules.venue} takes: {smallest} {ask.base}",
        numbers={"qty": str(ask.qty), "least": str(smallest)},
    )


def missing(rule: str, text: str) -> NotExecutable:
    return NotExecutable(rule=rule, text=text, numbers={})
