"""One order's life: what may follow what, and how the venue's cumulative word is folded in."""

from decimal import Decimal

import msgspec
from msgspec import Struct

from engine.domain.errors import InvariantBroken
from engine.domain.money import ZERO
from engine.domain.order import Fee, OrderReport, OrderRequest, OrderStatus, Side

S = OrderStatus

# A fill may come after a cancel, and evidence after a wrong belief: both are taken, the second with an alarm.
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    S.PLANNED: frozenset({S.SENT, S.UNKNOWN, S.NOT_PLACED, S.OPEN, S.FILLED, S.CANCELLED, S.REJECTED}),
    S.SENT: frozenset({S.OPEN, S.FILLED, S.CANCELLED, S.REJECTED, S.UNKNOWN, S.NOT_PLACED}),
    S.UNKNOWN: frozenset({S.OPEN, S.FILLED, S.CANCELLED, S.REJECTED, S.NOT_PLACED}),
    S.OPEN: frozenset({S.FILLED, S.CANCELLED, S.REJECTED, S.UNKNOWN}),  # UNKNOWN: its venue knows it no more
    S.CANCELLED: frozenset({S.FILLED}),
    S.REJECTED: frozenset({S.OPEN, S.FILLED, S.CANCELLED}),
    S.NOT_PLACED: frozenset({S.OPEN, S.FILLED, S.CANCELLED}),
    S.FILLED: frozenset(),
}
TERMINAL = frozenset({S.FILLED, S.CANCELLED, S.REJECTED, S.NOT_PLACED})


class OrderState(Struct, kw_only=True):
    """A request with everything known of it. Written by the core alone."""

    request: OrderRequest
    status: OrderStatus = OrderStatus.PLANNED
    report: OrderReport | None = None
    reason: str = ""
    was_unknown: bool = False
    planned_ns: int = 0
    planned_ms: int = 0
    sent_ns: int = 0
    done_ns: int = 0
    done_ms: int = 0
    final_after_ns: int = 0  # UNKNOWN: the venue cannot newly accept it after this
    clean_misses: int = 0  # look-ups sent after final_after_ns and answered: not found
    next_look_ns: int = 0
    looks: int = 0
    told_ns: int = 0  # when its venue last said anything of it, by whichever way
    heard_ns: int = 0  # when the venue's private stream last spoke of it; 0: never
    cancel_asked_ns: int = 0
    moved_to: Decimal | None = None  # the price asked for since it rests; None: as it was placed
    dearest: Decimal | None = None  # of all prices that it was asked for: what is reserved for it
    move_asked_ns: int = 0
    is_moving: bool = False  # asked, no answer yet
    cannot_move: bool = False  # the venue would not, or may not have: its price is in doubt
    unknown_alerted: bool = False
    tell_ns: int = 0  # UNKNOWN since a start, and told of at that time if it still is; 0: nothing is to be told
    by_evidence: bool = False  # ended because nobody knows it any more

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def rests(self) -> bool:
        """Named by its venue, and meant to stay there: until it fills it changes no total."""
        return (
            self.status is S.OPEN
            and not self.request.tif.ends_at_once
            and not (self.cancel_asked_ns or self.is_moving or self.clean_misses)
        )

    @property
    def never_left(self) -> bool:
        """Stopped before the socket (latch, journal, an empty rate budget): the venue never had a word in it."""
        return self.status is OrderStatus.NOT_PLACED and not self.was_unknown


def move(order: OrderState, to: OrderStatus) -> None:
    """Change status by the table. Raises InvariantBroken for a transition that is not in it."""
    if to is order.status:
        return
    if to not in TRANSITIONS[order.status]:
        raise InvariantBroken(f"order {order.request.cid}: {order.status} -> {to} is not a transition")
    if to is OrderStatus.UNKNOWN:
        order.was_unknown = True
    order.status = to


def fold(order: OrderState, report: OrderReport) -> bool:
    """Take the venue's cumulative word; True when it told something new. An older word changes nothing."""
    known = order.report
    if known is not None and report.filled_qty < known.filled_qty:
        return False
    merged = msgspec.structs.replace(report, fees=merged_fees(known, report))
    was = order.status
    grew = _amounts(merged) != _amounts(known)
    # Without a new fill, another name for the end of an order that has ended is a matter of words.
    moves = report.status in TRANSITIONS[was] and (grew or was not in TERMINAL or report.status not in TERMINAL)
    if not moves and not grew:
        return False
    order.report = merged
    if moves:
        move(order, report.status)
    return True


def _amounts(report: OrderReport | None) -> tuple[Decimal, Decimal, tuple[Fee, ...]]:
    return (report.filled_qty, report.filled_quote, report.fees) if report is not None else (ZERO, ZERO, ())


def merged_fees(known: OrderReport | None, report: OrderReport) -> tuple[Fee, ...]:
    """Fees so far, per asset. A fee that a report does not name is not yet known, not zero.

    At the same fill the larger one stands: fees are often told after the fill, never taken back.
    """
    fees: dict[str, Decimal] = {}
    for fee in report.fees:
        fees[fee.asset] = fees.get(fee.asset, ZERO) + fee.amount
    grew = known is None or report.filled_qty > known.filled_qty
    for fee in known.fees if known is not None else ():
        told = fees.get(fee.asset)
        if told is None or (not grew and abs(fee.amount) > abs(told)):
            fees[fee.asset] = fee.amount
    return tuple(Fee(asset, amount) for asset, amount in sorted(fees.items()))


def net_base(order: OrderState, base: str) -> Decimal:
    """Signed change of our base holding: bought minus base fees, or minus what was sold (domain.md §3, fee side)."""
    report = order.report
    if report is None:
        return ZERO
    fee = sum((fee.amount for fee in report.fees if fee.asset == base), ZERO)
    return report.filled_qty - fee if order.request.side is Side.BUY else -report.filled_qty - fee
