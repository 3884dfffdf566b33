"""What handlers may use, and who is asking."""

from collections.abc import Callable

from aiogram import Bot
from msgspec import Struct

from bot.cards import Cards
from bot.config import BotConfig, User
from bot.halts import Halts
from bot.orders import Orders
from bot.outbox import Outbox, Priority
from bot.presses import Presses
from bot.store import Store
from bot.views.content import Content
from bot.views.reader import Reader
from engine.control.client import Commands, Door, Reads


class Office(Struct, frozen=True, kw_only=True):
    config: BotConfig
    bot: Bot
    door: Door
    store: Store
    outbox: Outbox
    presses: Presses
    halts: Halts
    cards: Cards
    orders: Orders
    now_ms: Callable[[], int]

    def reader(self, user: User) -> Reader:
        language = self.store.preference(user.id, "language", user.language)
        return Reader(user_id=user.id, role=user.role, language=language, zone=self.config.time_zone)

    def user(self, user_id: int) -> User | None:
        return next((user for user in self.config.telegram.users if user.id == user_id), None)

    def name_of(self, actor: str) -> str:
        """`telegram:1001` as the person's name; another actor as it is."""
        user = next((user for user in self.config.telegram.users if actor == f"telegram:{user.id}"), None)
        return user.name or actor if user else actor


class Asker:
    """One authorised person behind one update. Replies are keyed by the update: a repeated one says nothing new."""

    def __init__(self, office: Office, user: User, update_id: int, age_s: int) -> None:
        self.user = user
        self.reader = office.reader(user)
        self.update_id = update_id
        self.age_s = age_s  # of a message; 0 for a button, whose own record has an end
        self._office = office
        self._replies = 0
        self.answered = False

    @property
    def reads(self) -> Reads:
        return self._office.door.reads(f"telegram:{self.user.id}")

    @property
    def commands(self) -> Commands:
        return self._office.door.commands(f"telegram:{self.user.id}")

    def request_id(self, what: str) -> str:
        """The same for a repeated update: the engine gives its first answer again."""
        return f"tg:{self.update_id}:{what}"

    def say(self, content: Content, priority: Priority = Priority.REPLY) -> str:
        """Reply with a message of its own; its key, for a later edit."""
        self._replies += 1
        key = f"reply:{self.update_id}:{self._replies}"
        self._office.outbox.post(self.user.id, key, content, priority)
        return key

    def tell(self, key: str, /, **values: object) -> None:
        """Reply with one text."""
        self.say(Content(text=self.reader.say(key, **values)))

    def bind(self, action: str, data: dict[str, object], ttl_s: int) -> str:
        """Callback data for a button of this person's that means `action` until then."""
        return self._office.presses.bind(self.user.id, action, data, self._office.now_ms() + ttl_s * 1000)
