"""The capital curve: a picture, its points as buttons, a preview before anything changes."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec
from msgspec import Struct

from bot.views import money
from bot.views.content import Button, Content, Picture
from bot.views.drawings import CurveDrawing
from bot.views.reader import Reader
from engine.control.messages import CurvePoint, CurvePreview, CurveView

Points = tuple[tuple[Decimal, Decimal], ...]  # (premium in percent, weight 0..1), rising premium
STEP = Decimal("0.05")


def points_of(points: Sequence[CurvePoint]) -> Points:
    return tuple((point.premium_pct, point.weight) for point in points)


def with_point(points: Points, premium_pct: Decimal, weight: Decimal) -> Points:
    """The same curve with one point moved or added."""
    return tuple(sorted({**dict(points), premium_pct: weight}.items()))


def without_point(points: Points, premium_pct: Decimal) -> Points:
    return tuple(point for point in points if point[0] != premium_pct)


def nudged(points: Points, premium_pct: Decimal, by: Decimal) -> Points:
    """One weight moved by a step, held within 0 and 1."""
    weight = dict(points)[premium_pct] + by
    return with_point(points, premium_pct, min(Decimal(1), max(Decimal(0), weight)))


def _floats(points: Points) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in points)


def _percent_text(premium_pct: Decimal) -> str:
    text = money.amount(premium_pct, 2)
    return f"+{text} %" if premium_pct > 0 else f"{text} %"


def _drawing(reader: Reader, strategy: str, **values: object) -> Picture:
    drawing = msgspec.convert(
        {
            "title": reader.plain("curve.picture", strategy=reader.named("strategy", strategy)),
            "x_label": reader.plain("curve.x"),
            "y_label": reader.plain("curve.y"),
            "now_label": reader.plain("curve.now"),
            "held_label": reader.plain("curve.held"),
            **values,
        },
        CurveDrawing,
    )
    return Picture(kind="curve", data=msgspec.json.encode(drawing))


def shown(reader: Reader, view: CurveView, data: Mapping[str, str]) -> Content:
    """The curve as it is; `data` maps a point's premium, or "undo", to callback data (empty for a viewer)."""
    now = view.now
    premium = now.get("premium")
    points = points_of(view.points)
    picture = _drawing(
        reader,
        view.strategy,
        old=_floats(points),
        old_label=reader.plain("curve.present"),
        premium_pct=premium * 100 if premium is not None else None,
        weight_now=now.get("weight_now"),
    )
    lines: list[str] = [
        reader.say("curve.title", strategy=reader.named("strategy", view.strategy), version=view.version)
    ]
    if premium is not None and "weight_target" in now:
        lines.append(
            reader.say(
                "curve.state",
                premium=money.percent_signed(premium),
                target=money.percent(now["weight_target"], 1),
                now=money.percent(now.get("weight_now", 0.0), 1),
                target_krw=money.won_short(now.get("target_krw", 0.0), reader.language),
            )
        )
    lines.append(reader.say("curve.hint", strategy=view.strategy))
    buttons = [
        Button(text=f"{_percent_text(x)} → {money.percent(y, 0)}", data=data[str(x)])
        for x, y in points
        if str(x) in data
    ]
    rows = [tuple(buttons[i : i + 2]) for i in range(0, len(buttons), 2)]
    if "undo" in data:
        rows.append((Button(text=reader.plain("button.undo"), data=data["undo"]),))
    return Content(text="\n".join(lines), picture=picture, rows=tuple(rows))


class EditData(Struct, frozen=True, kw_only=True):
    """Callback data of a preview's buttons; "" leaves one out."""

    apply: str
    cancel: str
    up: str = ""
    down: str = ""
    remove: str = ""


def preview(reader: Reader, view: CurvePreview, point: Decimal | None, data: EditData) -> Content:
    """Old beside new, and what the target would become at this moment. Nothing has changed yet."""
    old, new = points_of(view.old), points_of(view.new)
    picture = _drawing(
        reader,
        view.strategy,
        old=_floats(old),
        old_label=reader.plain("curve.old"),
        new=_floats(new),
        new_label=reader.plain("curve.new"),
        premium_pct=view.premium_pct,
        weight_now=view.weight_now,
    )
    lines: list[str] = [reader.say("curve.preview", strategy=reader.named("strategy", view.strategy))]
    lines += _differences(reader, dict(old), dict(new))
    lines.append(_target_change(reader, view))
    if any(b[1] > a[1] for a, b in pairwise(new)):
        lines.append(reader.say("curve.rising"))
    return Content(text="\n".join(lines), picture=picture, rows=_edit_rows(reader, new, point, data))


def _differences(reader: Reader, old: dict[Decimal, Decimal], new: dict[Decimal, Decimal]) -> list[str]:
    return [
        reader.say(
            "curve.change",
            premium=_percent_text(x),
            old=money.percent(old[x], 0) if x in old else "–",
            new=money.percent(new[x], 0) if x in new else "–",
        )
        for x in sorted(old.keys() | new.keys())
        if old.get(x) != new.get(x)
    ]


def _target_change(reader: Reader, view: CurvePreview) -> str:
    if view.weight_old is None or view.weight_new is None or view.premium_pct is None:
        return reader.say("curve.target_unknown")
    return reader.say(
        "curve.target",
        premium=money.percent_signed(view.premium_pct / 100),
        old=money.percent(view.weight_old, 1),
        new=money.percent(view.weight_new, 1),
        old_krw=money.won_short(view.target_krw_old or 0.0, reader.language),
        new_krw=money.won_short(view.target_krw_new or 0.0, reader.language),
    )


def _edit_rows(reader: Reader, new: Points, point: Decimal | None, data: EditData) -> tuple[tuple[Button, ...], ...]:
    rows: list[tuple[Button, ...]] = []
    if point is not None and data.up and data.down:
        label = f"{_percent_text(point)}: {money.percent(dict(new).get(point, Decimal(0)), 0)}"
        steps = [
            Button(text="− 5 %p", data=data.down),
            Button(text=label, data="n:noop"),
            Button(text="+ 5 %p", data=data.up),
        ]
        rows.append(tuple(steps))
        if data.remove:
            rows.append((Button(text=reader.plain("button.remove_point"), data=data.remove),))
    apply = Button(text=reader.plain("button.apply"), data=data.apply, style="success")
    rows.append((apply, Button(text=reader.plain("button.cancel"), data=data.cancel)))
    return tuple(rows)
