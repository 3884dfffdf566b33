"""Buttons whose meaning is kept on our side: looked up, checked against role and owner, done once, answered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import F, Router
from aiogram.types import CallbackQuery
from msgspec import Struct

from bot.gate import answer, refuse_role
from bot.office import Asker, Office
from engine.control.client import DoorRefused, DoorUnavailable

PATIENCE_S = 0.4  # the button spins no longer than this, however slow the engine is


class Pressed(Struct, frozen=True, kw_only=True):
    """One press. `request_id` is the button's own: two presses of it ask the engine the same thing once."""

    data: dict[str, Any]
    request_id: str
    message_key: str  # the outbox's key of the message that carries the button, "" when it is not known


class Action(Struct, frozen=True):
    role: str
    act: Callable[[Asker, Office, Pressed], Awaitable[str]]  # -> text of the callback answer, "" for none
    once: bool = True  # False for what only asks or shows


ACTIONS: dict[str, Action] = {}  # filled by the topics' modules, in their own words


async def press(query: CallbackQuery, asker: Asker, office: Office) -> None:
    found = office.presses.find(query.data or "", asker.user.id, asker.user.id, office.now_ms())
    if found is None or found.action not in ACTIONS:
        await answer(asker, query, asker.reader.plain("callback.stale"), alert=True)
        return
    if found.answer is not None:
        await answer(asker, query, found.answer)
        return
    action = ACTIONS[found.action]
    if not asker.user.may(action.role):
        await refuse_role(asker, query, action.role)
        return
    message_id = query.message.message_id if query.message else 0
    pressed = Pressed(
        data=found.data,
        request_id=f"press:{found.token}",
        message_key=office.outbox.key_of(asker.user.id, message_id),
    )
    office.store.decide(office.now_ms(), asker.update_id, asker.user.id, f"press {found.action}", "acting")
    text = await answered_soon(asker, query, action.act(asker, office, pressed))
    if action.once:
        office.presses.answered(found.token, text or asker.reader.plain("callback.done"))


async def answered_soon(asker: Asker, query: CallbackQuery, work: Awaitable[str], *, alert: bool = False) -> str:
    """Do `work` and answer the press with its text, or with "working" when it takes longer than a moment."""
    fault: DoorUnavailable | DoorRefused | None = None
    text = ""
    async with asyncio.TaskGroup() as tasks:
        impatient = tasks.create_task(_answer_after(asker, query, PATIENCE_S))
        try:
            text = await work
        except (DoorUnavailable, DoorRefused) as error:
            fault = error
        if not asker.answered:
            impatient.cancel()
    if fault is not None:
        raise fault
    if not asker.answered:
        await answer(asker, query, text, alert=alert and text != "")
    return text


async def _answer_after(asker: Asker, query: CallbackQuery, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await answer(asker, query, asker.reader.plain("callback.working"))


def routes() -> Router:
    router = Router(name="presses")
    router.callback_query.register(press, F.data.startswith("p:"), flags={"role": "viewer"})
    return router
