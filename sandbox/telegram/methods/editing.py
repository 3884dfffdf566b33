"""editMessageText, editMessageCaption, editMessageMedia, editMessageReplyMarkup.

A bot may edit its own messages at any age, but none that brought a reply keyboard. An edit that says nothing of
the inline keyboard removes it.
"""

import msgspec

from sandbox.telegram.bot_state import BotState
from sandbox.telegram.chat import ChatState, StoredMessage
from sandbox.telegram.failures import bad_request
from sandbox.telegram.markup import parse_inline
from sandbox.telegram.methods.content import Content, InputMedia, content_of, read_caption, read_media, read_text
from sandbox.telegram.request import Arguments
from sandbox.telegram.settings import NS_PER_MS, NS_PER_S
from sandbox.telegram.wire import InlineKeyboard, Message

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)


def edit_message_text(bot: BotState, args: Arguments) -> Message:
    content = read_text(args)
    markup = parse_inline(args.text("reply_markup"))
    chat, stored = _editable(bot, args)
    if not stored.message.text:
        raise bad_request("there is no text in the message to edit")
    return _apply(bot, chat, stored, content, markup)


def edit_message_caption(bot: BotState, args: Arguments) -> Message:
    markup = parse_inline(args.text("reply_markup"))
    caption = read_caption(args)
    chat, stored = _editable(bot, args)
    if stored.message.text:
        raise bad_request("there is no caption in the message to edit")
    message = stored.message
    content = msgspec.structs.replace(caption, photo=message.photo, document=message.document)
    return _apply(bot, chat, stored, content, markup)


def edit_message_media(bot: BotState, args: Arguments) -> Message:
    markup = parse_inline(args.text("reply_markup"))
    media = args.json("media", InputMedia, "input media")
    if media is None:
        raise bad_request("input media is not specified")
    content = read_media(bot, args, media)
    chat, stored = _editable(bot, args)
    current = content_of(stored.message)
    same_kind = bool(content.photo) == bool(current.photo)
    if same_kind and content.file_unique_id() == current.file_unique_id():  # the same bytes keep their file_id
        content = msgspec.structs.replace(content, photo=current.photo, document=current.document)
    return _apply(bot, chat, stored, content, markup)


def edit_message_reply_markup(bot: BotState, args: Arguments) -> Message:
    markup = parse_inline(args.text("reply_markup"))
    chat, stored = _editable(bot, args)
    return _apply(bot, chat, stored, content_of(stored.message), markup)


def _editable(bot: BotState, args: Arguments) -> tuple[ChatState, StoredMessage]:
    if not args.text("chat_id") and not args.integer("message_id"):
        given = args.text("inline_message_id")
        raise bad_request("MESSAGE_ID_INVALID" if given else "message identifier is not specified")
    chat = bot.writable_chat(args.text("chat_id"))
    stored = chat.messages.get(args.integer("message_id"))
    if stored is None:
        raise bad_request("message to edit not found")
    if not stored.by_bot or stored.reply_keyboard is not None or stored.message.pinned_message is not None:
        raise bad_request("message can't be edited")
    return chat, stored


def _apply(
    bot: BotState, chat: ChatState, stored: StoredMessage, content: Content, markup: InlineKeyboard | None
) -> Message:
    # Spent before the comparison: only Telegram's own side can tell that nothing changed.
    bot.spending.spend(chat.id, 1, bot.clock.monotonic_ns())
    same_content = content == content_of(stored.message)
    if same_content and markup == stored.message.reply_markup:
        raise bad_request(NOT_MODIFIED)
    stored.message = msgspec.structs.replace(
        stored.message,
        edit_date=bot.clock.wall_ns() // NS_PER_S,
        reply_markup=markup,
        **{name: getattr(content, name) for name in Content.__struct_fields__},
    )
    stored.edits += 1
    stored.content_edits += not same_content
    stored.edited_wall_ms = bot.clock.wall_ns() // NS_PER_MS
    stored.edited_ns = bot.clock.monotonic_ns()
    stored.revision = bot.touch(chat)
    return stored.message
