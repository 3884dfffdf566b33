"""Many short messages as one, when a chat may not receive them singly."""

from collections.abc import Sequence

from bot.texts import say
from bot.views.content import Content

_LINES = 20


def digest(briefs: Sequence[str], language: str) -> Content:
    """`briefs` are HTML lines, oldest first; what does not fit is counted."""
    lines = [say(language, "digest.title", count=len(briefs)), *briefs[:_LINES]]
    if len(briefs) > _LINES:
        lines.append(say(language, "more", count=len(briefs) - _LINES))
    return Content(text="\n".join(lines))
