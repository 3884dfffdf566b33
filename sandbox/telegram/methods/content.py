"""What a message says: the part of it that edits replace and «is not modified» compares."""

from typing import Any

import msgspec
from msgspec import Struct

from sandbox.telegram.bot_state import BotState
from sandbox.telegram.entities import caption_text, message_text
from sandbox.telegram.failures import bad_request
from sandbox.telegram.files import StoredFile
from sandbox.telegram.request import Arguments
from sandbox.telegram.wire import Document, Entity, Message, PhotoSize


class Content(Struct, frozen=True, kw_only=True):
    """The fields of Message that carry its content, under the same names."""

    text: str = ""
    entities: tuple[Entity, ...] = ()
    link_preview_options: dict[str, Any] | None = None
    photo: tuple[PhotoSize, ...] = ()
    document: Document | None = None
    caption: str = ""
    caption_entities: tuple[Entity, ...] = ()
    show_caption_above_media: bool = False

    def file_unique_id(self) -> str:
        if self.photo:
            return self.photo[0].file_unique_id
        return self.document.file_unique_id if self.document else ""


class InputMedia(Struct, frozen=True, kw_only=True):
    type: str
    media: str
    caption: str = ""
    parse_mode: str = ""
    caption_entities: msgspec.Raw = msgspec.Raw(b"")
    show_caption_above_media: bool = False


def content_of(message: Message) -> Content:
    return Content(**{name: getattr(message, name) for name in Content.__struct_fields__})


def read_text(args: Arguments) -> Content:
    done = message_text(args.text("text"), args.text("parse_mode"), args.text("entities"))
    preview = args.json("link_preview_options", dict[str, Any], "link preview options")
    if preview is None and args.flag("disable_web_page_preview"):
        preview = {"is_disabled": True}
    return Content(text=done.text, entities=done.entities, link_preview_options=preview)


def read_caption(args: Arguments) -> Content:
    """The caption alone; media is added by the caller."""
    done = caption_text(args.text("caption"), args.text("parse_mode"), args.text("caption_entities"))
    above = args.flag("show_caption_above_media")
    return Content(caption=done.text, caption_entities=done.entities, show_caption_above_media=above)


def read_photo(bot: BotState, args: Arguments) -> Content:
    return _with_photo(read_caption(args), _file(bot, args, "photo", args.text("photo"), "photo"))


def read_document(bot: BotState, args: Arguments) -> Content:
    return _with_document(read_caption(args), _file(bot, args, "document", args.text("document"), "document"))


def read_media(bot: BotState, args: Arguments, media: InputMedia) -> Content:
    """One InputMediaPhoto or InputMediaDocument; other types are not spoken here."""
    done = caption_text(media.caption, media.parse_mode, bytes(media.caption_entities).decode())
    above = media.show_caption_above_media
    caption = Content(caption=done.text, caption_entities=done.entities, show_caption_above_media=above)
    if media.type == "photo":
        return _with_photo(caption, _file(bot, args, "media", media.media, "photo"))
    if media.type == "document":
        return _with_document(caption, _file(bot, args, "media", media.media, "document"))
    raise bad_request(f"can't parse InputMedia: type {media.type!r} is not supported")


def _file(bot: BotState, args: Arguments, field: str, value: str, kind: str) -> StoredFile:
    upload = args.upload(field, value)
    if upload is not None:
        return bot.files.add_photo(upload) if kind == "photo" else bot.files.add_document(upload)
    if value.startswith(("http://", "https://")):
        raise bad_request("failed to get HTTP URL content")  # nothing outside this machine is ever asked
    if not value or value.startswith("attach://"):
        raise bad_request(f"there is no {kind} in the request")
    stored = bot.files.by_id(value)
    if kind == "photo" and not stored.width:
        raise bad_request("can't use file of type Document as Photo")
    if kind == "document" and stored.width:
        raise bad_request("can't use file of type Photo as Document")
    return stored


def _with_photo(caption: Content, stored: StoredFile) -> Content:
    return msgspec.structs.replace(caption, photo=(stored.as_photo(),))


def _with_document(caption: Content, stored: StoredFile) -> Content:
    return msgspec.structs.replace(caption, document=stored.as_document())
