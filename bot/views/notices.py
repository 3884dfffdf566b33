"""Alerts and announcements: one short message each, with its one-line form for a digest."""

from collections.abc import Sequence

from bot.views import money, rings
from bot.views.content import Button, Content
from bot.views.reader import Reader
from engine.control.messages import AlertView, StatusView

_MARKS = {"crit": "🚨", "warn": "⚠️", "info": "ℹ️"}


def alert(
    reader: Reader, view: AlertView, severity: str, held_before: int = 0, rows: Sequence[Sequence[Button]] = ()
) -> Content:
    """Severity, what it is in the reader's words, where, the numbers, and how many were held back before it."""
    title = reader.named("alert", view.rule)
    where = " · ".join(part for part in (reader.named("venue", view.venue) if view.venue else "", view.symbol) if part)
    head = reader.say("alert.head", mark=_MARKS[severity], title=title)
    if where:
        head = reader.say("alert.head_at", mark=_MARKS[severity], title=title, where=where)
    said = rings.sentence(reader, view)
    text = f"{head}\n{reader.say('alert.text', text=said)}" if said else head
    if held_before:
        text += "\n" + reader.say("ring.held", count=held_before)
    if severity == "crit" and reader.may("trader"):
        text += "\n" + reader.say("alert.kill_hint")
    return Content(text=text, brief="" if severity == "crit" else head, rows=tuple(tuple(row) for row in rows if row))


def started(reader: Reader, status: StatusView, *, bot: bool, engine: bool) -> Content:
    """One message after a restart of either process, instead of one per thing that came back."""
    who = "both" if bot and engine else "bot" if bot else "engine"
    lines: list[str] = [reader.say(f"started.{who}", level=reader.named("level", str(status.level)))]
    lines.append(
        reader.say(
            "started.state",
            ready=sum(1 for venue in status.venues if venue.ready),
            venues=len(status.venues),
            trades=status.working_trades,
            pnl=money.won_signed(status.pnl_today_krw),
        )
    )
    if status.unknown_orders or status.dead_letters:
        lines.append(reader.say("status.trouble", unknown=status.unknown_orders, dead=status.dead_letters))
    return Content(text="\n".join(lines))
