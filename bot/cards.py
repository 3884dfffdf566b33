"""Which opportunity stands on which card, and how a card looks at this moment.

A card's slot is one message per chat. An opportunity that comes back soon after it died takes its old slot: the card in
the chat lives on instead of a new one ringing.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct

from bot.presses import Presses
from bot.store import Store
from bot.views.card import Extras, Quote, card
from bot.views.content import Content
from bot.views.reader import Reader
from bot.views.receipt import receipt
from engine.control.client import Door, DoorUnavailable
from engine.control.messages import OpportunityView, TokenView, TradeView

RETURN_MS = 60_000
KEPT = 300  # cards at hand; older ones have ended long ago and stay as they are in the chat
_HALF = Decimal("0.5")
_NOTE_MS = 20_000
_RENEW_BEFORE_MS = 8_000  # of the 20 s that a token lives
_BUTTON_TTL_MS = 3_600_000


class Card(Struct, kw_only=True):
    slot: str  # the message's key in every chat
    view: OpportunityView
    trade: TradeView | None = None
    notes: dict[int, tuple[str, int]] = {}  # chat -> HTML of what came of its last tap, and until when it is shown
    buttons: dict[int, tuple[str, str]] = {}  # chat -> callback data of skip and mute
    muted: bool = False

    @property
    def is_live(self) -> bool:
        return self.trade is None and self.view.state == "live"


class Cards:
    def __init__(
        self,
        store: Store,
        presses: Presses,
        door: Door,
        reader_of: Callable[[int], Reader],
        name_of: Callable[[str], str],
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._presses = presses
        self._door = door
        self._reader_of = reader_of
        self._name_of = name_of
        self._now_ms = now_ms
        self._cards = self._load()
        self.engine_up = True

    def _load(self) -> dict[str, Card]:
        rows = self._store.sql.execute(
            "SELECT * FROM (SELECT * FROM cards ORDER BY seen_ms DESC LIMIT ?) ORDER BY seen_ms", (KEPT,)
        )
        return {
            row["opportunity_id"]: Card(
                slot=row["slot"],
                view=OpportunityView.model_validate_json(row["view"]),
                trade=TradeView.model_validate_json(row["trade"]) if row["trade"] else None,
                notes={},
                buttons={},
            )
            for row in rows
        }

    def find(self, opportunity_id: str) -> Card | None:
        return self._cards.get(opportunity_id)

    def in_slot(self, slot: str) -> Card | None:
        """The newest opportunity that uses this message."""
        return next((card for card in reversed(self._cards.values()) if card.slot == slot), None)

    def live(self) -> list[Card]:
        return [card for card in self._cards.values() if card.is_live]

    def open(self, view: OpportunityView) -> Card:
        """A card for an opportunity that has none yet."""
        since_ms = self._now_ms() - RETURN_MS
        slot = f"card:{view.id}"
        for old in reversed(self._cards.values()):
            if old.view.key == view.key and old.trade is None and old.view.state == "expired":
                if old.view.updated_ms >= since_ms:
                    slot = old.slot
                break
        card = Card(slot=slot, view=view, notes={}, buttons={})
        self._cards[view.id] = card
        if len(self._cards) > KEPT:
            del self._cards[next(iter(self._cards))]
        self._save(card)
        return card

    def renew(self, card: Card, view: OpportunityView) -> bool:
        """Take a newer view. True when its state changed; only then it is written down."""
        changed = card.view.state != view.state
        card.view = view
        if changed:
            card.notes, card.buttons = {}, {}
            self._save(card)
        return changed

    def trade(self, card: Card, trade: TradeView) -> bool:
        """Take a newer receipt. False when it is the same as before."""
        if card.trade == trade:
            return False
        card.trade, card.notes = trade, {}
        self._save(card)
        return True

    def _save(self, card: Card) -> None:
        self._store.sql.execute(
            "INSERT INTO cards VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET view = ?4, trade = ?5",
            (
                *(card.view.id, card.slot, card.view.key, card.view.model_dump_json()),
                *(card.trade.model_dump_json() if card.trade else None, self._now_ms()),
            ),
        )

    async def render(self, chat_id: int, key: str, shown: Content | None) -> Content | None:
        """The outbox's renderer `card`: how the message under `key` should look now; None when it may stay as it is."""
        found = self.in_slot(key)
        if found is None:
            return None
        reader = self._reader_of(chat_id)
        if not found.is_live:
            return self._ended(found, chat_id, reader, shown)
        extras = self._live_extras(found, chat_id, reader)
        plain = card(reader, found.view, None, None, extras)
        if shown is not None and shown.core == plain.core and bool(shown.rows) == self._has_buttons(reader):
            still_ms = shown.fresh_until_ms - self._now_ms()
            if still_ms > _RENEW_BEFORE_MS or not self._can_execute(found, reader):
                return None
        quote = await self._quote(found, chat_id) if self._can_execute(found, reader) else None
        if not found.is_live:  # it ended while the engine was asked
            return self._ended(found, chat_id, reader, shown)
        return card(reader, found.view, None, quote, extras)

    def _ended(self, found: Card, chat_id: int, reader: Reader, shown: Content | None) -> Content | None:
        made = card(reader, found.view, found.trade, None, self._ended_extras(found, chat_id))
        return None if shown == made else made

    def _has_buttons(self, reader: Reader) -> bool:
        return self.engine_up and reader.may("trader")

    def _can_execute(self, found: Card, reader: Reader) -> bool:
        return self._has_buttons(reader) and found.view.mode in ("confirm", "auto")

    def note(self, found: Card, chat_id: int, html: str) -> None:
        """Show on this chat's card what came of its tap."""
        found.notes[chat_id] = (html, self._now_ms() + _NOTE_MS)

    def _note(self, found: Card, chat_id: int) -> str:
        html, until_ms = found.notes.get(chat_id, ("", 0))
        return html if until_ms > self._now_ms() else ""

    def _ended_extras(self, found: Card, chat_id: int) -> Extras:
        actor = self._name_of(found.trade.actor) if found.trade and found.trade.actor != "auto" else ""
        undo = ""
        if found.muted and self._reader_of(chat_id).may("trader"):
            undo = self._bound(found, chat_id, ("unmute", "unmute"))[1]
        return Extras(note=self._note(found, chat_id), actor=actor, mute=undo)

    def _live_extras(self, found: Card, chat_id: int, reader: Reader) -> Extras:
        note = self._note(found, chat_id)
        if not self.engine_up:
            return Extras(note=reader.say("engine.down_reply"))
        if not reader.may("trader"):
            return Extras(note=note)
        skip, mute = self._bound(found, chat_id, ("skip", "mute"))
        return Extras(skip=skip, mute=mute, note=note)

    def _bound(self, found: Card, chat_id: int, actions: tuple[str, str]) -> tuple[str, str]:
        """Callback data of the card's lesser buttons: bound once per chat, not at every edit."""
        if chat_id not in found.buttons:
            until_ms = self._now_ms() + _BUTTON_TTL_MS
            data = {"id": found.view.id, "key": found.view.key}
            first, second = (self._presses.bind(chat_id, action, data, until_ms) for action in actions)
            found.buttons[chat_id] = (first, second)
        return found.buttons[chat_id]

    async def _quote(self, found: Card, chat_id: int) -> Quote | None:
        """Fresh tokens for both sizes; None when the engine would not quote. The card takes over the quoted view."""
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._token(found.view.id, chat_id, Decimal(1)))
            asking_half = tasks.create_task(self._token(found.view.id, chat_id, _HALF))
        full, half = asking.result(), asking_half.result()
        if full is None:
            return None
        if found.is_live and full.opportunity.updated_ms >= found.view.updated_ms:
            found.view = full.opportunity
        return Quote(
            full=f"x:{full.token}",
            full_krw=full.notional_krw,
            half=f"x:{half.token}" if half else "",
            half_krw=half.notional_krw if half else Decimal(0),
            expires_ms=min(full.expires_ms, half.expires_ms) if half else full.expires_ms,
        )

    async def _token(self, opportunity_id: str, chat_id: int, fraction: Decimal) -> TokenView | None:
        commands = self._door.commands(f"telegram:{chat_id}")
        try:
            made = await commands.issue_token(opportunity_id, chat_id, chat_id, fraction)
        except DoorUnavailable:
            return None
        return TokenView.model_validate(made.body) if made.ok else None

    async def render_trade(self, chat_id: int, key: str, shown: Content | None) -> Content | None:
        """The outbox's renderer `trade`: a receipt without a card, of a trade that nobody had to confirm."""
        row = self._store.fact(key)
        if not row:
            return None
        made = receipt(self._reader_of(chat_id), TradeView.model_validate_json(row))
        return None if made == shown else made
