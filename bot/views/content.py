"""What a message consists of, before anybody knows how it travels. Texts are HTML, already escaped."""

from html import escape

from msgspec import Struct
from msgspec.structs import force_setattr


class Button(Struct, frozen=True, kw_only=True):
    """One inline button. `data` is what a tap brings back: 1 to 64 bytes."""

    text: str
    data: str
    style: str = ""  # "" | danger | success | primary

    def __post_init__(self) -> None:
        if not 1 <= len(self.data.encode()) <= 64:
            raise ValueError(f"callback data must have 1 to 64 bytes: {self.data!r}")


class Picture(Struct, frozen=True, kw_only=True):
    """A picture still to be drawn: which drawing, and its input as JSON. Small enough to be kept in the outbox."""

    kind: str  # a name in views.pictures.DRAWINGS
    data: bytes


class Content(Struct, frozen=True, kw_only=True):
    """One message as it should look. `brief` is its one-line form for a digest, "" where it must stand alone.

    A live card also says what of it matters: `core` unchanged and buttons good beyond `fresh_until_ms` mean no edit.
    """

    text: str
    rows: tuple[tuple[Button, ...], ...] = ()
    picture: Picture | None = None
    words: tuple[tuple[str, ...], ...] = ()  # a reply keyboard; such a message cannot be edited later
    brief: str = ""
    core: str = ""
    fresh_until_ms: int = 0

    def __post_init__(self) -> None:
        # A content is stored as JSON, which knows str and not our Markup.
        for name in ("text", "brief", "core"):
            force_setattr(self, name, str(getattr(self, name)))


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(value: object) -> str:
    """The one escaping function: everything that is not Markup is escaped."""
    return str(value) if isinstance(value, Markup) else escape(str(value), quote=False)


def bold(value: object) -> Markup:
    return Markup(f"<b>{html(value)}</b>")


def code(value: object) -> Markup:
    return Markup(f"<code>{html(value)}</code>")
