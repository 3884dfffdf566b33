"""/start, /help, /lang, and everything that is no command."""

from aiogram import F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, ChatMemberUpdated, Message

from bot.config import LANGUAGES
from bot.gate import answer
from bot.menu import offer_commands
from bot.office import Asker, Office
from bot.views.content import Button, Content
from bot.views.panels import help_text, welcome

_NAMES = {"ko": "한국어", "en": "English"}


async def start(message: Message, asker: Asker, office: Office) -> None:
    asker.say(welcome(asker.reader, asker.user.name))
    await offer_commands(office.bot, asker.user, asker.reader.language)


async def show_help(message: Message, asker: Asker) -> None:
    asker.say(help_text(asker.reader))


async def ask_language(message: Message, asker: Asker) -> None:
    buttons = tuple(Button(text=_NAMES[language], data=f"l:{language}") for language in LANGUAGES)
    asker.say(Content(text=asker.reader.say("lang.ask"), rows=(buttons,)))


async def set_language(query: CallbackQuery, asker: Asker, office: Office) -> None:
    language = (query.data or "")[2:]
    if language not in LANGUAGES:
        return
    await answer(asker, query)
    office.store.prefer(asker.user.id, "language", language)
    asker.reader = office.reader(asker.user)
    asker.tell("lang.set")
    # The keyboard carries the kill word in the reader's language.
    asker.say(welcome(asker.reader, asker.user.name))
    await offer_commands(office.bot, asker.user, language)


async def blocked_or_back(event: ChatMemberUpdated, asker: Asker, office: Office) -> None:
    """A person blocked the bot, or came back: what waits for the chat waits, or leaves."""
    if event.new_chat_member.status in ("kicked", "left"):
        office.store.remember(f"dead.{asker.user.id}", "blocked")
    else:
        office.store.remember(f"dead.{asker.user.id}", "")
        office.outbox.ring()


async def unknown_command(message: Message, asker: Asker) -> None:
    asker.tell("help.unknown", command=(message.text or "").split()[0][:40])


async def anything_else(message: Message, asker: Asker) -> None:
    asker.tell("help.text")


async def unknown_button(query: CallbackQuery, asker: Asker) -> None:
    await answer(asker, query, asker.reader.plain("callback.stale"), alert=True)


def routes() -> Router:
    router = Router(name="start")
    router.message.register(start, Command("start"), flags={"role": "viewer"})
    router.message.register(show_help, Command("help"), flags={"role": "viewer"})
    router.message.register(ask_language, Command("lang"), flags={"role": "viewer"})
    router.callback_query.register(set_language, F.data.startswith("l:"), flags={"role": "viewer"})
    router.my_chat_member.register(blocked_or_back, flags={"role": "viewer"})
    return router


def rest() -> Router:
    """Included last: what nobody else took."""
    router = Router(name="rest")
    router.message.register(unknown_command, F.text.startswith("/"), flags={"role": "viewer"})
    router.message.register(anything_else, flags={"role": "viewer"})
    router.callback_query.register(unknown_button, flags={"role": "viewer"})
    return router
