"""The engine's notices -> cards, receipts, alerts: who is told, how loudly, and under which key only once."""

import asyncio
import logging

from bot.cards import Card
from bot.config import User
from bot.faults import NOT_MADE
from bot.office import Office
from bot.outbox import Priority
from bot.views import left_naked, notices
from bot.views.content import Button, Content
from bot.views.orders import OVER
from engine.control.client import DoorRefused, DoorUnavailable
from engine.control.messages import AlertView, Event, OpportunityView, StatusView, TradeView

log = logging.getLogger("premia.bot.alerts")

ACTOR = "bot"
MAX_LIVE_CARDS = 5  # more at once would spend the chat's budget on edits; the others are in /opps
SETTLING_MS = 600  # most trades are over by then: one edit shows tap and receipt instead of three
COMPANY_MS = 2_000
_SAME_START_MS = 5_000
_BUTTONS_TTL_MS = 24 * 3_600_000
_REFUSED_PAUSE_S = 10.0


class Alerts:
    """One consumer of the event stream. Stored events are acknowledged after their messages stand in the outbox."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._bot_is_new = True

    async def run(self) -> None:
        """For ever; the door reconnects by itself."""
        while True:
            since = int(self._office.store.fact("event", "-1"))  # -1: from now on
            try:
                async for event in self._office.door.events(ACTOR, since):
                    try:
                        await self.take(event)
                    except NOT_MADE:
                        log.exception("event_not_shown id=%s kind=%s key=%s", event.id, event.kind, event.key)
                    if event.id:
                        self._office.store.remember("event", str(event.id))
            except DoorRefused as error:
                log.error("events_refused error=%s", error)
                await asyncio.sleep(_REFUSED_PAUSE_S)

    async def take(self, event: Event) -> None:
        if event.id and event.wall_ms < int(self._office.store.fact("born_ms", "0")):
            return  # the engine's past, from before this bot first ran
        match event.kind:
            case "connected":
                self._begin(event)
                await self._catch_up()
            case "opportunity":
                self.opportunity(event.opportunity())
            case "trade":
                self.trade(event.trade())
            case "parent":
                self._office.orders.take(event.parent(), [user.id for user in self._users])
            case "alert":
                self._alert(event)
            case "halt":
                self._halt(event)
            case "settings":
                self._settings(event)
            case _:
                pass  # refusals are read on demand: /why

    def _begin(self, event: Event) -> None:
        """The first connection ever: what the engine told before is not news. From here on nothing is skipped."""
        if not self._office.store.fact("event"):
            self._office.store.remember("event", str(event.body.get("newest", 0)))

    @property
    def _users(self) -> tuple[User, ...]:
        return self._office.config.telegram.users

    async def _catch_up(self) -> None:
        """After each (re)connection: what lives, what died meanwhile, and one message if somebody restarted."""
        reads = self._office.door.reads(ACTOR)
        try:
            status, views, trades = await reads.status(), await reads.opportunities(), await reads.trades()
            parents = await reads.parents()
        except (DoorUnavailable, DoorRefused) as error:
            log.warning("catch_up_failed error=%s", error)
            return
        self._announce(status)
        self._office.cards.engine_up = True
        known = {view.id for view in views}
        for card in self._office.cards.live():
            if card.view.id not in known:
                self._change(card, card.view.model_copy(update={"state": "expired", "reason": ""}))
        for view in reversed(views):
            self.opportunity(view)
        for parent in reversed(parents):
            if parent.state not in OVER or self._office.orders.knows(parent.id):
                self._office.orders.take(parent, [user.id for user in self._users])
        for trade in reversed(trades):
            # Receipts without a card come by the stored stream, each once.
            if self._office.cards.find(trade.opportunity_id) is not None:
                self.trade(trade)

    def _announce(self, status: StatusView) -> None:
        began_ms = status.wall_ms - status.uptime_ms
        known_ms = int(self._office.store.fact("engine_began_ms", "0"))
        engine_is_new = abs(began_ms - known_ms) > _SAME_START_MS
        if not (engine_is_new or self._bot_is_new):
            return
        for user in self._users:
            content = notices.started(self._office.reader(user), status, bot=self._bot_is_new, engine=engine_is_new)
            key = f"started:{self._office.now_ms()}"
            self._office.outbox.post(user.id, key, content, Priority.REPORT, silent=True)
        self._office.store.remember("engine_began_ms", str(began_ms))
        self._bot_is_new = False

    def opportunity(self, view: OpportunityView) -> None:
        """A card where one is due; the newest view for one that stands; nothing for what is only counted."""
        card = self._office.cards.find(view.id)
        if card is not None:
            self._change(card, view)
        elif view.state == "live" and self._deserves_card(view):
            card = self._office.cards.open(view)
            log.info("card opportunity=%s key=%s slot=%s", view.id, view.key, card.slot)
            for user in self._users:
                self._office.outbox.touch(user.id, card.slot, "card", Priority.CARD)

    def _deserves_card(self, view: OpportunityView) -> bool:
        if len(self._office.cards.live()) >= MAX_LIVE_CARDS:
            return False
        if view.mode == "alert":
            return view.net >= float(self._office.config.telegram.alert_min_net)
        # In auto mode only what auto leaves to a person.
        return view.mode == "confirm" or (view.mode == "auto" and "anomaly" in view.flags)

    def _change(self, card: Card, view: OpportunityView) -> None:
        if not card.is_live and view.state == "live":
            return
        if card.is_live and view.state == "live":
            self._office.cards.renew(card, view)
            for user in self._users:
                self._office.outbox.renew(user.id, card.slot, "card")
        elif self._office.cards.renew(card, view):
            self._end(card)

    def _end(self, card: Card) -> None:
        """An ended card is edited once more; one that never left for the chat is taken back."""
        urgent = card.view.state in ("executing", "executed")
        for user in self._users:
            if urgent:
                self._office.outbox.touch(user.id, card.slot, "card", Priority.FILL, in_ms=SETTLING_MS)
            elif not self._office.outbox.drop_unsent(user.id, card.slot):
                self._office.outbox.touch(user.id, card.slot, "card", Priority.EDIT)

    def trade(self, trade: TradeView) -> None:
        """The receipt goes onto its card; without a card it is a message of its own."""
        card = self._office.cards.find(trade.opportunity_id)
        if card is not None:
            if self._office.cards.trade(card, trade):
                for user in self._users:
                    self._office.outbox.touch(user.id, card.slot, "card", Priority.FILL, in_ms=_settling_ms(trade))
            return
        if trade.strategy == "order" and trade.state != "dead_letter":
            return  # a slice of a person's order: its own card tells of it
        key = f"trade:{trade.id}"
        body = trade.model_dump_json()
        if self._office.store.fact(key) == body:
            return
        self._office.store.remember(key, body)
        for user in self._users:
            self._office.outbox.touch(user.id, key, "trade", Priority.FILL, in_ms=_settling_ms(trade))

    def _alert(self, event: Event) -> None:
        view = event.alert()
        priority = {"crit": Priority.CRITICAL, "warn": Priority.CARD, "info": Priority.REPORT}[event.severity]
        for user in self._users:
            held_before = _held_before(view, f"telegram:{user.id}")
            if held_before < 0:
                continue
            rows = self._buttons(user, view)
            content = notices.alert(self._office.reader(user), view, event.severity, held_before, rows)
            self._once(
                user, f"alert:{event.id or event.wall_ms}:{event.key}", content, priority, event.severity == "info"
            )

    def _buttons(self, user: User, view: AlertView) -> list[list[Button]]:
        """What a person can do about it: mute its like, and an owner let a market out of quarantine."""
        reader, rows = self._office.reader(user), []
        expires_ms = self._office.now_ms() + _BUTTONS_TTL_MS
        if view.rule == "quarantined" and "off" in view.numbers and user.may("owner"):
            data = {"venue": view.venue, "symbol": view.symbol, "why": view.text}
            text = reader.plain("button.release", market=f"{reader.named('venue', view.venue)} {view.symbol}")
            rows.append([Button(text=text, data=self._office.presses.bind(user.id, "ask_release", data, expires_ms))])
        if view.kind != "desk":
            step = {"step": "scope", "kind": view.kind, "venue": view.venue, "coin": view.coin, "new": True}
            data_ = self._office.presses.bind(user.id, "alerts_ask", step, expires_ms)
            rows.append([Button(text=reader.plain("button.mute_like"), data=data_)])
        return rows

    def _halt(self, event: Event) -> None:
        """Everybody hears of a halt, except who gave the command and has its answer already."""
        level, actor = int(event.body.get("level", 0)), str(event.body.get("actor", ""))
        for user in self._users:
            if actor == f"telegram:{user.id}":
                continue
            reader = self._office.reader(user)
            who = self._office.name_of(actor)
            if level:
                name = reader.named("level", str(level))
                said = reader.say("halt.notice", level=name, actor=who, reason=event.body.get("reason", ""))
                content = Content(text="\n".join([said, *left_naked.lines(reader, event.body)]))
            else:
                content = Content(text=reader.say("halt.resumed", actor=who))
            self._once(user, f"halt:{event.id or event.wall_ms}", content, Priority.CRITICAL, False)

    def _settings(self, event: Event) -> None:
        actor = str(event.body.get("actor", ""))
        for user in self._users:
            if actor == f"telegram:{user.id}":
                continue
            reader = self._office.reader(user)
            text = reader.say(
                "strategies.changed",
                name=reader.named("strategy", str(event.body.get("name", ""))),
                version=event.body.get("version", ""),
                actor=self._office.name_of(actor),
                text=event.body.get("text", ""),
            )
            content = Content(text=text, brief=text.split("\n")[0])
            self._once(user, f"settings:{event.id or event.wall_ms}", content, Priority.REPORT, True)

    def _once(self, user: User, key: str, content: Content, priority: Priority, silent: bool) -> None:
        """What is silent is in no hurry: it waits for others of its kind, to come as one message."""
        in_ms = COMPANY_MS if silent else 0
        self._office.outbox.post(user.id, key, content, priority, silent=silent, in_ms=in_ms)


def _held_before(view: AlertView, actor: str) -> int:
    """How many alerts were held back for a person before this one; -1: this one is, too, or is for somebody else."""
    if view.only not in ("", actor):
        return -1
    if view.rule == "held_back" and not view.only and actor in view.heard:
        return -1  # the desk's count: who has settings of their own has a count of their own
    return view.heard.get(actor, view.heard.get("desk", 0))


def _settling_ms(trade: TradeView) -> int:
    """What still works may be over in a moment; what is over, or went wrong, is told at once."""
    return SETTLING_MS if trade.state == "working" else 0
