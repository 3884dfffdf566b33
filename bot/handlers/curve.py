"""/curve: the capital curve as a picture; a point is changed by a preview first, and can be undone."""

from decimal import Decimal, InvalidOperation

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import Message

from bot.handlers.presses import ACTIONS, Action, Pressed
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.views import curve as views
from bot.views.content import Content
from bot.views.curve import EditData, Points
from bot.views.refusals import reason, reason_short
from engine.control.messages import Answer, CurvePreview, CurveView

_TTL_S = 600
_USAGE = "/curve tether_bot 1 0.10"


async def curve(message: Message, asker: Asker, command: CommandObject) -> None:
    """`/curve`, `/curve tether_bot`, or with a premium in percent and a weight: a preview of that point."""
    words = (command.args or "").split()
    names = [view.name for view in await asker.reads.strategies() if view.curve]
    if not names:
        asker.tell("curve.none")
        return
    name = words.pop(0) if words and words[0] in names else names[0]
    if not words:
        asker.say(_shown(asker, await asker.reads.curve(name)))
        return
    point = _point(words)
    if point is None:
        asker.tell("hint.arguments", usage=_USAGE)
    elif not asker.user.may("owner"):
        asker.tell("role.denied", role=asker.reader.named("role", "owner"))
    else:
        view = await asker.reads.curve(name)
        draft = views.with_point(views.points_of(view.points), *point)
        asker.say(await _preview(asker, name, draft, point[0]))


def _point(words: list[str]) -> tuple[Decimal, Decimal] | None:
    """Premium in percent and weight: "1 0.10", "1% 10%"; None for anything else."""
    if len(words) != 2:
        return None
    try:
        premium_pct = Decimal(words[0].removesuffix("%"))
        weight = Decimal(words[1].removesuffix("%")) / (100 if words[1].endswith("%") else 1)
    except InvalidOperation:
        return None
    return (premium_pct, weight) if premium_pct.is_finite() and 0 <= weight <= 1 else None


def _shown(asker: Asker, view: CurveView) -> Content:
    data: dict[str, str] = {}
    if asker.user.may("owner"):
        points = _texts(views.points_of(view.points))
        for x, _ in points:
            data[x] = asker.bind("curve_edit", {"strategy": view.strategy, "points": points, "x": x}, _TTL_S)
        data["undo"] = asker.bind("curve_undo", {"strategy": view.strategy, "version": view.version}, _TTL_S)
    return views.shown(asker.reader, view, data)


def _texts(points: Points) -> list[list[str]]:
    return [[str(x), str(y)] for x, y in points]


def _points(data: list[list[str]]) -> Points:
    return tuple((Decimal(x), Decimal(y)) for x, y in data)


async def _preview(asker: Asker, name: str, draft: Points, x: Decimal) -> Content:
    """What the draft would do now; the draft itself travels in the buttons' records, bound to this version."""
    made = await asker.commands.preview_curve(name, draft)
    if not made.ok:
        return Content(text=asker.reader.say("engine.refused", why=reason(asker.reader, made.rule, made.text)))
    view = CurvePreview.model_validate(made.body)
    smaller = views.without_point(draft, x)

    def edit(points: Points) -> str:
        return asker.bind("curve_edit", {"strategy": name, "points": _texts(points), "x": str(x)}, _TTL_S)

    apply = asker.bind("curve_apply", {"strategy": name, "points": _texts(draft), "version": view.version}, _TTL_S)
    on_curve = x in dict(draft)
    data = EditData(
        apply=apply,
        cancel="n:cancel",
        up=edit(views.nudged(draft, x, views.STEP)) if on_curve else "",
        down=edit(views.nudged(draft, x, -views.STEP)) if on_curve else "",
        remove=edit(smaller) if on_curve and len(smaller) >= 2 else "",
    )
    return views.preview(asker.reader, view, x, data)


async def edit(asker: Asker, office: Office, pressed: Pressed) -> str:
    """From the curve's own message a preview is a new one; within a preview the steps edit it."""
    content = await _preview(
        asker, pressed.data["strategy"], _points(pressed.data["points"]), Decimal(pressed.data["x"])
    )
    row = office.outbox.find(asker.user.id, pressed.message_key)
    if row is not None and any(button.data == "n:cancel" for line in row.content.rows for button in line):
        office.outbox.show(asker.user.id, pressed.message_key, content, Priority.REPLY)
    else:
        asker.say(content)
    return ""


async def apply(asker: Asker, office: Office, pressed: Pressed) -> str:
    name = pressed.data["strategy"]
    if (await asker.reads.curve(name)).version != pressed.data["version"]:
        return asker.reader.plain("curve.moved")
    made = await asker.commands.set_curve(name, _points(pressed.data["points"]), pressed.request_id)
    return await _finish(asker, office, pressed, made, "curve.applied")


async def undo(asker: Asker, office: Office, pressed: Pressed) -> str:
    name = pressed.data["strategy"]
    if (await asker.reads.curve(name)).version != pressed.data["version"]:
        return asker.reader.plain("curve.moved")
    made = await asker.commands.undo(name, pressed.request_id)
    return await _finish(asker, office, pressed, made, "curve.undone")


async def _finish(asker: Asker, office: Office, pressed: Pressed, made: Answer, key: str) -> str:
    """The message with the button becomes the curve as it is now."""
    if not made.ok:
        asker.tell("engine.refused", why=reason(asker.reader, made.rule, made.text))
        return reason_short(asker.reader, made.rule, made.text)
    name = pressed.data["strategy"]
    text = asker.reader.plain(key, strategy=asker.reader.named("strategy", name))
    shown = _shown(asker, await asker.reads.curve(name))
    content = Content(
        text=f"{asker.reader.say(key, strategy=asker.reader.named('strategy', name))}\n{shown.text}",
        rows=shown.rows,
        picture=shown.picture,
    )
    if pressed.message_key:
        office.outbox.show(asker.user.id, pressed.message_key, content, Priority.REPLY)
    else:
        asker.say(content)
    return text


ACTIONS.update(
    {
        "curve_edit": Action("owner", edit, once=False),
        "curve_apply": Action("owner", apply),
        "curve_undo": Action("owner", undo),
    }
)


def routes() -> Router:
    router = Router(name="curve")
    router.message.register(curve, Command("curve"), flags={"role": "viewer"})
    return router
