"""What venues say of a coin's way and against a market, in one line each; the age of the word beside it."""

from bot.views.ages import age
from bot.views.content import Markup
from bot.views.reader import Reader
from engine.control.messages import LockView, WarningView


def lock_line(reader: Reader, lock: LockView) -> Markup:
    """Which venue closed which way, by whose word."""
    return reader.say(
        "lock.why",
        venue=reader.named("venue", lock.venue),
        way=reader.named("way", lock.way),
        source=lock.source,
        age=age(reader, lock.age_ms),
    )


def warning_line(reader: Reader, warning: WarningView) -> Markup:
    key = "warning.dated" if warning.at_ms else "warning.line"
    when = reader.moment(warning.at_ms) if warning.at_ms else ""
    return reader.say(
        key,
        venue=reader.named("venue", warning.venue),
        kind=reader.named("warning", warning.kind),
        word=warning.text,
        when=when,
    )
