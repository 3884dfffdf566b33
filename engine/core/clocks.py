"""Clocks that are apart: no new risk where a venue's differs too much from ours (reliability.md, fault 20).

What is signed follows the venue's own clock. What is told by the hour (funding, the day's limits, the age of a rate)
follows ours, and one of the two is wrong.
"""

from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.domain.account_event import ClockRead
from engine.domain.effect import Severity
from engine.domain.money import NS_PER_S

_STALE_NS = 60 * NS_PER_S  # a slow reading that no other has confirmed


def on_read(state: State, event: ClockRead) -> None:
    held = state.venues.get(event.venue)
    if held is None:
        return
    clock = held.clock
    was_off = why_off(state, held)
    clock.offset_ms, clock.uncertainty_ms, clock.read_ns = event.offset_ms, event.uncertainty_ms, state.now_ns
    why = why_off(state, held)
    most_ms = state.config.limits.max_clock_off_ms
    numbers = {
        "offset_ms": str(event.offset_ms),
        "uncertain_ms": str(event.uncertainty_ms),
        "limit_ms": str(most_ms),
    }
    is_certain = abs(event.offset_ms) - event.uncertainty_ms > most_ms
    if why and (was_off or is_certain) and not clock.is_told:  # one slow answer is no news
        clock.is_told = True
        text = f"{held.name}: {why}; no new trade begins there"
        state.alert("clock_off", Severity.CRIT, text, venue=held.name, numbers=numbers)
    elif clock.is_told and not why:
        clock.is_told = False
        state.alert("clock_agrees", Severity.INFO, f"{held.name}: clocks agree again", venue=held.name, numbers=numbers)


def why_off(state: State, held: VenueState) -> str:
    """Why a venue's clock holds new risk back; "" where it does not, or was never read."""
    clock, most = held.clock, state.config.limits.max_clock_off_ms
    if not clock.is_told and state.now_ns - clock.read_ns > _STALE_NS:
        return ""
    if abs(clock.offset_ms) > most:
        way = "ahead of" if clock.offset_ms > 0 else "behind"
        return f"its clock is {abs(clock.offset_ms) / 1_000:.1f} s {way} ours"
    if clock.uncertainty_ms > most:
        return f"its clock is known to {clock.uncertainty_ms / 1_000:.1f} s only"
    return ""
