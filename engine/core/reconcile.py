"""A venue is traded on only when its rules are known, its open orders swept and its balances agree with the ledger."""

from decimal import Decimal

from engine.core import absent, closing, identity, margin, opportunities, placing, standing, trades
from engine.core.state import State
from engine.core.venue_state import SWEEP_REST_MS, VenueState
from engine.domain.effect import FetchBalances, FetchOpenOrders, LookUp, OpenLedger, Severity
from engine.domain.event import BalancesReported, InstrumentsLoaded, LedgerOpened, VenueFailed
from engine.domain.market import Product
from engine.domain.money import NS_PER_MS, NS_PER_S, ZERO
from engine.domain.order import OrderStatus
from engine.execution.order_state import OrderState, move
from engine.risk.margin import ASSET

_RECHECK_MS = 700
_EMPTY_NS = 3 * NS_PER_S  # so long a first start asks an account that tells of nothing
_DOUBTED_NS = 3_600 * NS_PER_S  # so long, and so many of the newest, a belief that nothing was placed is asked again
_DOUBTED = 10
_DOUBT_REST_NS = 2 * NS_PER_S
_COMPARED = ("balances", "open_orders")  # what a start waits for
_RETRY_MS, _LONGEST_RETRY_MS = 200, 2_000  # twice as long after each failure
_RETRIES = 4
_UNHEARD_NS = 5 * NS_PER_S  # so long a fill of a resting order may be known to its balances before it is to us
_TOLD_AFTER_NS = 4_500 * NS_PER_MS  # look-ups end most within a second; told within five, a tick included
_DOUBTFUL = (OrderStatus.CANCELLED, OrderStatus.REJECTED)


def on_instruments(state: State, event: InstrumentsLoaded) -> None:
    standing.tell_changes(state, event)
    for rules in event.instruments:
        state.market.instruments[rules.venue, rules.symbol] = rules
    identity.on_doubtful(state, event)
    held = state.venues[event.venue]
    if any(rules.symbol in held.settings.symbols for rules in event.instruments):  # else they are only watched
        was_known, held.rules_known = held.rules_known, True
        if not (was_known or state.recovering):
            ask(state, held)  # what was told so far could not be compared
    state.wire()


def on_opened(state: State, event: LedgerOpened) -> None:
    """Balances adopted: at a first start, by recovery, or because a person accepted them."""
    balances = {balance.asset: balance.total for balance in event.balances}
    state.ledger.open(event.venue, balances, event.holdings, event.paid, event.asked_ms)
    held = state.venues.get(event.venue)
    if held is not None:
        held.opened = True
        state.refresh_available(event.venue)


def ask(state: State, held: VenueState) -> None:
    """Read a venue's balances again, and its open orders when their turn has come. A watched one has neither."""
    held.next_check_ns = state.now_ns + state.config.reconcile_every_ms * NS_PER_MS
    if not held.settings.trades:
        return
    if not held.swept or state.now_ns >= held.next_sweep_ns:
        held.next_sweep_ns = max(held.next_check_ns, state.now_ns + SWEEP_REST_MS * NS_PER_MS)
        state.emit(FetchOpenOrders(venue=held.name))
    state.emit(FetchBalances(venue=held.name, funding_since_ms=margin.since_ms(state, held)))


def on_balances(state: State, event: BalancesReported) -> None:
    held = state.venues[event.venue]
    held.balances = {balance.asset: balance for balance in event.balances}
    held.balances_ns, held.balances_asked_ns = state.now_ns, event.asked_ns
    held.failing, held.failures = "", 0
    pending = placing.unresolved_at(state, event.venue)
    if held.settings.leverage and held.account.asked_ns != event.asked_ns:
        held.failing = "balances came without its positions"
        return
    if not held.opened:
        if held.settings.leverage and not held.rules_known:
            return  # its positions can be entered only where it is known what they are of: asked again with the rules
        if below := below_zero(state, held):
            if not held.blocked:
                text = f"{held.name} tells {below}: its books cannot be opened"
                state.alert("balance_below_zero", Severity.CRIT, text, venue=held.name, numbers={"below": below})
            held.blocked = f"balance_below_zero: {below}"
        elif not pending and not _asks_again(state, held):
            adopt(state, held)
        return
    differences = compare(state, held)
    touched_ns = held.touched_ns  # before the next line: what was never placed has changed no balance
    absent.conclude_missing(state, held, event.asked_ns, frozenset(differences))
    pending = placing.unresolved_at(state, event.venue)
    if not (pending or held.rules_known):
        return  # nobody knows what dust is: asked again with the rules
    moving = [order for order in pending if not order.rests]
    if moving or touched_ns > event.asked_ns:
        # A fill between asking and answer makes a comparison void.
        held.differs_ns = 0
        if differences and any(order.clean_misses >= placing.CLEAN_MISSES for order in moving):
            look_for_late(state, held)  # what keeps this order from being proved absent may be another one's late fill
        held.next_check_ns = min(held.next_check_ns, state.now_ns + _RECHECK_MS * NS_PER_MS)
        return
    if _may_be_fills(state, held, pending, differences):
        held.next_check_ns = min(held.next_check_ns, state.now_ns + _RECHECK_MS * NS_PER_MS)
        return
    if held.settings.leverage and not pending and margin.enter_doubtful(state, held, differences):
        differences = compare(state, held)
    judge(state, held, differences)
    if held.settings.leverage and not (pending or differences):
        margin.align(state, held)
    state.refresh_available(event.venue)


def _may_be_fills(state: State, held: VenueState, resting: list[OrderState], differences: dict[str, Decimal]) -> bool:
    """What rests changes no total, but a fill not heard of yet does: it is asked for, and waited for a while."""
    concerned = [order for order in resting if _assets(state, order) & differences.keys()]
    if not concerned:
        held.differs_ns = 0
        return False
    held.differs_ns = held.differs_ns or state.now_ns
    for order in concerned:
        order.next_look_ns = min(order.next_look_ns or state.now_ns, state.now_ns)
        placing.look_up_due(state, order)
    return state.now_ns - held.differs_ns < _UNHEARD_NS


def _assets(state: State, order: OrderState) -> set[str]:
    leg = state.orders[order.request.cid][0].plan.leg(order.request.leg)
    return {leg.symbol, ASSET} if leg.product is Product.PERP else {leg.base, leg.quote}


def _asks_again(state: State, held: VenueState) -> bool:
    """An account that tells of nothing may be empty, or its venue ill (fault 11): it is asked again for a while."""
    if any(balance.total for balance in held.balances.values()):
        held.empty_since_ns = 0
        return False
    held.empty_since_ns = held.empty_since_ns or state.now_ns
    if state.now_ns - held.empty_since_ns >= _EMPTY_NS:
        return False
    held.next_check_ns = min(held.next_check_ns, state.now_ns + _RECHECK_MS * NS_PER_MS)
    return True


def below_zero(state: State, held: VenueState) -> str:
    """What a spot account cannot hold: a debt nobody here has made, or a wrong answer. "" where there is none."""
    found = [
        f"{asset} {balance.total:f}"
        for asset, balance in sorted(held.balances.items())
        if balance.total < -dust(state, held, asset)
    ]
    return ", ".join(found) if found and not held.settings.leverage else ""


def adopt(state: State, held: VenueState) -> None:
    """Take the venue's present balances as the ledger's opening ones; journaled."""
    balances = tuple(held.balances[asset] for asset in sorted(held.balances))
    holdings, paid = margin.holdings(state, held), held.account.payments
    asked_ms = state.wall_ms - (state.now_ns - held.balances_asked_ns) // NS_PER_MS
    state.emit(OpenLedger(venue=held.name, balances=balances, holdings=holdings, paid=paid, asked_ms=asked_ms))
    opened = LedgerOpened(
        venue=held.name, balances=balances, holdings=holdings, paid=paid, asked_ms=asked_ms, seen_ns=state.now_ns
    )
    on_opened(state, opened)
    held.agreed, held.mismatches, held.blocked, held.account.marks = True, 0, "", {}
    held.differing = frozenset()


def dust(state: State, held: VenueState, asset: str) -> Decimal:
    """A difference below it is rounding: as configured, else one step of size, else one KRW or a ten-thousandth."""
    configured = held.settings.dust.get(asset)
    if configured is not None:
        return configured
    steps = [
        rules.qty_step
        for (venue, _), rules in state.market.instruments.items()
        if venue == held.name and rules.base == asset
    ]
    return min(steps) if steps else Decimal(1) if asset == "KRW" else Decimal("0.0001")


def compare(state: State, held: VenueState) -> dict[str, Decimal]:
    """Venue minus ledger per asset, where it is more than dust. What the venue does not name counts as zero."""
    ledger = state.ledger.assets(held.name)
    out = margin.compare(state, held) if held.settings.leverage else {}
    for asset in sorted({*ledger, *held.balances}):
        if held.settings.leverage and asset == ASSET:
            continue
        balance = held.balances.get(asset)
        difference = (balance.total if balance else ZERO) - ledger.get(asset, ZERO)
        if abs(difference) > dust(state, held, asset):
            out[asset] = difference
    return out


def judge(state: State, held: VenueState, differences: dict[str, Decimal]) -> None:
    """Agree, or look twice, then block the venue: one difference may be the venue's own delay."""
    held.differing = frozenset(differences)
    if not differences:
        held.agreed_ns = held.balances_asked_ns
        if held.blocked.startswith("ledger_mismatch"):
            state.alert("ledger_agrees", Severity.INFO, f"{held.name}: balances agree again", venue=held.name)
        held.blocked, held.mismatches, held.account.marks = "", 0, {}
        if not held.agreed:
            held.agreed = True
            announce_ready(state, held)
        return
    held.mismatches += 1
    margin.note_marks(state, held, differences)
    look_for_late(state, held)
    if held.mismatches < 3:
        held.next_check_ns = min(held.next_check_ns, state.now_ns + _RECHECK_MS * NS_PER_MS)
        return
    text = ", ".join(f"{asset} {amount:+f}" for asset, amount in differences.items())
    if not held.blocked:
        state.counts["ledger_mismatches"] += 1
        state.alert(
            "ledger_mismatch",
            Severity.CRIT,
            f"{held.name} differs from our ledger: {text}; trading there is stopped",
            venue=held.name,
            numbers={asset: f"{amount:f}" for asset, amount in differences.items()},
        )
    held.blocked = f"ledger_mismatch: {text}"


def look_for_late(state: State, held: VenueState) -> None:
    """Balances that no order explains: one that was believed never placed, or ended, may have filled after all."""
    if state.now_ns < held.next_doubt_ns:
        return
    held.next_doubt_ns = state.now_ns + _DOUBT_REST_NS
    since_ns = state.now_ns - _DOUBTED_NS
    here = [order for _, order in state.orders.values() if order.request.venue == held.name]
    ended = sorted((order for order in here if order.done_ns > since_ns), key=lambda order: -order.done_ns)
    believed = [order.request for order in ended if order.status is OrderStatus.NOT_PLACED][:_DOUBTED]
    others = [order.request for order in ended if order.status in _DOUBTFUL]
    turn = held.doubts % max(1, len(others))  # some of them each time, the newest first
    held.doubts = turn + _DOUBTED
    for request in (*believed, *others[turn : turn + _DOUBTED]):
        state.emit(LookUp(cid=request.cid, venue=request.venue, symbol=request.symbol, kind=request.kind))


def announce_ready(state: State, held: VenueState) -> None:
    if held.ready:
        state.alert("venue_ready", Severity.INFO, f"{held.name} is reconciled and ready", venue=held.name)


def on_failed(state: State, event: VenueFailed) -> None:
    """A private read failed: what we knew stays, with its age; asked soon, then more slowly, or when we were told."""
    held = state.venues[event.venue]
    held.failing, held.empty_since_ns = f"{event.call}: {event.reason}", 0
    if event.call == "open_orders":
        held.next_sweep_ns = 0
    state.counts["venue_failures"] += 1
    wait_ms = _LONGEST_RETRY_MS
    if event.call in _COMPARED:
        wait_ms = event.retry_ms or min(wait_ms, _RETRY_MS << held.failures)
        held.failures = min(held.failures + 1, _RETRIES)
    held.next_check_ns = min(held.next_check_ns, state.now_ns + wait_ms * NS_PER_MS)


def on_recovered(state: State, alone_ns: int) -> None:
    """The journal is read: unfinished orders are UNKNOWN until the venues speak; then only trade."""
    state.recovering = False
    for trade in list(state.live_trades.values()):
        for order in trade.orders:
            if not order.is_terminal:
                if order.status in (OrderStatus.PLANNED, OrderStatus.SENT):
                    move(order, OrderStatus.UNKNOWN)
                    order.tell_ns = state.now_ns + _TOLD_AFTER_NS
                    state.counts["unknowns"] += 1
                # What the journal knows stands: a new wait at each start would make misses of before worthless.
                # Rules may have been changed in between: what left under the older ones is bound by them.
                at = state.venues.get(order.request.venue)  # None: of an older configuration
                late_ms = max(order.request.late_ms, placing.late_ms(at) if at is not None else 0)
                order.final_after_ns = order.final_after_ns or alone_ns + late_ms * NS_PER_MS
                order.next_look_ns = state.now_ns
        trade.naked_since_ns = 0
        if not trade.plan.parent_id and trade.plan.strategy != closing.STRATEGY:
            opportunities.revive(state, trade.plan)
    for held in state.venues.values():
        ask(state, held)
        state.refresh_available(held.name)
    for trade in list(state.live_trades.values()):
        for order in trade.orders:
            placing.look_up_due(state, order)
        trades.drive(state, trade)
        if not trade.is_over:
            trades.show(state, trade)
    trades.record_again(state)
