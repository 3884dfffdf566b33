"""How fast persons' orders may follow each other in one market."""

from engine.core.state import State
from engine.domain.market import Instrument
from engine.domain.money import NS_PER_S
from engine.domain.order import Side
from engine.execution.plan import NotExecutable


def too_fast(state: State, rules: Instrument, side: Side) -> NotExecutable | None:
    """Persons' orders keep to the pace of one pair's trades: what takes them for a loop gone wild halts the desk."""
    most = _most(state)
    count = most - room(state, rules, side)
    if count < most:
        return None
    text = f"{count} orders to {side} {rules.symbol} at {rules.venue} within a minute: the next one waits"
    return NotExecutable(rule="pace", text=text, numbers={"orders": str(count), "limit": str(most)})


def room(state: State, rules: Instrument, side: Side) -> int:
    """How many more may leave for this side of the market within the minute."""
    market = (rules.venue, rules.symbol, side)
    since_ns = state.now_ns - 60 * NS_PER_S
    newest = [item for parent in state.parents.all.values() for item in parent.sent if item.at_ns > since_ns]
    return _most(state) - sum((item.venue, item.symbol, item.side) == market for item in newest)


def _most(state: State) -> int:
    return state.config.limits.max_trades_per_window
