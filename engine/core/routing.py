"""What the router is told of each venue: its book, what we hold there, and why it is left out."""

from decimal import Decimal

from engine.core import gate
from engine.core.state import State
from engine.domain.market import Instrument, Product
from engine.domain.money import BPS, ZERO, exact
from engine.domain.order import Side
from engine.execution.plan import NotExecutable
from engine.execution.router import Offer, Route, route

_BUDGET_SPENT = 0.9  # of a rate limit: what is left is for cancels and look-ups


def markets_of(state: State, base: str) -> list[Instrument]:
    """Spot markets of a coin that we may trade, in a fixed order."""
    return [
        rules
        for (venue, symbol), rules in sorted(state.market.instruments.items())
        if rules.base == base
        and rules.product is Product.SPOT
        and venue in state.venues
        and state.venues[venue].settings.trades
        and symbol in state.venues[venue].settings.symbols
    ]


def perps_of(state: State, base: str, venue: str) -> list[Instrument]:
    """A venue's perpetuals of a coin that we may trade: never chosen by the router, only named by a person."""
    at = state.venues.get(venue)
    symbols = at.settings.symbols if at is not None and at.settings.trades and at.settings.leverage else ()
    found = (state.market.instruments.get((venue, symbol)) for symbol in symbols)
    return [rules for rules in found if rules and rules.base == base and rules.product is Product.PERP]


def krw_rate(state: State, quote: str) -> Decimal:
    """KRW per 1 quote asset; 0 where none is known."""
    return exact(state.market.krw_per(quote, state.now_ns, state.usdt_symbols))


def why_out(state: State, rules: Instrument) -> str:
    """Why a venue takes no order now, in a few words; "" where it would."""
    held = state.venues[rules.venue]
    refused = gate.off_limits(state, rules.venue, rules.symbol)
    if refused is not None:
        return refused.text
    if held.blocked:
        return held.blocked
    if not held.ready:
        return "not reconciled yet"
    if held.failing:
        return f"its account does not answer: {held.failing}"
    resting = gate.resting(state, held)
    if resting:
        return resting
    unusable = state.market.why_unusable(rules.venue, rules.symbol, state.now_ns)
    if unusable:
        return f"its book cannot be used: {unusable}"
    slow = state.watch.latency.why_slow(rules.venue, state.now_ns)
    if slow:
        return slow
    used = max((used for (venue, _), used in state.watch.rate_use.items() if venue == rules.venue), default=0.0)
    if used >= _BUDGET_SPENT:
        return f"{used:.0%} of its rate budget is used"
    name, reason = state.breakers.why_not((rules.venue,), state.now_ns)
    return f"breaker {name}: {reason}" if name else ""


def offers(state: State, side: Side, base: str, limit_krw: Decimal) -> tuple[Offer, ...]:
    """Every venue that trades the coin; `limit_krw`: KRW per base, converted at each one's rate of now."""
    made = []
    for rules in markets_of(state, base):
        rate = krw_rate(state, rules.quote)
        book = state.market.book(rules.venue, rules.symbol)
        out = why_out(state, rules) or ("" if rate > 0 else f"no KRW rate for {rules.quote}")
        limit = limit_krw / rate if rate > 0 else ZERO
        levels = [] if book is None or out else list(book.asks() if side is Side.BUY else book.bids())
        made.append(
            Offer(
                rules=rules, levels=levels, quote_krw=rate, limit=limit, room=_room(state, side, rules, limit), out=out
            )
        )
    return tuple(made)


def _room(state: State, side: Side, rules: Instrument, limit: Decimal) -> Decimal:
    """Base that what is free there suffices for, at the limit."""
    if side is Side.SELL:
        return max(ZERO, gate.free(state, rules.venue, rules.base))
    if limit <= 0:
        return ZERO
    return max(ZERO, gate.free(state, rules.venue, rules.quote)) / (limit * (1 + rules.taker_fee_bps * BPS))


def choose(state: State, side: Side, base: str, qty: Decimal, limit_krw: Decimal) -> Route | NotExecutable:
    """Where `qty` is best traded now."""
    return route(side, qty, offers(state, side, base, limit_krw))
