"""/order: a person's own order from words to preview to tap; then hold, let go, end it."""

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import Message

from bot.handlers.presses import ACTIONS, Action, Pressed
from bot.office import Asker, Office
from bot.order_text import NotUnderstood, parse
from bot.outbox import Priority
from bot.views import orders as views
from bot.views.content import Content
from bot.views.refusals import reason, reason_short
from engine.control.messages import ParentQuote, ParentView

_TTL_S = 60  # the engine's own end of a preview comes first and says so


async def order(message: Message, asker: Asker, command: CommandObject) -> None:
    """`/order` alone shows what is under way; with words it previews. Nothing is sent without the tap."""
    if not command.args:
        asker.say(views.overview(asker.reader, await asker.reads.parents()))
        return
    if not asker.user.may("trader"):
        asker.tell("own.not_yours")
        return
    try:
        body = parse(command.args)
    except NotUnderstood as error:
        key = "own.not_understood" if error.word else "own.incomplete"
        text = asker.reader.say(key, word=error.word) if error.word else asker.reader.say(key)
        asker.say(Content(text=f"{text}\n{asker.reader.say('own.help')}"))
        return
    made = await asker.commands.preview_order(body, asker.user.id, asker.user.id, asker.request_id("order"))
    if not made.ok:
        why = reason(asker.reader, made.rule, made.text, made.body)
        asker.say(Content(text=asker.reader.say("engine.refused", why=why)))
        return
    quote = ParentQuote.model_validate(made.body)
    asker.say(views.draft(asker.reader, quote, asker.bind("order_go", {"token": quote.token}, _TTL_S), "n:cancel"))


async def go(asker: Asker, office: Office, pressed: Pressed) -> str:
    """The tap. The preview becomes its outcome, and the order a card of its own."""
    made = await asker.commands.confirm_order(pressed.data["token"], asker.user.id, asker.user.id, pressed.request_id)
    if made.ok:
        view = ParentView.model_validate(made.body)
        text = asker.reader.say("own.begun", time=asker.reader.clock(office.now_ms()))
        office.orders.take(view, [user.id for user in office.config.telegram.users])
    else:
        text = reason(asker.reader, made.rule, made.text, made.body)
    if pressed.message_key:
        office.outbox.show(asker.user.id, pressed.message_key, Content(text=text), Priority.REPLY)
    return (
        asker.reader.plain("callback.done") if made.ok else reason_short(asker.reader, made.rule, made.text, made.body)
    )


async def move(asker: Asker, office: Office, pressed: Pressed) -> str:
    made = await asker.commands.move_order(pressed.data["id"], pressed.data["to"], pressed.request_id)
    if not made.ok:
        return reason_short(asker.reader, made.rule, made.text, made.body)
    office.orders.take(ParentView.model_validate(made.body), [user.id for user in office.config.telegram.users])
    return asker.reader.plain(f"own.to_{pressed.data['to']}")


ACTIONS.update({"order_go": Action("trader", go), "order_move": Action("trader", move)})


def routes() -> Router:
    router = Router(name="orders")
    router.message.register(order, Command("order"), flags={"role": "viewer"})
    return router
