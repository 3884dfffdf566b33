"""Reads what the watchdog wrote and says it: the way to people when the engine itself can say nothing."""

import logging
from pathlib import Path

import msgspec
from msgspec import Struct

from bot.faults import NOT_MADE
from bot.office import Office
from bot.outbox import Priority
from bot.views import guard

log = logging.getLogger("premia.bot.watchdog")

_NEWS_MS = 24 * 3_600_000  # an older alert is history: a bot with a fresh memory does not tell it again


class _Told(Struct, frozen=True):
    alerts: tuple[guard.WatchdogAlert, ...] = ()


class WatchdogNews:
    """Each alert is told once to everybody: the outbox knows its key."""

    def __init__(self, office: Office, path: Path) -> None:
        self._office = office
        self._path = path
        self._seen: tuple[int, int] = (0, 0)

    def look(self) -> None:
        """One stat call while nothing has changed."""
        try:
            found = self._path.stat()
            if (found.st_ino, found.st_mtime_ns) == self._seen:
                return
            told = msgspec.json.decode(self._path.read_bytes(), type=_Told)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("watchdog_unreadable path=%s error=%s", self._path, error)
            return
        self._seen = (found.st_ino, found.st_mtime_ns)
        for alert in told.alerts:
            if self._office.now_ms() - alert.id < _NEWS_MS:
                self._tell(alert)

    def _tell(self, alert: guard.WatchdogAlert) -> None:
        for user in self._office.config.telegram.users:
            try:
                content = guard.watchdog(self._office.reader(user), alert)
            except NOT_MADE:
                log.exception("watchdog_not_made user=%s", user.id)
                continue
            self._office.outbox.post(user.id, f"watchdog:{alert.id}", content, Priority.CRITICAL)
