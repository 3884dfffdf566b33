"""An account that does not answer: no new risk where nobody knows what is held (reliability.md §3, last of the rules).

A venue may take orders by a socket while its private reads fail for hours: balances that agreed long ago prove nothing.
"""

from engine.core.state import State
from engine.core.venue_state import SWEEP_REST_MS, VenueState
from engine.domain.effect import Severity
from engine.domain.money import NS_PER_MS, NS_PER_S

_TURNS = 4  # of the periodic comparison: so many in a row have come to nothing


def look(state: State) -> None:
    """Once a second: said once when an account falls silent, and once when it speaks again."""
    for held in state.venues.values():
        age_ns = _age_ns(state, held)
        if _is_silent(state, age_ns) and not held.is_silent:
            held.is_silent = True
            numbers = {"seconds": str(age_ns // NS_PER_S), "why": held.failing or "–"}
            text = f"{held.name}: {why_unread(state, held)}; no new trade begins there"
            state.alert("account_unread", Severity.WARN, text, venue=held.name, numbers=numbers)
        elif held.is_silent and not _is_silent(state, age_ns):
            held.is_silent = False
            state.alert("account_read", Severity.INFO, f"{held.name}: its account answers again", venue=held.name)


def why_unread(state: State, held: VenueState) -> str:
    """Why what is known of an account is too old for new risk; "" where it is not, or was never read."""
    age_ns = _age_ns(state, held)
    if not _is_silent(state, age_ns):
        return ""
    why = f": {held.failing}" if held.failing else ""
    return f"its account was last read {age_ns // NS_PER_S} s ago{why}"


def _is_silent(state: State, age_ns: int) -> bool:
    return age_ns > _TURNS * max(state.config.reconcile_every_ms, SWEEP_REST_MS) * NS_PER_MS


def _age_ns(state: State, held: VenueState) -> int:
    """Of its balances or of its list of open orders, whichever is the older; 0 while a start still waits for one."""
    if not held.settings.trades or not (held.opened and held.swept and held.balances_ns):
        return 0
    return state.now_ns - min(held.balances_ns, held.swept_ns)
