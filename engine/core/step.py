"""The one door: an event in, effects out."""

from collections.abc import Callable
from typing import Any

from engine.core import (
    absent,
    accounts,
    cards,
    clocks,
    closing,
    commands,
    countdowns,
    halt,
    hearing,
    hedging,
    identity,
    latency,
    losses,
    margin,
    opportunities,
    orders,
    parents,
    past,
    placing,
    rates,
    receipts,
    reconcile,
    repairs,
    standing,
    trades,
    watching,
)
from engine.core.state import State
from engine.domain import event as ev
from engine.domain import margin_event, stream_event
from engine.domain.account_event import Amended, ClockRead, CountdownSet, LatencySampled, Stopping
from engine.domain.effect import Effect
from engine.domain.money import NS_PER_S
from engine.domain.order import TradeState
from engine.execution import trade as life
from engine.execution.trade import Trade


def step(state: State, event: ev.Event) -> list[Effect]:
    """Take one event; the only code that writes State. Same events, same effects, byte for byte."""
    return decide(state, event) + tell(state)


def decide(state: State, event: ev.Event) -> list[Effect]:
    """The first half of a step: all that it does. Nobody's view of it is made yet, so an order leaves sooner."""
    out: list[Effect] = []
    state.out = out
    state.set_time(event.seen_ns)
    state.steps += 1
    _HANDLERS[type(event)](state, event)
    if state.parents.due:
        parents.drive_due(state)
    return out


def tell(state: State) -> list[Effect]:
    """The second half: cards, receipts and rows of what has changed, each once."""
    out: list[Effect] = []
    if state.cards_due or state.trades_due:
        state.out = out
        for found, with_row in state.cards_due.values():
            cards.publish(state, found, with_row)
        for trade in state.trades_due.values():
            receipts.publish(state, trade)
        state.cards_due.clear()
        state.trades_due.clear()
    return out


def _on_book(state: State, event: ev.BookSnapshot | ev.BookDelta) -> None:
    book = state.market.take_book(event)
    market = (event.venue, event.symbol)
    if market in state.wake and not state.recovering:
        opportunities.evaluate(state, market, book)


def _on_market(
    state: State, event: ev.BookLost | ev.TradePrint | ev.PerpState | ev.DayTicker | ev.FeedAlive | ev.FxRate
) -> None:
    state.market.take(event)


def _on_tick(state: State, event: ev.Tick) -> None:
    """What time itself changes."""
    state.tick_ns, state.tick_wall_ms = event.seen_ns, event.wall_ms
    state.set_time(event.seen_ns)
    if event.local_day != state.local_day:
        state.local_day = event.local_day
        state.pnl_today_krw *= 0
        state.trades_today = 0
        for held in state.strategies.values():
            held.trades_today = 0
    if state.recovering:
        return
    if event.seen_ns - state.rates_ns >= NS_PER_S:
        state.rates_ns = event.seen_ns
        rates.refresh(state)
        standing.look(state)
        latency.look(state)
        margin.look(state)
        accounts.look(state)
        closing.look(state)
    identity.look(state)
    opportunities.expire(state)
    for trade in list(state.live_trades.values()):
        for order in trade.orders:
            if not order.is_terminal:
                placing.look_up_due(state, order)
            if order.tell_ns:
                orders.tell_due(state, trade, order)
        trades.drive(state, trade)
    if state.parents.live:
        parents.drive_all(state)
    for venue in state.venues.values():
        if state.now_ns >= venue.next_check_ns:
            reconcile.ask(state, venue)
    countdowns.look(state)
    watching.tick(state)


def _on_started(state: State, event: ev.Started) -> None:
    state.instance = event.instance
    state.utc_offset_ms = event.utc_offset_ms
    state.local_day = (event.wall_ms + event.utc_offset_ms) // placing.DAY_MS
    state.started_ns = event.seen_ns
    state.tick_ns, state.tick_wall_ms = event.seen_ns, event.wall_ms
    state.set_time(event.seen_ns)


def _on_intent(state: State, event: ev.IntentJournaled) -> None:
    """Recovery: a durable intent read back; its orders may or may not have left."""
    if event.plan is not None:
        trade = Trade(plan=event.plan, opened_ns=state.now_ns)
        placing.adopt(state, trade)
        placing.hold_waiting(state, trade, {request.leg for request in event.orders})
        placing.count_trade(state, event.plan, state.at_ns(event.plan.created_ms))
        if event.plan.parent_id:
            parents.recall_child(state, trade)
    for request in event.orders:
        trade = state.trades[request.trade_id]
        if trade.is_over:
            repairs.reopen(state, trade)  # a dead letter was tried again
        placing.track(state, trade, request)
        placing.count_order(state, trade, request, state.at_ns(trade.plan.created_ms))


def _on_settled(state: State, event: ev.TradeSettled) -> None:
    """Recovery: a trade's end read back. One whose intent the disk did not take has sent nothing."""
    trade = state.trades.get(event.trade_id)
    if trade is None:
        return
    was_over = trade.settled
    if event.written_off is not None:
        trade.written_off = event.written_off
    elif trade.state is TradeState.DEAD_LETTER and event.state == TradeState.CLOSED:
        trade.written_off += life.exposure(trade)  # a person closed it by hand
    trade.state, trade.outcome, trade.settled = TradeState(event.state), event.outcome, True
    trade.reason = event.reason
    trade.closed_ms = event.wall_ms
    state.live_trades.pop(event.trade_id, None)
    placing.drop_waiting(state, trade)
    hedging.note(state, trade)
    if trade.state is TradeState.DEAD_LETTER:
        trades.block(state, trade)
    else:
        trades.unblock(state, trade)
    if not was_over:
        trades.book_result(state, trade)


def _on_able(state: State, event: ev.VenueAble) -> None:
    if event.venue in state.venues:
        state.venues[event.venue].abilities = event.abilities


def _on_recovered(state: State, event: ev.Recovered) -> None:
    parents.on_recovered(state)
    reconcile.on_recovered(state, event.alone_ns or event.seen_ns)
    watching.on_recovered(state)
    state.counts["restarts"] += 1
    state.market.wall_ms = state.wall_ms
    for held in state.venues.values():
        held.next_check_ns = state.now_ns + 2 * NS_PER_S


_HANDLERS: dict[type, Callable[[State, Any], None]] = {
    ev.BookSnapshot: _on_book,
    ev.BookDelta: _on_book,
    ev.BookLost: _on_market,
    ev.TradePrint: _on_market,
    ev.PerpState: _on_market,
    ev.DayTicker: _on_market,
    ev.FeedAlive: _on_market,
    ev.FeedState: watching.on_feed_state,
    ev.FxRate: _on_market,
    ev.InstrumentsLoaded: reconcile.on_instruments,
    ev.WalletsReported: standing.on_wallets,
    ev.WarningsReported: standing.on_warnings,
    ev.LoansReported: standing.on_loans,
    ev.OrderSent: orders.on_sent,
    ev.OrderNotSent: orders.on_not_sent,
    ev.OrderReported: orders.on_reported,
    ev.OrderRefused: orders.on_refused,
    ev.OrderLost: orders.on_lost,
    ev.OrderMissing: absent.on_missing,
    ev.CancelRefused: orders.on_cancel_refused,
    margin_event.PositionsReported: margin.on_positions,
    margin_event.FundingReported: margin.on_funding,
    margin_event.FundingBooked: margin.on_booked,
    margin_event.MarginAligned: margin.on_aligned,
    margin_event.HedgeLost: losses.on_lost,
    ev.BalancesReported: reconcile.on_balances,
    ev.OpenOrdersReported: orders.on_open_orders,
    stream_event.OrderStirred: hearing.on_stirred,
    stream_event.ForeignOrder: hearing.on_foreign,
    stream_event.OrderStreamState: hearing.on_stream_state,
    ev.VenueFailed: reconcile.on_failed,
    ev.RateUsed: watching.on_rate_used,
    Amended: placing.on_amended,
    CountdownSet: countdowns.on_set,
    LatencySampled: latency.on_sampled,
    Stopping: parents.on_stopping,
    ClockRead: clocks.on_read,
    ev.JournalState: halt.on_journal,
    ev.Tick: _on_tick,
    ev.IntentJournaled: _on_intent,
    ev.TradeSettled: _on_settled,
    ev.ParentOpened: parents.recall_opened,
    ev.ParentMoved: parents.recall_moved,
    ev.VenueAble: _on_able,
    ev.LedgerOpened: reconcile.on_opened,
    ev.PastRecalled: past.on_recalled,
    ev.SettingStored: commands.on_setting,
    ev.Started: _on_started,
    ev.Recovered: _on_recovered,
    ev.Commanded: commands.on_command,
}
