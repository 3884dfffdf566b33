"""/alerts: thresholds, quiet hours and mute by buttons. A viewer changes their own, a trader the desk's too."""

from decimal import Decimal
from typing import Any

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from bot.handlers.presses import ACTIONS, Action, Pressed
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.views import alert_panel as views
from bot.views.alert_panel import Choice
from bot.views.content import Content
from bot.views.refusals import reason_short
from engine.control.messages import AlertSettings, AlertsPreview, AlertsView, Answer, Quiet, Silence, Threshold

_TTL_S = 3_600
_HOUR_MS = 3_600_000
_COINS_OFFERED = 8
_OWNERS = ("mine", "desk")


async def alerts(message: Message, asker: Asker) -> None:
    asker.say(await _panel(asker))


async def _panel(asker: Asker) -> Content:
    mine, desk = await asker.reads.alerts("mine"), await asker.reads.alerts("desk")
    rows: list[list[Choice]] = [
        [_go(asker, "button.add", step="whose" if asker.user.may("trader") else "figure", owner="mine")],
        [_go(asker, "button.quiet", step="quiet", owner="mine"), _go(asker, "button.mute_kind", step="kind")],
    ]
    last = [_go(asker, "button.delete", step="delete")] if _deletable(asker, mine, desk) else []
    if _mutes(asker, mine, desk):
        last.append(_go(asker, "button.unmute", step="unmute"))
    rows.append(last)
    undo = [_do(asker, "button.undo_alerts", what="undo", owner="mine", version=mine.version)] if mine.can_undo else []
    if desk.can_undo and asker.user.may("trader"):
        undo.append(_do(asker, "button.undo_desk", what="undo", owner="desk", version=desk.version))
    return views.panel(asker.reader, mine, desk, [*rows, undo])


def _go(asker: Asker, key: str, /, **data: Any) -> Choice:
    """A button that leads to the next question."""
    return asker.reader.plain(key), asker.bind("alerts_ask", data, _TTL_S)


def _do(asker: Asker, key: str, /, **data: Any) -> Choice:
    """A button that changes something."""
    return asker.reader.plain(key), asker.bind("alerts_do", data, _TTL_S)


def _ask(asker: Asker, text: str, data: dict[str, Any]) -> Choice:
    return text, asker.bind("alerts_ask", data, _TTL_S)


def _back(asker: Asker) -> list[Choice]:
    return [_go(asker, "button.back", step="panel")]


def _deletable(asker: Asker, mine: AlertsView, desk: AlertsView) -> list[tuple[str, AlertsView, Threshold]]:
    found = [("mine", mine, threshold) for threshold in mine.settings.thresholds]
    if asker.user.may("trader"):
        found += [("desk", desk, threshold) for threshold in desk.settings.thresholds]
    return found


def _mutes(asker: Asker, mine: AlertsView, desk: AlertsView) -> list[tuple[str, AlertsView, Silence]]:
    """Silences that this person may end."""
    found = [("mine", mine, silence) for silence in mine.settings.silences]
    if asker.user.may("trader"):
        found += [("desk", desk, silence) for silence in desk.settings.silences]
    return found


async def ask(asker: Asker, office: Office, pressed: Pressed) -> str:
    """The next question, in the place of the one before; an alert keeps its own words, and is asked about below."""
    content = await _STEPS[pressed.data["step"]](asker, pressed.data)
    if pressed.message_key and not pressed.data.get("new"):
        office.outbox.show(asker.user.id, pressed.message_key, content, Priority.REPLY)
    else:
        asker.say(content)
    return ""


async def _step_panel(asker: Asker, data: dict[str, Any]) -> Content:
    return await _panel(asker)


async def _step_whose(asker: Asker, data: dict[str, Any]) -> Content:
    row = [_go(asker, f"button.{owner}", step="figure", owner=owner) for owner in _OWNERS]
    return views.question(asker.reader.say("alerts.ask_whose"), [row, _back(asker)])


async def _step_figure(asker: Asker, data: dict[str, Any]) -> Content:
    choices = []
    for figure in views.FIGURES:
        step = {**data, "step": "venue" if figure == "tether" else "coin", "figure": figure, "coin": ""}
        choices.append([_ask(asker, asker.reader.named("figure", figure), step)])
    return views.question(asker.reader.say("alerts.ask_figure"), [*choices, _back(asker)])


async def _step_coin(asker: Asker, data: dict[str, Any]) -> Content:
    """The coins of the board that the figure stands on."""
    if data["figure"] in ("funding", "basis"):
        rows = (await asker.reads.funding()).rows
        coins = list(dict.fromkeys(row.coin for row in rows))
    else:
        coins = list(dict.fromkeys(row.coin for row in (await asker.reads.premiums()).rows))
    step = {**data, "step": "venue"}
    choices = [_ask(asker, coin, {**step, "coin": coin}) for coin in coins[:_COINS_OFFERED]]
    rows_ = [choices[i : i + 4] for i in range(0, len(choices), 4)]
    every = [_ask(asker, asker.reader.plain("about.all"), {**step, "coin": ""})]
    text = asker.reader.say("alerts.ask_coin", figure=asker.reader.named("figure", data["figure"]))
    return views.question(text, [every, *rows_, _back(asker)])


async def _step_venue(asker: Asker, data: dict[str, Any]) -> Content:
    """The venues of the board that the figure stands on."""
    coin, step = data["coin"], {**data, "step": "level"}
    if data["figure"] in ("funding", "basis"):
        found = {row.venue for row in (await asker.reads.funding(coin)).rows}
    else:
        board = await asker.reads.premiums(coin)
        found = {at.venue for at in board.tethers}
        if data["figure"] != "tether":
            found |= {row.world for row in board.rows} | {row.korean for row in board.rows}
    choices = [_ask(asker, asker.reader.named("venue", venue), {**step, "venue": venue}) for venue in sorted(found)]
    rows = [choices[i : i + 3] for i in range(0, len(choices), 3)]
    every = [_ask(asker, asker.reader.plain("about.all_venues"), {**step, "venue": ""})]
    text = asker.reader.say(
        "alerts.ask_venue",
        figure=asker.reader.named("figure", data["figure"]),
        about=views.about(asker.reader, coin, ""),
    )
    return views.question(text, [every, *rows, _back(asker)])


async def _step_level(asker: Asker, data: dict[str, Any]) -> Content:
    levels = views.LEVELS[data["figure"]]
    signed = [*levels, *(f"-{level}" for level in levels)]
    choices = [_ask(asker, views.level_text(level), {**data, "step": "preview", "level": level}) for level in signed]
    text = asker.reader.say(
        "alerts.ask_level",
        figure=asker.reader.named("figure", data["figure"]),
        about=views.about(asker.reader, data["coin"], data["venue"]),
    )
    return views.question(text, [*(choices[i : i + 3] for i in range(0, len(choices), 3)), _back(asker)])


def _threshold(data: dict[str, Any], settings: AlertSettings) -> Threshold:
    """Above zero it rings above, below zero below; it is armed again a tenth of the level farther back."""
    level = Decimal(data["level"])
    taken = {threshold.id for threshold in settings.thresholds}
    name = next(f"t{number}" for number in range(1, 1_000) if f"t{number}" not in taken)
    return Threshold(
        id=name,
        figure=data["figure"],
        side="above" if level > 0 else "below",
        level=level,
        hysteresis=abs(level) / 10,
        coin=data["coin"],
        venue=data["venue"],
    )


async def _step_preview(asker: Asker, data: dict[str, Any]) -> Content:
    """What it would see now; nothing has changed yet."""
    held = await asker.reads.alerts(data["owner"])
    threshold = _threshold(data, held.settings)
    wanted = held.settings.model_copy(update={"thresholds": (*held.settings.thresholds, threshold)})
    made = await asker.commands.preview_alerts(data["owner"], wanted)
    if not made.ok:
        return views.question(reason_short(asker.reader, made.rule, made.text), [_back(asker)])
    apply = _do(
        asker,
        "button.apply",
        what="set",
        owner=data["owner"],
        version=held.version,
        settings=wanted.model_dump(mode="json"),
    )
    shown = AlertsPreview.model_validate(made.body)
    return views.preview(asker.reader, shown, threshold, [[apply, *_back(asker)]])


async def _step_quiet(asker: Asker, data: dict[str, Any]) -> Content:
    """One's own hours; a trader may set the desk's too."""
    owner = data["owner"]
    held = await asker.reads.alerts(owner)
    quiet = held.settings.quiet

    def choice(text: str, value: Quiet | None) -> Choice:
        settings = held.settings.model_copy(update={"quiet": value}).model_dump(mode="json")
        values = {"what": "set", "owner": owner, "version": held.version, "settings": settings}
        return text, asker.bind("alerts_do", values, _TTL_S)

    hours = [
        choice(
            f"{begin:02}–{end:02}",
            Quiet(from_min=begin * 60, until_min=end * 60, crit=quiet.crit if quiet else False),
        )
        for begin, end in views.QUIET_HOURS
    ]
    rows = [hours, [choice(asker.reader.plain("button.quiet_off"), None)]]
    if quiet is not None:
        key = "button.quiet_no_crit" if quiet.crit else "button.quiet_crit"
        rows.append([choice(asker.reader.plain(key), quiet.model_copy(update={"crit": not quiet.crit}))])
    if asker.user.may("trader"):
        other = "desk" if owner == "mine" else "mine"
        rows.append([_go(asker, f"button.{other}", step="quiet", owner=other)])
    lines = [asker.reader.say("alerts.ask_quiet"), asker.reader.say(f"alerts.{owner}")]
    lines += [views.quiet_line(asker.reader, quiet)] if quiet is not None else []
    return views.question("\n".join(lines), [*rows, _back(asker)])


async def _step_kind(asker: Asker, data: dict[str, Any]) -> Content:
    step = {"step": "long", "venue": "", "coin": ""}
    choices = [_ask(asker, asker.reader.named("kind", kind), {**step, "kind": kind}) for kind in views.KINDS]
    rows = [choices[i : i + 2] for i in range(0, len(choices), 2)]
    return views.question(asker.reader.say("alerts.ask_kind"), [*rows, _back(asker)])


async def _step_scope(asker: Asker, data: dict[str, Any]) -> Content:
    """How much of what an alert was about: its coin, its venue, or everything of its kind."""
    step = {"step": "long", "kind": data["kind"], "venue": "", "coin": ""}
    rows = []
    if data["coin"]:
        rows.append([_ask(asker, data["coin"], {**step, "coin": data["coin"]})])
    if data["venue"]:
        rows.append([_ask(asker, asker.reader.named("venue", data["venue"]), {**step, "venue": data["venue"]})])
    rows.append([_ask(asker, asker.reader.plain("about.whole_kind"), step)])
    text = asker.reader.say("alerts.ask_scope", kind=asker.reader.named("kind", data["kind"]))
    return views.question(text, [*rows, _back(asker)])


async def _step_long(asker: Asker, data: dict[str, Any]) -> Content:
    what = {"what": "mute", "owner": "mine", "kind": data["kind"], "venue": data["venue"], "coin": data["coin"]}
    times = (("button.hour", 1), ("button.hours8", 8), ("button.until_told", 0))
    row = [_do(asker, key, **what, hours=hours) for key, hours in times]
    off = [_do(asker, "button.unmute_kind", **what, hours=-1)]
    named = " ".join(
        part
        for part in (asker.reader.named("kind", data["kind"]), views.muted(asker.reader, data["coin"], data["venue"]))
        if part
    )
    return views.question(asker.reader.say("alerts.ask_long", kind=named), [row, off, _back(asker)])


async def _step_unmute(asker: Asker, data: dict[str, Any]) -> Content:
    """Every silence that holds, each with the button that ends it."""
    mine, desk = await asker.reads.alerts("mine"), await asker.reads.alerts("desk")
    rows = []
    for owner, view, silence in _mutes(asker, mine, desk):
        left = tuple(kept for kept in view.settings.silences if kept != silence)
        settings = view.settings.model_copy(update={"silences": left}).model_dump(mode="json")
        about = views.muted(asker.reader, silence.coin, silence.venue)
        text = f"🔔 {asker.reader.plain(f'button.{owner}')}: {asker.reader.named('kind', silence.kind)} {about}"
        values = {"what": "set", "owner": owner, "version": view.version, "settings": settings}
        rows.append([(text.rstrip(), asker.bind("alerts_do", values, _TTL_S))])
    return views.question(asker.reader.say("alerts.ask_unmute"), [*rows[:12], _back(asker)])


async def _step_delete(asker: Asker, data: dict[str, Any]) -> Content:
    mine, desk = await asker.reads.alerts("mine"), await asker.reads.alerts("desk")
    rows = []
    for owner, view, threshold in _deletable(asker, mine, desk):
        left = tuple(kept for kept in view.settings.thresholds if kept.id != threshold.id)
        settings = view.settings.model_copy(update={"thresholds": left}).model_dump(mode="json")
        text = (
            f"{asker.reader.plain(f'button.{owner}')}: {asker.reader.named('figure', threshold.figure)} "
            f"{views.about(asker.reader, threshold.coin, threshold.venue)} {views.level_text(str(threshold.level))}"
        )
        values = {"what": "set", "owner": owner, "version": view.version, "settings": settings}
        rows.append([(text, asker.bind("alerts_do", values, _TTL_S))])
    return views.question(asker.reader.say("alerts.ask_delete"), [*rows[:12], _back(asker)])


_STEPS = {
    "panel": _step_panel,
    "whose": _step_whose,
    "figure": _step_figure,
    "coin": _step_coin,
    "venue": _step_venue,
    "scope": _step_scope,
    "unmute": _step_unmute,
    "level": _step_level,
    "preview": _step_preview,
    "quiet": _step_quiet,
    "kind": _step_kind,
    "long": _step_long,
    "delete": _step_delete,
}


async def do(asker: Asker, office: Office, pressed: Pressed) -> str:
    """Change something; the message becomes the panel as it is now. The engine checks the role again."""
    data = pressed.data
    if data["owner"] == "desk" and not asker.user.may("trader"):
        return asker.reader.plain("role.denied_short", role=asker.reader.named("role", "trader"))
    made = await _done(asker, office, pressed)
    if not made.ok:
        if made.rule == "moved":
            return asker.reader.plain("alerts.moved")
        return reason_short(asker.reader, made.rule, made.text)
    if pressed.message_key:
        office.outbox.show(asker.user.id, pressed.message_key, await _panel(asker), Priority.REPLY)
    else:
        asker.say(await _panel(asker))
    return asker.reader.plain("alerts.undone" if data["what"] == "undo" else "alerts.saved")


async def _done(asker: Asker, office: Office, pressed: Pressed) -> Answer:
    data = pressed.data
    match data["what"]:
        case "undo":
            return await asker.commands.undo_alerts(data["owner"], data["version"], pressed.request_id)
        case "mute":
            held = await asker.reads.alerts(data["owner"])
            wanted = _muted(held.settings, data, office.now_ms())
            return await asker.commands.set_alerts(data["owner"], held.version, wanted, pressed.request_id)
        case _:
            wanted = AlertSettings.model_validate(data["settings"])
            return await asker.commands.set_alerts(data["owner"], data["version"], wanted, pressed.request_id)


def _muted(settings: AlertSettings, data: dict[str, Any], now_ms: int) -> AlertSettings:
    """`hours` 0: until somebody says otherwise; -1: not any more. What has ended is swept out on the way."""
    what, hours = (data["kind"], data["venue"], data["coin"]), data["hours"]
    kept = [
        silence
        for silence in settings.silences
        if (silence.kind, silence.venue, silence.coin) != what and (not silence.until_ms or silence.until_ms > now_ms)
    ]
    if hours >= 0:
        until_ms = now_ms + hours * _HOUR_MS if hours else 0
        kept.append(Silence(kind=what[0], venue=what[1], coin=what[2], until_ms=until_ms))
    return settings.model_copy(update={"silences": tuple(kept)})


ACTIONS.update({"alerts_ask": Action("viewer", ask, once=False), "alerts_do": Action("viewer", do)})


def routes() -> Router:
    router = Router(name="alerts")
    router.message.register(alerts, Command("alerts"), flags={"role": "viewer"})
    return router
