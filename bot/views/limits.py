"""/limits: what every order is held to, and how much of it is used."""

from collections.abc import Sequence
from decimal import Decimal

from bot.views import money
from bot.views.content import Content
from bot.views.reader import Reader
from engine.control.messages import LimitUse

_RATIOS = ("collar", "exit_collar")
_NEAR = 0.8  # of a limit: marked


def board(reader: Reader, limits: Sequence[LimitUse]) -> Content:
    """Those of the whole desk first, then venue by venue."""
    if not limits:
        return Content(text=reader.say("limits.none"))
    lines: list[str] = [reader.say("limits.title")]
    lines += [_line(reader, limit) for limit in limits if not limit.venue]
    for venue in dict.fromkeys(limit.venue for limit in limits if limit.venue):
        lines.append(reader.say("limits.venue", venue=reader.named("venue", venue)))
        lines += [_line(reader, limit) for limit in limits if limit.venue == venue]
    lines.append(reader.say("limits.note"))
    return Content(text="\n".join(lines))


def _line(reader: Reader, limit: LimitUse) -> str:
    name, shown = reader.named("limit", limit.name), _value(limit, limit.limit)
    if limit.used is None:
        return reader.say("limits.fixed", name=name, limit=shown)
    mark = "⚠️ " if limit.limit and float(limit.used / limit.limit) >= _NEAR else ""
    return reader.say("limits.used", mark=mark, name=name, used=_value(limit, limit.used), limit=shown)


def _value(limit: LimitUse, value: Decimal) -> str:
    if limit.name in _RATIOS:
        return money.percent(value)
    return money.won(value) if limit.name.endswith("_krw") else money.amount(value)
