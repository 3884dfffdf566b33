"""getMe, getFile, answerCallbackQuery, the webhook's settings, close and logOut."""

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from sandbox.telegram.bot_state import BotState, Webhook
from sandbox.telegram.failures import bad_request, too_many_requests
from sandbox.telegram.request import Arguments
from sandbox.telegram.settings import NS_PER_MS, NS_PER_S

MAX_ANSWER = 200
MAX_CONNECTIONS = 100
LOG_OUT_NS = 600 * NS_PER_S
SECRET_TOKEN = re.compile(r"[A-Za-z0-9_-]{0,256}")
TERMINATED_BY_WEBHOOK = "terminated by setWebhook request"


def get_me(bot: BotState, args: Arguments) -> dict[str, Any]:
    identity = bot.identity
    return {
        "id": identity.id,
        "is_bot": True,
        "first_name": identity.first_name,
        "username": identity.username,
        "can_join_groups": False,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
        "allows_users_to_create_topics": False,
        "can_manage_bots": False,
    }


def get_file(bot: BotState, args: Arguments) -> dict[str, Any]:
    """The link works for as long as `Retention.file_link_s` says."""
    keep_s = bot.settings.retention.file_link_s
    stored = bot.files.open_link(args.text("file_id"), keep_s, bot.clock.monotonic_ns())
    return {
        "file_id": stored.file_id,
        "file_unique_id": stored.file_unique_id,
        "file_size": len(stored.data),
        "file_path": stored.path,
    }


def answer_callback_query(bot: BotState, args: Arguments) -> bool:
    """Free of the send budget. One answer per press, within `Retention.callback_answer_s`."""
    if len(args.text("text")) > MAX_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    url = args.text("url")
    if url and not url.startswith((f"https://t.me/{bot.identity.username}?", f"t.me/{bot.identity.username}?")):
        raise bad_request("URL_INVALID")
    now_ns = bot.clock.monotonic_ns()
    press_id = args.text("callback_query_id")
    chat = next((chat for chat in bot.chats.values() if press_id in chat.presses), None)
    if chat is None or chat.presses[press_id].state(now_ns) != "waiting":
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    press = chat.presses[press_id]
    press.text, press.show_alert, press.url = args.text("text"), args.flag("show_alert"), url
    press.answered_ns = now_ns
    press.answered_wall_ms = bot.clock.wall_ns() // NS_PER_MS
    press.revision = bot.touch(chat)
    return True


def set_webhook(bot: BotState, args: Arguments) -> bool:
    """HTTPS, or plain HTTP to a loopback address, which the published server takes in its local mode."""
    url = args.text("url")
    if not url:
        return delete_webhook(bot, args)
    if not _acceptable(url):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if not SECRET_TOKEN.fullmatch(args.text("secret_token")):
        raise bad_request("secret token contains unallowed characters")
    remember_allowed(bot, args)
    bot.webhook = Webhook(
        url=url,
        secret_token=args.text("secret_token"),
        max_connections=min(max(args.integer("max_connections", 40), 1), MAX_CONNECTIONS),
    )
    _drop_pending(bot, args)
    bot.poller.abort(TERMINATED_BY_WEBHOOK)
    bot.changes.stir()
    return True


def delete_webhook(bot: BotState, args: Arguments) -> bool:
    bot.webhook = Webhook()
    _drop_pending(bot, args)
    return True


def get_webhook_info(bot: BotState, args: Arguments) -> dict[str, Any]:
    info: dict[str, Any] = {
        "url": bot.webhook.url,
        "has_custom_certificate": False,
        "pending_update_count": bot.queue.pending(bot.clock.monotonic_ns()),
    }
    if bot.webhook.url:
        info["max_connections"] = bot.webhook.max_connections
    if bot.webhook.last_error:
        info["last_error_date"] = bot.webhook.last_error_date
        info["last_error_message"] = bot.webhook.last_error
    if bot.queue.allowed:
        info["allowed_updates"] = sorted(bot.queue.allowed)
    return info


def close(bot: BotState, args: Arguments) -> bool:
    """Refused in the first ten minutes, as documented."""
    left_ns = bot.started_ns + int(bot.settings.close_grace_s * NS_PER_S) - bot.clock.monotonic_ns()
    if left_ns > 0:
        raise too_many_requests(-(-left_ns // NS_PER_S))
    return True


def log_out(bot: BotState, args: Arguments) -> bool:
    """The bot is locked out of this server for ten minutes; what waited for it is gone."""
    bot.logged_out_until_ns = bot.clock.monotonic_ns() + LOG_OUT_NS
    bot.queue.clear()
    return True


def remember_allowed(bot: BotState, args: Arguments) -> None:
    """allowed_updates stays until it is given again; an empty list asks for the default kinds."""
    allowed = args.json("allowed_updates", list[str], "allowed updates")
    if allowed is not None:
        bot.queue.allowed = frozenset(allowed)


def _drop_pending(bot: BotState, args: Arguments) -> None:
    if args.flag("drop_pending_updates"):
        bot.queue.clear()


def _acceptable(url: str) -> bool:
    address = urlsplit(url)
    host = address.hostname or ""
    if address.scheme == "https":
        return bool(host)
    try:
        return address.scheme == "http" and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
