"""setMyCommands, getMyCommands, deleteMyCommands, and which menu a person sees."""

import re

from msgspec import Struct

from sandbox.telegram.bot_state import BotState
from sandbox.telegram.chat import ChatState
from sandbox.telegram.failures import bad_request
from sandbox.telegram.request import Arguments
from sandbox.telegram.wire import BotCommand

MAX_COMMANDS = 100
MAX_DESCRIPTION = 256
COMMAND = re.compile(r"[a-z0-9_]{1,32}")
PLAIN_SCOPES = frozenset({"default", "all_private_chats", "all_group_chats", "all_chat_administrators"})
CHAT_SCOPES = frozenset({"chat", "chat_administrators", "chat_member"})


class _Scope(Struct, frozen=True):
    type: str
    chat_id: int | str = 0
    user_id: int = 0


def set_my_commands(bot: BotState, args: Arguments) -> bool:
    commands = args.json("commands", list[BotCommand], "commands") or []
    if len(commands) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not COMMAND.fullmatch(command.command):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(command.description) <= MAX_DESCRIPTION:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    bot.commands[_key(bot, args)] = tuple(commands)
    bot.changes.bump()
    return True


def get_my_commands(bot: BotState, args: Arguments) -> tuple[BotCommand, ...]:
    return bot.commands.get(_key(bot, args), ())


def delete_my_commands(bot: BotState, args: Arguments) -> bool:
    bot.commands.pop(_key(bot, args), None)
    bot.changes.bump()
    return True


def visible_commands(bot: BotState, chat: ChatState) -> tuple[BotCommand, ...]:
    """The first menu that fits, in the documented order of a private chat; the language goes before none."""
    for scope in (f"chat:{chat.id}", "all_private_chats", "default"):
        for language in (chat.person.language_code, ""):
            if bot.commands.get((scope, language)):
                return bot.commands[scope, language]
    return ()


def _key(bot: BotState, args: Arguments) -> tuple[str, str]:
    language = args.text("language_code")
    if language and not re.fullmatch(r"[a-z]{2}", language):
        raise bad_request("invalid language code specified")
    scope = args.json("scope", _Scope, "BotCommandScope") or _Scope("default")
    if scope.type in PLAIN_SCOPES:
        return scope.type, language
    if scope.type not in CHAT_SCOPES:
        raise bad_request("unsupported type specified in BotCommandScope")
    chat = bot.chat(str(scope.chat_id or ""))
    if scope.type != "chat":  # the chats here are private: they have no administrators and no members
        raise bad_request("can't change commands in private chats")
    return f"chat:{chat.id}", language
