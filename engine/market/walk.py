"""Executable prices: walking the levels of a book (domain.md §3)."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from engine.native import native


class Walk(Struct, frozen=True):
    """What taking `qty` base from one side costs. `worst` is the last price touched."""

    qty: float
    quote: float
    worst: float

    @property
    def vwap(self) -> float:
        return self.quote / self.qty if self.qty else 0.0


def walk(levels: Iterable[tuple[float, float]], qty: float, usable: float = 1.0) -> Walk:
    """Take `qty` base from `levels` (best first), at most the share `usable` of each size.

    Where the book ends before `qty`, the walk holds what there is: never extrapolated.
    """
    if native is not None:
        return Walk(*native.walk(levels, qty, usable))
    taken, quote, worst = 0.0, 0.0, 0.0
    for price, size in levels:
        take = size * usable
        if taken + take >= qty:
            return Walk(qty, quote + price * (qty - taken), price)
        quote += price * take
        taken += take
        worst = price
    return Walk(taken, quote, worst)


def walk_amount(levels: Iterable[tuple[float, float]], quote: float) -> Walk:
    """Take `quote` worth of base from `levels` (best first); less where the book ends before."""
    if native is not None:
        return Walk(*native.walk_amount(levels, quote))
    taken, spent, worst = 0.0, 0.0, 0.0
    for price, size in levels:
        cost = price * size
        if spent + cost >= quote:
            return Walk(taken + (quote - spent) / price, quote, price)
        taken += size
        spent += cost
        worst = price
    return Walk(taken, spent, worst)


def best_size(
    bids: Iterable[tuple[float, float]],
    asks: Iterable[tuple[float, float]],
    sell_keep: float,
    buy_cost: float,
    max_qty: float,
    usable: float,
) -> float:
    """The base quantity that earns most: sell into `bids`, buy from `asks` (both best first).

    Each unit sold at p brings p·sell_keep, each bought at a costs a·buy_cost; both in one quote asset. The objective is
    concave and piecewise linear, so the optimum stands at a level boundary (domain.md §3). 0.0 where nothing earns.
    """
    if native is not None:
        found: float = native.best_size(bids, asks, sell_keep, buy_cost, max_qty, usable)
        return found
    total = 0.0
    sells, buys = iter(bids), iter(asks)
    bid, ask = next(sells, None), next(buys, None)
    bid_left = bid[1] * usable if bid else 0.0
    ask_left = ask[1] * usable if ask else 0.0
    while bid and ask and total < max_qty and bid[0] * sell_keep > ask[0] * buy_cost:
        take = min(bid_left, ask_left, max_qty - total)
        total = min(total + take, max_qty)  # the sum of its parts may round to more than the whole
        bid_left -= take
        ask_left -= take
        if bid_left <= 0.0:
            bid = next(sells, None)
            bid_left = bid[1] * usable if bid else 0.0
        if ask_left <= 0.0:
            ask = next(buys, None)
            ask_left = ask[1] * usable if ask else 0.0
    return total


def median(values: Sequence[float]) -> float:
    """The middle value; of an even number the mean of the two in the middle. Raises IndexError on an empty sequence."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
