"""One private chat as the server keeps it: messages, presses and what the phone shows around them."""

from enum import Enum

from msgspec import Struct, field

from sandbox.telegram.settings import Person
from sandbox.telegram.wire import Chat, ForceReply, InlineKeyboard, Message, ReplyKeyboard, ReplyKeyboardRemove, User

TYPING_NS = 5_000_000_000  # a chat action is shown for 5 s or until a message comes


class Contact(Enum):
    """Whether the person has pressed Start, which alone lets a bot write."""

    NEVER = "never"
    STARTED = "started"
    BLOCKED = "blocked"


class StoredMessage(Struct, kw_only=True):
    """A message and what the Bot API does not say of it. Times: wall in ms, monotonic in ns, 0 = never."""

    message: Message
    by_bot: bool
    revision: int
    sent_wall_ms: int
    sent_ns: int
    reply_keyboard: ReplyKeyboard | ReplyKeyboardRemove | ForceReply | None = None
    silent: bool = False
    edits: int = 0
    content_edits: int = 0  # of text, caption or media: only these show as «edited»
    edited_wall_ms: int = 0
    edited_ns: int = 0
    reaction: str = ""  # the bot's


class Press(Struct, kw_only=True):
    """A pressed inline button and the bot's answer to it."""

    id: str
    user_id: int
    message_id: int
    data: str
    pressed_wall_ms: int
    pressed_ns: int
    deadline_ns: int
    revision: int
    answered_wall_ms: int = 0
    answered_ns: int = 0
    text: str = ""
    show_alert: bool = False
    url: str = ""

    def state(self, now_ns: int) -> str:
        """waiting, answered or expired."""
        if self.answered_ns:
            return "answered"
        return "waiting" if now_ns < self.deadline_ns else "expired"


class ChatState(Struct, kw_only=True):
    person: Person
    contact: Contact
    revision: int = 0
    messages: dict[int, StoredMessage] = field(default_factory=dict)
    deleted: dict[int, int] = field(default_factory=dict)  # message id → revision of its removal
    presses: dict[str, Press] = field(default_factory=dict)
    pinned: list[int] = field(default_factory=list)  # the newest pin last
    reply_keyboard: ReplyKeyboard | ForceReply | None = None
    action: str = ""
    action_until_ns: int = 0

    @property
    def id(self) -> int:
        return self.person.id

    def as_user(self) -> User:
        person = self.person
        return User(
            id=person.id,
            is_bot=False,
            first_name=person.first_name,
            username=person.username,
            language_code=person.language_code,
        )

    def as_chat(self) -> Chat:
        person = self.person
        return Chat(id=person.id, type="private", first_name=person.first_name, username=person.username)

    def remember_keyboard(self, keyboard: ReplyKeyboard | ReplyKeyboardRemove | ForceReply | None) -> None:
        if isinstance(keyboard, ReplyKeyboardRemove):
            self.reply_keyboard = None
        elif keyboard is not None:
            self.reply_keyboard = keyboard

    def doing(self, now_ns: int) -> str:
        """The bot's chat action while it lasts, else nothing."""
        return self.action if now_ns < self.action_until_ns else ""


def has_button(message: Message, data: str) -> bool:
    keyboard = message.reply_markup
    if not isinstance(keyboard, InlineKeyboard):
        return False
    return any(button.callback_data == data for row in keyboard.inline_keyboard for button in row)
