"""The driver of a person's order: sends what is due through the gate, takes back, pauses, ends. Looks at time alone."""

from decimal import Decimal

from msgspec import structs

from engine.core import following, gate, pace, parent_cards, placing, returning, routing, stops, trades
from engine.core.child_prices import on_tick, price_child
from engine.core.state import Opportunity, State
from engine.domain.account_event import Stopping
from engine.domain.effect import Remember, Severity
from engine.domain.event import ParentMoved, ParentOpened
from engine.domain.market import Instrument
from engine.domain.money import NS_PER_MS, NS_PER_S, exact
from engine.domain.order import Intent, LegRole, LegWish, OrderRequest
from engine.domain.parent import BEST, ParentPlan, ParentState, Slice, Template
from engine.execution.parent import Due, Parent, Sent, adopt, due, filled_base, is_reached, is_spent, size, tops_up
from engine.execution.plan import NotExecutable
from engine.execution.trade import CancelRest, Trade

STRATEGY = "order"
_ONE_TRY = frozenset({Template.SWEEP, Template.IOC, Template.FOK})
_PASSES = frozenset({"band", "pace"})  # waited for as long as it takes
_RETRY_NS = NS_PER_S
_PATIENCE_NS = 60 * NS_PER_S  # refused for so long: a person looks at it
_STEP_MS = 2_000  # running time that one look may add: whatever was missed is not made up for at once
_KEEP_OVER = 50


def begin(state: State, plan: ParentPlan) -> Parent:
    """A confirmed order: journaled, then its first children in the same step."""
    state.emit(Remember(event=ParentOpened(plan=plan, seen_ns=state.now_ns)))
    parent = enter(state, plan)
    state.counts["parents"] += 1
    drive(state, parent)
    parent_cards.show(state, parent)
    return parent


def enter(state: State, plan: ParentPlan) -> Parent:
    parent = Parent(plan=plan, driven_ns=state.now_ns, updated_ms=state.wall_ms)
    state.parents.all[plan.parent_id] = state.parents.live[plan.parent_id] = parent
    over = [item.plan.parent_id for item in state.parents.all.values() if item.is_over]
    for old in over[:-_KEEP_OVER]:
        del state.parents.all[old]
    return parent


def recall_opened(state: State, event: ParentOpened) -> None:
    """Recovery: it goes on where its children stand."""
    enter(state, event.plan)


def recall_moved(state: State, event: ParentMoved) -> None:
    move_, parent = event.move, state.parents.all.get(event.move.parent_id)
    if parent is None:
        return
    parent.state, parent.reason = move_.state, move_.reason
    parent.ran_ms = max(parent.ran_ms, move_.ran_ms)
    parent.pulled, parent.triggered, parent.awaited = set(move_.pulled), set(move_.triggered), set(move_.awaited)
    if parent.is_over:
        state.parents.live.pop(move_.parent_id, None)


def recall_child(state: State, trade: Trade) -> None:
    parent = state.parents.all.get(trade.plan.parent_id)
    if parent is not None:
        adopt(parent, trade)


def on_recovered(state: State) -> None:
    for parent in state.parents.live.values():
        parent.driven_ns = state.now_ns
        await_resting(state, parent)
        at = state.venues.get(parent.plan.venue)
        if at is not None and at.abilities.moves and following.is_following(parent.plan):
            # At which price they rest is not in the journal.
            parent.pulled |= {trade.plan.slice for trade in parent.live}


def on_stopping(state: State, event: Stopping) -> None:
    """Before the shell takes back what rests: no order ends by that."""
    state.leaving = True
    for parent in state.parents.live.values():
        await_resting(state, parent)


def await_resting(state: State, parent: Parent) -> None:
    """What rests when the desk goes down, or did: journaled, for a second end may come before it is looked at."""
    noted = returning.resting(parent) - parent.awaited
    if noted and parent.state is not ParentState.CANCELLING:
        parent.awaited |= noted
        returning.remember(state, parent)


def drive_all(state: State) -> None:
    for parent in list(state.parents.live.values()):
        drive(state, parent)
        parent_cards.show_soon(state, parent)


def drive_due(state: State) -> None:
    """Parents of which a child has ended in this step."""
    for parent_id in list(state.parents.due):
        parent = state.parents.live.get(parent_id)
        if parent is not None:
            drive(state, parent)
            parent_cards.show(state, parent)
    state.parents.due.clear()


def drive(state: State, parent: Parent) -> None:
    """Look at an order and do the next thing that it needs. Idempotent: nothing new, nothing done."""
    if state.recovering or state.leaving or parent.is_over:
        return
    _pass_time(state, parent)
    if parent.state is not ParentState.CANCELLING:
        stops.watch(state, parent)
        _look_for_awaited(state, parent)
    if parent.state in (ParentState.PAUSED, ParentState.CANCELLING):
        _take_back(state, parent)
        if parent.state is ParentState.CANCELLING and not parent.live:
            move(state, parent, ParentState.CANCELLED, parent.reason)
        return
    if state.level >= 1:
        # What has left may finish at L1; from L2 the latch itself takes every order back.
        pause(state, parent, f"{stops.HALTED}{state.level}", pull=state.level >= 2)
        return
    _watch_triggers(state, parent)
    if following.is_following(parent.plan):
        _follow(state, parent)
    if state.now_ns < parent.retry_ns:
        return
    for item in due(parent):
        refused = _send(state, parent, item)
        if refused is not None:
            _refused(state, parent, item, refused)
            break
        parent.refused_since_ns, parent.reason = 0, ""
    if parent.state is ParentState.RUNNING and is_spent(parent) and not due(parent):
        _finish(state, parent, "")


def move(state: State, parent: Parent, to: ParentState, reason: str) -> None:
    """A change that a restart must hear of."""
    parent.state, parent.reason, parent.updated_ms = to, reason, state.wall_ms
    returning.remember(state, parent)
    if parent.is_over:
        state.parents.live.pop(parent.plan.parent_id, None)
    parent_cards.show(state, parent)


def _look_for_awaited(state: State, parent: Parent) -> None:
    """After a start: what was taken back meanwhile pauses its order, and a resume sends it again."""
    before = set(parent.awaited)
    taken = returning.gone(state, parent) if before else set()
    parent.pulled |= taken
    if taken and following.is_following(parent.plan) and returning.is_named(parent, taken):
        move(state, parent, parent.state, parent.reason)  # it was perhaps being moved: it is put where it belongs now
    elif taken:
        returning.tell(state, parent, taken)
        is_running = parent.state is ParentState.RUNNING
        why = "taken back while the desk was away" if is_running else parent.reason
        move(state, parent, ParentState.PAUSED, why)
    elif parent.awaited != before:
        returning.remember(state, parent)


def pause(state: State, parent: Parent, reason: str, *, pull: bool = True) -> None:
    """No child leaves any more; those that rest are taken back, and sent again after a resume."""
    if pull:
        parent.pulled |= {trade.plan.slice for trade in parent.live}
    move(state, parent, ParentState.PAUSED, reason)
    _take_back(state, parent)


def cancel(state: State, parent: Parent, reason: str) -> None:
    parent.pulled = {trade.plan.slice for trade in parent.live}
    move(state, parent, ParentState.CANCELLING, reason)
    drive(state, parent)


def resume(state: State, parent: Parent) -> None:
    parent.refused_since_ns = parent.retry_ns = parent.reached_ns = 0
    parent.rung = False
    move(state, parent, ParentState.RUNNING, "")
    drive(state, parent)


def _pass_time(state: State, parent: Parent) -> None:
    """Time counts while it runs and is not being refused: after an outage no slices come in a burst."""
    passed_ms = (state.now_ns - parent.driven_ns) // NS_PER_MS
    parent.driven_ns += passed_ms * NS_PER_MS
    if parent.state is ParentState.RUNNING and not parent.refused_since_ns:
        parent.ran_ms += min(passed_ms, _STEP_MS)


def _take_back(state: State, parent: Parent) -> None:
    """Ask to cancel what rests of the pulled slices; once a second until it has ended."""
    for trade in parent.live:
        if trade.plan.slice not in parent.pulled:
            continue
        for order in trade.unresolved:
            if not order.cancel_asked_ns or state.now_ns - order.cancel_asked_ns >= NS_PER_S:
                placing.ask_cancel(state, CancelRest(order))


def _watch_triggers(state: State, parent: Parent) -> None:
    plan = parent.plan
    for index, piece in enumerate(plan.slices):
        if piece.trigger is None or index in parent.triggered:
            continue
        rules = _reference(state, plan)
        if rules is None or state.market.why_unusable(rules.venue, rules.symbol, state.now_ns):
            continue
        quote = state.market.quote(rules.venue, rules.symbol)
        if quote is not None and is_reached(piece, plan.ask.side, exact(quote.bid), exact(quote.ask)):
            parent.triggered.add(index)
            move(state, parent, ParentState.RUNNING, f"the price has reached {piece.trigger}")
            stops.went_off(state, parent, piece)


def _follow(state: State, parent: Parent) -> None:
    """What no longer stands where it belongs, as far as the pace lets it: moved, or taken back and then due."""
    rules = _reference(state, parent.plan)
    if rules is None:
        return
    found = following.moved(state, parent, rules, pace.room(state, rules, parent.plan.ask.side))
    found = [index for index in found if not following.move_in_place(state, parent, index, rules)]
    if found:
        parent.pulled |= set(found)
        move(state, parent, ParentState.RUNNING, "")
    _take_back(state, parent)


def _reference(state: State, plan: ParentPlan) -> Instrument | None:
    """The market that `limit` and triggers are in."""
    known = [*routing.markets_of(state, plan.ask.base), *routing.perps_of(state, plan.ask.base, plan.venue)]
    found = [rules for rules in known if rules.symbol == plan.symbol]
    return next((rules for rules in found if plan.venue in (BEST, rules.venue)), None)


def _finish(state: State, parent: Parent, why: str) -> None:
    done, whole = filled_base(parent.trades), size(parent)
    if done < whole and stops.is_at_venue(parent.plan):
        _stop_is_gone(state, parent, why)
        return
    if not why and done < whole:
        why = f"{done} of {whole} {parent.plan.ask.base} filled"
    if done < whole:
        stops.failed(state, parent, "", why)
    move(state, parent, ParentState.DONE, why)


def _stop_is_gone(state: State, parent: Parent, why: str) -> None:
    """Its venue refused or ended it: whoever relies on it is told, and a resume sends it again."""
    newest = parent.trades[-1].orders[-1] if parent.trades else None
    if not why and newest is not None:
        why = f"{newest.status.value}: {newest.reason}" if newest.reason else newest.status.value
    stops.gone(state, parent, why)
    parent.pulled |= set(parent.children)
    move(state, parent, ParentState.PAUSED, why)


def _refused(state: State, parent: Parent, item: Due, why: NotExecutable) -> None:
    """One slice could not be sent. What passes with time is tried again; what lasts is a person's business."""
    parent.reason = f"{why.rule}: {why.text}"
    parent.retry_ns = state.now_ns + _RETRY_NS
    if why.rule == "min_notional" or parent.plan.ask.template in _ONE_TRY:
        is_rest = not tops_up(parent)  # of one that was filled in part before it was taken back
        if why.rule == "min_notional" and (is_rest or item.slice not in parent.children):
            parent.dropped.add(item.slice)
            parent.retry_ns = 0
        else:
            _finish(state, parent, parent.reason if not filled_base(parent.trades) else "")
        return
    parent.refused_since_ns = parent.refused_since_ns or state.now_ns
    if state.now_ns - parent.refused_since_ns >= stops.RINGS_NS:
        stops.failed(state, parent, why.rule, why.text)
    plan = parent.plan
    lasts = why.rule not in _PASSES and not stops.goes_on(plan, _reference(state, plan))
    if lasts and state.now_ns - parent.refused_since_ns > _PATIENCE_NS:
        state.refuse(STRATEGY, plan.parent_id, "", why.rule, why.text, why.numbers)
        text = f"order {plan.parent_id} is paused, refused for a minute: {why.text}"
        numbers = {"order": plan.parent_id, "rule": why.rule, "side": str(plan.ask.side), "qty": f"{plan.ask.qty:f}"}
        state.alert("order_paused", Severity.WARN, text, numbers=numbers | {"base": plan.ask.base})
        pause(state, parent, parent.reason)


def _send(state: State, parent: Parent, item: Due) -> NotExecutable | None:
    """One slice to its venue, or to where the router sends it. Returns what refused all of it."""
    plan = parent.plan
    if plan.venue != BEST:
        rules = _reference(state, plan)
        if rules is None:
            return NotExecutable(rule="no_rules", text=f"the rules of {plan.venue} are not known", numbers={})
        return _send_to(state, parent, item.slice, item.qty, rules, plan.limit)
    limit_krw = plan.limit * plan.quote_krw
    chosen = routing.choose(state, plan.ask.side, plan.ask.base, item.qty, limit_krw)
    if isinstance(chosen, NotExecutable):
        return chosen
    parent.route = chosen.reasons
    refused: list[NotExecutable] = []
    for part in chosen.parts:
        rules = state.market.instruments[part.venue, part.symbol]
        rate = routing.krw_rate(state, rules.quote)
        limit = on_tick(rules, plan.ask.side, limit_krw / rate)
        said = _send_to(state, parent, item.slice, part.qty, rules, limit)
        refused += [said] if said is not None else []
    return refused[0] if len(refused) == len(chosen.parts) else None


def _send_to(
    state: State, parent: Parent, index: int, qty: Decimal, rules: Instrument, limit: Decimal
) -> NotExecutable | None:
    """One child through the same gate as every trade."""
    plan, piece = parent.plan, parent.plan.slices[index]
    refused = gate.off_limits(state, rules.venue, rules.symbol) or unable(state, plan, piece, rules)
    refused = refused or pace.too_fast(state, rules, plan.ask.side)
    if refused is not None:
        return refused
    if piece.gap is not None:
        trades_so_far = parent.children.get(index, [])
        now = following.price(state, plan, piece, rules)
        if now is None:
            text = f"the book of {rules.venue} {rules.symbol} cannot be followed now"
            return NotExecutable(rule="book_unusable", text=text, numbers={})
        piece = structs.replace(piece, price=now, rest_ms=max(1_000, following.left_ms(state, piece, trades_so_far)))
    intent = structs.replace(_intent(state, parent, index, qty, rules, limit), rest_ms=piece.rest_ms)
    cap = gate.size_cap(state, intent)
    if isinstance(cap, NotExecutable):
        return cap
    # What tops up later is cut to the room that the limits leave; anything else goes whole or is refused by the gate.
    qty = min(qty, cap) if tops_up(parent) else qty
    leg = price_child(state, plan.ask.side, piece, rules, qty, limit)
    if isinstance(leg, NotExecutable):
        return leg
    found = Opportunity(
        id=state.next_id("c"),
        key=intent.key,
        strategy=STRATEGY,
        intent=intent,
        state="executing",
        opened_ms=state.wall_ms,
        updated_ms=state.wall_ms,
        expires_ns=0,
    )
    legs = (structs.replace(leg, reduce_only=plan.ask.reduce_only),)
    said = trades.open_trade(state, found, intent, legs, 0.0, plan.actor)
    if said is None:
        parent.sent.append(Sent(state.now_ns, rules.venue, rules.symbol, plan.ask.side))
        adopt(parent, state.trades[found.trade_id])
    return said


def _intent(state: State, parent: Parent, index: int, qty: Decimal, rules: Instrument, limit: Decimal) -> Intent:
    """One child as a wish."""
    plan, piece = parent.plan, parent.plan.slices[index]
    quote = state.market.quote(rules.venue, rules.symbol)
    dearest = max(float(limit), quote.bid if quote is not None else 0.0)
    attempt = sum(len(trades_) for trades_ in parent.children.values())
    return Intent(
        key=f"order:{plan.parent_id}:{attempt}",
        strategy=STRATEGY,
        legs=(LegWish(venue=rules.venue, symbol=rules.symbol, side=plan.ask.side, vwap_est=dearest),),
        qty_est=float(qty),
        gross_est=0.0,
        net_est=0.0,
        min_net_est=0.0,
        profit_krw_est=0.0,
        notional_krw_est=0.0,
        confidence_est=1.0,
        tif=piece.tif,
        rest_ms=piece.rest_ms,
        facts={} if rules.quote == "KRW" else {"usdt_krw": float(routing.krw_rate(state, rules.quote))},
        flags=stops.flags(plan, rules),
        parent_id=plan.parent_id,
        slice=index,
    )


def unable(state: State, plan: ParentPlan, piece: Slice, rules: Instrument) -> NotExecutable | None:
    """What the venue's order entry cannot do, and the desk cannot hold for it."""
    probe = OrderRequest(
        cid="",
        trade_id="",
        leg=0,
        role=LegRole.ENTRY,
        venue=rules.venue,
        symbol=rules.symbol,
        side=plan.ask.side,
        qty=piece.qty,
        price=plan.limit,
        tif=placing.able_tif(state, rules.venue, piece.tif),
        kind=piece.kind,
        stop_price=piece.stop_price,
        reduce_only=plan.ask.reduce_only,
    )
    why = state.venues[rules.venue].abilities.why_not(probe)
    return NotExecutable(rule="unsupported", text=f"{rules.venue}: {why}", numbers={}) if why else None
