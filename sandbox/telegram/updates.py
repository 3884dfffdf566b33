"""The queue of updates one bot has not acknowledged yet. No clock, no I/O: the time is an argument.

Source: Bot API, getUpdates; the reach of 10 ids past the tail and the forgetting by a negative offset are the
behaviour of the published server.
"""

from collections import deque

import msgspec
from msgspec import Struct

from sandbox.telegram.settings import NS_PER_S

OPT_IN_KINDS = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
FURTHEST_OFFSET = 10


class QueuedUpdate(Struct, frozen=True):
    update_id: int
    kind: str
    body: msgspec.Raw  # encoded when it happened: a later edit does not change it
    expires_ns: int

    def as_wire(self) -> dict[str, int | msgspec.Raw]:
        return {"update_id": self.update_id, self.kind: self.body}


class UpdateQueue:
    def __init__(self, first_id: int) -> None:
        self._next_id = first_id
        self._waiting: deque[QueuedUpdate] = deque()
        self._again: list[QueuedUpdate] = []
        self._repeats_left = 0
        self._held: list[QueuedUpdate] = []  # until the next update comes
        self._after: dict[int, list[QueuedUpdate]] = {}  # and then until that one is acknowledged
        self._holds_left = 0
        self.allowed: frozenset[str] = frozenset()  # empty: everything but the opt-in kinds

    def push(self, kind: str, payload: Struct, keep_s: float, now_ns: int) -> int:
        """The new update's id; 0 when the bot did not ask for this kind (it is then lost, as documented)."""
        if kind not in self.allowed if self.allowed else kind in OPT_IN_KINDS:
            return 0
        update_id = self._next_id
        self._next_id += 1
        body = msgspec.Raw(msgspec.json.encode(payload))
        update = QueuedUpdate(update_id, kind, body, now_ns + int(keep_s * NS_PER_S))
        if self._holds_left > 0:
            self._holds_left -= 1
            self._held.append(update)
            return update_id
        if self._held:
            self._after[update_id], self._held = self._held, []
        self._waiting.append(update)
        return update_id

    def read(self, offset: int, limit: int, now_ns: int) -> list[QueuedUpdate]:
        """Up to `limit` updates, oldest first; everything below `offset` is acknowledged and forgotten."""
        if offset < 0:
            while len(self._waiting) > -offset:
                self._waiting.popleft()
        elif offset <= self._next_id + FURTHEST_OFFSET:
            self._acknowledge(offset)
        self._expire(now_ns)
        again, self._again = self._again[:limit], self._again[limit:]
        fresh = [self._waiting[at] for at in range(min(limit - len(again), len(self._waiting)))]
        return again + fresh

    def pending(self, now_ns: int) -> int:
        self._expire(now_ns)
        return len(self._waiting)

    def clear(self) -> None:
        self._waiting.clear()
        self._again.clear()
        self._held.clear()
        self._after.clear()

    def repeat_next(self, count: int) -> None:
        """A fault: the next `count` acknowledged updates come once more, under their old ids."""
        self._repeats_left += count

    def hold_next(self, count: int) -> None:
        """A fault: each of the next `count` updates comes after the one that follows it, and once: it needs no yes."""
        self._holds_left += count

    def hold_no_more(self) -> None:
        """What is held back comes now."""
        self._again += [*(update for held in self._after.values() for update in held), *self._held]
        self._held, self._after, self._holds_left = [], {}, 0

    def _acknowledge(self, offset: int) -> None:
        while self._waiting and self._waiting[0].update_id < offset:
            done = self._waiting.popleft()
            self._again += self._after.pop(done.update_id, [])
            if self._repeats_left > 0:
                self._repeats_left -= 1
                self._again.append(done)

    def _expire(self, now_ns: int) -> None:
        if any(update.expires_ns <= now_ns for update in self._waiting):
            self._waiting = deque(update for update in self._waiting if update.expires_ns > now_ns)
