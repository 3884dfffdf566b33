"""Wiring and life of the bot process: the only file that knows everybody in bot/."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import ClientDecodeError, TelegramAPIError
from aiogram.methods import PinChatMessage
from aiogram.types import Update
from msgspec import Struct

from bot import config as configuration
from bot.alerts import Alerts
from bot.budget import Budget
from bot.cards import Cards
from bot.config import BotConfig, User
from bot.delivery import ChatWorker, Parts, Renderer, is_dead
from bot.gate import Authorise, Permit
from bot.halts import Halts
from bot.handlers import (
    alerts,
    curve,
    halt,
    look,
    markets,
    money,
    orders,
    perps,
    presses,
    repair,
    start,
    strategies,
    taps,
)
from bot.menu import offer_commands
from bot.notify import Heart, notify
from bot.office import Office
from bot.orders import Orders
from bot.outbox import Outbox, Priority
from bot.painter import Painter
from bot.poll import Poller, TokenRefused
from bot.presses import Presses
from bot.report import Reports
from bot.silence import Silence
from bot.store import Store
from bot.views import notices
from bot.views.content import Content
from bot.watch import Watch
from engine.control.client import Door
from engine.control.messages import AlertView

log = logging.getLogger("premia.bot")

_LAST_WORDS_S = 8.0  # for what is under way when the process is told to stop
_HOUSEKEEPING_S = 6 * 3600
_DOOR_TIMEOUT_MS = 2_000  # a hanging engine must not hold the next command for long


class Pace(Struct, frozen=True, kw_only=True):
    """How eager the parts are."""

    warm_up: bool = True  # load the drawing library before the first picture is asked for
    watch_every_s: float = 3.0
    report_retry_s: float = 20.0


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class App:
    """All parts of one bot. Use as `async with App(config, token) as app: await app.run()`."""

    def __init__(
        self,
        config: BotConfig,
        token: str,
        now_ms: Callable[[], int] = wall_ms,
        pace: Pace = Pace(),
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._now_ms = now_ms
        self._pace = pace
        self._heart = Heart()
        self.stopping = asyncio.Event()
        server = TelegramAPIServer.from_base(config.telegram.api_base)
        self.bot = Bot(token, session=AiohttpSession(api=server))
        self.door = _door(config)
        self.store = Store(config.database)
        if not self.store.fact("born_ms"):
            self.store.remember("born_ms", str(now_ms()))
        self.outbox = Outbox(self.store, now_ms, config.telegram.card_edit_every_s * 1000)
        self.office = self._office()
        self.silence = Silence(self.office, now_s, pace.watch_every_s)
        self.dispatcher = dispatcher(self.office)

    def _office(self) -> Office:
        presses_ = Presses(self.store)
        # Cards and Office know each other's readers only through these two functions.
        cards = Cards(
            self.store,
            presses_,
            self.door,
            lambda chat_id: self.office.reader(self._user(chat_id)),
            lambda actor: self.office.name_of(actor),
            self._now_ms,
        )
        return Office(
            config=self._config,
            bot=self.bot,
            door=self.door,
            store=self.store,
            outbox=self.outbox,
            presses=presses_,
            halts=Halts(self.store),
            cards=cards,
            orders=Orders(
                self.store,
                self.outbox,
                presses_,
                lambda chat_id: self.office.reader(self._user(chat_id)),
                self._now_ms,
            ),
            now_ms=self._now_ms,
        )

    def _user(self, chat_id: int) -> User:
        """The person of a chat; somebody who was taken off the list since is a viewer who hears nothing."""
        return self.office.user(chat_id) or User(id=chat_id, role="viewer")

    async def __aenter__(self) -> "App":
        await self.door.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.door.__aexit__(None, None, None)
        await self.bot.session.close()
        self.store.close()

    async def run(self) -> None:
        """Until `stopping` is set. Raises an ExceptionGroup with TokenRefused, or with a fault of our own."""
        log.info("started instance=%s users=%s", self._config.instance, len(self._config.telegram.users))
        async with asyncio.TaskGroup() as tasks:
            steady = [tasks.create_task(work, name=name) for name, work in self._steady().items()]
            free = [tasks.create_task(work, name=name) for name, work in self._free().items()]
            notify("READY=1")
            await self.stopping.wait()
            log.info("stopping")
            notify("STOPPING=1")
            self.outbox.ring()
            for task in free:
                task.cancel()
            _, late = await asyncio.wait(steady, timeout=_LAST_WORDS_S)
            for task in late:
                task.cancel()

    def stop(self) -> None:
        self.stopping.set()

    def _steady(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """What finishes the thing in its hand when the process is told to stop."""
        poller = Poller(
            self.bot,
            self.store,
            self.handle,
            is_urgent=halt.is_stop,
            on_conflict=self._on_conflict,
            answered=self.silence.answered,
            progress=self._heart.beat,
            now_ms=self._now_ms,
        )
        work: dict[str, Coroutine[Any, Any, None]] = {"poll": poller.run(self.stopping)}
        telegram = self._config.telegram
        for user in telegram.users:
            budget = Budget(telegram.messages_per_minute, telegram.burst, self._now_ms())
            work[f"chat {user.id}"] = ChatWorker(self._parts(), user.id, budget).run(self.stopping)
        return work

    def _free(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """What may be cut off anywhere: it begins again where it was."""
        return {
            "painter": Painter(self.outbox).run(self.stopping, warm_up=self._pace.warm_up),
            "alerts": Alerts(self.office).run(),
            "silence": self.silence.run(),
            "watch": Watch(self.office, self._pace.watch_every_s).run(),
            "reports": Reports(self.office, self._pace.report_retry_s).run(),
            "menus": self._offer_menus(),
            "heart": self._heart.run(),
            "housekeeping": self._housekeeping(),
        }

    def _parts(self) -> Parts:
        renderers: dict[str, Renderer] = {
            "card": self.office.cards.render,
            "trade": self.office.cards.render_trade,
            "order": self.office.orders.render,
        }
        return Parts(
            bot=self.bot,
            store=self.store,
            outbox=self.outbox,
            renderers=renderers,
            now_ms=self._now_ms,
            pin=self._pin,
            language_of=lambda chat_id: self.office.reader(self._user(chat_id)).language,
            on_dead=self._on_dead,
        )

    async def handle(self, update: Update) -> None:
        """One update through the dispatcher. The one place that catches everything: a fault in one command is told to
        its sender and logged, and must not take the kill switch away from the others."""
        try:
            await self.dispatcher.feed_update(self.bot, update)
        except Exception:
            log.exception("update_failed id=%s", update.update_id)
            event = update.message or update.callback_query
            user = self.office.user(event.from_user.id) if event and event.from_user else None
            if user is not None:
                content = Content(text=self.office.reader(user).say("fault.internal"))
                self.outbox.post(user.id, f"fault:{update.update_id}", content, Priority.REPLY)

    async def _housekeeping(self) -> None:
        while True:
            self.store.forget_old(self._now_ms())
            await asyncio.sleep(_HOUSEKEEPING_S)

    async def _offer_menus(self) -> None:
        """Once per start; a chat that was never opened gets its menu with /start."""
        for user in self._config.telegram.users:
            await offer_commands(self.bot, user, self.office.reader(user).language)

    async def _pin(self, chat_id: int, message_id: int) -> None:
        try:
            await self.bot(PinChatMessage(chat_id=chat_id, message_id=message_id, disable_notification=True))
        except (TelegramAPIError, ClientDecodeError) as error:
            log.warning("not_pinned chat=%s error=%s", chat_id, error)

    def _on_conflict(self) -> None:
        self._tell_owners("bot_conflict", "conflict.text", except_for=0)

    def _on_dead(self, chat_id: int, why: str) -> None:
        """Somebody cannot be reached any more: the others' owner hears it in a chat of their own."""
        log.error("chat_dead chat=%s reason=%r", chat_id, why)
        self._tell_owners(
            "chat_dead", "chat_dead.text", except_for=chat_id, name=self._user(chat_id).name, id=chat_id, reason=why
        )

    def _tell_owners(self, rule: str, text_key: str, *, except_for: int, **values: object) -> None:
        for user in self._config.telegram.users:
            if user.role != "owner" or user.id == except_for or is_dead(self.store, user.id):
                continue
            reader = self.office.reader(user)
            view = AlertView(rule=rule, text=reader.plain(text_key, **values))
            key = f"{rule}:{except_for}:{self._now_ms()}"
            self.outbox.post(user.id, key, notices.alert(reader, view, "crit"), Priority.CRITICAL)


def dispatcher(office: Office) -> Dispatcher:
    """Every update passes Authorise; every handler passes Permit. The order of routers is the order of looking."""
    made = Dispatcher(disable_fsm=True)
    made.update.outer_middleware(Authorise(office))
    for observer in (made.message, made.callback_query, made.my_chat_member):
        observer.middleware(Permit())
    for module in (halt, taps, orders, presses, start, perps, look, markets, alerts, money, strategies, curve, repair):
        made.include_router(module.routes())
    made.include_router(start.rest())
    return made


def _door(config: BotConfig) -> Door:
    if config.control.tcp_port:
        url = f"http://127.0.0.1:{config.control.tcp_port}"
        return Door(url=url, token=configuration.secret("PREMIA_CONTROL_TOKEN"), timeout_ms=_DOOR_TIMEOUT_MS)
    return Door(socket=config.socket, timeout_ms=_DOOR_TIMEOUT_MS)


async def serve(config: BotConfig, token: str) -> None:
    """The whole life of the process, until SIGTERM or SIGINT."""
    async with App(config, token) as app:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, app.stop)
        try:
            await app.run()
        except* TokenRefused:
            await app.silence.token_refused()
            raise
