"""Telegram's HTML to a text and its entities, with Telegram's own complaints. Source: bots/api#html-style."""

import re
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from sandbox.telegram.failures import ApiError, bad_request
from sandbox.telegram.wire import Entity, User

ENTITY_OF_TAG = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
}
NAMED_REFERENCES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}  # every other name stays as typed
REFERENCE = re.compile(r"&(?:#(?:x([0-9a-fA-F]+)|([0-9]+))|([a-z]+));")
ATTRIBUTE = re.compile(r"""\s*([^\s=>"']*)\s*(?:(=)\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9.\-]*)))?""")
LANGUAGE_PREFIX = "language-"
BARE_HOST = re.compile(r"[\w-]+(\.[\w-]+)+(:\d+)?([/?#].*)?")


class _Opened(Struct):
    tag: str
    entity: str
    start: int  # UTF-16 units
    text_start: int  # index in the pieces of text
    argument: str = ""


class _Scanner:
    """One pass over the source; `at` is the next character to read."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.pieces: list[str] = []
        self.length = 0  # UTF-16 units of the text so far
        self.opened: list[_Opened] = []
        self.entities: list[Entity] = []

    def run(self) -> None:
        while self.at < len(self.source):
            if self.source.startswith("</", self.at):
                self._end_tag()
            elif self.source[self.at] == "<":
                self._start_tag()
            else:
                self._character()
        if self.opened:
            raise _cannot_parse(f'Can\'t find end tag corresponding to start tag "{self.opened[-1].tag}"')

    def _character(self) -> None:
        reference = REFERENCE.match(self.source, self.at) if self.source[self.at] == "&" else None
        char = _referenced(reference) if reference else ""
        if reference and char:
            self.at = reference.end()
        else:
            char = self.source[self.at]
            self.at += 1
        self.pieces.append(char)
        self.length += 1 + (ord(char) > 0xFFFF)

    def _start_tag(self) -> None:
        begin = self.at
        name_end = self._until_space_or_close(begin + 1)
        tag = self.source[begin + 1 : name_end].lower()
        where = f"at byte offset {self._byte(begin)}"
        if name_end == len(self.source):
            raise _cannot_parse(f"Unclosed start tag {where}")
        if tag not in ENTITY_OF_TAG:
            raise _cannot_parse(f'Unsupported start tag "{tag}" {where}')
        self.at = name_end
        attributes = self._attributes(tag, where)
        if tag == "span" and attributes.get("class") != "tg-spoiler":
            raise _cannot_parse(f'Tag "span" must have class "tg-spoiler" {where}')
        argument = attributes.get("href", "") if tag == "a" else ""
        if tag == "code" and attributes.get("class", "").startswith(LANGUAGE_PREFIX):
            argument = attributes["class"].removeprefix(LANGUAGE_PREFIX)
        expandable = tag == "blockquote" and "expandable" in attributes
        entity = "expandable_blockquote" if expandable else ENTITY_OF_TAG[tag]
        self.opened.append(_Opened(tag, entity, self.length, len(self.pieces), argument))

    def _attributes(self, tag: str, where: str) -> dict[str, str]:
        """Reads up to and with the closing bracket."""
        found: dict[str, str] = {}
        while True:
            while self.at < len(self.source) and self.source[self.at].isspace():
                self.at += 1
            if self.at == len(self.source):
                raise _cannot_parse(f"Unclosed start tag {where}")
            if self.source[self.at] == ">":
                self.at += 1
                return found
            match = ATTRIBUTE.match(self.source, self.at)
            if match is None or not match[1]:
                raise _cannot_parse(f'Empty attribute name in the tag "{tag}" {where}')
            value = next((group for group in match.group(3, 4, 5) if group is not None), "")
            found[match[1].lower()] = REFERENCE.sub(lambda found_in: _referenced(found_in) or found_in[0], value)
            self.at = match.end()
            if self.source[self.at : self.at + 1] in ('"', "'"):  # the string literal has no end
                raise _cannot_parse(f"Unclosed start tag {where}")

    def _end_tag(self) -> None:
        begin = self.at
        where = f"at byte offset {self._byte(begin)}"
        if not self.opened:
            raise _cannot_parse(f"Unexpected end tag {where}")
        name_end = self._until_space_or_close(begin + 2)
        tag = self.source[begin + 2 : name_end].lower()
        close = name_end
        while close < len(self.source) and self.source[close].isspace():
            close += 1
        if self.source[close : close + 1] != ">":
            raise _cannot_parse(f"Unclosed end tag {where}")
        opened = self.opened.pop()
        if tag and tag != opened.tag:
            raise _cannot_parse(f'Unmatched end tag {where}, expected "</{opened.tag}>", found "</{tag}>"')
        self.at = close + 1
        if self.length > opened.start:
            self._close(opened)

    def _close(self, opened: _Opened) -> None:
        length = self.length - opened.start
        if opened.tag == "a":
            link = _link(opened.argument or "".join(self.pieces[opened.text_start :]), opened.start, length)
            self.entities.extend([link] if link else [])
            return
        language = opened.argument
        if opened.tag == "pre" and self.entities:
            inner = self.entities[-1]
            if (inner.type, inner.offset, inner.length) == ("code", opened.start, length):
                language = inner.language
                self.entities.pop()
        self.entities.append(Entity(type=opened.entity, offset=opened.start, length=length, language=language))

    def _until_space_or_close(self, at: int) -> int:
        while at < len(self.source) and self.source[at] != ">" and not self.source[at].isspace():
            at += 1
        return at

    def _byte(self, at: int) -> int:
        return len(self.source[:at].encode())


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """(text, entities in nesting order). Raises ApiError 400 `can't parse entities: …`."""
    scanner = _Scanner(source)
    scanner.run()
    # A language belongs to <pre><code>; a lone <code> has none.
    plain = [e if e.type != "code" else Entity(type="code", offset=e.offset, length=e.length) for e in scanner.entities]
    return "".join(scanner.pieces), plain


def _referenced(reference: re.Match[str]) -> str:
    if reference[3]:
        return NAMED_REFERENCES.get(reference[3], "")
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""


def _link(target: str, offset: int, length: int) -> Entity | None:
    """None when the address is not one: the server then keeps the text and drops the link."""
    address = urlsplit(target.strip())
    if address.scheme == "tg" and address.netloc == "user":
        user_id = parse_qs(address.query).get("id", [""])[0]
        if user_id.isdigit():
            person = User(id=int(user_id), is_bot=False, first_name="")
            return Entity(type="text_mention", offset=offset, length=length, user=person)
    if address.scheme in {"http", "https", "tg", "ton"} and address.netloc:
        url = address.geturl()
    elif BARE_HOST.fullmatch(target.strip()):
        url = f"http://{target.strip()}"
    else:
        return None
    split = urlsplit(url)
    if split.scheme in {"http", "https"} and not split.path:
        url = split._replace(path="/").geturl()
    return Entity(type="text_link", offset=offset, length=length, url=url)


def _cannot_parse(reason: str) -> ApiError:
    return bad_request(f"can't parse entities: {reason}")
