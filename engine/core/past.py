"""A checkpoint's sums: taken from a State that has read the journal so far, and given to one that starts from there."""

from collections import deque

from engine.core.state import State
from engine.domain.event import PastRecalled
from engine.domain.money import NS_PER_MS
from engine.domain.past import ActionPast, Past
from engine.strategies.sight import LastAction


def take(state: State) -> Past:
    """Only while the journal is read: every time in these sums came out of the wall clock and goes back to it."""

    def wall_ms(at_ns: int) -> int:
        return state.tick_wall_ms - (state.started_ns - at_ns) // NS_PER_MS

    return Past(
        accounts=state.ledger.accounts(),
        held=state.ledger.held(),
        pnl_total_krw=state.pnl_total_krw,
        pnl_peak_krw=state.pnl_peak_krw,
        local_day=state.local_day,
        pnl_today_krw=state.pnl_today_krw,
        trades_today=state.trades_today,
        trades_today_by={name: held.trades_today for name, held in state.strategies.items()},
        actions=tuple(
            ActionPast(
                key=key,
                premium=last.premium,
                newest_ms=wall_ms(last.wall_ns),
                recent_ms=tuple(wall_ms(at_ns) for at_ns in last.recent_ns),
            )
            for key, last in state.last.items()
        ),
        traded_ms=tuple(wall_ms(at_ns) for at_ns in state.traded_ns),
        submitted=tuple((wall_ms(at_ns), krw) for at_ns, krw in state.submitted),
        breakers=state.breakers.past(wall_ms),
        counts=dict(state.counts),
        funding=state.ledger.funded(),
    )


def on_recalled(state: State, event: PastRecalled) -> None:
    """Entries that a checkpoint carries have been read again: their trades stand, the sums are as they were then."""
    past = event.past
    state.ledger.stand_at(past.accounts, past.held, past.funding)
    state.pnl_total_krw, state.pnl_peak_krw = past.pnl_total_krw, past.pnl_peak_krw
    is_today = past.local_day == state.local_day
    state.pnl_today_krw = past.pnl_today_krw if is_today else past.pnl_today_krw * 0
    state.trades_today = past.trades_today if is_today else 0
    for name, held in state.strategies.items():
        held.trades_today = past.trades_today_by.get(name, 0) if is_today else 0
    for action in past.actions:
        recent = tuple(state.at_ns(ms) for ms in action.recent_ms)
        state.last[action.key] = LastAction(
            wall_ns=state.at_ns(action.newest_ms), premium=action.premium, recent_ns=recent
        )
    state.traded_ns = deque((state.at_ns(ms) for ms in past.traded_ms), state.traded_ns.maxlen)
    state.submitted = deque(((state.at_ns(ms), krw) for ms, krw in past.submitted), state.submitted.maxlen)
    state.breakers.stand_at(past.breakers, state.at_ns)
    state.counts.clear()
    state.counts.update(past.counts)
    for name in past.held:
        if name in state.venues:
            state.venues[name].opened = True
            state.refresh_available(name)
