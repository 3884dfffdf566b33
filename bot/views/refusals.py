"""Why something was refused: the rule in the reader's language, then its numbers."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from bot.texts import number_name, rule_title
from bot.views import money
from bot.views.content import Button, Content, Markup
from bot.views.reader import Reader
from engine.control.messages import LeftOut, RefusalView

_SHOWN = 10
_RATIOS = frozenset({"net", "floor", "spread", "slippage", "drawdown", "distance"})


def reason(reader: Reader, rule: str, text: str, body: object = None) -> Markup:
    """Two lines: what the rule is called, and its numbers, or the engine's sentence where it gave none."""
    title = rule_title(reader.language, rule)
    detail = _detail(reader, text, body)
    return reader.say("refused", rule=title, text=detail) if detail else reader.say("refused.bare", rule=title)


def reason_short(reader: Reader, rule: str, text: str, body: object = None) -> str:
    """For a callback answer: at most 200 characters, without markup."""
    title, detail = rule_title(reader.language, rule), _detail(reader, text, body)
    line = f"⛔ {title}: {detail}" if detail else f"⛔ {title}"
    return line if len(line) <= 200 else line[:199] + "…"


def _detail(reader: Reader, text: str, body: object) -> str:
    """A refusal's body is its numbers by name: those translate, the English sentence does not."""
    if reader.language != "en" and isinstance(body, dict) and body:
        named = {str(name): value for name, value in body.items() if isinstance(value, str) and value}
        if len(named) == len(body):
            return _numbers(reader, named)
    return text


def reason_of(reader: Reader, engine_reason: str) -> str:
    """The `reason` of an opportunity or a trade, "rule: numbers" or a sentence, with the rule translated.

    A reason may hold another one behind its rule: why a hedge stands, and that it could not be closed.
    """
    rule, colon, rest = engine_reason.partition(": ")
    title = rule_title(reader.language, rule)
    if title == rule:
        return engine_reason
    return f"{title}: {reason_of(reader, rest)}" if colon else title


def _numbers(reader: Reader, numbers: Mapping[str, str]) -> str:
    ratio = any(name in _RATIOS for name in numbers)
    return " · ".join(
        f"{number_name(reader.language, name)} {_value(reader, name, value, ratio=ratio)}"
        for name, value in numbers.items()
    )


def _value(reader: Reader, name: str, value: str, *, ratio: bool) -> str:
    """A number by its name: ratios as percent, KRW as ₩; `limit` is a ratio where it stands beside one."""
    if name == "venue":
        return reader.named("venue", value)
    try:
        exact = Decimal(value)
    except InvalidOperation:
        return value
    if name in _RATIOS or (name == "limit" and ratio):
        return money.percent(exact)
    if name.endswith("_krw"):
        return money.won(exact)
    return money.amount(exact)


def why(
    reader: Reader,
    refusals: Sequence[RefusalView],
    about: str,
    left_out: Sequence[LeftOut] = (),
    release_data: Sequence[str] = (),
) -> Content:
    """The newest refusals with their numbers, newest first; markets in quarantine, with their buttons for an owner."""
    rows = tuple(
        (
            Button(
                text=reader.plain("button.release", market=f"{reader.named('venue', out.venue)} {out.symbol}"),
                data=data,
            ),
        )
        for out, data in zip(left_out, release_data, strict=False)
    )
    out_lines = [
        reader.say("why.left_out", venue=reader.named("venue", out.venue), symbol=out.symbol, reason=out.reason)
        for out in left_out
    ]
    if not refusals and not left_out:
        return Content(text=reader.say("why.none", about=about) if about else reader.say("why.none_at_all"))
    lines: list[str] = [reader.say("why.title", about=about) if about else reader.say("why.title_all"), *out_lines]
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
    return Content(text="\n".join(lines), rows=rows)
