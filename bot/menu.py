"""The command menu behind the slash: per person, so that a viewer does not even see /kill. It authorises nothing."""

import logging

from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramAPIError
from aiogram.methods import SetMyCommands
from aiogram.types import BotCommand, BotCommandScopeChat

from bot.config import User
from bot.texts import plain

log = logging.getLogger("premia.bot.menu")

_MARKETS = ("premium", "funding", "venues", "alerts")
_VIEWER = ("status", "opps", "positions", "balance", "pnl", "report", "why", "limits", "strategies", "curve")
_TRADER = ("order", "halt", "kill")
_OWNER = ("resume", "dlq", "audit")
_EVERYBODY = ("live", "lang", "help")


def commands_of(role: str) -> tuple[str, ...]:
    if role == "viewer":
        return (*_MARKETS, *_VIEWER, *_EVERYBODY)
    if role == "trader":
        return (*_TRADER, *_MARKETS, *_VIEWER, *_EVERYBODY)
    return (*_TRADER, *_OWNER, *_MARKETS, *_VIEWER, *_EVERYBODY)


async def offer_commands(bot: Bot, user: User, language: str) -> bool:
    """Set the menu of one person's chat. False when Telegram did not take it; nothing depends on it."""
    commands = [
        BotCommand(command=name, description=plain(language, f"menu.{name}")) for name in commands_of(user.role)
    ]
    try:
        await bot(SetMyCommands(commands=commands, scope=BotCommandScopeChat(chat_id=user.id)), request_timeout=10)
    except (TelegramAPIError, ClientDecodeError) as error:
        log.info("menu_not_set user=%s error=%s", user.id, error)
        return False
    return True
