"""For whom a view is made: language, time zone and what the role may do."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from bot.config import ROLES
from bot.texts import named, plain, say
from bot.views.content import Markup


class Reader(Struct, frozen=True, kw_only=True):
    user_id: int
    role: str
    language: str
    zone: str

    def may(self, role: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)

    def say(self, key: str, /, **values: object) -> Markup:
        return say(self.language, key, **values)

    def plain(self, key: str, /, **values: object) -> str:
        return plain(self.language, key, **values)

    def named(self, kind: str, value: str) -> str:
        return named(self.language, kind, value)

    def clock(self, wall_ms: int) -> str:
        """14:03:22 in the desk's time zone."""
        return self._local(wall_ms).strftime("%H:%M:%S")

    def moment(self, wall_ms: int) -> str:
        """11-20 14:03."""
        return self._local(wall_ms).strftime("%m-%d %H:%M")

    def _local(self, wall_ms: int) -> datetime:
        return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone(ZoneInfo(self.zone))
