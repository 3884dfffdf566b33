"""getChat, deleteMessage(s), pinning, reactions."""

from typing import Any

import msgspec

from sandbox.telegram.bot_state import BotState
from sandbox.telegram.chat import ChatState, StoredMessage
from sandbox.telegram.failures import bad_request
from sandbox.telegram.request import Arguments
from sandbox.telegram.settings import NS_PER_S
from sandbox.telegram.wire import Message

MAX_DELETED_AT_ONCE = 100
VARIATION_SELECTOR = "\ufe0f"
REACTIONS = frozenset(
    "👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾"
    " 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊"
    " 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡".split()
)
GIFT_TYPES = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")


class _Reaction(msgspec.Struct, frozen=True):
    type: str
    emoji: str = ""


def get_chat(bot: BotState, args: Arguments) -> dict[str, Any]:
    """ChatFullInfo with the fields every client requires."""
    chat = bot.chat(args.text("chat_id"))
    full: dict[str, Any] = msgspec.to_builtins(chat.as_chat()) | {
        "accent_color_id": chat.id % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(GIFT_TYPES, False),
    }
    if chat.pinned:
        full["pinned_message"] = chat.messages[chat.pinned[-1]].message
    return full


def delete_message(bot: BotState, args: Arguments) -> bool:
    chat = bot.chat(args.text("chat_id"))
    stored = chat.messages.get(args.integer("message_id"))
    if stored is None:
        raise bad_request("message to delete not found")
    _refuse_old(bot, stored)
    bot.remove(chat, [stored.message.message_id])
    return True


def delete_messages(bot: BotState, args: Arguments) -> bool:
    """Ids that do not exist are skipped, as documented."""
    message_ids = args.json("message_ids", list[int], "message identifiers") or []
    if not message_ids:
        raise bad_request("message identifiers are not specified")
    if len(message_ids) > MAX_DELETED_AT_ONCE:
        raise bad_request("too many message identifiers specified")
    chat = bot.chat(args.text("chat_id"))
    present = [message_id for message_id in dict.fromkeys(message_ids) if message_id in chat.messages]
    for message_id in present:
        _refuse_old(bot, chat.messages[message_id])
    bot.remove(chat, present)
    return True


def pin_chat_message(bot: BotState, args: Arguments) -> bool:
    """Pinning posts a service message, which comes back to the bot as an update; a silent pin posts none."""
    chat = bot.writable_chat(args.text("chat_id"))
    stored = _present(chat, args, "message to pin not found")
    message_id = stored.message.message_id
    chat.pinned = [pinned for pinned in chat.pinned if pinned != message_id] + [message_id]
    bot.touch(chat)
    if not args.flag("disable_notification"):
        service = Message(
            message_id=bot.next_message_id(),
            date=bot.clock.wall_ns() // NS_PER_S,
            chat=chat.as_chat(),
            from_=bot.as_user(),
            pinned_message=msgspec.structs.replace(stored.message, reply_to_message=None),
        )
        bot.add(chat, service, by_bot=True)
        bot.notify("message", service, bot.settings.retention.message_s)
    return True


def unpin_chat_message(bot: BotState, args: Arguments) -> bool:
    """Without message_id the newest pin."""
    chat = bot.writable_chat(args.text("chat_id"))
    if args.integer("message_id"):
        stored = _present(chat, args, "message to unpin not found")
        chat.pinned = [pinned for pinned in chat.pinned if pinned != stored.message.message_id]
    elif chat.pinned:
        chat.pinned.pop()
    else:
        raise bad_request("message to unpin not found")
    bot.touch(chat)
    return True


def unpin_all_chat_messages(bot: BotState, args: Arguments) -> bool:
    chat = bot.writable_chat(args.text("chat_id"))
    chat.pinned.clear()
    bot.touch(chat)
    return True


def set_message_reaction(bot: BotState, args: Arguments) -> bool:
    """A bot sets at most one reaction; an empty list takes it back."""
    asked = args.json("reaction", list[_Reaction], "reaction types") or []
    chat = bot.writable_chat(args.text("chat_id"))
    stored = _present(chat, args, "message to react not found")
    if len(asked) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    emoji = asked[0].emoji.replace(VARIATION_SELECTOR, "") if asked else ""
    if asked and (asked[0].type != "emoji" or emoji not in REACTIONS):
        raise bad_request("REACTION_INVALID")
    stored.reaction = emoji
    stored.revision = bot.touch(chat)
    return True


def _present(chat: ChatState, args: Arguments, otherwise: str) -> StoredMessage:
    stored = chat.messages.get(args.integer("message_id"))
    if stored is None:
        raise bad_request(otherwise)
    return stored


def _refuse_old(bot: BotState, stored: StoredMessage) -> None:
    age_s = bot.clock.wall_ns() / NS_PER_S - stored.message.date
    if age_s > bot.settings.retention.delete_window_s:
        raise bad_request("message can't be deleted for everyone")
