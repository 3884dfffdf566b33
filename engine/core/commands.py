"""Operators' commands. Each gets one reply; a repeated request id gets the same one again."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from engine.core import (
    alerts,
    cards,
    closing,
    halt,
    identity,
    losses,
    opportunities,
    parent_commands,
    placing,
    reconcile,
    repairs,
    watching,
)
from engine.core.state import Opportunity, State, StrategyState, Token, encode
from engine.domain import command as ask
from engine.domain.command import Mode
from engine.domain.effect import Reply, Severity, StoreSetting
from engine.domain.event import Commanded, SettingStored
from engine.domain.money import NS_PER_MS, NS_PER_S, exact
from engine.domain.order import Intent, Side
from engine.domain.view import TokenView
from engine.execution.plan import NotExecutable

_KEEP_REPLIES = 10_000


class StoredStrategy(Struct, frozen=True, kw_only=True):
    """What is stored of a strategy under `strategy.<name>`."""

    mode: Mode
    params: dict[str, Any]
    parent: int = 0  # the version that an undo returns to; -1: nothing before it


class StoredMute(Struct, frozen=True, kw_only=True):
    until_ms: int  # wall clock, UTC


class Changed(Struct, frozen=True, kw_only=True):
    """Notice `settings`."""

    name: str
    version: int
    actor: str
    text: str


def on_command(state: State, event: Commanded) -> None:
    """Answer once. The reply is an effect; the shell hands it to the caller."""
    known = state.requests.get(event.request_id)
    if known is None:
        known = _HANDLERS[type(event.command)](state, event, event.command)
        state.requests[event.request_id] = known
        while len(state.requests) > _KEEP_REPLIES:
            del state.requests[next(iter(state.requests))]
        state.counts["commands"] += 1
    state.emit(known)


def yes(event: Commanded, text: str, body: Any = None) -> Reply:
    return Reply(request_id=event.request_id, ok=True, rule="", text=text, body=encode(body))


def no(event: Commanded, rule: str, text: str, body: Any = None) -> Reply:
    return Reply(request_id=event.request_id, ok=False, rule=rule, text=text, body=encode(body))


def current(held: StrategyState) -> dict[str, Any]:
    """A strategy's parameters as plain JSON values; decimals as text."""
    made: dict[str, Any] = msgspec.json.decode(encode(held.params))
    return made


def apply_setting(state: State, held: StrategyState, stored: StoredStrategy) -> None:
    """Use a stored setting. Raises msgspec.ValidationError when the strategy's own struct refuses it."""
    held.params = msgspec.convert(stored.params, held.strategy.params, strict=False)
    held.mode = stored.mode
    state.wire()


def keep_configured(held: StrategyState) -> None:
    """Version 0 is what was configured: the last thing to undo to."""
    if not held.history:
        held.history[0] = encode(StoredStrategy(mode=held.mode, params=current(held), parent=-1))


def store(state: State, event: Commanded, held: StrategyState, stored: StoredStrategy, text: str) -> Reply:
    """Validate, use, version and store a change; the first change also keeps what was configured, to undo to."""
    name = held.strategy.name
    keep_configured(held)
    try:
        apply_setting(state, held, stored)
    except (msgspec.ValidationError, ValueError) as error:
        return no(event, "bad_parameter", f"{name}: {error}")
    held.version = max(held.history) + 1
    value = encode(StoredStrategy(mode=held.mode, params=current(held), parent=stored.parent))
    held.history[held.version] = value
    key = f"strategy.{name}"
    state.emit(StoreSetting(name=key, version=held.version, value=value, actor=event.actor, wall_ms=state.wall_ms))
    state.notice("settings", key, Severity.INFO, Changed(name=name, version=held.version, actor=event.actor, text=text))
    return yes(event, text, {"name": name, "version": held.version, "mode": held.mode})


def on_setting(state: State, event: SettingStored) -> None:
    """Recovery: stored versions, oldest first; the newest valid one is in force."""
    state.versions[event.name] = max(event.version, state.versions.get(event.name, 0))
    if event.name.startswith("strategy."):
        held = state.strategies.get(event.name.removeprefix("strategy."))
        if held is None:
            return
        keep_configured(held)
        held.history[event.version] = event.value
        held.version = event.version
        try:
            apply_setting(state, held, msgspec.json.decode(event.value, type=StoredStrategy))
        except (msgspec.ValidationError, ValueError) as error:
            text = f"stored {event.name} v{event.version} is not usable: {error}"
            numbers = {"name": event.name, "version": str(event.version)}
            state.alert("bad_setting", Severity.WARN, text, numbers=numbers, is_new=True)
    elif event.name.startswith("mute."):
        left_ms = msgspec.json.decode(event.value, type=StoredMute).until_ms - state.wall_ms
        state.muted_until_ns[event.name.removeprefix("mute.")] = state.now_ns + left_ms * NS_PER_MS
    elif event.name.startswith(alerts.PREFIX):
        alerts.recall(state, event)
    elif event.name.startswith(identity.RELEASES):
        identity.recall(state, event)
    elif event.name == watching.INTERVALS:
        watching.recall_intervals(state, event)
    elif event.name == "halt":
        stored = msgspec.json.decode(event.value, type=halt.StoredHalt)
        state.level, state.level_reason = stored.level, stored.reason


def strategy_of(state: State, name: str) -> StrategyState | None:
    return state.strategies.get(name)


def set_mode(state: State, event: Commanded, command: ask.SetMode) -> Reply:
    held = strategy_of(state, command.strategy)
    if held is None:
        return no(event, "unknown_strategy", f"no strategy is called {command.strategy}")
    stored = StoredStrategy(mode=command.mode, params=current(held), parent=held.version)
    reply = store(state, event, held, stored, f"{command.strategy} is now {command.mode}")
    if command.mode is Mode.OFF:
        for found in [item for item in state.by_key.values() if item.strategy == command.strategy]:
            opportunities.end(state, found, "expired", "the strategy was turned off")
    return reply


def set_params(state: State, event: Commanded, command: ask.SetParams) -> Reply:
    held = strategy_of(state, command.strategy)
    if held is None:
        return no(event, "unknown_strategy", f"no strategy is called {command.strategy}")
    try:
        changes = msgspec.json.decode(command.changes, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        return no(event, "bad_parameter", f"{command.strategy}: changes are no JSON object: {error}")
    merged = {**current(held), **changes}
    stored = StoredStrategy(mode=held.mode, params=merged, parent=held.version)
    return store(state, event, held, stored, f"{command.strategy}: {', '.join(sorted(changes))} changed")


def set_curve(state: State, event: Commanded, command: ask.SetCurve) -> Reply:
    held = strategy_of(state, command.strategy)
    if held is None or not held.strategy.curve:
        return no(event, "unknown_strategy", f"{command.strategy} has no curve")
    points = [[str(premium), str(weight)] for premium, weight in command.points]
    merged = {**current(held), held.strategy.curve: points}
    stored = StoredStrategy(mode=held.mode, params=merged, parent=held.version)
    return store(state, event, held, stored, f"{command.strategy}: curve of {len(points)} points")


def undo(state: State, event: Commanded, command: ask.UndoSetting) -> Reply:
    """Back to the version before the one in force, stored as a new version; undoing again goes one further back."""
    held = strategy_of(state, command.strategy)
    if held is None:
        return no(event, "unknown_strategy", f"no strategy is called {command.strategy}")
    parent = msgspec.json.decode(held.history[held.version], type=StoredStrategy).parent if held.history else -1
    if parent < 0:
        return no(event, "nothing_to_undo", f"{command.strategy} is as configured")
    before = msgspec.json.decode(held.history[parent], type=StoredStrategy)
    return store(state, event, held, before, f"{command.strategy}: back to version {parent}")


def live(state: State, opportunity_id: str) -> Opportunity | None:
    found = state.opportunities.get(opportunity_id)
    return found if found is not None and found.state == "live" else None


def issue_token(state: State, event: Commanded, command: ask.IssueToken) -> Reply:
    found = live(state, command.opportunity_id)
    if found is None:
        return no(event, "gone", "this opportunity is over")
    held = state.strategies[found.strategy]
    if held.mode not in (Mode.CONFIRM, Mode.AUTO):
        return no(event, "mode", f"{found.strategy} is in mode {held.mode}: it only tells")
    if not 0 < command.fraction <= 1:
        return no(event, "bad_parameter", f"fraction must lie in (0, 1]: {command.fraction}")
    opportunities.price(state, found)
    bound = opportunities.bind_token(state, found, command.token, command.user_id, command.chat_id, command.fraction)
    view = cards.view(state, found)
    body = TokenView(
        token=bound.token,
        opportunity=view,
        fraction=command.fraction,
        net_floor=bound.net_floor,
        profit_krw=found.profit_krw * command.fraction,
        notional_krw=view.notional_krw * command.fraction,
        expires_ms=state.wall_ms + state.config.token_ttl_ms,
    )
    return yes(event, "quoted", body)


def confirm(state: State, event: Commanded, command: ask.Confirm) -> Reply:
    """One tap: checked against its binding, re-quoted from the levels now, executed or refused with numbers."""
    token = state.tokens.get(command.token)
    if token is None:
        return no(event, "unknown_token", "this button is not known any more")
    if (token.user_id, token.chat_id) != (command.user_id, command.chat_id):
        text = f"user {command.user_id} pressed a button of {token.user_id}"
        numbers = {"user": str(command.user_id), "owner": str(token.user_id)}
        state.alert("token_misuse", Severity.WARN, text, numbers=numbers)
        return no(event, "not_yours", "this button belongs to another user")
    if token.answer is not None:
        return msgspec.structs.replace(token.answer, request_id=event.request_id)
    reply = _execute(state, event, token)
    token.answer = reply
    return reply


def _execute(state: State, event: Commanded, token: Token) -> Reply:
    if state.now_ns > token.expires_ns:
        late_s = (state.now_ns - token.expires_ns) / NS_PER_S
        stale = NotExecutable(
            rule="stale_confirm",
            text=f"the quote ended {late_s:.1f} s before the tap",
            numbers={"late_s": f"{late_s:.1f}", "ttl_s": str(state.config.token_ttl_ms // 1000)},
        )
        return _refuse(state, event, token, stale)
    found = state.opportunities.get(token.opportunity_id)
    if found is None or found.state != "live":
        why = found.reason if found is not None and found.reason else "the opportunity is over"
        return no(event, "gone", why)
    intent = opportunities.requote(state, found)
    if intent is None or intent.net_est < token.net_floor or sides_of(intent) != token.sides:
        return _refuse(state, event, token, _moved(token, intent))
    size = min(token.max_qty, exact(intent.qty_est))
    refused = opportunities.execute(state, found, intent, size, token.net_floor, event.actor)
    if refused is not None:
        return no(event, refused.rule, refused.text, refused.numbers)
    state.counts["confirms"] += 1
    return yes(event, "executing", {"trade_id": found.trade_id, "opportunity_id": found.id})


def sides_of(intent: Intent) -> tuple[Side, ...]:
    return tuple(leg.side for leg in intent.legs)


def _moved(token: Token, intent: Intent | None) -> NotExecutable:
    """Why what can be had now is not what the button promised."""
    net = f"{intent.net_est:.6f}" if intent is not None else ""
    now = f"{intent.net_est:.4%}" if intent is not None else f"less than {token.net_floor:.4%}"
    text = f"net is now {now}, the button promised at least {token.net_floor:.4%}"
    if intent is not None and sides_of(intent) != token.sides:
        text = f"the button was to {token.sides[0]}, and the wish has turned since"
    return NotExecutable(rule="price_moved", text=text, numbers={"floor": f"{token.net_floor:.6f}", "net": net})


def _refuse(state: State, event: Commanded, token: Token, why: NotExecutable) -> Reply:
    state.refuse(token.strategy, token.key, token.opportunity_id, why.rule, why.text, why.numbers)
    return no(event, why.rule, why.text, why.numbers)


def skip(state: State, event: Commanded, command: ask.Skip) -> Reply:
    found = live(state, command.opportunity_id)
    if found is None:
        return no(event, "gone", "this opportunity is over")
    opportunities.end(state, found, "skipped", f"skipped by {event.actor}")
    # The same premium would be a new card at the next update: it rests until it has died once.
    state.muted_until_ns[found.key] = state.now_ns + 60 * NS_PER_S
    return yes(event, "skipped", {"key": found.key})


def mute(state: State, event: Commanded, command: ask.Mute) -> Reply:
    state.muted_until_ns[command.key] = state.now_ns + command.minutes * 60 * NS_PER_S
    value = encode(StoredMute(until_ms=state.wall_ms + command.minutes * 60_000))
    name = f"mute.{command.key}"
    version = state.next_version(name)
    state.emit(StoreSetting(name=name, version=version, value=value, actor=event.actor, wall_ms=state.wall_ms))
    found = state.by_key.get(command.key)
    if found is not None and command.minutes > 0:
        opportunities.end(state, found, "skipped", f"muted for {command.minutes} min by {event.actor}")
    return yes(event, f"muted for {command.minutes} min" if command.minutes else "unmuted", {"key": command.key})


def accept_balances(state: State, event: Commanded, command: ask.AcceptBalances) -> Reply:
    held = state.venues.get(command.venue)
    if held is None or not held.balances_ns:
        return no(event, "unknown_venue", f"no balances of {command.venue} are known")
    if not state.journal_writable:
        return no(event, "journal", "the journal cannot be written: a restart would not know of it")
    if placing.unresolved_at(state, command.venue):
        return no(event, "orders_under_way", f"{command.venue} has orders without an end")
    if held.touched_ns > held.balances_asked_ns:
        return no(event, "stale", f"{command.venue} had an order since its balances were read: read them again")
    if state.now_ns - held.balances_ns > 60 * NS_PER_S:
        return no(
            event, "stale", f"balances of {command.venue} are {(state.now_ns - held.balances_ns) / NS_PER_S:.0f} s old"
        )
    if held.settings.leverage and not held.rules_known:
        return no(event, "no_rules", f"the rules of {command.venue} are not known yet: a moment")
    if held.settings.leverage and held.account.asked_ns != held.balances_asked_ns:
        return no(event, "stale", f"the positions of {command.venue} are of another answer; they are read again soon")
    if below := reconcile.below_zero(state, held):
        return no(event, "balance_below_zero", f"{command.venue} tells {below}: that is nothing to begin from")
    if losses.is_repaired_at(state, command.venue):
        return no(event, "orders_under_way", f"a hedge at {command.venue} is being closed or made")
    lost = losses.write_off(state, held) if held.settings.leverage else 0
    reconcile.adopt(state, held)
    text = f"; dead letters of lost hedges: {lost}" if lost else ""
    return yes(event, f"{command.venue}: present balances are adopted{text}", {"venue": command.venue, "lost": lost})


_HANDLERS: dict[type, Callable[[State, Commanded, Any], Reply]] = {
    ask.SetMode: set_mode,
    ask.SetParams: set_params,
    ask.SetCurve: set_curve,
    ask.UndoSetting: undo,
    ask.IssueToken: issue_token,
    ask.Confirm: confirm,
    ask.Skip: skip,
    ask.Mute: mute,
    ask.Halt: halt.on_halt,
    ask.ResumeRequest: halt.on_resume_request,
    ask.ResumeConfirm: halt.on_resume_confirm,
    ask.AcceptBalances: accept_balances,
    ask.ResolveUnknown: repairs.resolve_unknown,
    ask.RetryDeadLetter: repairs.retry_dead_letter,
    ask.CloseDeadLetter: repairs.close_dead_letter,
    ask.CloseHedge: closing.close_hedge,
    ask.ClosePosition: closing.close_position,
    ask.PreviewParent: parent_commands.preview,
    ask.ConfirmParent: parent_commands.confirm,
    ask.MoveParent: parent_commands.move,
    ask.ReleaseMarket: identity.release,
    ask.SetAlerts: alerts.set_alerts,
    ask.UndoAlerts: alerts.undo_alerts,
}
