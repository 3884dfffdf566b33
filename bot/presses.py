"""What a button means: kept here under a random token, because callback data can be forged and lists can move.

A token binds one action, its parameters, one person, one chat and an end; it is used once, and a second press gets
the first press's answer.
"""

import secrets
from typing import Any

import msgspec
from msgspec import Struct

from bot.store import Store

PREFIX = "p:"


class Press(Struct, frozen=True, kw_only=True):
    token: str
    action: str
    data: dict[str, Any]
    answer: str | None  # of an earlier press, None when this is the first


class Presses:
    def __init__(self, store: Store) -> None:
        self._sql = store.sql

    def bind(self, chat_id: int, action: str, data: dict[str, Any], expires_ms: int) -> str:
        """Callback data for one button; the chat is private, so its id is the person's too."""
        token = secrets.token_urlsafe(9)
        body = msgspec.json.encode(data).decode()
        self._sql.execute(
            "INSERT INTO presses VALUES (?, ?, ?, ?, ?, ?, NULL)", (token, chat_id, chat_id, action, body, expires_ms)
        )
        return PREFIX + token

    def find(self, callback_data: str, chat_id: int, user_id: int, now_ms: int) -> Press | None:
        """None when it is unknown, somebody else's or, unless it was answered before, too old."""
        row = self._sql.execute(
            "SELECT * FROM presses WHERE token = ? AND chat_id = ? AND user_id = ?",
            (callback_data.removeprefix(PREFIX), chat_id, user_id),
        ).fetchone()
        if row is None or (row["answer"] is None and row["expires_ms"] < now_ms):
            return None
        return Press(
            token=row["token"], action=row["action"], data=msgspec.json.decode(row["data"]), answer=row["answer"]
        )

    def answered(self, token: str, answer: str) -> None:
        self._sql.execute("UPDATE presses SET answer = ? WHERE token = ?", (answer, token))
