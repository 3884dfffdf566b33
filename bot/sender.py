"""One message to Telegram and what became of it. The only file that knows how Content travels."""

import re
from html import unescape
from typing import Any

from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    RestartingTelegram,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import EditMessageCaption, EditMessageMedia, EditMessageText, SendMessage, SendPhoto
from aiogram.methods.base import TelegramMethod
from aiogram.types import (
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    KeyboardButton,
    LinkPreviewOptions,
    Message,
    ReplyKeyboardMarkup,
)
from msgspec import Struct

from bot.outbox import Row
from bot.views.content import Content

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
_TIMEOUT_S = 10


class Sent(Struct, frozen=True):
    message_id: int


class Unchanged(Struct, frozen=True):
    """Telegram says that the message looks like this already: as good as an edit."""


class Gone(Struct, frozen=True):
    """The message to edit is no longer there."""


class Wait(Struct, frozen=True):
    """429: this chat is closed for so long."""

    retry_after_s: float


class ChatDead(Struct, frozen=True):
    """Blocked, deactivated or never started: no message reaches this chat."""

    reason: str


class Offline(Struct, frozen=True):
    """No answer or a fault of the server: try again later."""

    reason: str


class Rejected(Struct, frozen=True):
    """Understood and refused for good: repeating it unchanged would be refused again."""

    reason: str


Outcome = Sent | Unchanged | Gone | Wait | ChatDead | Offline | Rejected


async def deliver(bot: Bot, row: Row, content: Content) -> Outcome:
    """Send or edit `row` so that it shows `content`; once more as plain text when the entities were refused."""
    outcome = await _attempt(bot, _method(row, content, plain=False))
    if isinstance(outcome, Rejected) and _is_about_text(outcome.reason):
        outcome = await _attempt(bot, _method(row, content, plain=True))
    return outcome


async def _attempt(bot: Bot, method: TelegramMethod[Any]) -> Outcome:
    try:
        message = await bot(method, request_timeout=_TIMEOUT_S)
    except TelegramRetryAfter as error:
        return Wait(float(error.retry_after))
    except TelegramForbiddenError as error:
        return ChatDead(error.message)
    except TelegramBadRequest as error:
        return _refusal(error.message)
    except TelegramEntityTooLarge as error:
        return Rejected(error.message)
    except (TelegramNetworkError, TelegramServerError, RestartingTelegram, ClientDecodeError) as error:
        return Offline(f"{type(error).__name__}: {error}")
    except TelegramUnauthorizedError as error:
        return Offline(error.message)  # the poll loop sees it too and ends the process with a clear line
    except TelegramAPIError as error:
        return Rejected(error.message)
    return Sent(message.message_id) if isinstance(message, Message) else Unchanged()


def _refusal(text: str) -> Outcome:
    lower = text.lower()
    if "message is not modified" in lower:
        return Unchanged()
    if "message to edit not found" in lower or "message can't be edited" in lower or "message_id_invalid" in lower:
        return Gone()
    if "chat not found" in lower or "peer_id_invalid" in lower:
        return ChatDead(text)
    return Rejected(text)


def _is_about_text(reason: str) -> bool:
    lower = reason.lower()
    return any(mark in lower for mark in ("entit", "too long", "parse"))


def _method(row: Row, content: Content, *, plain: bool) -> TelegramMethod[Any]:
    limit = CAPTION_LIMIT if row.png or content.picture else TEXT_LIMIT
    text = plain_text(content.text, limit) if plain else content.text
    mode = None if plain else "HTML"
    if row.message_id is None:
        if row.png is not None:
            return SendPhoto(
                chat_id=row.chat_id,
                photo=_file(row.png),
                caption=text,
                parse_mode=mode,
                reply_markup=_markup(content),
                disable_notification=row.silent,
            )
        return SendMessage(
            chat_id=row.chat_id,
            text=text,
            parse_mode=mode,
            reply_markup=_markup(content),
            disable_notification=row.silent,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        )
    inline = _inline(content)
    where: dict[str, Any] = {"chat_id": row.chat_id, "message_id": row.message_id, "reply_markup": inline}
    if row.png is not None:
        media = InputMediaPhoto(media=_file(row.png), caption=text, parse_mode=mode)
        return EditMessageMedia(media=media, **where)
    if row.shown is not None and row.shown.picture is not None:
        return EditMessageCaption(caption=text, parse_mode=mode, **where)
    return EditMessageText(
        text=text, parse_mode=mode, link_preview_options=LinkPreviewOptions(is_disabled=True), **where
    )


def _file(png: bytes) -> BufferedInputFile:
    return BufferedInputFile(png, filename="premia.png")


def _inline(content: Content) -> InlineKeyboardMarkup | None:
    if not content.rows:
        return None
    return InlineKeyboardMarkup(
        inline_keyboard=[
            [InlineKeyboardButton(text=b.text, callback_data=b.data, style=b.style or None) for b in row]
            for row in content.rows
        ]
    )


def _markup(content: Content) -> InlineKeyboardMarkup | ReplyKeyboardMarkup | None:
    if content.words:
        return ReplyKeyboardMarkup(
            keyboard=[[KeyboardButton(text=word) for word in row] for row in content.words],
            resize_keyboard=True,
            is_persistent=True,
        )
    return _inline(content)


def plain_text(html: str, limit: int) -> str:
    """The same words without markup, cut to `limit` UTF-16 units."""
    text = unescape(re.sub(r"</?[a-z][^>]*>", "", html))
    units = text.encode("utf-16-le")
    if len(units) <= 2 * limit:
        return text
    return units[: 2 * (limit - 1)].decode("utf-16-le", "ignore") + "…"
