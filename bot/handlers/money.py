"""/balance, /pnl and /report: the money."""

from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from bot.gate import answer
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.report import report_content
from bot.views import boards, reports
from bot.views.content import Button, Content


async def balance(message: Message, asker: Asker) -> None:
    """With a button for the owner where a venue's difference blocks it."""
    content = boards.balances(asker.reader, await asker.reads.balances())
    rows: list[tuple[Button, ...]] = []
    if asker.user.may("owner"):
        for venue in (await asker.reads.status()).venues:
            if venue.blocked.startswith("ledger_mismatch"):
                text = asker.reader.plain("button.accept", venue=asker.reader.named("venue", venue.venue))
                rows.append((Button(text=text, data=asker.bind("ask_accept", {"venue": venue.venue}, 600)),))
    asker.say(Content(text=content.text, rows=tuple(rows)))


async def pnl(message: Message, asker: Asker, command: CommandObject) -> None:
    """`/pnl`, `/pnl 7`, `/pnl 30`: any number of days up to 366."""
    text = (command.args or "1").strip()
    if not text.isdecimal() or not 1 <= int(text) <= 366:
        asker.tell("hint.arguments", usage="/pnl 7")
        return
    asker.say(reports.pnl(asker.reader, await asker.reads.pnl(int(text))))


async def other_window(query: CallbackQuery, asker: Asker, office: Office) -> None:
    """The same message shows another window: an edit, not one more picture in the chat."""
    await answer(asker, query)
    content = reports.pnl(asker.reader, await asker.reads.pnl(int((query.data or "").rsplit(":", 1)[1])))
    key = office.outbox.key_of(asker.user.id, query.message.message_id) if query.message else ""
    if key:
        office.outbox.show(asker.user.id, key, content, Priority.REPLY)
    else:
        asker.say(content)


async def report(message: Message, asker: Asker, office: Office) -> None:
    asker.say(report_content(asker.reader, await asker.reads.pnl(1), office.now_ms()))


def routes() -> Router:
    router = Router(name="money")
    router.message.register(balance, Command("balance"), flags={"role": "viewer"})
    router.message.register(pnl, Command("pnl"), flags={"role": "viewer"})
    router.callback_query.register(other_window, F.data.regexp(r"^n:pnl:\d{1,3}$"), flags={"role": "viewer"})
    router.message.register(report, Command("report"), flags={"role": "viewer"})
    return router
