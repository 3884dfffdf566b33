"""Everything the server holds of one bot: chats, updates, files, commands, calls and limits."""

from collections import deque
from collections.abc import Iterable

from msgspec import Struct

from sandbox.telegram.budget import Spending
from sandbox.telegram.changes import Changes
from sandbox.telegram.chat import ChatState, Contact, StoredMessage
from sandbox.telegram.failures import bad_request, forbidden
from sandbox.telegram.faults import Faults
from sandbox.telegram.files import FileStore
from sandbox.telegram.polling import Poller
from sandbox.telegram.settings import NS_PER_MS, BotIdentity, Person, Settings
from sandbox.telegram.updates import UpdateQueue
from sandbox.telegram.wire import BotCommand, Message, User

MAX_CALLS_KEPT = 20_000


class Call(Struct, frozen=True, kw_only=True):
    """One Bot API call as it was answered. `params` hold no file, only its name and size."""

    seq: int
    method: str
    status: int  # HTTP; 0 when the connection was cut on purpose
    description: str
    chat_id: int
    params: dict[str, str]
    started_wall_ms: int
    started_ns: int
    took_us: int


class Webhook(Struct, kw_only=True):
    """Where updates are posted; an empty url means that the bot polls."""

    url: str = ""
    secret_token: str = ""
    max_connections: int = 40
    last_error: str = ""
    last_error_date: int = 0  # Unix seconds


class BotState:
    """Mutable, owned by the server's event loop."""

    def __init__(self, identity: BotIdentity, settings: Settings) -> None:
        self.identity = identity
        self.settings = settings
        self.clock = settings.clock
        self.chats: dict[int, ChatState] = {}
        self.queue = UpdateQueue(settings.first_update_id)
        self.poller = Poller(self.queue, settings.clock)
        self.spending = Spending(settings.budget)
        self.files = FileStore()
        self.faults = Faults()
        self.changes = Changes(settings.clock)
        self.commands: dict[tuple[str, str], tuple[BotCommand, ...]] = {}  # (scope, language) → menu
        self.webhook = Webhook()
        self.calls: deque[Call] = deque(maxlen=MAX_CALLS_KEPT)
        self.logged_out_until_ns = 0
        self.started_ns = settings.clock.monotonic_ns()
        self._last_message_id = 0
        self._last_press = 0
        for person in settings.people:
            self.meet(person)

    def meet(self, person: Person) -> ChatState:
        """A person comes to have a phone; a known id is given its new name and language."""
        chat = self.chats.get(person.id)
        if chat is None:
            contact = Contact.STARTED if person.started else Contact.NEVER
            chat = self.chats[person.id] = ChatState(person=person, contact=contact)
        chat.person = person
        chat.revision = self.changes.bump()
        return chat

    def as_user(self) -> User:
        identity = self.identity
        return User(id=identity.id, is_bot=True, first_name=identity.first_name, username=identity.username)

    def chat(self, chat_id: str) -> ChatState:
        """A chat the bot may know. Raises ApiError 400: somebody who never pressed Start does not exist for it."""
        if not chat_id:
            raise bad_request("chat_id is empty")
        known = self.chats.get(int(chat_id)) if chat_id.removeprefix("-").isdecimal() else None
        if known is None or known.contact is Contact.NEVER:
            raise bad_request("chat not found")
        return known

    def writable_chat(self, chat_id: str) -> ChatState:
        """Raises ApiError 400 or 403."""
        chat = self.chat(chat_id)
        if chat.contact is Contact.BLOCKED:
            raise forbidden("bot was blocked by the user")
        return chat

    def next_message_id(self) -> int:
        """Private chats of a bot share one counter."""
        self._last_message_id += 1
        return self._last_message_id

    def next_press_id(self, user_id: int) -> str:
        self._last_press += 1
        return str((user_id << 32) + self._last_press)

    def add(self, chat: ChatState, message: Message, *, by_bot: bool) -> StoredMessage:
        """A new message in the chat; a bot's message ends its own typing."""
        stored = StoredMessage(
            message=message,
            by_bot=by_bot,
            revision=self.changes.bump(),
            sent_wall_ms=self.clock.wall_ns() // NS_PER_MS,
            sent_ns=self.clock.monotonic_ns(),
        )
        chat.messages[message.message_id] = stored
        chat.revision = stored.revision
        if by_bot:
            chat.action_until_ns = 0
        return stored

    def remove(self, chat: ChatState, message_ids: Iterable[int]) -> None:
        for message_id in message_ids:
            del chat.messages[message_id]
            chat.pinned = [pinned for pinned in chat.pinned if pinned != message_id]
            chat.revision = chat.deleted[message_id] = self.changes.bump()

    def notify(self, kind: str, payload: Struct, keep_s: float) -> int:
        """Queues an update and wakes the bot; 0 when the bot does not take this kind."""
        update_id = self.queue.push(kind, payload, keep_s, self.clock.monotonic_ns())
        self.poller.wake()
        self.changes.stir()
        return update_id

    def touch(self, chat: ChatState) -> int:
        chat.revision = self.changes.bump()
        return chat.revision
