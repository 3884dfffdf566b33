"""What an account may ask of its venue, paid before anything leaves: by its purpose, at once or after a wait."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from enum import Enum

from engine.domain.errors import RateLimited
from engine.net.ratelimit import SlidingWindow
from engine.venues.verdict import Budget, Budgets

_URGENT_SHARE = 0.3  # of every budget: what is left for cancels and look-ups when new orders have used the rest
_LOOKS_SHARE = Decimal("0.5")  # of the reads at most: balances and rules need theirs to end what look-ups began
_SLACK = 1.1


class Purpose(Enum):
    """Why a request is made: which budget pays, whether it may use the reserved share, whether it waits for it."""

    PLACE = "place"
    CANCEL = "cancel"
    LOOK_UP = "look_up"
    READ = "read"


def budgets(
    orders_per_second: Decimal,
    reads_per_second: Decimal,
    clock_ns: Callable[[], int],
    look_ups_per_second: Decimal | None = None,
) -> Budgets:
    """Windows as venues count them. Look-ups with a rate of their own are no reads; else they have half of these."""
    return Budgets(
        orders=_window(orders_per_second, clock_ns),
        reads=_window(reads_per_second, clock_ns),
        looks=_window(look_ups_per_second or reads_per_second * _LOOKS_SHARE, clock_ns),
        looks_apart=look_ups_per_second is not None,
    )


def _window(per_second: Decimal, clock_ns: Callable[[], int]) -> SlidingWindow:
    """A venue counts when a call arrives, we when it leaves: a tenth more of time than its window has."""
    most = max(float(per_second), 2.0)
    period_s = most / float(per_second) * _SLACK
    return SlidingWindow(most, period_s, clock_ns, reserved=min(most * _URGENT_SHARE, most - 1))


class Purse:
    """One account's budgets."""

    def __init__(self, venue: str, budgets: Budgets, patience_s: float) -> None:
        """Nobody waits longer than `patience_s` for a budget that is empty."""
        self._venue = venue
        self._budgets = budgets
        self._patience_s = patience_s

    def pay_now(self, *, urgent: bool) -> None:
        """A placement does not wait: its price is old by then. Raises RateLimited."""
        budget = self._budgets.orders
        if not budget.try_take(urgent=urgent):
            wait_s = budget.wait_s(urgent=urgent)
            raise RateLimited(f"{self._venue}: order budget is empty for {wait_s:.2f} s, nothing was sent", wait_s)

    async def pay(self, purpose: Purpose, price: int = 1) -> None:
        """Anything but a placement; `price` counts usual calls. Raises RateLimited.

        One is waited for, the rest is owed: a dear call is never kept waiting by a budget that is too small for it.
        """
        until_s = asyncio.get_running_loop().time() + self._patience_s
        if purpose is Purpose.LOOK_UP and self._budgets.looks is not None:
            await self._take(self._budgets.looks, purpose, until_s, price)
            if self._budgets.looks_apart:
                return
        budget = self._budgets.orders if purpose is Purpose.CANCEL else self._budgets.reads
        await self._take(budget, purpose, until_s, price)

    async def _take(self, budget: Budget, purpose: Purpose, until_s: float, price: int) -> None:
        urgent = purpose is not Purpose.READ
        while not budget.try_take(urgent=urgent):
            wait_s = budget.wait_s(urgent=urgent)
            if asyncio.get_running_loop().time() + wait_s > until_s:
                raise RateLimited(f"{self._venue}: {purpose.value} budget is empty for {wait_s:.2f} s", wait_s)
            await asyncio.sleep(wait_s)
        if price > 1:
            budget.owe(price - 1)

    def rest(self, wait_s: float) -> None:
        """The venue said `too many`: asking on makes a ban longer, so urgent calls rest too."""
        for budget in (self._budgets.orders, self._budgets.reads, self._budgets.looks):
            if budget is not None:
                budget.block(wait_s)
