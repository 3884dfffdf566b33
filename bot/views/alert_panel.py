"""Alert settings in chat: what rings, when it is quiet, what is muted; and the steps to change it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.views import money
from bot.views.content import Button, Content, Markup
from bot.views.reader import Reader
from engine.control.messages import AlertSettings, AlertsPreview, AlertsView, Quiet, Silence, Threshold

FIGURES = ("k_usdt", "k_fx", "tether", "funding", "basis")
KINDS = ("premium", "funding", "flip", "interval", "venue", "budget", "identity", "wallet", "rules")
# Levels offered by a button, as ratios; below zero they are mirrored.
LEVELS: Mapping[str, tuple[str, ...]] = {
    "k_usdt": ("0.005", "0.01", "0.015", "0.02", "0.03", "0.05"),
    "k_fx": ("0.005", "0.01", "0.02", "0.03", "0.05", "0.08"),
    "tether": ("0.005", "0.01", "0.015", "0.02", "0.03", "0.05"),
    "funding": ("0.1", "0.2", "0.3", "0.5", "1", "2"),
    "basis": ("0.001", "0.002", "0.003", "0.005", "0.01", "0.02"),
}
QUIET_HOURS = ((22, 7), (23, 7), (0, 8))
Choice = tuple[str, str]  # text, callback data


def panel(reader: Reader, mine: AlertsView, desk: AlertsView, buttons: Sequence[Sequence[Choice]]) -> Content:
    """Both owners' settings as they are."""
    lines: list[str] = [reader.say("alerts.title"), ""]
    for key, view in (("alerts.mine", mine), ("alerts.desk", desk)):
        lines += [reader.say(key), *_settings(reader, view.settings)]
        if view.held:
            lines.append(reader.say("alerts.held", count=view.held))
        lines.append("")
    lines.append(reader.say("alerts.note"))
    return Content(text="\n".join(lines), rows=_rows(buttons))


def _settings(reader: Reader, settings: AlertSettings) -> list[Markup]:
    lines = [
        _threshold(reader, threshold, number) for number, threshold in enumerate(settings.thresholds, start=1)
    ] or [reader.say("alerts.no_thresholds")]
    if settings.quiet is not None:
        lines.append(quiet_line(reader, settings.quiet))
    lines += [_silence(reader, silence) for silence in settings.silences]
    return lines


def _threshold(reader: Reader, threshold: Threshold, number: int) -> Markup:
    return reader.say(
        "alerts.threshold",
        number=number,
        figure=reader.named("figure", threshold.figure),
        about=about(reader, threshold.coin, threshold.venue),
        side=reader.named("side", threshold.side),
        level=money.percent_signed(threshold.level),
    )


def about(reader: Reader, coin: str, venue: str) -> str:
    where = reader.named("venue", venue) if venue else ""
    return " ".join(part for part in (coin or reader.plain("about.all"), where) if part)


def muted(reader: Reader, coin: str, venue: str) -> str:
    """What of a kind is silent; "" for all of it."""
    return " ".join(part for part in (coin, reader.named("venue", venue) if venue else "") if part)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def quiet_line(reader: Reader, quiet: Quiet) -> Markup:
    return reader.say(
        "alerts.quiet",
        from_=clock(quiet.from_min),
        until=clock(quiet.until_min),
        crit=reader.plain("alerts.quiet_crit") if quiet.crit else "",
    )


def _silence(reader: Reader, silence: Silence) -> Markup:
    until = (
        reader.plain("alerts.until", when=reader.moment(silence.until_ms))
        if silence.until_ms
        else reader.plain("alerts.until_told")
    )
    where = " · ".join(part for part in (silence.coin, reader.named("venue", silence.venue)) if part)
    return reader.say(
        "alerts.silence", kind=reader.named("kind", silence.kind), about=f" ({where})" if where else "", until=until
    )


def question(text: str, choices: Sequence[Sequence[Choice]]) -> Content:
    return Content(text=text, rows=_rows(choices))


def preview(reader: Reader, view: AlertsPreview, threshold: Threshold, choices: Sequence[Sequence[Choice]]) -> Content:
    """What the new threshold sees at this moment."""
    number = len(view.new.thresholds)
    lines: list[str] = [reader.say("alerts.preview", threshold=_threshold(reader, threshold, number))]
    reading = next(reading for reading in view.readings if reading.id == threshold.id)
    if reading.value is None:
        lines.append(reader.say("alerts.reads_nothing"))
    else:
        lines.append(
            reader.say(
                "alerts.reads",
                value=money.percent_signed(reading.value),
                subject=reading.subject,
                rings=reader.say("alerts.rings") if reading.rings else "",
            )
        )
    return Content(text="\n".join(lines), rows=_rows(choices))


def _rows(choices: Sequence[Sequence[Choice]]) -> tuple[tuple[Button, ...], ...]:
    return tuple(tuple(Button(text=text, data=data) for text, data in row) for row in choices if row)


def level_text(level: str) -> str:
    return money.percent_signed(Decimal(level), 1)
