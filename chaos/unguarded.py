"""Guards of the engine's own, taken out while a world lives. No parameter does that: money has no such switch."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine.core import absent
from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.domain.money import ZERO
from engine.domain.order import Side
from engine.execution import trade
from engine.execution.order_state import OrderState
from engine.market import view
from engine.market.book import PlainBook
from engine.market.books import PlainBooks
from engine.risk import review, rules


@contextmanager
def _stands_in(where: Any, name: str, other: object) -> Iterator[None]:
    """Raises AttributeError where the engine has nothing of that name any more."""
    kept = getattr(where, name)
    setattr(where, name, other)
    try:
        yield
    finally:
        setattr(where, name, kept)


class _Naive(PlainBook):
    """Does not see that it is crossed."""

    @property
    def is_crossed(self) -> bool:
        return False


def _whatever_the_spread(case: rules.Case) -> rules.Refused | None:
    """Each leg's book may be used; a bid above the ask is no matter."""
    for leg, seen in case.pairs():
        refused = rules._books(rules.Case((leg,), replace(case.now, seen=(seen,)), case.limits))
        if refused is not None and refused.numbers["reason"] != "no spread":
            return refused
    return None


@contextmanager
def crossed_books() -> Iterator[None]:
    """Both rules that are about them: such a book is kept (market.view), and it may be traded on (risk.rules)."""
    known = tuple(_whatever_the_spread if rule is rules._books else rule for rule in rules.RULES)
    with ExitStack() as stack:
        stack.enter_context(_stands_in(view, "Book", _Naive))
        stack.enter_context(_stands_in(view, "new_books", PlainBooks))
        stack.enter_context(_stands_in(review, "RULES", known))
        yield


def _gross_base(order: OrderState, base: str) -> Decimal:
    filled = order.report.filled_qty if order.report is not None else ZERO
    return filled if order.request.side is Side.BUY else -filled


@contextmanager
def fees_in_the_coin() -> Iterator[None]:
    """What a trade holds is what was filled, whatever its venue kept of it."""
    with _stands_in(trade, "net_base", _gross_base):
        yield


@contextmanager
def balances_as_evidence() -> Iterator[None]:
    """Absent is what look-ups and lists do not know, whatever has become of the balances."""
    conclude = absent.conclude_missing

    def hasty(state: State, held: VenueState, asked_ns: int, changed: frozenset[str]) -> None:
        conclude(state, held, asked_ns, frozenset())

    with _stands_in(absent, "conclude_missing", hasty):
        yield
