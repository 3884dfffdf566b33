"""/halt, /kill, the kill word, /resume. Stopping is one step and needs nothing; going on takes two and a self-check."""

import logging

from aiogram import F, Router
from aiogram.filters import Command
from aiogram.types import Message, Update

from bot.handlers.presses import ACTIONS, Action, Pressed
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.stopped import tell_stopped
from bot.texts import plain
from bot.views import panels
from bot.views.content import Content
from bot.views.refusals import reason
from engine.control.client import DoorUnavailable

log = logging.getLogger("premia.bot.halt")

KILL_WORDS = frozenset(
    {plain("ko", "word.kill").lower(), plain("en", "word.kill").lower(), "kill", "정지", "긴급정지", "stop", "🛑"}
)


def is_stop(update: Update) -> bool:
    """A message that stops: handled before everything else of its batch."""
    text = (update.message.text or "").strip().lower() if update.message else ""
    return text in KILL_WORDS or text.split("@")[0].split(" ")[0] in ("/kill", "/halt")


async def halt(message: Message, asker: Asker, office: Office) -> None:
    await _stop(asker, office, 1, "/halt")


async def kill(message: Message, asker: Asker, office: Office) -> None:
    """At any age and without a question: the safe side. Flattening is the step with a question."""
    await _stop(asker, office, 2, "/kill")


async def _stop(asker: Asker, office: Office, level: int, command: str, request_id: str = "") -> None:
    """Written down first: an engine that is away is stopped as soon as it can be reached."""
    request_id = request_id or asker.request_id(f"halt{level}")
    office.halts.order(request_id, asker.user.id, level, office.now_ms())
    try:
        made = await asker.commands.halt(level, f"Telegram {command}", request_id)
    except DoorUnavailable as error:
        log.error("halt_pending level=%s user=%s error=%s", level, asker.user.id, error)
        asker.say(Content(text=asker.reader.say("halt.pending", level=level)), Priority.CRITICAL)
        return
    log.warning("halt level=%s user=%s ok=%s rule=%s", level, asker.user.id, made.ok, made.rule)
    tell_stopped(office, asker.user, level, made, request_id)


async def ask_flatten(asker: Asker, office: Office, pressed: Pressed) -> str:
    yes = asker.bind("flatten", {}, 60)
    text = asker.reader.say("halt.ask3")
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.flatten_now"), yes, "n:cancel"))
    return ""


async def flatten(asker: Asker, office: Office, pressed: Pressed) -> str:
    await _stop(asker, office, 3, "flatten", pressed.request_id)
    office.outbox.show(asker.user.id, pressed.message_key, Content(text=asker.reader.say("halt.ask3")), Priority.REPLY)
    return ""


async def resume(message: Message, asker: Asker) -> None:
    """First step: the self-check, shown line by line; the button of the second step is good for 60 s."""
    made = await asker.commands.request_resume(asker.request_id("resume"))
    body = made.body if isinstance(made.body, dict) else {}
    data = asker.bind("resume", {"token": body["token"]}, 60) if made.ok and "token" in body else ""
    asker.say(panels.resume_check(asker.reader, made, data))


async def confirm_resume(asker: Asker, office: Office, pressed: Pressed) -> str:
    made = await asker.commands.confirm_resume(pressed.data["token"], pressed.request_id)
    key = "resume.done" if made.ok else "resume.refused"
    values = {} if made.ok else {"why": reason(asker.reader, made.rule, made.text)}
    content = Content(text=asker.reader.say(key, **values))
    if pressed.message_key:
        office.outbox.show(asker.user.id, pressed.message_key, content, Priority.REPLY)
    else:
        asker.say(content)
    return ""


ACTIONS.update(
    {
        "ask_flatten": Action("trader", ask_flatten, once=False),
        "flatten": Action("trader", flatten),
        "resume": Action("owner", confirm_resume),
    }
)


def routes() -> Router:
    router = Router(name="halt")
    router.message.register(halt, Command("halt"), flags={"role": "trader"})
    router.message.register(kill, Command("kill"), flags={"role": "trader"})
    router.message.register(kill, F.text.strip().lower().in_(KILL_WORDS), flags={"role": "trader"})
    router.message.register(resume, Command("resume"), flags={"role": "owner", "risk": True})
    return router
