"""What was done while the engine was silent, venue by venue, and while Telegram was."""

from msgspec import Struct

from bot.views.content import Content
from bot.views.reader import Reader

_HEADS = {
    "acting": "watchdog.acting",
    "clean": "watchdog.clean",
    "trouble": "watchdog.trouble",
    "back": "watchdog.back",
}


class AtVenue(Struct, frozen=True):
    cancelled: int = 0
    open: int = 0
    error: str = ""


class WatchdogAlert(Struct, frozen=True):
    """As the watchdog writes it; `id` is its wall clock, ms."""

    id: int
    what: str
    silent_s: int = 0
    level: int = 0
    venues: dict[str, AtVenue] = {}
    problem: str = ""


def watchdog(reader: Reader, alert: WatchdogAlert) -> Content:
    """One message; what could not be done is named with its venue."""
    what = alert.what if alert.what in _HEADS else "trouble"
    cancelled = sum(venue.cancelled for venue in alert.venues.values())
    lines: list[str] = [reader.say(_HEADS[what], seconds=alert.silent_s, level=alert.level, cancelled=cancelled)]
    if what == "trouble":
        for name, venue in sorted(alert.venues.items()):
            if venue.open or venue.error:
                named = reader.named("venue", name)
                lines.append(reader.say("watchdog.venue", venue=named, open=venue.open, error=venue.error[:200]))
        if alert.problem:
            lines.append(reader.say("watchdog.problem", text=alert.problem[:300]))
    return Content(text="\n".join(lines))


def silence(reader: Reader, since_ms: int, until_ms: int, level: int) -> Content:
    """Telegram is back; `level` is where the desk was kept meanwhile, 0 where nothing was halted for it."""
    lines: list[str] = [
        reader.say("telegram.back", since=reader.moment(since_ms), until=reader.moment(until_ms)),
    ]
    if level:
        lines.append(reader.say("telegram.halted", level=reader.named("level", str(level))))
    return Content(text="\n".join(lines))
