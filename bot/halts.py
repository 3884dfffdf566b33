"""Stops that are not yet proved to have reached the engine. A stop outlives the bot and an engine that is away."""

from msgspec import Struct

from bot.store import Store


class PendingHalt(Struct, frozen=True, kw_only=True):
    request_id: str
    user_id: int
    level: int


class Halts:
    def __init__(self, store: Store) -> None:
        self._sql = store.sql

    def order(self, request_id: str, user_id: int, level: int, now_ms: int) -> None:
        """Durable before the engine is asked."""
        self._sql.execute(
            "INSERT OR IGNORE INTO halts (request_id, user_id, level, wall_ms) VALUES (?, ?, ?, ?)",
            (request_id, user_id, level, now_ms),
        )

    def pending(self) -> list[PendingHalt]:
        """Highest level first."""
        rows = self._sql.execute("SELECT * FROM halts WHERE told = 0 ORDER BY level DESC, wall_ms")
        return [PendingHalt(request_id=row["request_id"], user_id=row["user_id"], level=row["level"]) for row in rows]

    def done(self, request_id: str) -> None:
        self._sql.execute("UPDATE halts SET told = 1 WHERE request_id = ?", (request_id,))
