"""A person's order from wish to tap: planned and previewed, confirmed once, paused, resumed, cancelled."""

from decimal import Decimal
from typing import Any

from msgspec import structs

from engine.core import gate, parent_cards, parents, rates, routing
from engine.core.state import ParentDraft, State, encode
from engine.domain import command as ask
from engine.domain.effect import Reply, Severity
from engine.domain.event import Commanded
from engine.domain.market import Instrument, Product
from engine.domain.money import BPS, NS_PER_MS, NS_PER_S, exact
from engine.domain.order import Side
from engine.domain.parent import BEST, Ask, ParentPlan, ParentState, Template
from engine.domain.view import ParentQuote
from engine.execution.parent import Parent
from engine.execution.plan import NotExecutable
from engine.execution.router import Route
from engine.execution.templates.registry import ROUTED, limit_for
from engine.execution.templates.registry import plan as slices_of
from engine.execution.templates.split import Touch
from engine.risk.limits import Held, ceiling

_KEEP_DRAFTS = 200


def _reply(event: Commanded, ok: bool, rule: str, text: str, body: Any = None) -> Reply:
    return Reply(request_id=event.request_id, ok=ok, rule=rule, text=text, body=encode(body))


def preview(state: State, event: Commanded, command: ask.PreviewParent) -> Reply:
    """Plan it against the books of now; the reply carries what it will do and a token for the tap."""
    found = _plan(state, command.ask, event.actor)
    if isinstance(found, NotExecutable):
        return _reply(event, False, found.rule, found.text, found.numbers)
    plan, rules, route = found
    until_ns = state.now_ns + state.config.token_ttl_ms * NS_PER_MS
    state.parents.drafts[command.token] = ParentDraft(
        plan=plan, user_id=command.user_id, chat_id=command.chat_id, expires_ns=until_ns
    )
    while len(state.parents.drafts) > _KEEP_DRAFTS:
        del state.parents.drafts[next(iter(state.parents.drafts))]
    quote = ParentQuote(
        token=command.token,
        order=parent_cards.draft(state, plan, rules.venue, route),
        expires_ms=state.wall_ms + state.config.token_ttl_ms,
    )
    return _reply(event, True, "", "planned", quote)


def confirm(state: State, event: Commanded, command: ask.ConfirmParent) -> Reply:
    """One tap. A second one gets the first one's answer."""
    draft = state.parents.drafts.get(command.token)
    if draft is None:
        return _reply(event, False, "unknown_token", "this button is not known any more")
    if (draft.user_id, draft.chat_id) != (command.user_id, command.chat_id):
        text = f"user {command.user_id} pressed a button of {draft.user_id}"
        numbers = {"user": str(command.user_id), "owner": str(draft.user_id)}
        state.alert("token_misuse", Severity.WARN, text, numbers=numbers)
        return _reply(event, False, "not_yours", "this button belongs to another user")
    if draft.answer is not None:
        return structs.replace(draft.answer, request_id=event.request_id)
    draft.answer = _begin(state, event, draft)
    return draft.answer


def _begin(state: State, event: Commanded, draft: ParentDraft) -> Reply:
    late_s = (state.now_ns - draft.expires_ns) / NS_PER_S
    if late_s > 0:
        numbers = {"late_s": f"{late_s:.1f}", "ttl_s": str(state.config.token_ttl_ms // 1000)}
        return _reply(event, False, "stale_confirm", f"the preview ended {late_s:.1f} s before the tap", numbers)
    if state.level >= 1:
        text = f"trading is halted at L{state.level}: {state.level_reason}"
        return _reply(event, False, "halted", text, {"level": str(state.level)})
    parent = parents.begin(state, structs.replace(draft.plan, actor=event.actor, created_ms=state.wall_ms))
    return _reply(event, True, "", "the order is under way", parent_cards.view(state, parent))


def move(state: State, event: Commanded, command: ask.MoveParent) -> Reply:
    """⏸ ▶ ✖: asked twice, done once."""
    parent = state.parents.all.get(command.parent_id)
    if parent is None:
        return _reply(event, False, "unknown_order", f"no order is called {command.parent_id}")
    if parent.is_over or parent.state is ParentState.CANCELLING:
        return _reply(event, False, "over", f"order {command.parent_id} is {parent.state}")
    if command.to == "pause" and parent.state is ParentState.RUNNING:
        parents.pause(state, parent, f"by {event.actor}")
    elif command.to == "cancel":
        parents.cancel(state, parent, f"by {event.actor}")
    elif command.to == "resume" and parent.state is ParentState.PAUSED:
        if state.level >= 1:
            return _reply(event, False, "halted", f"trading is halted at L{state.level}: {state.level_reason}")
        parents.resume(state, parent)
    elif command.to not in ("pause", "resume"):
        return _reply(event, False, "bad_parameter", f"an order is paused, resumed or cancelled, not {command.to!r}")
    return _reply(event, True, "", f"order {parent.plan.parent_id} is {parent.state}", parent_cards.view(state, parent))


Planned = tuple[ParentPlan, Instrument, tuple[str, ...]]


def _plan(state: State, wish: Ask, actor: str) -> Planned | NotExecutable:
    """The plan, the market that its prices are in, and why that one."""
    chosen = _market(state, wish)
    if isinstance(chosen, NotExecutable):
        return chosen
    rules, route = chosen
    quote = state.market.quote(rules.venue, rules.symbol)
    unusable = state.market.why_unusable(rules.venue, rules.symbol, state.now_ns)
    if quote is None or unusable:
        text = f"the book of {rules.venue} {rules.symbol} cannot be traded on: {unusable}"
        return NotExecutable(rule="book_unusable", text=text, numbers={"reason": unusable})
    touch = Touch(exact(quote.bid), exact(quote.ask))
    slices = slices_of(wish, rules, touch, state.wall_ms, state.venues[rules.venue].abilities)
    if isinstance(slices, NotExecutable):
        return slices
    plan = ParentPlan(
        parent_id=state.next_id("p"),
        ask=wish,
        venue=BEST if wish.venue == BEST and wish.template in ROUTED else rules.venue,
        symbol=rules.symbol,
        quote=rules.quote,
        limit=limit_for(wish, rules, touch),
        quote_krw=routing.krw_rate(state, rules.quote),
        slices=slices,
        actor=actor,
        created_ms=state.wall_ms,
    )
    return _impossible(state, plan, rules) or (plan, rules, route)


def _market(state: State, wish: Ask) -> tuple[Instrument, tuple[str, ...]] | NotExecutable:
    found = routing.markets_of(state, wish.base)
    if wish.venue != BEST:
        here = [rules for rules in found if rules.venue == wish.venue]
        here = here or routing.perps_of(state, wish.base, wish.venue)
        if here:
            return here[0], ()
        text = f"{wish.venue} has no market for {wish.base} that we trade"
        return NotExecutable(rule="unknown_market", text=text, numbers={"venue": wish.venue, "coin": wish.base})
    if not found:
        text = f"no venue has a market for {wish.base} that we trade"
        return NotExecutable(rule="unknown_market", text=text, numbers={"coin": wish.base})
    anything = Decimal(10) ** 15 if wish.side is Side.BUY else Decimal(0)
    best = routing.choose(state, wish.side, wish.base, wish.qty, _sane(state, wish, found, anything))
    if isinstance(best, NotExecutable):
        return best
    return _rules_of(state, best), best.reasons


def _sane(state: State, wish: Ask, found: list[Instrument], anything: Decimal) -> Decimal:
    """The limit for the first choice, KRW per base: the asked price where there is one quote to read it in."""
    quotes = {rules.quote for rules in found}
    if wish.price is not None and len(quotes) == 1:
        return wish.price * routing.krw_rate(state, found[0].quote)
    tops = [
        exact(quote.ask if wish.side is Side.BUY else quote.bid) * routing.krw_rate(state, rules.quote)
        for rules in found
        if not routing.why_out(state, rules) and (quote := state.market.quote(rules.venue, rules.symbol)) is not None
    ]
    if not tops:
        return anything
    band = wish.band_bps * BPS
    return min(tops) * (1 + band) if wish.side is Side.BUY else max(tops) * (1 - band)


def _rules_of(state: State, best: Route) -> Instrument:
    return state.market.instruments[best.parts[0].venue, best.parts[0].symbol]


def _impossible(state: State, plan: ParentPlan, rules: Instrument) -> NotExecutable | None:
    """What is known now to refuse every tap: said before the preview instead of after it."""
    if plan.quote_krw <= 0:
        return NotExecutable(rule="no_rate", text=f"no KRW rate for {plan.quote}", numbers={})
    for piece in plan.slices[:1]:
        refused = parents.unable(state, plan, piece, rules)
        if refused is not None:
            return refused
    refused = _too_large(state, plan)
    if refused is not None or plan.venue == BEST:
        return refused
    total = sum((piece.qty for piece in plan.slices), Decimal(0))
    if plan.ask.reduce_only:
        return _nothing_to_reduce(state, plan, rules, total)
    pays, needed = rules.base, total
    if rules.product is Product.PERP:
        pays, needed = rules.quote, parent_cards.margin(state, plan)
    elif plan.ask.side is Side.BUY:
        pays, needed = rules.quote, total * plan.limit
    free = gate.free(state, rules.venue, pays)
    if needed > free:
        text = f"{rules.venue} needs {needed:f} {pays}, {free:f} is available"
        numbers = {"venue": rules.venue, "asset": pays, "needed": f"{needed:f}", "available": f"{free:f}"}
        return NotExecutable(rule="balance", text=text, numbers=numbers)
    return None


def _nothing_to_reduce(state: State, plan: ParentPlan, rules: Instrument, total: Decimal) -> NotExecutable | None:
    at = state.ledger.position(rules.venue, rules.symbol)
    sign = 1 if plan.ask.side is Side.SELL else -1
    open_qty = max(Decimal(0), at.qty * sign) if at is not None else Decimal(0)
    if total <= open_qty:
        return None
    text = f"{rules.venue} {rules.symbol}: {open_qty:f} stands open to {plan.ask.side}, not {total:f}"
    return NotExecutable(rule="no_position", text=text, numbers={"open": f"{open_qty:f}", "needed": f"{total:f}"})


def _too_large(state: State, plan: ParentPlan) -> NotExecutable | None:
    """What goes out at one time, against the limits on size: the gate would cut or refuse it."""
    if state.usd_krw is None or state.btc_krw is None:
        rates.refresh(state)
    venues: tuple[str, ...] = () if plan.venue == BEST else (plan.venue,)
    held = gate.held(state, plan.ask.base)
    if plan.ask.reduce_only:
        held, venues = Held(), ()
    most = ceiling(state.config.limits, held, venues, state.usd_krw, state.btc_krw)
    sizes = [piece.qty for piece in plan.slices]
    rests_together = plan.ask.template is Template.LADDER
    worth = (sum(sizes, Decimal(0)) if rests_together else max(sizes)) * plan.limit * plan.quote_krw
    if worth <= most.krw:
        return None
    what = "all rungs together are" if rests_together else "one slice is"
    hint = "ask for less" if rests_together else "ask for more parts, or for twap over a longer time"
    text = f"{what} worth {worth:,.0f} KRW, the limits leave {most.krw:,.0f}: {hint}"
    numbers = {"notional_krw": f"{worth:.0f}", "limit_krw": f"{most.krw:.0f}"}
    return NotExecutable(rule=most.rule, text=text, numbers=numbers)


def open_orders(state: State) -> list[Parent]:
    """Those under way, newest first, then those that are over."""
    live = list(reversed(list(state.parents.live.values())))
    return live + [parent for parent in reversed(list(state.parents.all.values())) if parent.is_over]
