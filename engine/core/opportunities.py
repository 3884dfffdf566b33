"""From wishes to opportunities: they appear, are renewed, re-quoted at the tap, executed, or die by age."""

from decimal import Decimal

from engine.core import gate, trades
from engine.core.cards import record, show, show_and_record
from engine.core.state import Opportunity, State, StrategyState, Token
from engine.domain.command import Mode
from engine.domain.money import NS_PER_MS, NS_PER_S, exact
from engine.domain.order import Intent, LegWish, PlannedLeg, TradePlan
from engine.execution.plan import NotExecutable, expected_result, max_quantity, notional_krw, plan_legs
from engine.market.book import Book
from engine.strategies.sight import CALM

_RENEW_NOTICE_NS = NS_PER_S
_KEEP_ENDED = 100
_REST_NS = 25 * NS_PER_MS


def evaluate(state: State, market: tuple[str, str], book: Book) -> None:
    """Run the strategies that read this market; the hot path of the desk.

    A wish that waits for a person is not worked out anew with every frame: at the tap it is quoted again anyway. And
    where the tops stand too far apart, only another top of this book (or of another: that wakes by itself) is news.
    """
    rules = state.market.instruments.get(market)
    base = rules.base if rules is not None else ""
    tops = book.tops
    for held in state.wake.get(market, ()):
        calm = held.calm.get(base)
        if calm is not None and calm.get(market) == tops:
            continue
        if held.rests_until_ns and held.rests_until_ns.get(market, 0) > state.now_ns:
            continue
        intents = held.strategy.evaluate(state.sight, held.params, market)
        if intents is CALM:
            held.calm.setdefault(base, {})[market] = tops
            continue
        # Near enough, and perhaps refused because another book of it is stale: when that one speaks again, whatever it
        # says is news. USDT/KRW stands against every coin.
        if base == "USDT":
            held.calm.clear()
        else:
            held.calm.pop(base, None)
        for intent in intents if len(intents) < 2 else _best_first(state, intents):
            _take(state, held, intent)
        if intents and held.mode is not Mode.AUTO:
            held.rests_until_ns[market] = state.now_ns + _REST_NS


def _best_first(state: State, intents: list[Intent]) -> list[Intent]:
    """Wishes for the same money and coins: the pair that brings most goes first, one with a slow venue last."""
    if not state.config.best_pair_first:
        return intents

    def rank(intent: Intent) -> tuple[bool, float, str]:
        is_slow = any(state.watch.latency.why_slow(leg.venue, state.now_ns) for leg in intent.legs)
        return is_slow, -intent.profit_krw_est, intent.key

    return sorted(intents, key=rank)


def _take(state: State, held: StrategyState, intent: Intent) -> None:
    if state.muted_until_ns.get(intent.key, 0) > state.now_ns:
        return
    found = state.by_key.get(intent.key)
    if found is None:
        if any(trade.plan.key == intent.key for trade in state.live_trades.values()):
            return  # it is being executed: a new card comes when that has ended and the premium is still there
        found = Opportunity(
            id=state.next_id("o"),
            key=intent.key,
            strategy=held.strategy.name,
            intent=intent,
            opened_ms=state.wall_ms,
            updated_ms=state.wall_ms,
            expires_ns=0,
        )
        state.opportunities[found.id] = found
        state.by_key[intent.key] = found
        state.counts["opportunities"] += 1
    found.intent = intent
    found.net_est = intent.net_est
    found.updated_ms = state.wall_ms
    found.expires_ns = state.now_ns + state.config.opportunity_ttl_ms * NS_PER_MS
    if held.mode is Mode.AUTO and "anomaly" not in intent.flags:
        _attempt_auto(state, found, intent)
    elif found.noticed_ns == 0:
        price(state, found)
        show_and_record(state, found)
    elif state.now_ns - found.noticed_ns >= _RENEW_NOTICE_NS:
        price(state, found)
        show(state, found)


def _attempt_auto(state: State, found: Opportunity, intent: Intent) -> None:
    """Auto mode: try at once, then again only after the cool-down. The order goes out before anything is shown."""
    if found.tried_ns and state.now_ns - found.tried_ns < state.config.auto_cooldown_ms * NS_PER_MS:
        return
    found.tried_ns = state.now_ns
    refused = execute(state, found, intent, exact(intent.qty_est), intent.min_net_est, "auto")
    if refused is not None:
        found.reason = f"{refused.rule}: {refused.text}"
        if found.noticed_ns == 0:
            record(state, found)
        if state.now_ns - found.noticed_ns >= _RENEW_NOTICE_NS:
            price(state, found)
            show(state, found)


def execute(
    state: State, found: Opportunity, intent: Intent, max_qty: Decimal, net_floor: float, actor: str
) -> NotExecutable | None:
    """Price again, pass the gate, open the trade. What refuses is stored with its numbers and returned."""
    legs = legs_now(state, intent, max_qty)
    refused: NotExecutable | None
    if isinstance(legs, NotExecutable):
        refused = legs
    else:
        refused = trades.open_trade(state, found, intent, legs, net_floor, actor)
    if refused is not None:
        state.refuse(found.strategy, found.key, found.id, refused.rule, refused.text, refused.numbers)
        return refused
    end(state, found, "executing", "")
    return None


def requote(state: State, found: Opportunity) -> Intent | None:
    """The strategy's wish under this key as of now; None where it no longer wishes it."""
    held = state.strategies[found.strategy]
    first = found.intent.legs[0]
    for intent in held.strategy.evaluate(state.sight, held.params, (first.venue, first.symbol)):
        if intent.key == found.key:
            return intent
    return None


def legs_now(state: State, intent: Intent, max_qty: Decimal) -> tuple[PlannedLeg, ...] | NotExecutable:
    """Exact legs at the largest size that wish, caller and limits allow."""
    cap = gate.size_cap(state, intent)
    if isinstance(cap, NotExecutable):
        return cap
    return plan_legs(state.market, intent, min(max_qty, exact(intent.qty_est), cap), state.config.plan)


def price(state: State, found: Opportunity) -> None:
    """Exact legs and profit for the card, from the levels as of now."""
    legs = legs_now(state, found.intent, exact(found.intent.qty_est))
    if isinstance(legs, NotExecutable):
        found.legs, found.reason = (), f"{legs.rule}: {legs.text}"
        found.profit_krw = exact(found.intent.profit_krw_est)
        return
    found.legs, found.reason = legs, ""
    found.profit_krw = profit_of(state, found.intent, legs)


def profit_of(state: State, intent: Intent, legs: tuple[PlannedLeg, ...]) -> Decimal:
    """Expected profit in KRW: of two legs what they bring, of a single leg what its strategy expects of it."""
    if len(legs) < 2:
        return exact(intent.profit_krw_est) * legs[0].qty / exact(intent.qty_est)
    return expected_result(legs, state.market.instruments)[0]


def end(state: State, found: Opportunity, to: str, reason: str) -> None:
    """Leave `live`; the last word on it is shown and recorded."""
    found.state, found.reason = to, reason
    if state.by_key.get(found.key) is found:
        del state.by_key[found.key]
    show_and_record(state, found)
    ended = [item.id for item in state.opportunities.values() if item.state != "live"]
    for old in ended[:-_KEEP_ENDED]:
        del state.opportunities[old]


def expire(state: State) -> None:
    """Drop what was not renewed in time, and tokens long past use."""
    for found in [item for item in state.by_key.values() if item.expires_ns <= state.now_ns]:
        end(state, found, "expired", found.reason or "the premium is gone")
    grace_ns = 600 * NS_PER_S
    for token in [item.token for item in state.tokens.values() if item.expires_ns + grace_ns < state.now_ns]:
        del state.tokens[token]


def revive(state: State, plan: TradePlan) -> None:
    """After a restart: what an unfinished trade came from, so that its card and its row hear of its end."""
    legs = tuple(
        LegWish(venue=leg.venue, symbol=leg.symbol, side=leg.side, vwap_est=float(leg.planned_vwap))
        for leg in plan.legs
    )
    net_est, profit_est = float(plan.expected_net), float(plan.expected_profit_krw)
    intent = Intent(
        key=plan.key,
        strategy=plan.strategy,
        legs=legs,
        qty_est=float(max_quantity(plan.legs)),
        gross_est=plan.facts.get("gross", net_est),
        net_est=net_est,
        min_net_est=net_est,
        profit_krw_est=profit_est,
        notional_krw_est=float(notional_krw(plan)),
        confidence_est=0.0,
        facts=plan.facts,
    )
    state.opportunities[plan.opportunity_id] = Opportunity(
        id=plan.opportunity_id,
        key=plan.key,
        strategy=plan.strategy,
        intent=intent,
        state="executing",
        trade_id=plan.trade_id,
        opened_ms=plan.created_ms,
        updated_ms=plan.created_ms,
        expires_ns=0,
        legs=plan.legs,
        net_est=net_est,
        profit_krw=plan.expected_profit_krw,
    )


def bind_token(state: State, found: Opportunity, token: str, user_id: int, chat_id: int, fraction: Decimal) -> Token:
    """Bind a single-use token to the size just quoted. The price floor is the least net that the strategy wishes."""
    size = max((leg.qty for leg in found.legs), default=exact(found.intent.qty_est)) * fraction
    bound = Token(
        token=token,
        opportunity_id=found.id,
        key=found.key,
        strategy=found.strategy,
        sides=tuple(leg.side for leg in found.intent.legs),
        user_id=user_id,
        chat_id=chat_id,
        max_qty=size,
        net_floor=found.intent.min_net_est,
        expires_ns=state.now_ns + state.config.token_ttl_ms * NS_PER_MS,
    )
    state.tokens[token] = bound
    return bound
