"""The Bot API's own objects, as far as this server speaks them. Source: core.telegram.org/bots/api."""

from typing import Any

from msgspec import Struct, field


class User(Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: int
    is_bot: bool
    first_name: str
    username: str = ""
    language_code: str = ""


class Chat(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A private chat: this server has no groups and no channels."""

    id: int
    type: str
    first_name: str
    username: str = ""


class Entity(Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: str
    offset: int  # UTF-16 code units
    length: int  # UTF-16 code units
    url: str = ""
    language: str = ""
    user: User | None = None


class FormattedText(Struct, frozen=True):
    text: str = ""
    entities: tuple[Entity, ...] = ()


class PhotoSize(Struct, frozen=True, kw_only=True):
    file_id: str
    file_unique_id: str
    width: int
    height: int
    file_size: int


class Document(Struct, frozen=True, kw_only=True, omit_defaults=True):
    file_id: str
    file_unique_id: str
    file_name: str = ""
    mime_type: str = ""
    file_size: int = 0


class CopyText(Struct, frozen=True):
    text: str


class WebApp(Struct, frozen=True):
    url: str


class InlineButton(Struct, frozen=True, kw_only=True, omit_defaults=True):
    text: str
    url: str = ""
    callback_data: str = ""
    web_app: WebApp | None = None
    copy_text: CopyText | None = None
    switch_inline_query: str | None = None
    switch_inline_query_current_chat: str | None = None
    style: str = ""


class InlineKeyboard(Struct, frozen=True):
    inline_keyboard: tuple[tuple[InlineButton, ...], ...]


class KeyboardButton(Struct, frozen=True, kw_only=True, omit_defaults=True):
    text: str
    style: str = ""


class ReplyKeyboard(Struct, frozen=True, kw_only=True, omit_defaults=True):
    keyboard: tuple[tuple[KeyboardButton, ...], ...]
    resize_keyboard: bool = False
    is_persistent: bool = False
    one_time_keyboard: bool = False
    input_field_placeholder: str = ""


class ReplyKeyboardRemove(Struct, frozen=True):
    remove_keyboard: bool = True


class ForceReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    force_reply: bool
    input_field_placeholder: str = ""


Markup = InlineKeyboard | ReplyKeyboard | ReplyKeyboardRemove | ForceReply


class HiddenOrigin(Struct, frozen=True, kw_only=True):
    """MessageOriginHiddenUser: a forward from somebody who hides the account."""

    type: str
    sender_user_name: str
    date: int


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    message_id: int
    date: int
    chat: Chat
    from_: User = field(name="from")
    edit_date: int = 0
    forward_origin: HiddenOrigin | None = None
    reply_to_message: "Message | None" = None
    media_group_id: str = ""
    text: str = ""
    entities: tuple[Entity, ...] = ()
    photo: tuple[PhotoSize, ...] = ()
    document: Document | None = None
    caption: str = ""
    caption_entities: tuple[Entity, ...] = ()
    show_caption_above_media: bool = False
    has_protected_content: bool = False
    link_preview_options: dict[str, Any] | None = None
    pinned_message: "Message | None" = None
    reply_markup: InlineKeyboard | None = None


class InaccessibleMessage(Struct, frozen=True, kw_only=True):
    """A message that is gone; its date is always 0."""

    chat: Chat
    message_id: int
    date: int = 0


class CallbackQuery(Struct, frozen=True, kw_only=True):
    id: str
    from_: User = field(name="from")
    message: Message | InaccessibleMessage
    chat_instance: str
    data: str


class ChatMember(Struct, frozen=True, kw_only=True, omit_defaults=True):
    status: str
    user: User
    until_date: int | None = None


class ChatMemberUpdated(Struct, frozen=True, kw_only=True):
    chat: Chat
    from_: User = field(name="from")
    date: int
    old_chat_member: ChatMember
    new_chat_member: ChatMember


class BotCommand(Struct, frozen=True):
    command: str
    description: str
