"""The bot's memory: one SQLite file. Every method is durable when it returns.

Calls are synchronous: one row costs about 0.1 ms, less than a hop to a thread, and handlers come one by one.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS updates (update_id INTEGER PRIMARY KEY, handled_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS decisions (
    id INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL, update_id INTEGER NOT NULL, user_id INTEGER NOT NULL,
    what TEXT NOT NULL, verdict TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS preferences (
    chat_id INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (chat_id, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS presses (
    token TEXT PRIMARY KEY, chat_id INTEGER NOT NULL, user_id INTEGER NOT NULL, action TEXT NOT NULL,
    data TEXT NOT NULL, expires_ms INTEGER NOT NULL, answer TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS halts (
    request_id TEXT PRIMARY KEY, user_id INTEGER NOT NULL, level INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
    told INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cards (
    opportunity_id TEXT PRIMARY KEY, slot TEXT NOT NULL, key TEXT NOT NULL, view TEXT NOT NULL, trade TEXT,
    seen_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    chat_id INTEGER NOT NULL, key TEXT NOT NULL, content BLOB NOT NULL, shown_content BLOB, late TEXT NOT NULL,
    priority INTEGER NOT NULL, silent INTEGER NOT NULL, pinned INTEGER NOT NULL, message_id INTEGER,
    wanted INTEGER NOT NULL, shown INTEGER NOT NULL, queued_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
    shown_ms INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, undrawn INTEGER NOT NULL,
    png BLOB, PRIMARY KEY (chat_id, key));
CREATE INDEX IF NOT EXISTS messages_waiting ON messages (chat_id, priority, queued_ms) WHERE wanted > shown;
CREATE INDEX IF NOT EXISTS messages_by_id ON messages (chat_id, message_id);
"""

_KEEP_UPDATES_MS = 8 * 86_400_000  # Telegram keeps updates for a day and may restart its numbering after a week
_KEEP_MESSAGES_MS = 30 * 86_400_000


class Store:
    """One connection; the poll loop, the outbox and the handlers share it in one thread."""

    def __init__(self, path: Path | str) -> None:
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.sql = sqlite3.connect(path, isolation_level=None)
        self.sql.row_factory = sqlite3.Row
        self.sql.execute("PRAGMA journal_mode=WAL")
        self.sql.execute("PRAGMA synchronous=FULL")
        self.sql.executescript(_SCHEMA)

    def close(self) -> None:
        self.sql.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """All writes inside stand or none does."""
        self.sql.execute("BEGIN IMMEDIATE")
        whole = False
        try:
            yield
            whole = True
        finally:
            self.sql.execute("COMMIT" if whole else "ROLLBACK")

    def fact(self, name: str, default: str = "") -> str:
        row = self.sql.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row["value"] if row else default

    def remember(self, name: str, value: str) -> None:
        self.sql.execute(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (name, value)
        )

    def is_handled(self, update_id: int) -> bool:
        return self.sql.execute("SELECT 1 FROM updates WHERE update_id = ?", (update_id,)).fetchone() is not None

    def handled(self, update_id: int, now_ms: int) -> None:
        self.sql.execute("INSERT OR IGNORE INTO updates VALUES (?, ?)", (update_id, now_ms))

    def decide(self, now_ms: int, update_id: int, user_id: int, what: str, verdict: str) -> None:
        """One line of the bot's own audit: who wanted what, and whether the door opened."""
        self.sql.execute(
            "INSERT INTO decisions (wall_ms, update_id, user_id, what, verdict) VALUES (?, ?, ?, ?, ?)",
            (now_ms, update_id, user_id, what[:200], verdict),
        )

    def preference(self, chat_id: int, name: str, default: str = "") -> str:
        row = self.sql.execute(
            "SELECT value FROM preferences WHERE chat_id = ? AND name = ?", (chat_id, name)
        ).fetchone()
        return row["value"] if row else default

    def prefer(self, chat_id: int, name: str, value: str) -> None:
        self.sql.execute(
            "INSERT INTO preferences VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (chat_id, name, value),
        )

    def forget_old(self, now_ms: int) -> None:
        """Drop what nobody can ask for any more."""
        self.sql.execute("DELETE FROM updates WHERE handled_ms < ?", (now_ms - _KEEP_UPDATES_MS,))
        self.sql.execute("DELETE FROM presses WHERE expires_ms < ?", (now_ms - 86_400_000,))
        old = now_ms - _KEEP_MESSAGES_MS
        self.sql.execute("DELETE FROM messages WHERE wanted = shown AND queued_ms < ?", (old,))
        self.sql.execute("DELETE FROM cards WHERE seen_ms < ?", (old,))
        # A trade without a card is remembered as long as its message.
        self.sql.execute("DELETE FROM facts WHERE name GLOB 'trade:*' AND name NOT IN (SELECT key FROM messages)")
        self.sql.execute("DELETE FROM halts WHERE told = 1 AND wall_ms < ?", (old,))
        self.sql.execute("DELETE FROM decisions WHERE wall_ms < ?", (old,))
