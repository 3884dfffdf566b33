"""Why something was refused: the rule in the reader's language, then its numbers."""

from collections.abc import Mapping, Sequence

from bot.texts import number_name, rule_title
from bot.views.content import Content, Markup
from bot.views.reader import Reader
from engine.control.messages import RefusalView

_SHOWN = 10


def reason(reader: Reader, rule: str, text: str) -> Markup:
    """Two lines: what the rule is called, and the engine's sentence with the numbers."""
    title = rule_title(reader.language, rule)
    if not text:
        return reader.say("refused.bare", rule=title)
    return reader.say("refused", rule=title, text=text)


def reason_short(reader: Reader, rule: str, text: str) -> str:
    """For a callback answer: at most 200 characters, without markup."""
    line = f"{rule_title(reader.language, rule)}: {text}" if text else rule_title(reader.language, rule)
    return line if len(line) <= 200 else line[:199] + "…"


def reason_of(reader: Reader, engine_reason: str) -> str:
    """An opportunity's own `reason`, "rule: numbers" or a sentence, with the rule translated."""
    rule, colon, rest = engine_reason.partition(": ")
    title = rule_title(reader.language, rule)
    return f"{title}: {rest}" if colon and title != rule else title if title != rule else engine_reason


def _numbers(reader: Reader, numbers: Mapping[str, str]) -> str:
    return " · ".join(f"{number_name(reader.language, name)} {value}" for name, value in numbers.items())


def why(reader: Reader, refusals: Sequence[RefusalView], about: str) -> Content:
    """The newest refusals with their numbers, newest first."""
    if not refusals:
        return Content(text=reader.say("why.none", about=about) if about else reader.say("why.none_at_all"))
    lines: list[str] = [reader.say("why.title", about=about) if about else reader.say("why.title_all")]
    for row in refusals[:_SHOWN]:
        key = row.key or reader.named("strategy", row.strategy)
        lines.append(
            reader.say(
                "why.row",
                time=reader.clock(row.wall_ms),
                rule=rule_title(reader.language, row.rule),
                key=key,
                numbers=_numbers(reader, row.numbers) or row.text,
            )
        )
    if len(refusals) > _SHOWN:
        lines.append(reader.say("more", count=len(refusals) - _SHOWN))
    return Content(text="\n".join(lines))
