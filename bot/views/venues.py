"""Venues in chat: how each is, and every connection of one."""

from collections.abc import Sequence

from bot.views import money
from bot.views.ages import age
from bot.views.content import Button, Content, Markup
from bot.views.reader import Reader
from engine.control.messages import ConnectionView, CountdownView, OrderStreamView, PaceView, VenueHealth

_LINES_SHOWN = 12
_BUTTONS_A_ROW = 3
_ORDER_STREAM = {"up": "venues.orders_up", "silent": "venues.orders_silent", "refused": "venues.orders_refused"}


def venues(reader: Reader, views: Sequence[VenueHealth], now_ms: int) -> Content:
    """Two lines for each; a tap shows its connections."""
    lines: list[str] = [reader.say("venues.head", time=reader.clock(now_ms))]
    for view in views:
        lines += [_state(reader, view), _figures(reader, view)]
        if view.slow:
            lines.append(reader.say("venues.slow"))
    buttons = [Button(text=reader.named("venue", view.venue), data=f"m:v:{view.venue}") for view in views]
    rows = [tuple(buttons[i : i + _BUTTONS_A_ROW]) for i in range(0, len(buttons), _BUTTONS_A_ROW)]
    rows.append((Button(text=reader.plain("button.refresh"), data="m:v:*"),))
    return Content(text="\n".join(lines), rows=tuple(rows))


def _state(reader: Reader, view: VenueHealth) -> Markup:
    name = reader.named("venue", view.venue)
    if not view.connected:
        since = money.duration(view.down_ms, reader.language) if view.down_ms else ""
        return reader.say("venues.away", venue=name, since=since)
    key = "venues.watched" if not view.trades else "venues.up" if view.ready else "venues.waiting"
    reason = view.blocked.split(" ")[0] or "reconciling"
    return reader.say(
        key,
        venue=name,
        usable=view.books_usable,
        books=view.books,
        age=age(reader, view.age_ms),
        why=reader.named("blocked", reason),
    )


def _figures(reader: Reader, view: VenueHealth) -> Markup:
    return reader.say(
        "venues.figures",
        rate=_number(view.frames_per_s),
        p50=_number(view.latency_p50_ms),
        p99=_number(view.latency_p99_ms),
        reconnects=_number(view.reconnects),
        gaps=_number(view.gaps),
        clock=_clock(view),
    )


def _clock(view: VenueHealth) -> str:
    if view.clock_offset_ms is None:
        return "–"
    return f"{money.number(view.clock_offset_ms)}±{_number(view.clock_uncertainty_ms)} ms"


def _number(value: float | int | None) -> str:
    return "–" if value is None else money.number(value, 0 if abs(value) >= 10 or value == int(value) else 1)


def one(reader: Reader, view: VenueHealth, now_ms: int) -> Content:
    """A venue's clock, rules, budgets and connections."""
    lines: list[str] = [
        reader.say("venues.one", venue=reader.named("venue", view.venue), time=reader.clock(now_ms)),
        _state(reader, view),
        _figures(reader, view),
        _clock_line(reader, view),
        _rules(reader, view, now_ms),
    ]
    lines += [reader.say("venues.budget", name=use.name, used=money.percent(use.used, 0)) for use in view.rate_use]
    if view.order_stream is not None:
        lines.append(_order_stream(reader, view.order_stream))
    if view.countdown.offered:
        lines.append(_countdown(reader, view.countdown))
    lines += [_pace(reader, found) for found in view.paces]
    lines.append("")
    lines += [line for found in view.connections[:_LINES_SHOWN] for line in _line(reader, found)]
    if not view.connections:
        lines.append(reader.say("venues.no_lines"))
    if len(view.connections) > _LINES_SHOWN:
        lines.append(reader.say("more", count=len(view.connections) - _LINES_SHOWN))
    buttons = (
        Button(text=reader.plain("button.refresh"), data=f"m:v:{view.venue}"),
        Button(text=reader.plain("button.back"), data="m:v:*"),
    )
    return Content(text="\n".join(lines), rows=(buttons,))


def _clock_line(reader: Reader, view: VenueHealth) -> Markup:
    if view.clock_offset_ms is None:
        return reader.say("venues.clock_unknown")
    return reader.say(
        "venues.clock",
        offset=money.number(view.clock_offset_ms, 1),
        uncertainty=_number(view.clock_uncertainty_ms),
    )


def _order_stream(reader: Reader, found: OrderStreamView) -> Markup:
    return reader.say(
        _ORDER_STREAM.get(found.state, "venues.orders_connecting"),
        age=age(reader, found.alive_age_ms),
        told=found.told,
        reconnects=found.reconnects,
    )


def _pace(reader: Reader, found: PaceView) -> Markup:
    return reader.say(
        "venues.pace_slow" if found.is_slow else "venues.pace",
        stage=reader.named("stage", found.stage),
        path=reader.named("path", found.path),
        p50=_number(found.p50_ms),
        p99=_number(found.p99_ms),
        usual=_number(found.usual_ms) if found.usual_ms else "–",
    )


def _countdown(reader: Reader, found: CountdownView) -> Markup:
    if found.foreign:
        return reader.say("venues.countdown_shared", count=found.foreign)
    if found.why:
        return reader.say("venues.countdown_off", why=found.why)
    if not found.armed_s:
        return reader.say("venues.countdown_idle")
    return reader.say("venues.countdown", left=found.left_ms // 1_000, seconds=found.armed_s)


def _rules(reader: Reader, view: VenueHealth, now_ms: int) -> Markup:
    rules = view.rules
    if not rules.markets:
        return reader.say("venues.no_rules")
    fees = ["…" if fee is None else money.amount(fee, 2) for fee in (rules.maker_bps, rules.taker_bps)]
    return reader.say(
        "venues.rules",
        markets=rules.markets,
        source=_sources(reader, view),
        age=f" ({age(reader, now_ms - rules.as_of_ms)})" if rules.as_of_ms else "",
        maker=fees[0],
        taker=fees[1],
    )


def _sources(reader: Reader, view: VenueHealth) -> str:
    """One word where all of it comes from one place."""
    rules = view.rules
    parts = {"lots": rules.source, "ticks": rules.tick_source or rules.source, "fees": rules.fee_source or rules.source}
    if len(set(parts.values())) == 1:
        return str(reader.named("source", rules.source))
    return ", ".join(f"{reader.named('rule', part)} {reader.named('source', told)}" for part, told in parts.items())


def _line(reader: Reader, line: ConnectionView) -> list[Markup]:
    shown = [
        reader.say(
            "venues.line",
            mark="🟢" if line.state == "up" else "🟡",
            name=line.name,
            symbols=len(line.symbols),
            rate=_number(line.frames_per_s),
            age=age(reader, line.last_frame_age_ms),
            p50=_number(line.latency_p50_ms),
            p99=_number(line.latency_p99_ms),
            ping=_number(line.ping_rtt_ms),
            reconnects=line.reconnects,
            gaps=line.gaps,
            errors=line.errors,
        )
    ]
    if line.reason:
        shown.append(reader.say("venues.broke", reason=line.reason[:120]))
    return shown
