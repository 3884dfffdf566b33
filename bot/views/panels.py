"""Panels with buttons: strategies and their modes, halting and resuming, help."""

from collections.abc import Mapping, Sequence

from bot.views import left_naked, money
from bot.views.content import Button, Content, Markup
from bot.views.reader import Reader
from bot.views.refusals import reason
from engine.control.messages import Answer, StrategyView

MODES = ("off", "alert", "confirm", "auto")


def strategies(reader: Reader, views: Sequence[StrategyView], data: Mapping[tuple[str, str], str]) -> Content:
    """One block per strategy; `data` maps (strategy, mode) to a button's callback data, empty for a viewer."""
    lines: list[str] = [reader.say("strategies.title")]
    rows: list[tuple[Button, ...]] = []
    for view in views:
        lines.append("")
        lines.append(
            reader.say(
                "strategies.row",
                strategy=reader.named("strategy", view.name),
                mode=reader.named("mode", view.mode),
                trades=view.trades_today,
                live=view.open_opportunities,
            )
        )
        lines += _figures(reader, view)
        buttons = tuple(
            Button(
                text=("● " if mode == view.mode else "") + reader.named("mode_button", mode),
                data=data[view.name, mode],
                style="primary" if mode == view.mode else "",
            )
            for mode in MODES
            if (view.name, mode) in data
        )
        if buttons:
            rows.append((Button(text=f"— {reader.named('strategy', view.name)} —", data="n:strategies"),))
            rows.append(buttons)
    return Content(text="\n".join(lines), rows=tuple(rows))


def _figures(reader: Reader, view: StrategyView) -> list[str]:
    now = view.now
    lines: list[str] = []
    if "min_net" in view.params:
        lines.append(reader.say("strategies.min_net", value=money.percent(float(view.params["min_net"]))))
    if "weight_now" in now and "weight_target" in now:
        lines.append(
            reader.say(
                "strategies.weights",
                premium=money.percent_signed(now.get("premium", 0.0)),
                now=money.percent(now["weight_now"], 1),
                target=money.percent(now["weight_target"], 1),
            )
        )
    elif "premium" in now:
        lines.append(reader.say("strategies.premium", premium=money.percent_signed(now["premium"])))
    return lines


def ask(reader: Reader, text: str, yes: str, yes_data: str, no_data: str, *, style: str = "danger") -> Content:
    """A question with a yes that names what it does, and a cancel."""
    return Content(
        text=text,
        rows=(
            (Button(text=yes, data=yes_data, style=style), Button(text=reader.plain("button.cancel"), data=no_data)),
        ),
    )


def halted(reader: Reader, level: int, answer: Answer, flatten_data: str) -> Content:
    """What a halt did and left open; below level 3 with the button that would flatten as well."""
    if not answer.ok:
        return Content(text=reader.say("halt.refused", level=level, why=reason(reader, answer.rule, answer.text)))
    rows: tuple[tuple[Button, ...], ...] = ()
    if flatten_data and level == 2:
        rows = ((Button(text=reader.plain("button.flatten"), data=flatten_data, style="danger"),),)
    text = [reader.say(f"halt.done{level}"), *left_naked.lines(reader, answer.body)]
    return Content(text="\n".join(text), rows=rows)


def resume_check(reader: Reader, answer: Answer, confirm_data: str) -> Content:
    """The self-check's result; only a passed one has the button."""
    lines = _checks(reader, answer.body)
    if not answer.ok:
        why = Markup("\n".join(lines)) if lines else reason(reader, answer.rule, answer.text)
        return Content(text=reader.say("resume.failed", why=why))
    return ask(
        reader,
        reader.say("resume.passed", text=Markup("\n".join(lines)) if lines else answer.text),
        reader.plain("button.resume"),
        confirm_data,
        "n:cancel",
        style="success",
    )


def _checks(reader: Reader, body: object) -> list[Markup]:
    """The self-check line by line, what failed first."""
    checks = body.get("checks", []) if isinstance(body, dict) else []
    rows = sorted((check for check in checks if isinstance(check, dict)), key=lambda check: bool(check.get("ok")))
    return [
        reader.say(
            "resume.check", mark="✅" if row.get("ok") else "❌", name=row.get("name", ""), text=row.get("text", "")
        )
        for row in rows
    ]


def help_text(reader: Reader) -> Content:
    lines: list[str] = [reader.say("help.title"), reader.say("help.viewer"), reader.say("help.markets")]
    if reader.may("trader"):
        lines.append(reader.say("help.trader"))
    if reader.may("owner"):
        lines.append(reader.say("help.owner"))
    lines.append(reader.say("help.modes"))
    return Content(text="\n\n".join(lines))


def welcome(reader: Reader, name: str) -> Content:
    """The only message with a reply keyboard: the kill word under the thumb."""
    words: tuple[tuple[str, ...], ...] = (("/status", "/opps", "/pnl"), ("/strategies", "/balance"))
    if reader.may("trader"):
        words = ((reader.plain("word.kill"),), *words)
    role = reader.named("role", reader.role)
    return Content(text=reader.say("start", name=name or reader.plain("start.you"), role=role), words=words)
