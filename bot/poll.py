"""Updates in: our own getUpdates loop. An update is acknowledged only after it was handled, whatever happens."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramConflictError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import DeleteWebhook
from aiogram.methods.base import TelegramMethod
from aiogram.types import Update
from pydantic import ValidationError

from bot.store import Store

log = logging.getLogger("premia.bot.poll")

KINDS = ["message", "edited_message", "callback_query", "my_chat_member"]
_LONG_POLL_S = 25
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_CONFLICT_BACKOFF_S = (3.0, 5.0, 10.0, 30.0)
T = TypeVar("T")


class RawUpdates(TelegramMethod[list[dict[str, Any]]]):
    """getUpdates without reading the updates: one that cannot be read must not hide its neighbours."""

    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int | None = None
    timeout: int = _LONG_POLL_S
    limit: int = 100
    allowed_updates: list[str] = KINDS


class TokenRefused(Exception):
    """401 or 404: the token is not, or no longer, good."""


class Poller:
    """One process may poll. `handle` must not raise for what an update says; `progress` is called after every turn,
    `answered` where Telegram gave us what there is."""

    def __init__(
        self,
        bot: Bot,
        store: Store,
        handle: Callable[[Update], Awaitable[None]],
        *,
        is_urgent: Callable[[Update], bool],
        on_conflict: Callable[[], None],
        answered: Callable[[], None],
        progress: Callable[[], None],
        now_ms: Callable[[], int],
        long_poll_s: int = _LONG_POLL_S,
    ) -> None:
        self._bot = bot
        self._store = store
        self._handle = handle
        self._is_urgent = is_urgent
        self._on_conflict = on_conflict
        self._answered = answered
        self._progress = progress
        self._now_ms = now_ms
        self._long_poll_s = long_poll_s
        self._failures = 0
        self._conflicts = 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`. Raises TokenRefused."""
        while not stopping.is_set():
            raw = await unless(stopping, self._fetch())
            if raw:
                await self.take(raw)
            self._progress()
            pause_s = self._pause_s()
            if pause_s:
                await unless(stopping, asyncio.sleep(pause_s))

    def _pause_s(self) -> float:
        if self._conflicts:
            return _CONFLICT_BACKOFF_S[min(self._conflicts, len(_CONFLICT_BACKOFF_S)) - 1]
        return _BACKOFF_S[min(self._failures, len(_BACKOFF_S)) - 1] if self._failures else 0.0

    async def _fetch(self) -> list[dict[str, Any]]:
        """The next batch, [] after a fault; faults are counted for the pause."""
        offset = self._store.fact("offset")
        method = RawUpdates(offset=int(offset) if offset else None, timeout=self._long_poll_s)
        try:
            raw = await self._bot(method, request_timeout=self._long_poll_s + 10)
        except TelegramConflictError as error:
            await self._conflict(error)
            return []
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            raise TokenRefused(error.message) from error
        except TelegramRetryAfter as error:
            await asyncio.sleep(error.retry_after)
            return []
        except (TelegramAPIError, ClientDecodeError) as error:
            self._failures += 1
            log.warning("poll_failed failures=%s error=%s: %s", self._failures, type(error).__name__, error)
            return []
        if self._failures or self._conflicts:
            log.info("poll_recovered failures=%s conflicts=%s", self._failures, self._conflicts)
        self._failures = self._conflicts = 0
        self._answered()
        return raw

    async def _conflict(self, error: TelegramConflictError) -> None:
        """Another poller takes updates that were meant for us: an alarm, once per episode, and no giving up."""
        if "webhook" in error.message:
            log.error("webhook_active deleting=1 error=%s", error.message)
            try:
                await self._bot(DeleteWebhook(drop_pending_updates=False))
            except (TelegramAPIError, ClientDecodeError) as fault:
                log.warning("webhook_not_deleted error=%s", fault)
            self._failures += 1
            return
        self._conflicts += 1
        log.error("poll_conflict times=%s error=%s", self._conflicts, error.message)
        if self._conflicts == 1:
            self._on_conflict()

    async def take(self, raw: list[dict[str, Any]]) -> None:
        """Handle a batch, stops first, each once; the offset moves only when all of it is handled.

        Killed between two updates, the batch comes again and the handled ones are skipped by their ids.
        """
        updates = [update for item in raw if (update := self._read(item)) is not None]
        for update in sorted(updates, key=lambda update: (not self._is_urgent(update), update.update_id)):
            if not self._store.is_handled(update.update_id):
                await self._handle(update)
                self._store.handled(update.update_id, self._now_ms())
        self._store.remember("offset", str(max(int(item["update_id"]) for item in raw) + 1))

    def _read(self, item: dict[str, Any]) -> Update | None:
        try:
            return Update.model_validate(item, context={"bot": self._bot})
        except ValidationError as error:
            log.error("update_unreadable id=%s errors=%s", item.get("update_id"), error.error_count())
            return None


async def unless(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`, or None as soon as `stopping` is set; the unfinished work is cancelled then."""
    async with asyncio.TaskGroup() as tasks:
        doing = tasks.create_task(work)
        stop = tasks.create_task(stopping.wait())
        await asyncio.wait((doing, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not doing.done():
            doing.cancel()
            return None
    return doing.result()
