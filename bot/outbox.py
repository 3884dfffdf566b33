"""Everything that waits to be said: a queue on disk, one row per message, newest wish wins.

A row is one message of one chat under a key. Wishing again under the same key replaces what was not yet sent and edits
what was: that is how edits coalesce, how an event is told once, and how a restart loses nothing. What can repeat: a new
message whose answer was lost (crash or cut line after Telegram took it) is sent again; a repeated edit is harmless.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from enum import IntEnum

import msgspec
from msgspec import Struct

from bot.store import Store
from bot.views.content import Content

_content = msgspec.json.Decoder(Content)
_EMPTY = Content(text="")


class Priority(IntEnum):
    """Lower leaves first."""

    CRITICAL = 0
    REPLY = 1
    FILL = 2
    CARD = 3
    REPORT = 4
    EDIT = 5


class Row(Struct, frozen=True, kw_only=True):
    """One message as it waits. `late` names the renderer that knows its newest content, "" when `content` is it."""

    chat_id: int
    key: str
    content: Content
    shown: Content | None
    late: str
    priority: Priority
    silent: bool
    pinned: bool
    message_id: int | None
    version: int
    due_ms: int
    attempts: int
    png: bytes | None


class Outbox:
    def __init__(self, store: Store, now_ms: Callable[[], int], edit_every_ms: int = 0) -> None:
        self._sql = store.sql
        self._now_ms = now_ms
        self._edit_every_ms = edit_every_ms
        self._ears: list[asyncio.Event] = []

    def ear(self) -> asyncio.Event:
        """An event of one listener's own, set by every wish: who clears it can make nobody else miss one."""
        self._ears.append(event := asyncio.Event())
        return event

    def ring(self) -> None:
        for event in self._ears:
            event.set()

    def post(
        self,
        chat_id: int,
        key: str,
        content: Content,
        priority: Priority,
        *,
        silent: bool = False,
        pinned: bool = False,
        in_ms: int = 0,
    ) -> bool:
        """Say it once: a second wish under the same key is ignored. True when it is new.

        With `in_ms` it waits for company: what comes until then goes into one digest with it.
        """
        now_ms = self._now_ms()
        cursor = self._sql.execute(
            "INSERT OR IGNORE INTO messages (chat_id, key, content, late, priority, silent, pinned, wanted, shown,"
            " queued_ms, due_ms, undrawn) VALUES (?, ?, ?, '', ?, ?, ?, 1, 0, ?, ?, ?)",
            (
                chat_id,
                key,
                msgspec.json.encode(content),
                priority,
                silent,
                pinned,
                now_ms,
                now_ms + in_ms,
                _undrawn(content),
            ),
        )
        self.ring()
        return cursor.rowcount == 1

    def show(self, chat_id: int, key: str, content: Content, priority: Priority, *, silent: bool = False) -> None:
        """Make this message look so: sent when it is not there yet, edited when it is."""
        row = self.find(chat_id, key)
        if row is None:
            self.post(chat_id, key, content, priority, silent=silent)
            return
        if row.content == content and not row.late:
            return
        drawn = row.shown is not None and row.shown.picture == content.picture
        self._sql.execute(
            "UPDATE messages SET content = ?, late = '', priority = ?, wanted = wanted + 1, attempts = 0, due_ms = ?,"
            " queued_ms = CASE WHEN wanted > shown THEN queued_ms ELSE ? END, undrawn = ?, png = NULL"
            " WHERE chat_id = ? AND key = ?",
            (
                *(msgspec.json.encode(content), priority, self._now_ms(), self._now_ms()),
                *(_undrawn(content) and not drawn, chat_id, key),
            ),
        )
        self.ring()

    def touch(self, chat_id: int, key: str, late: str, priority: Priority, *, in_ms: int = 0) -> None:
        """Its renderer has something new to say, `in_ms` from now at the latest: what comes until then goes along."""
        now_ms = self._now_ms()
        self._sql.execute(
            "INSERT INTO messages (chat_id, key, content, late, priority, silent, pinned, wanted, shown, queued_ms,"
            " due_ms, undrawn) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 1, 0, ?6, ?7, 0)"
            " ON CONFLICT DO UPDATE SET late = ?4, wanted = wanted + 1, attempts = 0,"
            " priority = CASE WHEN wanted > shown THEN min(priority, ?5) ELSE ?5 END,"
            " queued_ms = CASE WHEN wanted > shown THEN queued_ms ELSE ?6 END,"
            " due_ms = CASE WHEN wanted > shown THEN min(due_ms, ?7) ELSE ?7 END",
            (chat_id, key, msgspec.json.encode(_EMPTY), late, priority, now_ms, now_ms + in_ms),
        )
        self.ring()

    def renew(self, chat_id: int, key: str, late: str) -> None:
        """A live card has newer figures. At the cards' own pace, and not written down when it waits already: the
        renderer takes the newest figures anyhow, and the next ones are a second away.
        """
        row = self._sql.execute(
            "SELECT wanted > shown AS waits, shown_ms FROM messages WHERE chat_id = ? AND key = ?", (chat_id, key)
        ).fetchone()
        if row is None or not row["waits"]:
            shown_ms = row["shown_ms"] if row else 0
            in_ms = max(0, shown_ms + self._edit_every_ms - self._now_ms())
            self.touch(chat_id, key, late, Priority.EDIT, in_ms=in_ms)

    def find(self, chat_id: int, key: str) -> Row | None:
        row = self._sql.execute("SELECT * FROM messages WHERE chat_id = ? AND key = ?", (chat_id, key)).fetchone()
        return _row(row) if row else None

    def key_of(self, chat_id: int, message_id: int) -> str:
        """Under which key a message of the chat was sent; "" when it is none of ours."""
        row = self._sql.execute(
            "SELECT key FROM messages WHERE chat_id = ? AND message_id = ?", (chat_id, message_id)
        ).fetchone()
        return row["key"] if row else ""

    def strip(self, chat_id: int, message_id: int) -> None:
        """Take the buttons off one of our messages; one that is none of ours is left alone."""
        row = self.find(chat_id, self.key_of(chat_id, message_id))
        if row is not None and row.content.rows and not row.late:
            self.show(chat_id, row.key, msgspec.structs.replace(row.content, rows=()), Priority.REPLY)

    def drop_unsent(self, chat_id: int, key: str) -> bool:
        """Take back what was never sent. False when it was sent, or there is nothing of that key."""
        cursor = self._sql.execute(
            "DELETE FROM messages WHERE chat_id = ? AND key = ? AND message_id IS NULL AND shown = 0", (chat_id, key)
        )
        return cursor.rowcount == 1

    def waiting(self, chat_id: int) -> list[Row]:
        """Everything of the chat that could leave, first first; undrawn pictures are not there yet."""
        rows = self._sql.execute(
            "SELECT * FROM messages WHERE chat_id = ? AND wanted > shown AND undrawn = 0 ORDER BY priority, queued_ms",
            (chat_id,),
        )
        return [_row(row) for row in rows]

    def undrawn(self) -> Row | None:
        """The most urgent message whose picture is still to be drawn."""
        row = self._sql.execute(
            "SELECT * FROM messages WHERE undrawn = 1 AND wanted > shown ORDER BY priority, queued_ms LIMIT 1"
        ).fetchone()
        return _row(row) if row else None

    def drawn(self, row: Row, png: bytes | None) -> None:
        """A newer wish may ask for another picture meanwhile: then this one is thrown away."""
        self._sql.execute(
            "UPDATE messages SET undrawn = 0, png = ? WHERE chat_id = ? AND key = ? AND wanted = ?",
            (png, row.chat_id, row.key, row.version),
        )
        self.ring()


class Ledger:
    """The sender's side of the same rows: what became of each."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._sql = store.sql
        self._now_ms = now_ms

    def shown(self, row: Row, content: Content, message_id: int | None) -> None:
        """It stands in the chat as `content`; a wish made while it was under way stays a wish."""
        self._sql.execute(
            "UPDATE messages SET shown = ?1, shown_content = ?2, message_id = ?3, shown_ms = ?4, attempts = 0,"
            " png = CASE WHEN wanted = ?1 THEN NULL ELSE png END WHERE chat_id = ?5 AND key = ?6",
            (row.version, msgspec.json.encode(content), message_id, self._now_ms(), row.chat_id, row.key),
        )

    def settled(self, row: Row) -> None:
        """Nothing to say after all: the renderer found no difference, or the message cannot be said."""
        self._sql.execute(
            "UPDATE messages SET shown = ? WHERE chat_id = ? AND key = ?", (row.version, row.chat_id, row.key)
        )

    def failed(self, row: Row, again_ms: int) -> None:
        self._sql.execute(
            "UPDATE messages SET attempts = attempts + 1, due_ms = ? WHERE chat_id = ? AND key = ?",
            (again_ms, row.chat_id, row.key),
        )

    def lost(self, row: Row) -> None:
        """The message in the chat is gone (deleted by its reader): it becomes a new one, its picture drawn again."""
        redraw = row.content.picture is not None and row.png is None
        self._sql.execute(
            "UPDATE messages SET message_id = NULL, undrawn = max(undrawn, ?) WHERE chat_id = ? AND key = ?",
            (redraw, row.chat_id, row.key),
        )


def _undrawn(content: Content) -> bool:
    return content.picture is not None


def _row(row: sqlite3.Row) -> Row:
    return Row(
        chat_id=row["chat_id"],
        key=row["key"],
        content=_content.decode(row["content"]),
        shown=_content.decode(row["shown_content"]) if row["shown_content"] else None,
        late=row["late"],
        priority=Priority(row["priority"]),
        silent=bool(row["silent"]),
        pinned=bool(row["pinned"]),
        message_id=row["message_id"],
        version=row["wanted"],
        due_ms=row["due_ms"],
        attempts=row["attempts"],
        png=row["png"],
    )
