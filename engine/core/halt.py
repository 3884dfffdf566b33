"""The kill latch: stopping is one step, resuming is two and a passed self-check (domain.md §13)."""

from typing import Any

from msgspec import Struct

from engine.core import receipts, returning, stops, trades
from engine.core.state import State, encode
from engine.domain import command as ask
from engine.domain.effect import Cancel, LatchChanged, Reply, Severity, StoreSetting
from engine.domain.event import Commanded, JournalState
from engine.domain.money import NS_PER_S
from engine.domain.order import LegRole
from engine.domain.parent import ParentState, Template
from engine.domain.view import NakedView
from engine.execution import trade as life
from engine.risk.latch import allows

_RESUME_TTL_NS = 60 * NS_PER_S


class StoredHalt(Struct, frozen=True, kw_only=True):
    level: int
    reason: str


class HaltView(Struct, frozen=True, kw_only=True):
    """Notice `halt`."""

    level: int
    reason: str
    actor: str
    cancelling: int  # open orders that we asked to cancel
    naked: tuple[NakedView, ...] = ()  # what is open at this moment, at a level that repairs nothing


class Check(Struct, frozen=True, kw_only=True):
    """One line of the self-check."""

    name: str
    ok: bool
    text: str


def reply(event: Commanded, ok: bool, rule: str, text: str, body: Any = None) -> Reply:
    return Reply(request_id=event.request_id, ok=ok, rule=rule, text=text, body=encode(body))


def on_halt(state: State, event: Commanded, command: ask.Halt) -> Reply:
    if command.level not in (1, 2, 3):
        return reply(event, False, "bad_parameter", f"level must be 1, 2 or 3: {command.level}")
    view = raise_to(state, command.level, command.reason, event.actor)
    return reply(event, True, "", f"halted at L{state.level}", view)


def raise_to(state: State, level: int, reason: str, actor: str) -> HaltView:
    """Raise the latch, never lower it; from L2 cancel every open order of ours. Returns what was told of it."""
    state.resume_token = ("", 0)  # a new halt voids a resume that was prepared before it
    if level > state.level:
        state.level, state.level_reason = level, reason
        set_latch(state, actor)
    cancelling = cancel_open(state) if state.level >= 2 else 0
    view = HaltView(
        level=state.level,
        reason=state.level_reason,
        actor=actor,
        cancelling=cancelling,
        naked=_left_naked(state),
    )
    state.notice("halt", "halt", Severity.CRIT, view)
    if state.level >= 3:
        for trade in list(state.live_trades.values()):
            trades.drive(state, trade)
    return view


def _left_naked(state: State) -> tuple[NakedView, ...]:
    """What L2 leaves as it is: each leg without a partner, of trades under way and of dead letters."""
    if allows(state.level, LegRole.UNWIND):
        return ()
    trades_open = [
        trade
        for trade in (state.letters | state.live_trades).values()
        if not trades.is_surely_dust(state, trade, life.exposure(trade))
    ]
    return tuple(view for trade in trades_open if (view := receipts.naked(state, trade)) is not None)


def set_latch(state: State, actor: str) -> None:
    """Durable in two places: the latch file, looked at before each send, and the settings store."""
    state.emit(LatchChanged(level=state.level, reason=state.level_reason, actor=actor, wall_ms=state.wall_ms))
    value = encode(StoredHalt(level=state.level, reason=state.level_reason))
    version = state.next_version("halt")
    state.emit(StoreSetting(name="halt", version=version, value=value, actor=actor, wall_ms=state.wall_ms))


def cancel_open(state: State) -> int:
    """Ask to cancel every order of ours that has no end yet; by client id where no venue id is known.

    What rests for a person is sent again after the resume, however soon its end is heard.
    """
    for parent in state.parents.live.values():
        taken = returning.resting(parent)
        if taken and parent.state is not ParentState.CANCELLING:
            parent.pulled |= taken
            returning.remember(state, parent)
    asked = 0
    for trade in state.live_trades.values():
        for order in trade.unresolved:
            request = order.request
            state.emit(
                Cancel(
                    cid=request.cid,
                    venue=request.venue,
                    symbol=request.symbol,
                    venue_order_id=order.report.venue_order_id if order.report else "",
                    kind=request.kind,
                )
            )
            order.cancel_asked_ns = state.now_ns
            order.next_look_ns = state.now_ns + NS_PER_S // 5
            asked += 1
    return asked


def self_check(state: State) -> tuple[Check, ...]:
    """What must hold before trading may begin again."""
    out = [Check(name="journal", ok=state.journal_writable, text="the journal can be written")]
    for name, held in sorted(state.venues.items()):
        if not held.settings.trades:
            continue
        why = held.blocked or ("" if held.ready else "not reconciled yet") or held.failing
        out.append(Check(name=f"venue {name}", ok=not why, text=why or "reconciled"))
        usable = [
            symbol for symbol in held.settings.symbols if not state.market.why_unusable(name, symbol, state.now_ns)
        ]
        out.append(
            Check(
                name=f"books {name}", ok=bool(usable), text=f"{len(usable)}/{len(held.settings.symbols)} books usable"
            )
        )
    unknown = sum(1 for trade in state.live_trades.values() for order in trade.orders if order.status == "unknown")
    out.append(Check(name="orders", ok=unknown == 0, text=f"{unknown} orders without an answer"))
    return tuple(out)


def on_resume_request(state: State, event: Commanded, command: ask.ResumeRequest) -> Reply:
    if state.level == 0:
        return reply(event, False, "not_halted", "nothing is halted")
    checks = self_check(state)
    failed = [check for check in checks if not check.ok]
    if failed:
        text = "; ".join(f"{check.name}: {check.text}" for check in failed)
        return reply(event, False, "self_check", f"the self-check failed: {text}", {"checks": checks})
    state.resume_token = (command.token, state.now_ns + _RESUME_TTL_NS)
    return reply(event, True, "", "the self-check passed", {"checks": checks, "token": command.token})


def on_resume_confirm(state: State, event: Commanded, command: ask.ResumeConfirm) -> Reply:
    token, until_ns = state.resume_token
    if not token or command.token != token or state.now_ns > until_ns:
        return reply(
            event, False, "stale_confirm", "ask for the self-check again: this step was not prepared or is too old"
        )
    state.resume_token = ("", 0)
    failed = [check for check in self_check(state) if not check.ok]
    if failed:
        text = "; ".join(f"{check.name}: {check.text}" for check in failed)
        return reply(event, False, "self_check", f"the self-check failed: {text}")
    state.level, state.level_reason = 0, ""
    set_latch(state, event.actor)
    view = HaltView(level=0, reason="", actor=event.actor, cancelling=0)
    state.notice("halt", "halt", Severity.WARN, view)
    _tell_held(state)
    return reply(event, True, "", "trading is on again", view)


def _tell_held(state: State) -> None:
    """Persons' orders do not go on by themselves: who resumes must know that a stop of his watches nothing."""
    held = [parent for parent in state.parents.live.values() if stops.is_held_by_halt(parent)]
    if not held:
        return
    waiting = sum(parent.plan.ask.template is Template.STOP for parent in held)
    text = f"{len(held)} orders of persons are still paused by the halt, {waiting} of them stops: each goes on by hand"
    state.alert("orders_held", Severity.WARN, text, numbers={"orders": str(len(held)), "stops": str(waiting)})


def on_journal(state: State, event: JournalState) -> None:
    """No journal, no orders: a journal that cannot be written halts trading at L2 with an alert."""
    if event.writable == state.journal_writable:
        return
    state.journal_writable = event.writable
    if event.writable:
        state.alert("journal", Severity.WARN, "the journal can be written again; resume by hand")
        return
    text = f"the journal cannot be written: {event.reason}"
    state.alert("journal", Severity.CRIT, text, numbers={"reason": event.reason})
    raise_to(state, 2, f"journal: {event.reason}", "journal")
