"""A person's order as people see it: computed from its children, shown when it changes."""

from decimal import Decimal

from msgspec import structs

from engine.core import stops
from engine.core.state import State
from engine.domain.effect import Severity
from engine.domain.money import BPS, NS_PER_S, ZERO, exact
from engine.domain.order import Side, TimeInForce
from engine.domain.parent import ParentPlan, ParentState, Slice
from engine.domain.view import ParentView
from engine.execution.parent import Parent, filled, size
from engine.market.walk import walk

_SHOW_NS = 2 * NS_PER_S


def show(state: State, parent: Parent) -> None:
    """The card as it stands; a newer one takes the place of an older."""
    if state.recovering:
        return
    parent.shown_ns, parent.updated_ms = state.now_ns, state.wall_ms
    severity = Severity.WARN if parent.state is ParentState.PAUSED else Severity.INFO
    state.notice("parent", parent.plan.parent_id, severity, view(state, parent))


def show_soon(state: State, parent: Parent) -> None:
    """While it works: every two seconds."""
    if parent.state is ParentState.RUNNING and state.now_ns - parent.shown_ns >= _SHOW_NS:
        show(state, parent)


def view(state: State, parent: Parent) -> ParentView:
    plan, done = parent.plan, filled(parent)
    quote = next(iter(done.quotes), "")
    one_quote = len(done.quotes) == 1 and done.qty
    return ParentView(
        id=plan.parent_id,
        template=plan.ask.template,
        side=plan.ask.side,
        base=plan.ask.base,
        qty=size(parent),
        venue=plan.venue,
        symbol=plan.symbol,
        quote=quote or plan.quote,
        limit=plan.limit,
        stop=plan.ask.stop,
        state=parent.state,
        reason=parent.reason,
        slices=len(plan.slices),
        sent=len(parent.children),
        children=len(parent.live),
        filled_qty=done.qty,
        filled_krw=done.krw,
        fees_krw=done.fees_krw,
        price=done.quotes[quote] / done.qty if one_quote else ZERO,
        cost_krw=ZERO,
        fee_krw=ZERO,
        over_ms=plan.slices[-1].at_ms,
        ran_ms=parent.ran_ms,
        route=parent.route,
        actor=plan.actor,
        opened_ms=plan.created_ms,
        updated_ms=parent.updated_ms,
        follows=plan.ask.follow,
        reduces=plan.ask.reduce_only,
        stop_at=stops.where(parent),
    )


def draft(state: State, plan: ParentPlan, venue: str, route: tuple[str, ...]) -> ParentView:
    """A plan before its tap: what it is expected to cost at the book of now. `venue`: where its prices are from."""
    parent = Parent(plan=plan, route=route, updated_ms=state.wall_ms)
    gross, fee = _expected(state, plan, venue)
    shown = view(state, parent)
    total = gross + fee if plan.ask.side is Side.BUY else gross - fee
    margin_krw = margin(state, plan) * plan.quote_krw
    stop_at = "venue" if stops.is_at_venue(plan) else shown.stop_at
    return structs.replace(shown, state="draft", cost_krw=total, fee_krw=fee, margin_krw=margin_krw, stop_at=stop_at)


def margin(state: State, plan: ParentPlan) -> Decimal:
    """Quote that a perpetual's account keeps aside for all of it at its limit; 0 of coins and of what only reduces."""
    at = state.venues.get(plan.venue)
    if at is None or not at.settings.leverage or plan.ask.reduce_only:
        return ZERO
    return sum((piece.qty for piece in plan.slices), ZERO) * plan.limit / at.settings.leverage


def _expected(state: State, plan: ParentPlan, venue: str) -> tuple[Decimal, Decimal]:
    """(worth, fees) in KRW if every slice met the book of now."""
    rules = state.market.instruments[venue, plan.symbol]
    gross = fee = ZERO
    for piece in plan.slices:
        worth = piece.qty * _price(state, plan, venue, piece) * plan.quote_krw
        rests = not piece.tif.ends_at_once and piece.stop_price is None
        gross += worth
        fee += worth * (rules.maker_fee_bps if rests else rules.taker_fee_bps) * BPS
    return gross, fee


def _price(state: State, plan: ParentPlan, venue: str, piece: Slice) -> Decimal:
    known = piece.stop_price or piece.trigger
    if known is not None:
        return known
    if piece.price is not None and piece.tif is not TimeInForce.IOC:
        return piece.price
    book = state.market.book(venue, plan.symbol)
    if book is None:
        return plan.limit
    found = walk(book.asks() if plan.ask.side is Side.BUY else book.bids(), float(piece.qty))
    return exact(found.vwap) if found.qty else plan.limit
