"""`reply_markup`: parsing and the limits of buttons."""

from typing import Any, TypeVar

import msgspec

from sandbox.telegram.failures import bad_request
from sandbox.telegram.wire import ForceReply, InlineButton, InlineKeyboard, Markup, ReplyKeyboard, ReplyKeyboardRemove

MAX_CALLBACK_BYTES = 64
MAX_COPY_TEXT = 256
MAX_BUTTONS = 100
MAX_PLACEHOLDER = 64
STYLES = frozenset({"", "danger", "success", "primary"})
URL_SCHEMES = ("http://", "https://", "tg://")
T = TypeVar("T")


def parse_markup(source: str) -> Markup | None:
    """None when there is no markup (an empty inline keyboard counts as none). Raises ApiError 400."""
    if not source:
        return None
    try:
        value = msgspec.json.decode(source)
    except msgspec.DecodeError as error:
        raise bad_request("can't parse reply keyboard markup JSON object") from error
    if value is None:
        return None
    if not isinstance(value, dict):
        raise bad_request("object expected as reply markup")
    return _markup(value)


def _markup(value: dict[str, Any]) -> Markup | None:
    if value.get("keyboard"):
        return _reply_keyboard(value)
    if value.get("inline_keyboard"):
        rows = _rows(value, "inline_keyboard")
        return _checked_inline(InlineKeyboard(tuple(tuple(map(_inline_button, row)) for row in rows)))
    if value.get("remove_keyboard"):
        return ReplyKeyboardRemove()
    if value.get("force_reply"):
        return _converted(value, ForceReply, "reply markup")
    return None


def parse_inline(source: str) -> InlineKeyboard | None:
    """For edits, which take an inline keyboard only. Raises ApiError 400."""
    markup = parse_markup(source)
    if markup is None or isinstance(markup, InlineKeyboard):
        return markup
    raise bad_request("inline keyboard expected")


def _rows(value: dict[str, Any], name: str) -> list[list[Any]]:
    rows = value[name]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request(f'field "{name}" must be an Array of Arrays')
    return rows


def _reply_keyboard(value: dict[str, Any]) -> ReplyKeyboard:
    rows = _rows(value, "keyboard")
    as_objects = [[{"text": b} if isinstance(b, str) else b for b in row] for row in rows]
    keyboard = _converted(value | {"keyboard": as_objects}, ReplyKeyboard, "keyboard button")
    if not all(button.text for row in keyboard.keyboard for button in row):
        raise bad_request("keyboard button text must be non-empty")
    if len(keyboard.input_field_placeholder) > MAX_PLACEHOLDER:
        raise bad_request("REPLY_MARKUP_INVALID")
    return keyboard


def _inline_button(value: Any) -> InlineButton:
    if not isinstance(value, dict):
        raise bad_request("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    button = _converted(value, InlineButton, "inline keyboard button")
    acts = (button.url, button.callback_data, button.web_app, button.copy_text)
    switches = (button.switch_inline_query, button.switch_inline_query_current_chat)
    if not any(acts) and all(switch is None for switch in switches):
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    return button


def _converted(value: dict[str, Any], kind: type[T], what: str) -> T:
    given = {name: field for name, field in value.items() if field is not None}
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise bad_request(f"can't parse {what}: {error}") from error


def _checked_inline(keyboard: InlineKeyboard) -> InlineKeyboard:
    buttons = [button for row in keyboard.inline_keyboard for button in row]
    if len(buttons) > MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    for button in buttons:
        if not button.text:
            raise bad_request("inline keyboard button text must be non-empty")
        if len(button.callback_data.encode()) > MAX_CALLBACK_BYTES:
            raise bad_request("BUTTON_DATA_INVALID")
        if button.copy_text is not None and not 1 <= len(button.copy_text.text) <= MAX_COPY_TEXT:
            raise bad_request("BUTTON_COPY_TEXT_INVALID")
        if button.url and not button.url.startswith(URL_SCHEMES):
            raise bad_request(f"inline keyboard button URL '{button.url}' is invalid: Unsupported URL protocol")
        if button.web_app is not None and not button.web_app.url.startswith("https://"):
            where = f"inline keyboard button Web App URL '{button.web_app.url}'"
            raise bad_request(f"{where} is invalid: Only HTTPS links are allowed")
        if button.style not in STYLES:
            raise bad_request("can't parse inline keyboard button: invalid button style specified")
    return keyboard
