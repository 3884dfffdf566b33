"""Taps on a card: execute, skip, mute. The engine decides; the card shows what it decided."""

import asyncio

from aiogram import F, Router
from aiogram.types import CallbackQuery

from bot.alerts import SETTLING_MS
from bot.cards import Card
from bot.gate import answer
from bot.handlers.presses import ACTIONS, Action, Pressed, answered_soon
from bot.office import Asker, Office
from bot.outbox import Priority
from bot.views.refusals import reason, reason_short
from engine.control.client import DoorUnavailable
from engine.control.messages import Answer

_MUTE_MIN = 60
_ASK_AGAIN_S = 0.2


async def execute(query: CallbackQuery, asker: Asker, office: Office) -> None:
    """One tap. A second one carries the same token and gets the engine's first answer."""
    token = (query.data or "")[2:]
    chat_id = asker.user.id
    key = office.outbox.key_of(chat_id, query.message.message_id) if query.message else ""
    card = office.cards.in_slot(key) if key else None
    what = f"confirm {card.view.id if card else '?'}"
    office.store.decide(office.now_ms(), asker.update_id, chat_id, what, "acting")

    async def confirm() -> str:
        made = await _confirm(asker, token)
        text = _shown(asker, office, card, made)
        verdict = "unanswered" if made is None else made.rule or "executing"
        office.store.decide(office.now_ms(), asker.update_id, chat_id, what, verdict)
        if card is not None:
            in_ms = SETTLING_MS if made is not None and made.ok else 0
            office.outbox.touch(chat_id, card.slot, "card", Priority.REPLY, in_ms=in_ms)
        if made is None or not made.ok:
            await answer(asker, query, text, alert=True)
        return text

    await answered_soon(asker, query, confirm())


async def _confirm(asker: Asker, token: str) -> Answer | None:
    """The engine's answer; asked twice where the first was lost: the token works only once. None: no answer."""
    request_id = asker.request_id("confirm")
    try:
        return await asker.commands.confirm(token, asker.user.id, asker.user.id, request_id)
    except DoorUnavailable:
        await asyncio.sleep(_ASK_AGAIN_S)
    try:
        return await asker.commands.confirm(token, asker.user.id, asker.user.id, request_id)
    except DoorUnavailable:
        return None


def _shown(asker: Asker, office: Office, card: Card | None, made: Answer | None) -> str:
    """Put the outcome on the card; the text for the callback answer."""
    reader = asker.reader
    if made is None:
        html, text = reader.say("card.note_unknown"), reader.plain("callback.unknown")
    elif made.ok:
        html = reader.say("card.note_executing", time=reader.clock(office.now_ms()))
        text = reader.plain("callback.executing")
    else:
        html = reason(reader, made.rule, made.text, made.body)
        text = reason_short(reader, made.rule, made.text, made.body)
    if card is not None:
        if made is not None and made.ok and card.is_live:
            office.cards.renew(card, card.view.model_copy(update={"state": "executing"}))
        office.cards.note(card, asker.user.id, html)
    return text


async def skip(asker: Asker, office: Office, pressed: Pressed) -> str:
    made = await asker.commands.skip(pressed.data["id"], pressed.request_id)
    return asker.reader.plain("card.skipped") if made.ok else reason_short(asker.reader, made.rule, made.text)


async def mute(asker: Asker, office: Office, pressed: Pressed) -> str:
    """No cards of this key for an hour; the card keeps a button that takes it back."""
    made = await asker.commands.mute(pressed.data["key"], _MUTE_MIN, pressed.request_id)
    return _muted(asker, office, pressed, made, on=True)


async def unmute(asker: Asker, office: Office, pressed: Pressed) -> str:
    made = await asker.commands.mute(pressed.data["key"], 0, pressed.request_id)
    return _muted(asker, office, pressed, made, on=False)


def _muted(asker: Asker, office: Office, pressed: Pressed, made: Answer, *, on: bool) -> str:
    if not made.ok:
        return reason_short(asker.reader, made.rule, made.text)
    card = office.cards.find(pressed.data["id"])
    values = {"minutes": _MUTE_MIN} if on else {}
    key = "card.note_muted" if on else "card.note_unmuted"
    if card is not None:
        card.muted = on
        card.buttons.clear()
        office.cards.note(card, asker.user.id, asker.reader.say(key, **values))
        office.outbox.touch(asker.user.id, card.slot, "card", Priority.REPLY)
    return asker.reader.plain(key, **values)


ACTIONS.update({"skip": Action("trader", skip), "mute": Action("trader", mute), "unmute": Action("trader", unmute)})


def routes() -> Router:
    router = Router(name="taps")
    router.callback_query.register(execute, F.data.startswith("x:"), flags={"role": "trader"})
    return router
