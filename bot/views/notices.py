"""Alerts and announcements: one short message each, with its one-line form for a digest."""

from collections.abc import Sequence
from decimal import Decimal

from bot.texts import rule_title
from bot.views import money
from bot.views.content import Button, Content
from bot.views.reader import Reader
from engine.control.messages import AlertView, StatusView

_MARKS = {"crit": "🚨", "warn": "⚠️", "info": "ℹ️"}


def alert(
    reader: Reader, view: AlertView, severity: str, held_before: int = 0, rows: Sequence[Sequence[Button]] = ()
) -> Content:
    """Severity, what it is in the reader's words, where, the numbers, and how many were held back before it."""
    title = reader.named("alert", view.rule)
    if title == view.rule:
        title = rule_title(reader.language, view.rule)
    where = " · ".join(part for part in (reader.named("venue", view.venue) if view.venue else "", view.symbol) if part)
    head = reader.say("alert.head", mark=_MARKS[severity], title=title)
    if where:
        head = reader.say("alert.head_at", mark=_MARKS[severity], title=title, where=where)
    said = _said(reader, view)
    text = f"{head}\n{reader.say('alert.text', text=said)}" if said else head
    if held_before:
        text += "\n" + reader.say("ring.held", count=held_before)
    if severity == "crit" and reader.may("trader"):
        text += "\n" + reader.say("alert.kill_hint")
    return Content(text=text, brief="" if severity == "crit" else head, rows=tuple(tuple(row) for row in rows if row))


def _said(reader: Reader, view: AlertView) -> str:
    """The numbers in the reader's words where we know them, else the engine's sentence."""
    numbers = view.numbers
    match view.rule:
        case "k_usdt" | "k_fx" | "tether" | "funding" | "basis":
            return reader.plain(
                "ring.level",
                value=money.percent_signed(float(numbers["value"])),
                side=reader.named("side", numbers["side"]),
                level=money.percent_signed(Decimal(numbers["level"])),
            )
        case "sign_flip":
            value = money.percent_signed(float(numbers["value"]))
            return reader.plain("ring.sign_flip", figure=reader.named("figure", numbers["figure"]), value=value)
        case "interval_changed" | "rate_budget":
            return reader.plain(f"ring.{view.rule}", **numbers)
        case "venue_down" if "away_s" in numbers:
            return reader.plain("ring.venue_away", **numbers)
        case "venue_up" if "away_s" in numbers:
            return reader.plain("ring.venue_back", **numbers)
        case "gate_closed" | "gate_opened":
            return reader.plain(f"ring.{view.rule}", way=reader.named("way", numbers["way"]), coin=view.coin)
        case "market_warning" | "warning_over":
            return reader.plain(
                "ring.market_warning", kind=reader.named("warning", numbers["kind"]), word=numbers["word"]
            )
        case "countdown_off" if "foreign" in numbers:
            return reader.plain("venues.countdown_shared", count=numbers["foreign"])
        case "venue_slow" | "venue_paced" if "usual_ms" in numbers:
            stage, path = reader.named("stage", numbers["stage"]), reader.named("path", numbers["path"])
            return reader.plain(
                f"ring.{view.rule}", stage=stage, path=path, took=numbers["took_ms"], usual=numbers["usual_ms"]
            )
        case "countdown_on":
            return reader.plain("ring.countdown_on", **numbers)
        case "margin_usage":
            where = reader.plain("ring.near", **numbers) if numbers.get("liquidation") else ""
            return reader.plain("ring.margin_usage", usage=numbers["usage"], where=where)
        case "liquidation_near" if "liquidation" in numbers:
            return reader.plain("ring.liquidation_near", liquidation=numbers["liquidation"])
        case "margin_eased":
            return reader.plain("ring.margin_eased", usage=numbers["usage"])
        case "flattening" | "flatten_stuck":
            return reader.plain("ring.left" if numbers["left"] else "ring.all_flat", left=numbers["left"])
        case "more_alerts" | "held_back":
            return reader.plain("ring.count", count=numbers["count"])
        case _:
            return view.text


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
