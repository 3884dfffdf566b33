"""Who may: one outer middleware for every kind of update, deny by default; one inner one for roles and age."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.dispatcher.flags import get_flag
from aiogram.exceptions import ClientDecodeError, TelegramAPIError
from aiogram.methods import AnswerCallbackQuery
from aiogram.types import CallbackQuery, Chat, Message, TelegramObject, Update
from aiogram.types import User as TelegramUser

from bot.config import User
from bot.delivery import revive
from bot.office import Asker, Office
from bot.views.refusals import reason, reason_short
from engine.control.client import DoorRefused, DoorUnavailable

log = logging.getLogger("premia.bot.gate")

MAX_AGE_S = 30  # of a command that adds risk
Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class Authorise(BaseMiddleware):
    """Lets through only what an allow-listed person did in their own private chat. A stranger hears nothing."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._logged: set[tuple[int, str]] = set()

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        assert isinstance(event, Update)
        sender, chat = _source(event)
        user = self._office.user(sender.id) if sender else None
        verdict = _verdict(sender, chat, user)
        if user is None or verdict:
            self._refuse(event, sender, verdict)
            return None
        what = _what(event)
        self._office.store.decide(self._office.now_ms(), event.update_id, user.id, what, "allowed")
        log.info("update_allowed id=%s user=%s role=%s what=%r", event.update_id, user.id, user.role, what)
        if event.my_chat_member is None and revive(self._office.store, self._office.outbox, user.id):
            log.info("chat_alive user=%s", user.id)
        asker = Asker(self._office, user, event.update_id, _age_s(event, self._office.now_ms()))
        if hint := _never_executed(event):
            asker.tell(hint)
            return None
        return await handler(event, {**data, "asker": asker, "office": self._office})

    def _refuse(self, event: Update, sender: TelegramUser | None, verdict: str) -> None:
        """Stored every time, logged once per person and reason: a flood of strangers must not fill the log."""
        user_id = sender.id if sender else 0
        self._office.store.decide(self._office.now_ms(), event.update_id, user_id, _kind(event), verdict)
        if (user_id, verdict) not in self._logged and len(self._logged) < 10_000:
            self._logged.add((user_id, verdict))
            log.warning(
                "update_refused id=%s user=%s kind=%s reason=%s", event.update_id, user_id, _kind(event), verdict
            )


def _source(event: Update) -> tuple[TelegramUser | None, Chat | None]:
    """Who did it and where; (None, None) for a kind of update that we never asked for."""
    if (message := event.message or event.edited_message) is not None:
        return message.from_user, message.chat
    if (query := event.callback_query) is not None:
        return query.from_user, query.message.chat if query.message else None
    if (member := event.my_chat_member) is not None:
        return member.from_user, member.chat
    return None, None


def _verdict(sender: TelegramUser | None, chat: Chat | None, user: User | None) -> str:
    """ "" when the door opens, else why not."""
    if sender is None or chat is None:
        return "no_sender"
    if chat.type != "private" or chat.id != sender.id:
        return "not_private"
    if sender.is_bot:
        return "bot"
    return "" if user is not None else "stranger"


def _never_executed(event: Update) -> str:
    """The text for what carries no intent of this moment: edits and forwards; "" for everything else."""
    if event.edited_message is not None:
        return "edited.ignored"
    if event.message is not None and (event.message.forward_origin is not None or event.message.via_bot is not None):
        return "forwarded.ignored"
    return ""


def _kind(event: Update) -> str:
    return next(
        (name for name in ("message", "edited_message", "callback_query", "my_chat_member") if getattr(event, name)),
        "other",
    )


def _what(event: Update) -> str:
    """For the log: a message's text, a button's kind (never its token)."""
    if event.callback_query is not None:
        return f"button {(event.callback_query.data or '')[:2]}"
    message = event.message or event.edited_message
    return (message.text or "(no text)")[:80] if message else _kind(event)


def _age_s(event: Update, now_ms: int) -> int:
    return max(0, now_ms // 1000 - int(event.message.date.timestamp())) if event.message else 0


class Permit(BaseMiddleware):
    """Before each handler: its role (flag `role`, without one: owner), and its age where it adds risk (flag `risk`)."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        asker: Asker = data["asker"]
        query = event if isinstance(event, CallbackQuery) else None
        role = str(get_flag(data, "role", default="owner"))
        if not asker.user.may(role):
            await refuse_role(asker, query, role)
            return None
        if isinstance(event, Message) and get_flag(data, "risk", default=False) and asker.age_s > MAX_AGE_S:
            log.warning("command_too_old user=%s age_s=%s", asker.user.id, asker.age_s)
            asker.tell("age.refused", seconds=asker.age_s)
            return None
        try:
            return await handler(event, data)
        except DoorUnavailable as error:
            log.warning("engine_unreachable user=%s error=%s", asker.user.id, error)
            asker.tell("engine.down_reply")
        except DoorRefused as error:
            log.warning("engine_refused user=%s rule=%s", asker.user.id, error.rule)
            if query is not None:
                await answer(asker, query, reason_short(asker.reader, error.rule, error.text), alert=True)
            asker.tell("engine.refused", why=reason(asker.reader, error.rule, error.text))
        finally:
            if query is not None and not asker.answered:
                await answer(asker, query)


async def refuse_role(asker: Asker, query: CallbackQuery | None, role: str) -> None:
    log.warning("role_refused user=%s role=%s needs=%s", asker.user.id, asker.user.role, role)
    name = asker.reader.named("role", role)
    if query is not None:
        await answer(asker, query, asker.reader.plain("role.denied_short", role=name), alert=True)
    else:
        asker.tell("role.denied", role=name)


async def answer(asker: Asker, query: CallbackQuery, text: str = "", *, alert: bool = False) -> None:
    """Stop the button's spinner. Telegram takes one answer, for some seconds; failing to give it stops nothing."""
    asker.answered = True
    try:
        await query.bot(  # type: ignore[misc]
            AnswerCallbackQuery(callback_query_id=query.id, text=text[:200] or None, show_alert=alert),
            request_timeout=5,
        )
    except (TelegramAPIError, ClientDecodeError) as error:
        log.info("callback_not_answered user=%s error=%s", asker.user.id, error)
