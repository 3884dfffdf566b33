"""A person's order under way, derived from its children: what is done, what is due, when it is over. Pure."""

from collections import deque
from decimal import Decimal

from msgspec import Struct, field

from engine.domain.money import ZERO
from engine.domain.order import Side
from engine.domain.parent import ParentPlan, ParentState, Slice
from engine.execution.templates.registry import TOPS_UP
from engine.execution.trade import Trade

_TOP_UPS = 3  # tries for what the last slice left over


class Sent(Struct, frozen=True):
    """A child that left, for the pace of the next ones."""

    at_ns: int
    venue: str
    symbol: str
    side: Side


class Parent(Struct, kw_only=True):
    """A plan and every trade made for it. Written by the core alone."""

    plan: ParentPlan
    state: ParentState = ParentState.RUNNING
    reason: str = ""
    ran_ms: int = 0  # time that it has run, pauses left out
    driven_ns: int = 0
    children: dict[int, list[Trade]] = field(default_factory=dict)  # by slice
    pulled: set[int] = field(default_factory=set)  # taken back by a pause: to be sent again
    awaited: set[int] = field(default_factory=set)  # rested before this start: whether they still do is not known
    triggered: set[int] = field(default_factory=set)
    reached_ns: int = 0  # since when the price is where its stop at the venue goes off; 0: it is not
    rung: bool = False  # that it has gone off and does not fill
    dropped: set[int] = field(default_factory=set)  # too small to be sent: left to the next
    refused_since_ns: int = 0
    retry_ns: int = 0
    sent: deque[Sent] = field(default_factory=lambda: deque(maxlen=256))
    route: tuple[str, ...] = ()
    updated_ms: int = 0
    shown_ns: int = 0

    @property
    def is_over(self) -> bool:
        return self.state in (ParentState.DONE, ParentState.CANCELLED)

    @property
    def trades(self) -> list[Trade]:
        return [trade for _, trades in sorted(self.children.items()) for trade in trades]

    @property
    def live(self) -> list[Trade]:
        return [trade for trade in self.trades if not trade.is_over]


class Due(Struct, frozen=True):
    """A slice whose time has come, and how much of it."""

    slice: int
    qty: Decimal


class Filled(Struct, frozen=True, kw_only=True):
    """What the children have traded so far; fees at the planned rates of each."""

    qty: Decimal  # base, before fees
    krw: Decimal
    fees_krw: Decimal
    quotes: dict[str, Decimal]  # per quote asset


def adopt(parent: Parent, trade: Trade) -> None:
    """A child was made for a slice."""
    index = trade.plan.slice
    parent.children.setdefault(index, []).append(trade)
    parent.pulled.discard(index)
    parent.awaited.discard(index)
    parent.ran_ms = max(parent.ran_ms, parent.plan.slices[index].at_ms)


def filled_base(trades: list[Trade]) -> Decimal:
    reports = [order.report for trade in trades for order in trade.orders]
    return sum((report.filled_qty for report in reports if report is not None), ZERO)


def filled(parent: Parent) -> Filled:
    qty = krw = fees_krw = ZERO
    quotes: dict[str, Decimal] = {}
    for trade in parent.trades:
        leg = trade.plan.legs[0]
        for order in trade.orders:
            if order.report is None:
                continue
            qty += order.report.filled_qty
            krw += order.report.filled_quote * leg.quote_krw
            quotes[leg.quote] = quotes.get(leg.quote, ZERO) + order.report.filled_quote
            for fee in order.report.fees:
                in_base = leg.planned_vwap if fee.asset == leg.base else ZERO
                fees_krw += fee.amount * leg.quote_krw * (in_base if fee.asset != leg.quote else 1)
    return Filled(qty=qty, krw=krw, fees_krw=fees_krw, quotes=quotes)


def size(parent: Parent) -> Decimal:
    return sum((piece.qty for piece in parent.plan.slices), ZERO)


def committed(parent: Parent) -> Decimal:
    """Filled, or in an order without an end yet at its whole size."""
    done = filled_base([trade for trade in parent.trades if trade.is_over])
    return done + sum((trade.plan.legs[0].qty for trade in parent.live), ZERO)


def due(parent: Parent) -> tuple[Due, ...]:
    """What may be sent now: slices whose time, turn and price have come, and what earlier ones left over.

    Sums never pass the parent: each is cut to what is neither filled nor under way. Of timed slices one at a time; a
    shortfall goes into the next slice and at most doubles it, so that a pause or an outage is made up for slowly.
    """
    slices = parent.plan.slices
    left = size(parent) - committed(parent)
    made: list[Due] = []
    owed = ZERO
    is_waiting = False  # an earlier slice is still under way or not yet due
    for index, piece in enumerate(slices):
        trades = parent.children.get(index, [])
        if any(not trade.is_over for trade in trades):
            is_waiting = True
            owed += piece.qty - sum((trade.plan.legs[0].qty for trade in trades if not trade.is_over), ZERO)
            owed -= filled_base([trade for trade in trades if trade.is_over])
            continue
        done = filled_base(trades)
        if index in parent.dropped or (trades and index not in parent.pulled):
            owed += piece.qty - done
            continue
        if not _is_ready(parent, index, piece, is_waiting):
            is_waiting = True
            continue
        extra = min(max(owed, ZERO), piece.qty) if tops_up(parent) else ZERO
        qty = min(piece.qty - done + extra, left)
        if qty <= 0:
            continue
        made.append(Due(index, qty))
        left -= qty
        owed -= extra
        is_waiting = True
        if piece.at_ms:
            break
    if not made and not is_waiting and left > 0 and tops_up(parent):
        last = len(slices) - 1
        if len(parent.children.get(last, [])) <= _TOP_UPS:
            made.append(Due(last, left))
    return tuple(made)


def _is_ready(parent: Parent, index: int, piece: Slice, is_waiting: bool) -> bool:
    if piece.at_ms > parent.ran_ms or (piece.in_turn and is_waiting):
        return False
    return piece.trigger is None or index in parent.triggered


def tops_up(parent: Parent) -> bool:
    """Whether what a slice leaves over is sent again: where it is taken from the book, not where it rested."""
    return parent.plan.ask.template in TOPS_UP and parent.plan.slices[-1].price is None


def is_reached(piece: Slice, side: Side, bid: Decimal, ask: Decimal) -> bool:
    """Whether a slice's trigger has been met by the touch: by what would be paid, not by what is hoped for."""
    if piece.trigger is None:
        return True
    price = ask if side is Side.BUY else bid
    return price >= piece.trigger if piece.rising else price <= piece.trigger


def is_spent(parent: Parent) -> bool:
    """Every slice has had its child and none is under way."""
    return not parent.live and all(_is_done(parent, index, piece) for index, piece in enumerate(parent.plan.slices))


def _is_done(parent: Parent, index: int, piece: Slice) -> bool:
    trades = parent.children.get(index, [])
    if index in parent.dropped or (trades and index not in parent.pulled):
        return True
    return filled_base(trades) >= piece.qty
