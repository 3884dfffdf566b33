"""The chat as a phone shows it, for the page and for scripted users."""

from msgspec import Struct

from sandbox.telegram.bot_state import BotState
from sandbox.telegram.chat import ChatState, Press, StoredMessage
from sandbox.telegram.settings import NS_PER_MS
from sandbox.telegram.wire import Entity, ForceReply, InlineButton, Message, ReplyKeyboard

QUOTE_LENGTH = 120


class PhotoView(Struct, frozen=True, kw_only=True):
    url: str  # on this server, without the bot's token
    file_id: str
    width: int
    height: int
    bytes: int


class DocumentView(Struct, frozen=True, kw_only=True):
    url: str
    file_id: str
    name: str
    bytes: int


class QuoteView(Struct, frozen=True, kw_only=True):
    id: int
    mine: bool
    text: str


class MessageView(Struct, frozen=True, kw_only=True):
    """`mine`: sent by the person. Wall times in ms of UTC, monotonic ones in ns of the server; 0 = never."""

    id: int
    mine: bool
    kind: str  # text, photo, document or pinned (a service message)
    text: str  # or the caption
    entities: tuple[Entity, ...]
    buttons: tuple[tuple[InlineButton, ...], ...]
    photo: PhotoView | None
    document: DocumentView | None
    reply_to: QuoteView | None
    pinned: QuoteView | None
    forwarded_from: str
    album: str
    reaction: str
    silent: bool
    edited: bool
    edits: int
    sent_wall_ms: int
    sent_ns: int
    edited_wall_ms: int
    edited_ns: int
    revision: int


class PressView(Struct, frozen=True, kw_only=True):
    id: str
    message_id: int
    data: str
    state: str  # waiting, answered or expired
    text: str
    show_alert: bool
    url: str
    expires_in_ms: int  # while waiting
    pressed_wall_ms: int
    pressed_ns: int
    answered_wall_ms: int
    answered_ns: int
    revision: int


class ChatView(Struct, frozen=True, kw_only=True):
    """What changed after `since`; `keyboard`, `pinned` and `action` are always the present ones."""

    revision: int
    now_wall_ms: int
    now_ns: int
    contact: str  # never, started or blocked
    action: str
    action_for_ms: int
    pinned: list[int]
    keyboard: ReplyKeyboard | ForceReply | None
    messages: list[MessageView]
    deleted: list[int]
    presses: list[PressView]


def view_chat(bot: BotState, chat: ChatState, since: int) -> ChatView:
    now_ns = bot.clock.monotonic_ns()
    return ChatView(
        revision=chat.revision,
        now_wall_ms=bot.clock.wall_ns() // NS_PER_MS,
        now_ns=now_ns,
        contact=chat.contact.value,
        action=chat.doing(now_ns),
        action_for_ms=max(0, (chat.action_until_ns - now_ns) // NS_PER_MS),
        pinned=chat.pinned,
        keyboard=chat.reply_keyboard,
        messages=[view_message(stored) for stored in chat.messages.values() if stored.revision > since],
        deleted=[message_id for message_id, revision in chat.deleted.items() if revision > since],
        presses=[view_press(press, now_ns) for press in chat.presses.values() if press.revision > since],
    )


def view_message(stored: StoredMessage) -> MessageView:
    message = stored.message
    keyboard = message.reply_markup
    return MessageView(
        id=message.message_id,
        mine=not stored.by_bot,
        kind=_kind(message),
        text=message.text or message.caption,
        entities=message.entities or message.caption_entities,
        buttons=keyboard.inline_keyboard if keyboard else (),
        photo=_photo(message),
        document=_document(message),
        reply_to=_quote(message.reply_to_message),
        pinned=_quote(message.pinned_message),
        forwarded_from=message.forward_origin.sender_user_name if message.forward_origin else "",
        album=message.media_group_id,
        reaction=stored.reaction,
        silent=stored.silent,
        edited=stored.content_edits > 0,
        edits=stored.edits,
        sent_wall_ms=stored.sent_wall_ms,
        sent_ns=stored.sent_ns,
        edited_wall_ms=stored.edited_wall_ms,
        edited_ns=stored.edited_ns,
        revision=stored.revision,
    )


def view_press(press: Press, now_ns: int) -> PressView:
    return PressView(
        id=press.id,
        message_id=press.message_id,
        data=press.data,
        state=press.state(now_ns),
        text=press.text,
        show_alert=press.show_alert,
        url=press.url,
        expires_in_ms=max(0, (press.deadline_ns - now_ns) // NS_PER_MS),
        pressed_wall_ms=press.pressed_wall_ms,
        pressed_ns=press.pressed_ns,
        answered_wall_ms=press.answered_wall_ms,
        answered_ns=press.answered_ns,
        revision=press.revision,
    )


def _kind(message: Message) -> str:
    if message.pinned_message is not None:
        return "pinned"
    if message.photo:
        return "photo"
    return "document" if message.document is not None else "text"


def _photo(message: Message) -> PhotoView | None:
    if not message.photo:
        return None
    largest = message.photo[-1]
    return PhotoView(
        url=f"/phone/api/files/{largest.file_id}",
        file_id=largest.file_id,
        width=largest.width,
        height=largest.height,
        bytes=largest.file_size,
    )


def _document(message: Message) -> DocumentView | None:
    document = message.document
    if document is None:
        return None
    return DocumentView(
        url=f"/phone/api/files/{document.file_id}",
        file_id=document.file_id,
        name=document.file_name,
        bytes=document.file_size,
    )


def _quote(message: Message | None) -> QuoteView | None:
    if message is None:
        return None
    text = (message.text or message.caption).replace("\n", " ")[:QUOTE_LENGTH]
    return QuoteView(id=message.message_id, mine=not message.from_.is_bot, text=text)
