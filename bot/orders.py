"""Persons' orders in the chats: one message each, renewed as it goes on, with its buttons bound once."""

from collections.abc import Callable

from bot.outbox import Outbox, Priority
from bot.presses import Presses
from bot.store import Store
from bot.views import orders as views
from bot.views.content import Content
from bot.views.reader import Reader
from engine.control.messages import ParentView

_BUTTON_TTL_MS = 24 * 3_600_000
_PRESSES = ("pause", "resume", "cancel")


class Orders:
    """The newest view of each order stands in the store: a bot that starts again goes on with the same messages."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        presses: Presses,
        reader_of: Callable[[int], Reader],
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._presses = presses
        self._reader_of = reader_of
        self._now_ms = now_ms
        self._buttons: dict[tuple[int, str], dict[str, str]] = {}

    def take(self, view: ParentView, chats: list[int]) -> None:
        """A newer view: a changed state is told at once, progress at the cards' own pace."""
        key = f"order:{view.id}"
        known = self._known(key)
        if known is not None and known.updated_ms > view.updated_ms:
            return
        if known == view:
            return
        self._store.remember(key, view.model_dump_json())
        for chat_id in chats:
            if known is None or known.state != view.state:
                self._outbox.touch(chat_id, key, "order", Priority.FILL)
            else:
                self._outbox.renew(chat_id, key, "order")

    def knows(self, parent_id: str) -> bool:
        return self._known(f"order:{parent_id}") is not None

    def _known(self, key: str) -> ParentView | None:
        row = self._store.fact(key)
        return ParentView.model_validate_json(row) if row else None

    async def render(self, chat_id: int, key: str, shown: Content | None) -> Content | None:
        """The outbox's renderer `order`."""
        view = self._known(key)
        if view is None:
            return None
        reader = self._reader_of(chat_id)
        made = views.card(reader, view, self._bound(chat_id, view) if reader.may("trader") else {})
        unchanged = shown is not None and (made == shown or (made.core and made.core == shown.core))
        return None if unchanged else made

    def _bound(self, chat_id: int, view: ParentView) -> dict[str, str]:
        """Callback data per state of the order: a button works once, and after a pause there is a new one."""
        if view.state in views.OVER:
            return {}
        found = self._buttons.setdefault((chat_id, f"{view.id}:{view.state}:{view.updated_ms}"), {})
        if not found:
            until_ms = self._now_ms() + _BUTTON_TTL_MS
            for to in _PRESSES:
                data = {"id": view.id, "to": to}
                found[to] = self._presses.bind(chat_id, "order_move", data, until_ms)
        return found
