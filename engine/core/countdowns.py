"""Venues' dead-man timers, looked at with every tick: a core that does not step, or cannot write, lets them run out."""

from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.domain.account_event import CountdownSet
from engine.domain.board import CountdownView
from engine.domain.effect import Arm, Severity
from engine.domain.order import OrderKind, OrderRequest

_TELL_AFTER = 3  # failures in a row


def look(state: State) -> None:
    """Ask for every timer that is due. Only where open orders have been listed: before, nobody knows whose they are."""
    able = [held for held in state.venues.values() if is_offered(held) and held.swept]
    if not able or not state.journal_writable:
        return
    resting = {
        order.request.venue: True
        for trade in state.live_trades.values()
        for order in trade.unresolved
        if may_rest(order.request)
    }
    for held in able:
        timer = held.countdown
        wished = timer.wish(held.name in resting, len(held.foreign), held.settings.countdown_s, state.now_ns)
        if wished is not None:
            timer.ask(state.now_ns)
            state.emit(Arm(venue=held.name, timeout_s=wished))
        _tell(state, held)


def is_offered(held: VenueState) -> bool:
    return held.abilities.countdown and held.settings.countdown_s > 0


def may_rest(request: OrderRequest) -> bool:
    return request.kind is OrderKind.STOP_LOSS or (request.kind is OrderKind.LIMIT and not request.tif.ends_at_once)


def on_set(state: State, event: CountdownSet) -> None:
    state.venues[event.venue].countdown.answered(event.timeout_s, event.asked_ns, event.reason)


def _tell(state: State, held: VenueState) -> None:
    """Once, while something rests there without it; and once when it runs again."""
    timer = held.countdown
    is_off = bool(timer.reason) and (not timer.failures or timer.failures >= _TELL_AFTER)
    if is_off and not timer.told:
        timer.told = True
        state.alert(
            "countdown_off",
            Severity.WARN,
            f"{held.name}: its dead-man timer does not guard what rests there: {timer.reason}",
            venue=held.name,
            numbers={"foreign": str(len(held.foreign))} if held.foreign else {"why": timer.reason},
        )
    elif timer.told and timer.armed_s and not timer.reason:
        timer.told = False
        text = f"{held.name}: its dead-man timer of {timer.armed_s} s runs again"
        state.alert("countdown_on", Severity.INFO, text, venue=held.name, numbers={"seconds": str(timer.armed_s)})


def view(state: State, held: VenueState) -> CountdownView:
    timer = held.countdown
    return CountdownView(
        offered=is_offered(held),
        armed_s=timer.armed_s,
        left_ms=timer.left_ms(state.now_ns),
        why=timer.reason,
        foreign=len(held.foreign) if timer.reason else 0,
    )
