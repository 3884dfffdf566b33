"""What a viewer may see. Each command reads the engine at this moment; nothing is remembered."""

import re

from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from bot.gate import answer
from bot.handlers.quarantine import release_button
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.views import boards, reports
from bot.views import limits as limit_views
from bot.views.refusals import why

_COIN = re.compile(r"[A-Za-z0-9]{1,20}")
_MOST_OUT = 5


async def status(message: Message, asker: Asker) -> None:
    asker.say(boards.status(asker.reader, await asker.reads.status()))


async def opportunities(message: Message, asker: Asker) -> None:
    asker.say(boards.opportunities(asker.reader, await asker.reads.opportunities()))


async def refusals(message: Message, asker: Asker, command: CommandObject) -> None:
    """`/why`, or `/why kimchi`, `/why BTC`, `/why <opportunity id>`."""
    about = (command.args or "").strip()[:200]
    refused = await asker.reads.refusals(about)
    left_out = (await asker.reads.premiums(about.upper(), limit=1)).left_out if _COIN.fullmatch(about) else ()
    release = [release_button(asker, out) for out in left_out[:_MOST_OUT]] if asker.user.may("owner") else []
    asker.say(why(asker.reader, refused, about, left_out[:_MOST_OUT], release))


async def audit(message: Message, asker: Asker, office: Office) -> None:
    page = await asker.reads.audit(limit=200)
    names = [(f"telegram:{user.id}", user.name) for user in office.config.telegram.users if user.name]
    asker.say(reports.audit(asker.reader, page, names))


async def limits(message: Message, asker: Asker) -> None:
    asker.say(limit_views.board(asker.reader, await asker.reads.limits()))


async def live(message: Message, asker: Asker, office: Office) -> None:
    """The pinned status of this chat: on, or off again. Each switching on is a new message."""
    if office.store.preference(asker.user.id, "live"):
        office.store.prefer(asker.user.id, "live", "")
        asker.tell("live.off")
        return
    key = f"live:{asker.update_id}"
    content = boards.status(asker.reader, await asker.reads.status())
    office.outbox.post(asker.user.id, key, content, Priority.REPLY, silent=True, pinned=True)
    office.store.prefer(asker.user.id, "live", key)
    asker.tell("live.on")


async def nothing(query: CallbackQuery, asker: Asker) -> None:
    await answer(asker, query)


async def cancelled(query: CallbackQuery, asker: Asker, office: Office) -> None:
    """Take the buttons off a question that was not wanted."""
    await answer(asker, query, asker.reader.plain("callback.cancelled"))
    office.outbox.strip(asker.user.id, query.message.message_id if query.message else 0)


def routes() -> Router:
    router = Router(name="look")
    router.message.register(status, Command("status"), flags={"role": "viewer"})
    router.message.register(opportunities, Command("opps"), flags={"role": "viewer"})
    router.message.register(refusals, Command("why"), flags={"role": "viewer"})
    router.message.register(limits, Command("limits"), flags={"role": "viewer"})
    router.message.register(audit, Command("audit"), flags={"role": "owner"})
    router.message.register(live, Command("live"), flags={"role": "viewer"})
    router.callback_query.register(nothing, F.data.in_({"n:noop", "n:strategies"}), flags={"role": "viewer"})
    router.callback_query.register(cancelled, F.data == "n:cancel", flags={"role": "viewer"})
    return router
