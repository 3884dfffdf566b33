"""sendMessage, sendPhoto, sendDocument, sendMediaGroup, sendChatAction."""

import msgspec
from msgspec import Struct

from sandbox.telegram.bot_state import BotState
from sandbox.telegram.chat import TYPING_NS, ChatState
from sandbox.telegram.failures import bad_request
from sandbox.telegram.markup import parse_markup
from sandbox.telegram.methods.content import Content, InputMedia, read_document, read_media, read_photo, read_text
from sandbox.telegram.request import Arguments
from sandbox.telegram.settings import NS_PER_S
from sandbox.telegram.wire import InlineKeyboard, Markup, Message

ALBUM_SIZES = range(2, 11)
ACTIONS = frozenset(
    "typing upload_photo record_video upload_video record_voice upload_voice upload_document choose_sticker"
    " find_location record_video_note upload_video_note".split()
)


class _ReplyParameters(Struct, frozen=True):
    message_id: int
    allow_sending_without_reply: bool = False


def send_message(bot: BotState, args: Arguments) -> Message:
    content = read_text(args)
    return _send(bot, args, content)


def send_photo(bot: BotState, args: Arguments) -> Message:
    return _send(bot, args, read_photo(bot, args))


def send_document(bot: BotState, args: Arguments) -> Message:
    return _send(bot, args, read_document(bot, args))


def send_media_group(bot: BotState, args: Arguments) -> list[Message]:
    """2 to 10 photos, or 2 to 10 documents; an album has no keyboard."""
    media = args.json("media", list[InputMedia], "media") or []
    if len(media) not in ALBUM_SIZES:
        raise bad_request("media group must include 2-10 items")
    if len({item.type for item in media}) != 1:
        raise bad_request("can't use the media of the specified type in the album")
    contents = [read_media(bot, args, item) for item in media]
    chat = bot.writable_chat(args.text("chat_id"))
    reply = _reply_target(chat, args)
    bot.spending.spend(chat.id, len(contents), bot.clock.monotonic_ns())
    group_id = str((chat.id << 20) + len(chat.messages))
    return [_post(bot, chat, args, content, None, reply, group_id) for content in contents]


def send_chat_action(bot: BotState, args: Arguments) -> bool:
    action = args.text("action")
    if action not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat = bot.writable_chat(args.text("chat_id"))
    chat.action = action
    chat.action_until_ns = bot.clock.monotonic_ns() + TYPING_NS
    bot.touch(chat)
    return True


def _send(bot: BotState, args: Arguments, content: Content) -> Message:
    markup = parse_markup(args.text("reply_markup"))
    chat = bot.writable_chat(args.text("chat_id"))
    if args.integer("message_thread_id"):
        raise bad_request("message thread not found")
    reply = _reply_target(chat, args)
    bot.spending.spend(chat.id, 1, bot.clock.monotonic_ns())
    return _post(bot, chat, args, content, markup, reply)


def _post(
    bot: BotState,
    chat: ChatState,
    args: Arguments,
    content: Content,
    markup: Markup | None,
    reply: Message | None,
    media_group_id: str = "",
) -> Message:
    message = Message(
        message_id=bot.next_message_id(),
        date=bot.clock.wall_ns() // NS_PER_S,
        chat=chat.as_chat(),
        from_=bot.as_user(),
        reply_to_message=reply,
        media_group_id=media_group_id,
        has_protected_content=args.flag("protect_content"),
        reply_markup=markup if isinstance(markup, InlineKeyboard) else None,
        **{name: getattr(content, name) for name in Content.__struct_fields__},
    )
    stored = bot.add(chat, message, by_bot=True)
    stored.silent = args.flag("disable_notification")
    if markup is not None and not isinstance(markup, InlineKeyboard):
        stored.reply_keyboard = markup
        chat.remember_keyboard(markup)
    return message


def _reply_target(chat: ChatState, args: Arguments) -> Message | None:
    asked = args.json("reply_parameters", _ReplyParameters, "reply parameters")
    if asked is None and args.integer("reply_to_message_id"):
        lenient = args.flag("allow_sending_without_reply")
        asked = _ReplyParameters(args.integer("reply_to_message_id"), lenient)
    if asked is None:
        return None
    target = chat.messages.get(asked.message_id)
    if target is None and not asked.allow_sending_without_reply:
        raise bad_request("message to be replied not found")
    return msgspec.structs.replace(target.message, reply_to_message=None) if target else None
