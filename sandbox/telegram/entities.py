"""From a request's text fields to the text and entities a message carries."""

import re

import msgspec

from sandbox.telegram.failures import bad_request
from sandbox.telegram.html_text import parse_html
from sandbox.telegram.wire import Entity, FormattedText

MAX_TEXT = 4096
MAX_CAPTION = 1024
GIVEN_TYPES = frozenset(
    "bold italic underline strikethrough spoiler code pre text_link text_mention blockquote"
    " expandable_blockquote custom_emoji".split()
)
QUOTES = frozenset({"blockquote", "expandable_blockquote"})
VERBATIM = frozenset({"code", "pre"})
LINKS = frozenset({"text_link", "text_mention"})
# What Telegram marks by itself; the first pattern that claims a stretch of text keeps it.
FOUND = [
    ("url", re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]]")),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("bot_command", re.compile(r"(?<![\w/])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z0-9_]{3,32}(?!\w)")),
    ("hashtag", re.compile(r"(?<![\w#])#\w*[^\W\d]\w*")),
    ("cashtag", re.compile(r"(?<![\w$])\$[A-Z]{1,8}(?!\w)")),
]
CONTROLS: dict[int, str | None] = {code: " " for code in range(32) if code not in (9, 10)} | {13: None}
_given = msgspec.json.Decoder(tuple[Entity, ...])


def utf16_length(text: str) -> int:
    """Entities count UTF-16 code units; so do this server's limits (the stricter way to count)."""
    return len(text.encode("utf-16-le")) // 2


def formatted(text: str, parse_mode: str, entities_json: str) -> FormattedText:
    """The text as the chat will show it. Raises ApiError 400. Of the parse modes only HTML is spoken."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise bad_request("strings must be encoded in UTF-8") from error
    given: list[Entity] = []
    text = text.translate(CONTROLS)
    if parse_mode.lower() == "html":
        text, given = parse_html(text)
    elif parse_mode:
        raise bad_request("unsupported parse_mode")
    elif entities_json:
        given = _decoded(entities_json, utf16_length(text))
    text, given = _trimmed(text, given)
    given = _nested(given)
    every = given + _found(text, given)
    every.sort(key=lambda entity: (entity.offset, -entity.length))
    return FormattedText(text, tuple(every))


def message_text(text: str, parse_mode: str, entities_json: str) -> FormattedText:
    """1 to 4096 after parsing. Raises ApiError 400."""
    if not text:
        raise bad_request("message text is empty")
    done = formatted(text, parse_mode, entities_json)
    if not done.text:
        raise bad_request("text must be non-empty")
    if utf16_length(done.text) > MAX_TEXT:
        raise bad_request("message is too long")
    return done


def caption_text(text: str, parse_mode: str, entities_json: str) -> FormattedText:
    """0 to 1024 after parsing. Raises ApiError 400."""
    done = formatted(text, parse_mode, entities_json)
    if utf16_length(done.text) > MAX_CAPTION:
        raise bad_request("message caption is too long")
    return done


def _decoded(entities_json: str, length: int) -> list[Entity]:
    try:
        given = _given.decode(entities_json)
    except msgspec.MsgspecError as error:
        raise bad_request(f"can't parse entities: {error}") from error
    inside = (e for e in given if e.offset >= 0 and e.length > 0 and e.offset + e.length <= length)
    return [entity for entity in inside if entity.type in GIVEN_TYPES]


def _trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Without white space at both ends; entities move and shrink. The start is cut up to the first entity only."""
    cut, first = 0, min((entity.offset for entity in entities), default=len(text))
    while cut < min(first, len(text)) and text[cut] in " \n":  # one unit each: index and offset agree
        cut += 1
    text = text[cut:].rstrip(" \n")
    end = utf16_length(text)
    kept = []
    for entity in entities:
        start = max(0, entity.offset - cut)
        length = min(end, entity.offset + entity.length - cut) - start
        if length > 0:
            kept.append(msgspec.structs.replace(entity, offset=start, length=length))
    return text, kept


def _nested(entities: list[Entity]) -> list[Entity]:
    """Verbatim text holds no other entity and a quote holds no quote."""
    verbatim = [e for e in entities if e.type in VERBATIM]
    quotes = [e for e in entities if e.type in QUOTES]
    kept = []
    for entity in entities:
        in_verbatim = any(_within(entity, outer) for outer in verbatim)
        in_quote = entity.type in QUOTES and any(_within(entity, outer) for outer in quotes)
        if not in_verbatim and not in_quote:
            kept.append(entity)
    return kept


def _within(inner: Entity, outer: Entity) -> bool:
    if inner is outer or (inner.type in QUOTES and outer.type in VERBATIM):
        return False
    return outer.offset <= inner.offset and inner.offset + inner.length <= outer.offset + outer.length


def _found(text: str, given: list[Entity]) -> list[Entity]:
    taken = [(e.offset, e.offset + e.length) for e in given if e.type in VERBATIM | LINKS]
    found = []
    for kind, pattern in FOUND:
        for match in pattern.finditer(text):
            start = utf16_length(text[: match.start()])
            end = start + utf16_length(match[0])
            if all(end <= low or high <= start for low, high in taken):
                taken.append((start, end))
                found.append(Entity(type=kind, offset=start, length=end - start))
    return found
