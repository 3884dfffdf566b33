"""What the watchdog tells people: a small file that the bot reads and sends. Its newest alerts, oldest first."""

import os
from pathlib import Path

import msgspec
from msgspec import Struct

_KEEP = 20


class AtVenue(Struct, frozen=True, kw_only=True):
    cancelled: int
    open: int  # of ours, when it was last looked at
    error: str


class Alert(Struct, frozen=True, kw_only=True):
    """`what`: acting, trouble, clean or back."""

    id: int  # wall clock ms, unique
    what: str
    silent_s: int  # since the last heartbeat
    level: int  # of the latch on disk
    venues: dict[str, AtVenue]
    problem: str = ""  # what could not be done, in words


class Told(Struct, frozen=True, kw_only=True):
    alerts: tuple[Alert, ...] = ()


class Herald:
    """Writes the file. A file of before that cannot be read begins anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._alerts = msgspec.json.decode(path.read_bytes(), type=Told).alerts
        except (OSError, msgspec.MsgspecError):
            self._alerts = ()

    @property
    def newest(self) -> Alert | None:
        """None where nothing was ever told."""
        return self._alerts[-1] if self._alerts else None

    def tell(self, alert: Alert) -> None:
        """Replaces the file in one step. Raises OSError; the alert goes out with the next one then."""
        newest = self._alerts[-1].id if self._alerts else 0
        alert = msgspec.structs.replace(alert, id=max(alert.id, newest + 1))
        self._alerts = (*self._alerts, alert)[-_KEEP:]
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_bytes(msgspec.json.encode(Told(alerts=self._alerts)))
        fresh.chmod(0o640)  # the bot is of the same group
        os.replace(fresh, self._path)
