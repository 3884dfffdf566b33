"""Alert settings: read, changed, undone, recalled; versioned and stored like every other run-time setting."""

import msgspec
from msgspec import Struct

from engine.core.state import State, encode
from engine.domain import command as ask
from engine.domain.alerting import DESK, AlertSettings
from engine.domain.effect import Reply, Severity, StoreSetting
from engine.domain.event import Commanded, SettingStored

PREFIX = "alerts."


class StoredAlerts(Struct, frozen=True, kw_only=True):
    """What is stored under `alerts.<owner>`."""

    settings: AlertSettings
    parent: int


class Changed(Struct, frozen=True, kw_only=True):
    """Notice `settings`."""

    name: str
    version: int
    actor: str
    text: str


def decode(settings: bytes) -> AlertSettings:
    """Raises msgspec.ValidationError or DecodeError, naming what is wrong."""
    return msgspec.json.decode(settings, type=AlertSettings, strict=False)


def set_alerts(state: State, event: Commanded, command: ask.SetAlerts) -> Reply:
    """Replace one owner's settings as a whole, if nobody was faster."""
    refused = _refused(state, event, command.owner, command.version)
    if refused is not None:
        return refused
    try:
        settings = decode(command.settings)
    except msgspec.MsgspecError as error:
        return _no(event, "bad_parameter", f"alerts of {command.owner}: {error}")
    return _keep(state, event, command.owner, settings, state.audience.owner(command.owner).version, "changed")


def undo_alerts(state: State, event: Commanded, command: ask.UndoAlerts) -> Reply:
    """Back to the version before the one in force, stored as a new one; again goes one further back."""
    refused = _refused(state, event, command.owner, command.version)
    if refused is not None:
        return refused
    held = state.audience.owner(command.owner)
    if held.parent < 0:
        return _no(event, "nothing_to_undo", f"alerts of {command.owner} are as delivered")
    settings, parent = held.history[held.parent]
    return _keep(state, event, command.owner, settings, parent, f"back to version {held.parent}")


def _refused(state: State, event: Commanded, owner: str, version: int) -> Reply | None:
    if owner not in (DESK, event.actor):
        return _no(event, "not_yours", f"alerts of {owner} belong to somebody else")
    held = state.audience.owner(owner)
    if held.version != version:
        return _no(event, "moved", f"alerts of {owner} are at version {held.version} now, not {version}")
    return None


def _keep(state: State, event: Commanded, owner: str, settings: AlertSettings, parent: int, text: str) -> Reply:
    version = max(state.audience.owner(owner).history) + 1
    state.audience.keep(owner, settings, version, parent)
    state.watch.tripwires.keep_only(owner, settings.thresholds)
    name = PREFIX + owner
    value = encode(StoredAlerts(settings=settings, parent=parent))
    state.emit(StoreSetting(name=name, version=version, value=value, actor=event.actor, wall_ms=state.wall_ms))
    if owner == DESK:
        state.notice("settings", name, Severity.INFO, Changed(name=name, version=version, actor=event.actor, text=text))
    body = encode(state.audience.view(owner))
    return Reply(request_id=event.request_id, ok=True, rule="", text=f"alerts of {owner}: {text}", body=body)


def _no(event: Commanded, rule: str, text: str) -> Reply:
    return Reply(request_id=event.request_id, ok=False, rule=rule, text=text, body=encode(None))


def recall(state: State, event: SettingStored) -> None:
    """Recovery: stored versions, oldest first; the newest valid one is in force."""
    try:
        stored = msgspec.json.decode(event.value, type=StoredAlerts, strict=False)
    except msgspec.MsgspecError as error:
        text = f"stored {event.name} v{event.version} is not usable: {error}"
        numbers = {"name": event.name, "version": str(event.version)}
        state.alert("bad_setting", Severity.WARN, text, numbers=numbers, is_new=True)
        return
    state.audience.keep(event.name.removeprefix(PREFIX), stored.settings, event.version, stored.parent)
