"""Fills in what risk.review looks at, caps sizes by the same limits, and tells the breakers how it went."""

from decimal import Decimal

from engine.core import accounts, clocks, margin, placing, rates
from engine.core.state import Opportunity, State
from engine.core.venue_state import VenueState
from engine.domain.effect import Severity
from engine.domain.money import NS_PER_MS, NS_PER_S, ZERO, exact
from engine.domain.order import Intent, LegRole, OrderStatus, PlannedLeg, TradeState
from engine.domain.view import PnlView
from engine.execution import trade as life
from engine.execution.order_state import OrderState
from engine.execution.plan import NotExecutable
from engine.execution.trade import Trade
from engine.risk.limits import Held, ceiling
from engine.risk.review import Approved, review
from engine.risk.rules import Refused, notional_krw
from engine.risk.situation import Seen, Situation

_HOUR_NS = 3_600 * NS_PER_S
_MINUTE_NS = 60 * NS_PER_S
_ROUNDING = Decimal("0.998")  # room for the price to move between the cap and the review


def approve(
    state: State, found: Opportunity, intent: Intent, legs: tuple[PlannedLeg, ...], is_auto: bool
) -> Approved | NotExecutable:
    """The only source of an Approved for these legs as of now."""
    verdict = review(legs, situation(state, found, intent, legs, is_auto), state.config.limits)
    if isinstance(verdict, Refused):
        return NotExecutable(rule=verdict.rule, text=verdict.text, numbers=verdict.numbers)
    venues = tuple(leg.venue for leg in legs)
    state.breakers.pass_trade(found.id, venues, state.now_ns)
    return verdict


def size_cap(state: State, intent: Intent) -> Decimal | NotExecutable:
    """The largest base quantity that no size limit refuses: wishes are cut to it, and a card shows what can be done."""
    for leg in intent.legs:
        refused = off_limits(state, leg.venue, leg.symbol)
        if refused is not None:
            return refused
    remainder = state.blocked_keys.get(intent.key)
    if remainder is not None:
        text = f"trade {remainder} left a remainder for a person; its pair is closed until then"
        return NotExecutable(rule="dead_letter", text=text, numbers={"trade_id": remainder, "key": intent.key})
    if state.usd_krw is None or state.btc_krw is None:
        rates.refresh(state)
    worst = ZERO
    coin = ""
    for leg in intent.legs:
        rules = state.market.instruments.get((leg.venue, leg.symbol))
        if rules is not None:
            rate = Decimal(1) if rules.quote == "KRW" else exact(intent.facts.get("usdt_krw", 0.0))
            worst = max(worst, exact(leg.vwap_est) * rate)
            coin = rules.base
    venues = tuple(leg.venue for leg in intent.legs)
    at = held(state, coin)
    if "closes" in intent.flags:
        at, venues = Held(), ()  # what only closes positions may be as large as they are
    cap = ceiling(state.config.limits, at, venues, state.usd_krw, state.btc_krw)
    if not worst or cap.krw <= 0:
        why = "a rate for the limits is missing" if cap.rule == "no_rate" else "no room is left under this limit"
        return NotExecutable(rule=cap.rule, text=f"{coin}: {why}", numbers={"room_krw": f"{cap.krw:.0f}"})
    return cap.krw * _ROUNDING / worst


def off_limits(state: State, venue: str, symbol: str) -> NotExecutable | None:
    """A market that may be looked at and never traded: of a venue without an account, or of doubtful identity."""
    at = state.venues.get(venue)
    numbers = {"venue": venue, "symbol": symbol}
    if at is None or not at.settings.trades:
        return NotExecutable(rule="watched", text=f"{venue} is only watched: it has no account here", numbers=numbers)
    if symbol not in at.settings.symbols:
        return NotExecutable(rule="watched", text=f"{venue} {symbol} is only watched", numbers=numbers)
    why = state.quarantined.get((venue, symbol))
    if why is not None:
        return NotExecutable(rule="quarantined", text=f"{venue} {symbol}: {why}", numbers=numbers)
    word = state.market.wallets.suspended(venue, symbol)
    if word:
        text = f"{venue} takes no orders on {symbol}: {word}"
        return NotExecutable(rule="suspended", text=text, numbers={**numbers, "word": word})
    return None


def held(state: State, coin: str) -> Held:
    """Open positions: what live trades and dead letters have opened and not closed, at their plan's rates.

    And every perpetual that stands open, at its mark.
    """
    coin_krw = total_krw = ZERO
    venue_krw: dict[str, Decimal] = {}
    for trade in (state.letters | state.live_trades).values():
        worth = max(notional_krw(leg) for leg in trade.plan.legs)
        total_krw += worth
        if trade.plan.legs[0].base == coin:
            coin_krw += worth
        for leg in trade.plan.legs:
            venue_krw[leg.venue] = venue_krw.get(leg.venue, ZERO) + notional_krw(leg)
    perp_krw: dict[str, Decimal] = {}
    for venue, worth, base in margin.positions_krw(state):
        perp_krw[venue] = perp_krw.get(venue, ZERO) + worth
        venue_krw[venue] = venue_krw.get(venue, ZERO) + worth
        total_krw += worth
        if base == coin:
            coin_krw += worth
    return Held(coin_krw=coin_krw, venue_krw=venue_krw, perp_krw=perp_krw, total_krw=total_krw)


def situation(
    state: State, found: Opportunity, intent: Intent, legs: tuple[PlannedLeg, ...], is_auto: bool
) -> Situation:
    now_ns = state.now_ns
    coin = legs[0].base
    last = state.last.get(found.key)
    window_ns = state.config.limits.window_ms * NS_PER_MS
    breaker, reason = state.breakers.why_not(tuple(leg.venue for leg in legs), now_ns)
    live = state.live_trades.values()
    forget_old(state)
    return Situation(
        key=found.key,
        strategy=found.strategy,
        seen=tuple(seen(state, leg) for leg in legs),
        is_auto=is_auto,
        flags=intent.flags,
        level=state.level,
        level_reason=state.level_reason,
        journal_writable=state.journal_writable,
        breaker=breaker,
        breaker_reason=reason,
        dead_letter=state.blocked_keys.get(found.key, ""),
        open_trades=sum(1 for trade in live if trade.plan.key == found.key),
        naked_trades=sum(1 for trade in live if trade.state is TradeState.NAKED and trade.plan.legs[0].base == coin),
        opportunity_trade=found.trade_id,
        since_last_ms=(now_ns - last.wall_ns) // NS_PER_MS if last else None,
        trades_in_window=sum(1 for at in last.recent_ns if now_ns - at <= window_ns) if last else 0,
        trades_last_hour=len(state.traded_ns),
        trades_today=state.trades_today,
        orders_last_minute=len(state.submitted),
        notional_last_minute_krw=sum((krw for _, krw in state.submitted), ZERO),
        held=held(state, coin),
        pnl_today_krw=state.pnl_today_krw,
        pnl_total_krw=state.pnl_total_krw,
        drawdown_krw=state.pnl_peak_krw - state.pnl_total_krw,
        equity_krw=state.equity_krw,
        usd_krw=state.usd_krw,
        btc_krw=state.btc_krw,
    )


def forget_old(state: State) -> None:
    """Orders of more than a minute and trades of more than an hour ago count for no limit."""
    while state.submitted and state.now_ns - state.submitted[0][0] > _MINUTE_NS:
        state.submitted.popleft()
    while state.traded_ns and state.now_ns - state.traded_ns[0] > _HOUR_NS:
        state.traded_ns.popleft()


def seen(state: State, leg: PlannedLeg) -> Seen:
    """What is known around one leg."""
    held_venue = state.venues[leg.venue]
    quote = state.market.quote(leg.venue, leg.symbol)
    pays, needed = cost(state, leg)
    return Seen(
        ready=held_venue.ready,
        blocked=held_venue.blocked or resting(state, held_venue),
        clock_off=clocks.why_off(state, held_venue),
        unread=accounts.why_unread(state, held_venue),
        unusable=state.market.why_unusable(leg.venue, leg.symbol, state.now_ns),
        age_ms=state.market.age_ms(leg.venue, leg.symbol, state.now_ns),
        best_bid=quote.bid if quote else 0.0,
        best_ask=quote.ask if quote else 0.0,
        median_mid=state.market.median_mid(leg.venue, leg.symbol),
        allowed=leg.symbol in held_venue.settings.symbols,
        pays=pays,
        needed=needed,
        available=free(state, leg.venue, pays),
        unknown_orders=unknown_at(state, leg),
        margin=margin.seen(state, leg),
    )


def resting(state: State, venue: VenueState) -> str:
    """Why no new trade begins at a venue that an order of ours could not reach a moment ago."""
    left_ns = venue.rests_until_ns - state.now_ns
    return f"an order could not leave for it, {left_ns / NS_PER_S:.1f} s of rest are left" if left_ns > 0 else ""


def cost(state: State, leg: PlannedLeg) -> tuple[str, Decimal]:
    """(asset, amount) that a leg takes from us at most: quote plus fee, base when selling, margin of a perpetual."""
    return placing.worst_of(state, leg, leg.side, leg.qty, leg.limit_price)


def free(state: State, venue: str, asset: str) -> Decimal:
    """Ledger minus reservations minus what others' orders hold there."""
    return state.free(venue, asset)


def unknown_at(state: State, leg: PlannedLeg) -> int:
    """Orders without an answer at the leg's venue that touch one of its assets."""
    assets = {leg.base, leg.quote}
    count = 0
    for trade in state.live_trades.values():
        for order in trade.orders:
            planned = trade.plan.leg(order.request.leg)
            if order.status is OrderStatus.UNKNOWN and planned.venue == leg.venue:
                count += bool(assets & {planned.base, planned.quote})
    return count


def note_order(state: State, trade: Trade, order: OrderState) -> None:
    """An order ended or lost its answer: a refusal or a lost answer is a failure, an unfilled IOC is not.

    Of what was not placed only an entry that the venue would not take is one: the latch and the journal are ours, a
    lost answer was counted when it was lost, and a repair is tried until the rate budget is back.
    """
    if order.status is OrderStatus.NOT_PLACED and not (
        order.never_left and order.request.role is LegRole.ENTRY and order.reason.startswith("nothing left")
    ):
        return
    failed = order.status in (OrderStatus.REJECTED, OrderStatus.UNKNOWN, OrderStatus.NOT_PLACED)
    at_ns = state.at_ns(placing.wall_of(state, trade)) if state.recovering else state.now_ns
    announce(state, state.breakers.note_order(order.request.venue, failed, at_ns))


def note_result(state: State, trade: Trade, result: PnlView) -> None:
    """A trade ended. What the journal tells counts at its own time: a restart closes no breaker."""
    name = trade.plan.opportunity_id
    if not life.has_fills(trade):
        state.breakers.note_unfilled(name)
        return
    worth = max(notional_krw(leg) for leg in trade.plan.legs)
    at_ns = state.at_ns(trade.closed_ms) if state.recovering else state.now_ns
    announce(state, state.breakers.note_trade(name, result, worth, at_ns))


def announce(state: State, tripped: list[str]) -> None:
    for name in tripped:
        state.counts["breakers_tripped"] += 1
        state.alert(
            "breaker",
            Severity.CRIT,
            f"breaker {name} opened",
            numbers={"breaker": name},
        )
