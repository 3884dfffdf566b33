"""Notices to whoever listens: stored ones by id, at least once; of live ones the newest per key."""

import asyncio
import logging
from collections import deque
from functools import partial

import msgspec

from engine.control.archive import History, Keeper
from engine.domain.effect import Notice
from engine.domain.errors import StoreUnavailable
from engine.domain.report import StoredNotice

log = logging.getLogger(__name__)

LIVE_KINDS = frozenset({"opportunity", "parent", "refusal"})  # everything else must not be lost
_RECENT = 500  # stored notices kept at hand, so that a reader who keeps up costs no query
_PAGE = 200
_LIVE_KEYS = 500  # per reader; beyond it the oldest key is dropped, for /opportunities has them all
_URGENT = 200
_LOOK_EVERY_S = 0.5
_STORED_WITHIN_S = 5.0  # a store that says nothing for so long hangs

Frame = dict[str, object]


class Reader:
    """One listener's place in the stream. Holds no stored notices, only how far it has read."""

    def __init__(self, last_id: int) -> None:
        self.last_id = last_id
        self.wake = asyncio.Event()
        self._live: dict[tuple[str, str], Notice] = {}
        self._urgent: deque[Notice] = deque(maxlen=_URGENT)
        self._told: deque[Notice] = deque(maxlen=_URGENT)

    def offer(self, notice: Notice) -> None:
        """A live notice: it takes the place of an unread one with its key."""
        key = (notice.kind, notice.key)
        self._live.pop(key, None)
        self._live[key] = notice
        if len(self._live) > _LIVE_KEYS:
            del self._live[next(iter(self._live))]
        self.wake.set()

    def tell_now(self, notice: Notice) -> None:
        """A notice that should be stored and cannot be yet."""
        self._urgent.append(notice)
        self.wake.set()

    def unstored(self) -> list[Notice]:
        """What is to be sent without an id, urgent first."""
        urgent = list(self._urgent)
        self._urgent.clear()
        self._told.extend(urgent)
        live = list(self._live.values())
        self._live.clear()
        return urgent + live

    def heard(self, stored: StoredNotice) -> bool:
        """True when this was sent already, before it could be stored."""
        return any(
            (told.kind, told.key, told.wall_ms, told.body) == (stored.kind, stored.key, stored.wall_ms, stored.body)
            for told in self._told
        )


class Stream:
    """Give `take` to `Desk.subscribe`. Stored kinds go out when durable, in order. While the store has a problem they
    go out at once, without an id: when the disk is full, the alert that says so must still ring.
    """

    def __init__(self, keeper: Keeper, history: History) -> None:
        self._keeper = keeper
        self._history = history
        self._readers: set[Reader] = set()
        self._recent: deque[StoredNotice] = deque(maxlen=_RECENT)

    @property
    def newest_id(self) -> int:
        return self._recent[-1].id if self._recent else self._keeper.newest_notice

    def take(self, notice: Notice) -> None:
        if notice.kind in LIVE_KINDS:
            for reader in self._readers:
                reader.offer(notice)
            return
        durable = self._keeper.notice(notice)
        self._watch(notice, durable, 0.0)
        durable.add_done_callback(partial(self._stored, notice))

    def _watch(self, notice: Notice, durable: asyncio.Future[int], waited_s: float) -> None:
        is_stored = durable.done() and not durable.cancelled() and durable.exception() is None
        if is_stored:
            return
        if durable.done() or self._keeper.problem or waited_s >= _STORED_WITHIN_S:
            for reader in self._readers:
                reader.tell_now(notice)
            return
        loop = asyncio.get_running_loop()
        loop.call_later(_LOOK_EVERY_S, self._watch, notice, durable, waited_s + _LOOK_EVERY_S)

    def _stored(self, notice: Notice, durable: asyncio.Future[int]) -> None:
        if durable.cancelled():
            return
        if durable.exception() is not None:
            log.error("notice_lost kind=%s key=%s reason=%r", notice.kind, notice.key, str(durable.exception()))
            return  # `_watch` tells the readers who are here
        fields = {name: getattr(notice, name) for name in ("kind", "key", "wall_ms", "body")}
        self._recent.append(StoredNotice(id=durable.result(), severity=notice.severity.value, **fields))
        for reader in self._readers:
            reader.wake.set()

    def join(self, since: int) -> Reader:
        """Stored notices above `since` come first; a negative one, or one above the newest, means from now on."""
        newest = self.newest_id
        reader = Reader(newest if since < 0 else min(since, newest))
        reader.wake.set()
        self._readers.add(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        self._readers.discard(reader)

    async def stored_after(self, last_id: int) -> list[StoredNotice]:
        """The next stored notices in order; [] when there are none. From memory when the store cannot be read."""
        if last_id >= self.newest_id:
            return []
        recent = [notice for notice in self._recent if notice.id > last_id]
        if recent and recent[0].id == last_id + 1:
            return recent[:_PAGE]
        try:
            return await self._history.notices_after(last_id, _PAGE)
        except StoreUnavailable as error:
            log.error("notices_unread after=%d reason=%r", last_id, str(error))
            return recent[:_PAGE]


def frame(notice: Notice | StoredNotice) -> bytes:
    """One message of /ws/events."""
    return msgspec.json.encode(
        {
            "id": notice.id if isinstance(notice, StoredNotice) else 0,
            "kind": notice.kind,
            "key": notice.key,
            "severity": notice.severity,
            "wall_ms": notice.wall_ms,
            "body": msgspec.Raw(notice.body or b"{}"),
        }
    )


def greeting(newest_id: int, wall_ms: int) -> bytes:
    """The first message of a connection: whoever hears it reads again what is live."""
    return msgspec.json.encode(
        {
            "id": 0,
            "kind": "connected",
            "key": "",
            "severity": "info",
            "wall_ms": wall_ms,
            "body": {"newest": newest_id},
        }
    )
