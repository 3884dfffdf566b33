"""An opportunity as a card and as a row."""

from math import isfinite

from engine.core.state import Opportunity, State
from engine.domain.board import LockView, WarningView
from engine.domain.command import Mode
from engine.domain.effect import Severity
from engine.domain.market import Product
from engine.domain.money import NS_PER_MS, ZERO
from engine.domain.order import PlannedLeg, Side
from engine.domain.view import LegView, OpportunityView


def show(state: State, found: Opportunity) -> None:
    """The card as it stands at the end of this step."""
    found.noticed_ns = state.now_ns
    state.cards_due.setdefault(found.id, (found, False))


def show_and_record(state: State, found: Opportunity) -> None:
    """A new state of it: the card and the signal's row (R062, R067)."""
    found.noticed_ns = state.now_ns
    state.cards_due[found.id] = (found, True)


def publish(state: State, found: Opportunity, with_row: bool) -> None:
    if with_row:
        state.publish("opportunity", "signals", found.id, Severity.INFO, view(state, found))
    else:
        state.notice("opportunity", found.id, Severity.INFO, view(state, found))


def record(state: State, found: Opportunity) -> None:
    """The signal's row (R062, R067): renewed when its state changes."""
    state.record("signals", found.id, view(state, found))


def leg_view(leg: PlannedLeg) -> LegView:
    return LegView(
        venue=leg.venue,
        symbol=leg.symbol,
        base=leg.base,
        quote=leg.quote,
        side=leg.side,
        qty=leg.qty,
        price=leg.planned_vwap,
        limit_price=leg.limit_price,
        fee_bps=leg.fee_bps,
    )


def view(state: State, found: Opportunity) -> OpportunityView:
    intent = found.intent
    ages = [state.market.age_ms(leg.venue, leg.symbol, state.now_ns) for leg in intent.legs]
    # After a restart a book may not be there yet: it has no age, and JSON has no infinity.
    known = {"book_age_ms": max(ages)} if isfinite(max(ages)) else {}
    left_ms = max(0, found.expires_ns - state.now_ns) // NS_PER_MS
    first = state.market.instruments.get((intent.legs[0].venue, intent.legs[0].symbol))
    return OpportunityView(
        id=found.id,
        key=found.key,
        strategy=found.strategy,
        coin=first.base if first else "",
        mode=state.strategies[found.strategy].mode if found.strategy in state.strategies else Mode.OFF,
        state=found.state,
        legs=tuple(leg_view(leg) for leg in found.legs),
        notional_krw=max((leg.qty * leg.planned_vwap * leg.quote_krw for leg in found.legs), default=ZERO),
        gross=intent.gross_est,
        net=intent.net_est,
        profit_krw=found.profit_krw,
        confidence=intent.confidence_est,
        flags=intent.flags,
        facts={**intent.facts, **known},
        reason=found.reason,
        trade_id=found.trade_id,
        opened_ms=found.opened_ms,
        updated_ms=found.updated_ms,
        expires_ms=state.wall_ms + left_ms,
        locks=_locks(state, found),
        warnings=_warnings(state, found),
    )


def _locks(state: State, found: Opportunity) -> tuple[LockView, ...]:
    """A locked premium lasts, for nobody can carry the coin to where it is dear. Between two spot markets only."""
    sides = {leg.side: (leg.venue, leg.symbol) for leg in found.intent.legs}
    rules = {side: state.market.instruments.get(key) for side, key in sides.items()}
    bought, sold = rules.get(Side.BUY), rules.get(Side.SELL)
    if bought is None or sold is None or bought.base != sold.base or bought.venue == sold.venue:
        return ()
    if not (bought.product is sold.product is Product.SPOT):
        return ()
    return tuple(
        LockView(
            direction="",
            venue=lock.venue,
            way=lock.direction,
            source=lock.source,
            age_ms=(state.now_ns - lock.seen_ns) // NS_PER_MS,
        )
        for lock in state.market.wallets.locks(bought.venue, sold.venue, bought.base)
    )


def _warnings(state: State, found: Opportunity) -> tuple[WarningView, ...]:
    return tuple(
        WarningView(venue=leg.venue, symbol=told.symbol, kind=told.kind, text=told.text, at_ms=told.at_ms)
        for leg in found.intent.legs
        for told in state.market.wallets.warnings(leg.venue, leg.symbol)
    )
