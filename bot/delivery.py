"""Who speaks when: one worker per chat takes the most urgent message that its budget allows."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiogram import Bot
from msgspec import Struct

from bot import sender
from bot.budget import Budget
from bot.faults import NOT_MADE
from bot.outbox import Ledger, Outbox, Priority, Row
from bot.store import Store
from bot.views.content import Content
from bot.views.digest import digest

log = logging.getLogger("premia.bot.delivery")

DIGEST_FROM = 3  # so many short messages waiting in one chat become one
_BACKOFF_S = (0.5, 1, 2, 5, 10)
_MAX_ATTEMPTS = 5  # of a message that Telegram refuses, before it is given up with an error in the log

Renderer = Callable[[int, str, Content | None], Awaitable[Content | None]]


class Parts(Struct, frozen=True, kw_only=True):
    """What a worker needs; shared by all of them."""

    bot: Bot
    store: Store
    outbox: Outbox
    renderers: Mapping[str, Renderer]  # (chat, key, what is shown) -> newest content, None: nothing to say
    now_ms: Callable[[], int]
    pin: Callable[[int, int], Awaitable[None]]
    language_of: Callable[[int], str]
    on_dead: Callable[[int, str], None]  # a chat can no longer be reached


class ChatWorker:
    """One chat's voice. Telegram's pause for this chat holds nobody else."""

    def __init__(self, parts: Parts, chat_id: int, budget: Budget) -> None:
        self._parts = parts
        self._chat_id = chat_id
        self._budget = budget
        self._ledger = Ledger(parts.store, parts.now_ms)
        self._failures = 0

    async def run(self, stopping: asyncio.Event) -> None:
        ear = self._parts.outbox.ear()
        while not stopping.is_set():
            ear.clear()
            if wait_ms := await self.step():
                await heard(ear, wait_ms / 1000)

    async def step(self) -> int:
        """Send at most one message. How many ms nothing can be sent for, 0 when one was: look again at once."""
        if is_dead(self._parts.store, self._chat_id):
            return 60_000
        now_ms = self._parts.now_ms()
        rows = self._parts.outbox.waiting(self._chat_id)
        soonest_ms = 60_000
        for row in rows:
            wait_ms = max(row.due_ms - now_ms, self._budget.wait_ms(row.priority, now_ms))
            if wait_ms <= 0:
                return await self._say(row, rows)
            soonest_ms = min(soonest_ms, wait_ms)
        return soonest_ms

    async def _say(self, row: Row, rows: list[Row]) -> int:
        crowd = [other for other in rows if other.priority == row.priority and _is_short(other)]
        if _is_short(row) and len(crowd) >= DIGEST_FROM:
            return await self._say_together(crowd)
        content = await self._content(row)
        if content is None or (row.message_id is not None and content == row.shown):
            self._ledger.settled(row)
            return 0
        if row.message_id is not None and row.shown is not None and not _can_edit(row.shown, content):
            row = _as_new(row)
        return await self._record(row, content, await sender.deliver(self._parts.bot, row, content))

    async def _content(self, row: Row) -> Content | None:
        """None: there is nothing to say, or what there is cannot be made."""
        if not row.late:
            return row.content
        try:
            return await self._parts.renderers[row.late](row.chat_id, row.key, row.shown)
        except NOT_MADE:
            log.exception("message_not_made chat=%s key=%s", row.chat_id, row.key)
            return None

    async def _say_together(self, crowd: list[Row]) -> int:
        content = digest([row.content.brief for row in crowd], self._parts.language_of(self._chat_id))
        outcome = await sender.deliver(self._parts.bot, crowd[0], content)
        if not isinstance(outcome, sender.Sent):
            return await self._record(crowd[0], content, outcome)
        self._budget.spend(self._parts.now_ms())
        with self._parts.store.together():
            for row in crowd:
                # No message id: whatever one of them has to say later is a message of its own.
                self._ledger.shown(row, row.content, None)
        log.info("digest chat=%s messages=%s", self._chat_id, len(crowd))
        return 0

    async def _record(self, row: Row, content: Content, outcome: sender.Outcome) -> int:
        now_ms = self._parts.now_ms()
        match outcome:
            case sender.Sent(message_id):
                self._settle(row, content, message_id)
                if row.pinned and row.message_id is None:
                    await self._parts.pin(row.chat_id, message_id)
            case sender.Unchanged():
                self._settle(row, content, row.message_id)
            case sender.Gone():
                self._ledger.lost(row)
            case sender.Wait(retry_after_s):
                self._budget.pause(retry_after_s, now_ms)
                log.warning("too_many chat=%s retry_after_s=%s key=%s", row.chat_id, retry_after_s, row.key)
            case sender.ChatDead(reason):
                self._parts.store.remember(f"dead.{row.chat_id}", reason)
                self._parts.on_dead(row.chat_id, reason)
            case sender.Offline(reason):
                pause_s = _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
                self._failures += 1
                log.warning("send_failed chat=%s key=%s again_s=%s reason=%r", row.chat_id, row.key, pause_s, reason)
                self._budget.pause(pause_s, now_ms)
            case sender.Rejected(reason):
                self._give_up_or_retry(row, reason)
        return 0

    def _settle(self, row: Row, content: Content, message_id: int | None) -> None:
        self._failures = 0
        self._budget.spend(self._parts.now_ms())
        self._ledger.shown(row, content, message_id)

    def _give_up_or_retry(self, row: Row, reason: str) -> None:
        if row.attempts + 1 >= _MAX_ATTEMPTS:
            log.error("message_given_up chat=%s key=%s reason=%r", row.chat_id, row.key, reason)
            self._ledger.settled(row)
            return
        log.error("message_refused chat=%s key=%s attempt=%s reason=%r", row.chat_id, row.key, row.attempts + 1, reason)
        self._ledger.failed(row, self._parts.now_ms() + 2_000)


def is_dead(store: Store, chat_id: int) -> bool:
    return store.fact(f"dead.{chat_id}") != ""


def revive(store: Store, outbox: Outbox, chat_id: int) -> bool:
    """The person wrote to us again: what waited may leave. True when the chat had been dead."""
    if not is_dead(store, chat_id):
        return False
    store.remember(f"dead.{chat_id}", "")
    outbox.ring()
    return True


def _is_short(row: Row) -> bool:
    new = row.message_id is None and row.shown is None
    return new and not row.late and row.content.brief != "" and row.priority is not Priority.CRITICAL


def _can_edit(shown: Content, content: Content) -> bool:
    """A text cannot become a picture, nor a picture a text, and a reply keyboard cannot be edited."""
    return (shown.picture is None) == (content.picture is None) and not shown.words and not content.words


def _as_new(row: Row) -> Row:
    return Row(**{name: getattr(row, name) for name in Row.__struct_fields__} | {"message_id": None, "shown": None})


async def heard(ear: asyncio.Event, timeout_s: float) -> None:
    """Until a wish was made, the process stops, or the time is over."""
    try:
        async with asyncio.timeout(timeout_s):
            await ear.wait()
    except TimeoutError:
        return
