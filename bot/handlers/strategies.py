"""/strategies: what runs in which mode, and the buttons that change it."""

from collections.abc import Mapping

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from bot.handlers.presses import ACTIONS, Action, Pressed
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.views import panels
from bot.views.content import Content
from bot.views.refusals import reason, reason_short
from engine.control.messages import StrategyView

_CALM_TTL_S = 7 * 86_400  # off and alert only take risk away: such a button may be old
_RISK_TTL_S = 600


async def strategies(message: Message, asker: Asker) -> None:
    asker.say(await _panel(asker))


async def _panel(asker: Asker) -> Content:
    views = await asker.reads.strategies()
    data = _buttons(asker, views) if asker.user.may("trader") else {}
    return panels.strategies(asker.reader, views, data)


def _buttons(asker: Asker, views: list[StrategyView]) -> Mapping[tuple[str, str], str]:
    actions = {"off": "mode", "alert": "mode", "confirm": "mode", "auto": "ask_auto"}
    return {
        (view.name, mode): asker.bind(
            action, {"strategy": view.name, "mode": mode}, _CALM_TTL_S if mode in ("off", "alert") else _RISK_TTL_S
        )
        for view in views
        for mode, action in actions.items()
    }


async def set_mode(asker: Asker, office: Office, pressed: Pressed) -> str:
    name, mode = pressed.data["strategy"], pressed.data["mode"]
    made = await asker.commands.set_mode(name, mode, pressed.request_id)
    if not made.ok:
        asker.tell("engine.refused", why=reason(asker.reader, made.rule, made.text))
        return reason_short(asker.reader, made.rule, made.text)
    text = asker.reader.plain(
        "strategies.set", strategy=asker.reader.named("strategy", name), mode=asker.reader.named("mode", mode)
    )
    panel = pressed.data.get("panel", pressed.message_key)
    if panel:
        office.outbox.show(asker.user.id, panel, await _panel(asker), Priority.REPLY)
    if pressed.data.get("panel"):
        office.outbox.show(asker.user.id, pressed.message_key, Content(text=text), Priority.REPLY)
    return text


async def ask_auto(asker: Asker, office: Office, pressed: Pressed) -> str:
    """Auto trades without asking, so it is asked once more."""
    name = pressed.data["strategy"]
    yes = asker.bind("mode", {"strategy": name, "mode": "auto", "panel": pressed.message_key}, 60)
    text = asker.reader.say("strategies.ask_auto", strategy=asker.reader.named("strategy", name))
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.auto"), yes, "n:cancel"))
    return ""


ACTIONS.update({"mode": Action("trader", set_mode), "ask_auto": Action("trader", ask_auto, once=False)})


def routes() -> Router:
    router = Router(name="strategies")
    router.message.register(strategies, Command("strategies"), flags={"role": "viewer"})
    return router
