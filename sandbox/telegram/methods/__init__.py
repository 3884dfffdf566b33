"""The Bot API methods, by their lower-case names (the real server ignores case, too)."""

from collections.abc import Callable, Mapping

from sandbox.telegram.bot_state import BotState
from sandbox.telegram.methods import account, chats, editing, menu, sending
from sandbox.telegram.request import Arguments

Method = Callable[[BotState, Arguments], object]

# getUpdates is missing here: it alone waits, so the server runs it.
METHODS: Mapping[str, Method] = {
    "getme": account.get_me,
    "getfile": account.get_file,
    "answercallbackquery": account.answer_callback_query,
    "setwebhook": account.set_webhook,
    "deletewebhook": account.delete_webhook,
    "getwebhookinfo": account.get_webhook_info,
    "close": account.close,
    "logout": account.log_out,
    "sendmessage": sending.send_message,
    "sendphoto": sending.send_photo,
    "senddocument": sending.send_document,
    "sendmediagroup": sending.send_media_group,
    "sendchataction": sending.send_chat_action,
    "editmessagetext": editing.edit_message_text,
    "editmessagecaption": editing.edit_message_caption,
    "editmessagemedia": editing.edit_message_media,
    "editmessagereplymarkup": editing.edit_message_reply_markup,
    "getchat": chats.get_chat,
    "deletemessage": chats.delete_message,
    "deletemessages": chats.delete_messages,
    "pinchatmessage": chats.pin_chat_message,
    "unpinchatmessage": chats.unpin_chat_message,
    "unpinallchatmessages": chats.unpin_all_chat_messages,
    "setmessagereaction": chats.set_message_reaction,
    "setmycommands": menu.set_my_commands,
    "getmycommands": menu.get_my_commands,
    "deletemycommands": menu.delete_my_commands,
}
