"""Looks at the engine every few seconds: is it there, what does the pinned status say, are halts still to be told."""

import asyncio
import logging

from bot.config import User
from bot.faults import NOT_MADE
from bot.office import Office
from bot.outbox import Priority
from bot.stopped import tell_stopped
from bot.views import boards
from bot.views.content import Content
from bot.watchdog import WatchdogNews
from engine.control.client import DoorRefused, DoorUnavailable
from engine.control.messages import StatusView

log = logging.getLogger("premia.bot.watch")

ACTOR = "bot"


class Watch:
    """One look every few seconds."""

    def __init__(self, office: Office, every_s: float) -> None:
        self._office = office
        self._every_s = every_s
        self._failures = 0
        self._told_key = ""
        self._lost_ms = 0
        self._watchdog = WatchdogNews(office, office.config.watchdog_told)

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(0.3 if self._office.halts.pending() else self._every_s)

    async def look(self) -> None:
        self._watchdog.look()
        await self._tell_halts()
        try:
            status = await self._office.door.reads(ACTOR).status()
        except (DoorUnavailable, DoorRefused) as error:
            self._missing(str(error))
            return
        self._back(status)
        for user in self._office.config.telegram.users:
            key = self._office.store.preference(user.id, "live")
            if key:
                try:
                    self._show_live(user, key, status)
                except NOT_MADE:
                    log.exception("status_not_made user=%s", user.id)

    def _missing(self, error: str) -> None:
        """Two misses in a row are told, once: a restart within seconds is nobody's business."""
        self._failures += 1
        if self._failures == 1:
            self._lost_ms = self._office.now_ms()
        if self._failures != 2:
            return
        log.error("engine_unreachable error=%s", error)
        self._told_key = f"engine.down:{self._office.now_ms()}"
        self._office.cards.engine_up = False
        for user in self._office.config.telegram.users:
            content = Content(text=self._office.reader(user).say("engine.down"))
            self._office.outbox.post(user.id, self._told_key, content, Priority.CRITICAL)
        self._touch_cards()

    def _back(self, status: StatusView) -> None:
        restarted = status.uptime_ms < self._office.now_ms() - self._lost_ms
        if self._told_key and not restarted:  # a restarted engine is announced by its summary
            for user in self._office.config.telegram.users:
                content = Content(text=self._office.reader(user).say("engine.back"))
                self._office.outbox.post(user.id, f"{self._told_key}:back", content, Priority.CARD, silent=True)
        if self._failures:
            log.info("engine_back failures=%s restarted=%s", self._failures, restarted)
        self._failures, self._told_key = 0, ""
        if not self._office.cards.engine_up:
            self._office.cards.engine_up = True
            self._touch_cards()

    def _touch_cards(self) -> None:
        for card in self._office.cards.live():
            for user in self._office.config.telegram.users:
                self._office.outbox.touch(user.id, card.slot, "card", Priority.EDIT)

    def _show_live(self, user: User, key: str, status: StatusView) -> None:
        content = boards.status(self._office.reader(user), status)
        row = self._office.outbox.find(user.id, key)
        if row is not None and row.content.core != content.core:
            self._office.outbox.show(user.id, key, content, Priority.EDIT)

    async def _tell_halts(self) -> None:
        """A stop that did not reach the engine is the first thing it hears."""
        for halt in self._office.halts.pending():
            commands = self._office.door.commands(f"telegram:{halt.user_id}")
            try:
                made = await commands.halt(halt.level, "Telegram", halt.request_id)
            except DoorUnavailable:
                return
            user = self._office.user(halt.user_id)
            if user is None:  # taken off the list since; the engine has heard it all the same
                self._office.halts.done(halt.request_id)
            else:
                tell_stopped(self._office, user, halt.level, made, halt.request_id)
