"""What a person does on the phone, and the updates the bot gets for it."""

import msgspec

from sandbox.telegram.bot_state import BotState
from sandbox.telegram.chat import ChatState, Contact, Press, has_button
from sandbox.telegram.entities import formatted
from sandbox.telegram.settings import NS_PER_MS, NS_PER_S
from sandbox.telegram.wire import (
    CallbackQuery,
    ChatMember,
    ChatMemberUpdated,
    HiddenOrigin,
    InaccessibleMessage,
    Message,
)


class Impossible(Exception):
    """A phone could not do that; the text says why."""


class Sent(msgspec.Struct, frozen=True):
    message_id: int
    update_id: int  # 0: the bot does not take such updates


class Pressed(msgspec.Struct, frozen=True):
    query_id: str
    update_id: int


def press_start(bot: BotState, chat: ChatState, payload: str = "") -> Sent:
    """Start or Restart: makes the chat writable and sends /start. `payload` is a deep link's."""
    if chat.contact is Contact.BLOCKED:
        _tell_membership(bot, chat, "kicked", "member")
    chat.contact = Contact.STARTED
    return send_text(bot, chat, f"/start {payload}".strip())


def block(bot: BotState, chat: ChatState) -> int:
    """Returns the update's id."""
    if chat.contact is not Contact.STARTED:
        raise Impossible("only a started bot can be blocked")
    chat.contact = Contact.BLOCKED
    bot.touch(chat)
    return _tell_membership(bot, chat, "member", "kicked")


def send_text(bot: BotState, chat: ChatState, text: str, reply_to: int = 0, forwarded_from: str = "") -> Sent:
    if chat.contact is not Contact.STARTED:
        raise Impossible("press Start first")
    if reply_to and reply_to not in chat.messages:
        raise Impossible(f"there is no message {reply_to} to reply to")
    done = formatted(text, "", "")
    if not done.text:
        raise Impossible("the text is empty")
    quoted = chat.messages[reply_to].message if reply_to else None
    date = bot.clock.wall_ns() // NS_PER_S
    origin = HiddenOrigin(type="hidden_user", sender_user_name=forwarded_from, date=date) if forwarded_from else None
    message = Message(
        message_id=bot.next_message_id(),
        date=date,
        chat=chat.as_chat(),
        from_=chat.as_user(),
        text=done.text,
        entities=done.entities,
        reply_to_message=msgspec.structs.replace(quoted, reply_to_message=None) if quoted else None,
        forward_origin=origin,
    )
    bot.add(chat, message, by_bot=False)
    return Sent(message.message_id, bot.notify("message", message, bot.settings.retention.message_s))


def edit_text(bot: BotState, chat: ChatState, message_id: int, text: str) -> Sent:
    stored = chat.messages.get(message_id)
    if stored is None or stored.by_bot:
        raise Impossible(f"message {message_id} is not yours to edit")
    done = formatted(text, "", "")
    date = bot.clock.wall_ns() // NS_PER_S
    stored.message = msgspec.structs.replace(stored.message, text=done.text, entities=done.entities, edit_date=date)
    stored.edits += 1
    stored.content_edits += 1
    stored.edited_wall_ms, stored.edited_ns = bot.clock.wall_ns() // NS_PER_MS, bot.clock.monotonic_ns()
    stored.revision = bot.touch(chat)
    return Sent(message_id, bot.notify("edited_message", stored.message, bot.settings.retention.message_s))


def press_button(bot: BotState, chat: ChatState, message_id: int, data: str, *, forced: bool = False) -> Pressed:
    """`forced`: what a forging client can do — press data the message does not show, or a message that is gone."""
    if chat.contact is not Contact.STARTED:
        raise Impossible("press Start first")
    stored = chat.messages.get(message_id)
    if not forced and (stored is None or not has_button(stored.message, data)):
        raise Impossible(f"message {message_id} has no button with data {data!r}")
    now_ns = bot.clock.monotonic_ns()
    retention = bot.settings.retention
    press = Press(
        id=bot.next_press_id(chat.id),
        user_id=chat.id,
        message_id=message_id,
        data=data,
        pressed_wall_ms=bot.clock.wall_ns() // NS_PER_MS,
        pressed_ns=now_ns,
        deadline_ns=now_ns + int(retention.callback_answer_s * NS_PER_S),
        revision=bot.touch(chat),
    )
    chat.presses[press.id] = press
    query = CallbackQuery(
        id=press.id,
        from_=chat.as_user(),
        message=stored.message if stored else InaccessibleMessage(chat=chat.as_chat(), message_id=message_id),
        chat_instance=str(chat.id << 20),
        data=data,
    )
    return Pressed(press.id, bot.notify("callback_query", query, retention.callback_s))


def data_of_button(chat: ChatState, message_id: int, text: str) -> str:
    """The callback data behind a button's text. Raises Impossible."""
    stored = chat.messages.get(message_id)
    keyboard = stored.message.reply_markup if stored else None
    for row in keyboard.inline_keyboard if keyboard else ():
        for button in row:
            if button.text == text and button.callback_data:
                return button.callback_data
    raise Impossible(f"message {message_id} has no button {text!r}")


def _tell_membership(bot: BotState, chat: ChatState, old: str, new: str) -> int:
    def member(status: str) -> ChatMember:
        return ChatMember(status=status, user=bot.as_user(), until_date=0 if status == "kicked" else None)

    change = ChatMemberUpdated(
        chat=chat.as_chat(),
        from_=chat.as_user(),
        date=bot.clock.wall_ns() // NS_PER_S,
        old_chat_member=member(old),
        new_chat_member=member(new),
    )
    return bot.notify("my_chat_member", change, bot.settings.retention.message_s)
