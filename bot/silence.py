"""How long Telegram has been away: one critical line, a halt where the desk asks for it, and word once it is back.

Only a getUpdates that came back is an answer. One is always under way, so that no desk is too quiet to be measured, and
it is the way of a tap and of a stop: a message that gets out while another process takes the taps (409) reaches nobody
who could answer.
"""

import asyncio
import logging
from collections.abc import Callable
from enum import Enum

import msgspec
from msgspec import Struct

from bot.faults import NOT_MADE
from bot.office import Office
from bot.outbox import Priority
from bot.views import guard
from engine.control.client import DoorUnavailable

log = logging.getLogger("premia.bot.silence")

ACTOR = "bot"
_FACT = "silence"
# More than that between two looks is our own standing still (a suspended machine, a stopped process): Telegram had
# nobody to answer to, and is not counted as away.
_LOOK_S = 30.0


class Outage(Struct, frozen=True, kw_only=True):
    """Kept on disk until people have been told of it."""

    since_ms: int  # wall clock: Telegram's last answer, or the start of the bot
    level: int = 0  # the engine's, once it has taken our halt


class State(Enum):
    STARTING = "starting"  # not one answer since the start
    ANSWERING = "answering"
    SILENT = "silent"


_outage = msgspec.json.Decoder(Outage)


class Silence:
    """`now_s` is monotonic. All that follows from an answer or from none is done by `look`, in one task."""

    def __init__(self, office: Office, now_s: Callable[[], float], every_s: float) -> None:
        self._office = office
        self._now_s = now_s
        self._every_s = every_s
        self._state = State.STARTING
        self._silent_s = 0.0
        self._looked_s = now_s()
        self._answered_ms = office.now_ms()
        kept = office.store.fact(_FACT)
        self._outage = _outage.decode(kept) if kept else None
        self._why_not = ""  # the halt could not be had; each reason is logged once

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    def answered(self) -> None:
        """A getUpdates came back."""
        self._silent_s, self._looked_s = 0.0, self._now_s()
        self._answered_ms = self._office.now_ms()
        self._state = State.ANSWERING

    async def look(self) -> None:
        now_s = self._now_s()
        self._silent_s += min(now_s - self._looked_s, _LOOK_S)
        self._looked_s = now_s
        if self._outage is not None and self._state is State.ANSWERING:
            self._tell(self._outage)
            self._keep(None)
        minutes = self._office.config.telegram.silent_minutes
        if self._silent_s >= minutes * 60:
            await self._missing(f"Telegram has not answered for {minutes} min")

    async def token_refused(self) -> None:
        """The last act of a process that ends now (401): nobody will be here to count minutes, nor to knock again."""
        await self._missing("Telegram refuses the bot's token")

    async def _missing(self, why: str) -> None:
        outage = self._outage or Outage(since_ms=self._answered_ms)
        halts = self._office.config.telegram.silent_halts
        if self._state is not State.SILENT:
            self._state = State.SILENT
            log.critical("telegram_silent reason=%r since_ms=%s halts=%s", why, outage.since_ms, int(halts))
            self._keep(outage)
        if halts and not outage.level:
            await self._halt(outage, f"{why}: nobody can be asked or warned")

    def _keep(self, outage: Outage | None) -> None:
        self._outage = outage
        self._office.store.remember(_FACT, msgspec.json.encode(outage).decode() if outage else "")

    async def _halt(self, outage: Outage, reason: str) -> None:
        """No new entries: L1, which never lowers a higher level. Asked again at every look until the engine has it; by
        one request id per outage, so that a person who resumes by the door is not halted once more."""
        commands = self._office.door.commands(ACTOR)
        try:
            made = await commands.halt(1, reason, f"bot:silence:{outage.since_ms}")
        except DoorUnavailable as error:
            self._not_halted("door", str(error))
            return
        if not made.ok:
            self._not_halted(made.rule, made.text)
            return
        level = int(made.body.get("level", 1)) if isinstance(made.body, dict) else 1
        log.warning("silence_halted level=%s", level)
        self._why_not = ""
        self._keep(Outage(since_ms=outage.since_ms, level=level))

    def _not_halted(self, rule: str, text: str) -> None:
        if rule != self._why_not:
            log.error("silence_not_halted rule=%s reason=%r", rule, text)
        self._why_not = rule

    def _tell(self, outage: Outage) -> None:
        """Under one key: killed between telling and forgetting, the next start tells nobody twice."""
        log.warning("telegram_back since_ms=%s level=%s", outage.since_ms, outage.level)
        for user in self._office.config.telegram.users:
            reader = self._office.reader(user)
            try:
                content = guard.silence(reader, outage.since_ms, self._answered_ms, outage.level)
            except NOT_MADE:
                log.exception("silence_not_made user=%s", user.id)
                continue
            self._office.outbox.post(user.id, f"silence:{outage.since_ms}", content, Priority.CRITICAL)
