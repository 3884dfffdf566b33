"""Alerts and announcements: one short message each, with its one-line form for a digest."""

from bot.texts import rule_title
from bot.views import money
from bot.views.content import Content
from bot.views.reader import Reader
from engine.control.messages import AlertView, StatusView

_MARKS = {"crit": "🚨", "warn": "⚠️", "info": "ℹ️"}


def alert(reader: Reader, view: AlertView, severity: str) -> Content:
    """Severity, what it is in the reader's words, where, and the engine's sentence with the numbers."""
    title = reader.named("alert", view.rule)
    if title == view.rule:
        title = rule_title(reader.language, view.rule)
    where = " · ".join(part for part in (reader.named("venue", view.venue) if view.venue else "", view.symbol) if part)
    head = reader.say("alert.head", mark=_MARKS[severity], title=title)
    if where:
        head = reader.say("alert.head_at", mark=_MARKS[severity], title=title, where=where)
    text = f"{head}\n{reader.say('alert.text', text=view.text)}" if view.text else head
    if severity == "crit" and reader.may("trader"):
        text += "\n" + reader.say("alert.kill_hint")
    return Content(text=text, brief="" if severity == "crit" else head)


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
