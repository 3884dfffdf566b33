"""What only a person can settle: dead letters, and balances that were changed by hand."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from bot.handlers.presses import ACTIONS, Action, Pressed
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.views import boards, panels
from bot.views.content import Content, Markup
from bot.views.refusals import reason
from engine.control.messages import Answer

_TTL_S = 3600


async def dead_letters(message: Message, asker: Asker) -> None:
    trades = await asker.reads.dead_letters()
    data = [asker.bind("ask_dlq", {"id": trade.id}, _TTL_S) for trade in trades[:5]] if asker.user.may("owner") else []
    asker.say(boards.dead_letters(asker.reader, trades, data))


async def ask_close(asker: Asker, office: Office, pressed: Pressed) -> str:
    yes = asker.bind("dlq", pressed.data, 60)
    text = asker.reader.say("dlq.ask", id=pressed.data["id"])
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.dlq_confirm"), yes, "n:cancel"))
    return ""


async def close(asker: Asker, office: Office, pressed: Pressed) -> str:
    evidence = asker.reader.plain("dlq.evidence", name=asker.user.name or asker.user.id)
    made = await asker.commands.close_dead_letter(pressed.data["id"], evidence, pressed.request_id)
    return _settled(asker, office, pressed, made, asker.reader.say("dlq.done", id=pressed.data["id"]))


async def ask_accept(asker: Asker, office: Office, pressed: Pressed) -> str:
    yes = asker.bind("accept", pressed.data, 60)
    text = asker.reader.say("accept.ask", venue=asker.reader.named("venue", pressed.data["venue"]))
    asker.say(panels.ask(asker.reader, text, asker.reader.plain("button.accept_now"), yes, "n:cancel"))
    return ""


async def accept(asker: Asker, office: Office, pressed: Pressed) -> str:
    venue = pressed.data["venue"]
    made = await asker.commands.accept_balances(venue, pressed.request_id)
    done = asker.reader.say("accept.done", venue=asker.reader.named("venue", venue))
    return _settled(asker, office, pressed, made, done)


def _settled(asker: Asker, office: Office, pressed: Pressed, made: Answer, done: Markup) -> str:
    """The question becomes its outcome."""
    text = done if made.ok else asker.reader.say("engine.refused", why=reason(asker.reader, made.rule, made.text))
    if pressed.message_key:
        office.outbox.show(asker.user.id, pressed.message_key, Content(text=text), Priority.REPLY)
    else:
        asker.say(Content(text=text))
    return ""


ACTIONS.update(
    {
        "ask_dlq": Action("owner", ask_close, once=False),
        "dlq": Action("owner", close),
        "ask_accept": Action("owner", ask_accept, once=False),
        "accept": Action("owner", accept),
    }
)


def routes() -> Router:
    router = Router(name="repair")
    router.message.register(dead_letters, Command("dlq"), flags={"role": "trader"})
    return router
