"""The present for people's eyes: computed from State on request, never stored in it."""

from engine.core import cards, commands, receipts
from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.domain.command import Mode
from engine.domain.effect import OrderView
from engine.domain.money import NS_PER_MS, ZERO
from engine.domain.order import TradeState
from engine.domain.view import (
    BalanceView,
    CurvePoint,
    OpportunityView,
    RefusalView,
    StatusView,
    StrategyView,
    TradeView,
    VenueView,
)
from engine.execution.trade import Trade

_CLOSED_SHOWN = 200


def status(state: State) -> StatusView:
    usdt_krw = state.market.krw_per("USDT", state.now_ns, state.usdt_symbols)
    fx = state.market.fx.view(state.now_ns, state.market.wall_ms, usdt_krw)
    live = state.live_trades.values()
    return StatusView(
        instance=state.instance,
        wall_ms=state.wall_ms,
        uptime_ms=(state.now_ns - state.started_ns) // NS_PER_MS,
        level=state.level,
        level_reason=state.level_reason,
        ready=not state.recovering and all(held.ready for held in state.venues.values() if held.settings.trades),
        venues=tuple(venue(state, held) for _, held in sorted(state.venues.items())),
        strategies={name: held.mode for name, held in sorted(state.strategies.items())},
        opportunities=len(state.by_key),
        working_trades=len(state.live_trades),
        dead_letters=len(state.letters),
        unknown_orders=sum(1 for trade in live for order in trade.orders if order.status == "unknown"),
        breakers=state.breakers.states(state.now_ns),
        fx=fx.rate,
        fx_age_ms=fx.age_ms,
        fx_degraded=fx.degraded,
        usdt_krw=state.market.krw_per("USDT", state.now_ns, state.usdt_symbols),
        pnl_today_krw=state.pnl_today_krw,
        trades_today=state.trades_today,
        steps=state.steps,
        events=dict(sorted(state.counts.items())),
    )


def venue(state: State, held: VenueState) -> VenueView:
    symbols = held.settings.symbols
    ages = [state.market.age_ms(held.name, symbol, state.now_ns) for symbol in symbols]
    unknown = sum(
        1
        for trade in state.live_trades.values()
        for order in trade.orders
        if order.request.venue == held.name and order.status == "unknown"
    )
    return VenueView(
        venue=held.name,
        connected=state.market.connected.get(held.name, False),
        ready=held.ready,
        blocked=held.blocked or ("" if held.ready else f"reconciling {held.failing}".strip()),
        books=len(symbols),
        books_usable=sum(1 for symbol in symbols if not state.market.why_unusable(held.name, symbol, state.now_ns)),
        age_ms=min((age for age in ages if age != float("inf")), default=-1.0),
        unknown_orders=unknown,
    )


def strategies(state: State) -> list[StrategyView]:
    out = []
    for name, held in sorted(state.strategies.items()):
        points = getattr(held.params, held.strategy.curve) if held.strategy.curve else ()
        out.append(
            StrategyView(
                name=name,
                mode=held.mode,
                version=held.version,
                params=commands.current(held),
                curve=tuple(CurvePoint(premium_pct=premium, weight=weight) for premium, weight in points),
                now=held.strategy.figures(state.sight, held.params),
                trades_today=held.trades_today,
                open_opportunities=sum(1 for found in state.by_key.values() if found.strategy == name),
            )
        )
    return out


def opportunity_list(state: State) -> list[OpportunityView]:
    """Live ones first, newest first."""
    found = sorted(state.opportunities.values(), key=lambda item: (item.state == "live", item.opened_ms), reverse=True)
    return [cards.view(state, item) for item in found]


def trade_list(state: State) -> list[TradeView]:
    """Working and dead-letter trades, and the newest closed ones; newest first."""
    newest = sorted(state.trades.values(), key=lambda trade: trade.plan.created_ms, reverse=True)
    waiting = [trade for trade in newest if trade.state is not TradeState.CLOSED]
    closed = [trade for trade in newest if trade.state is TradeState.CLOSED][:_CLOSED_SHOWN]
    return [receipts.trade_view(state, trade) for trade in waiting + closed]


def order_list(state: State) -> list[OrderView]:
    newest: list[Trade] = sorted(state.trades.values(), key=lambda trade: trade.plan.created_ms, reverse=True)
    return [receipts.order_view(order) for trade in newest[:_CLOSED_SHOWN] for order in reversed(trade.orders)]


def balances(state: State) -> list[BalanceView]:
    out = []
    for name, held in sorted(state.venues.items()):
        ledger = state.ledger.assets(name)
        for asset in sorted({*ledger, *held.balances}):
            word = held.balances.get(asset)
            total = word.total if word else ZERO
            amount = ledger.get(asset, ZERO)
            out.append(
                BalanceView(
                    venue=name,
                    asset=asset,
                    ledger=amount,
                    venue_total=total,
                    free=word.free if word else ZERO,
                    reserved=state.reservations.total(name, asset),
                    difference=total - amount if held.opened and held.balances_ns else ZERO,
                    krw=amount * state.krw_rates.get(asset, ZERO),
                    age_ms=(state.now_ns - held.balances_ns) // NS_PER_MS if held.balances_ns else -1,
                )
            )
    return out


def refusals(state: State) -> list[RefusalView]:
    return list(state.refusals)


def modes_on(state: State) -> int:
    """How many strategies may trade."""
    return sum(1 for held in state.strategies.values() if held.mode in (Mode.CONFIRM, Mode.AUTO))
