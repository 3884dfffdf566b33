"""The capital curve: old and new, where the premium stands, what is held."""

from itertools import pairwise

import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bot.views.drawings import CurveDrawing
from bot.views.palette import BACKGROUND, FAINT, INK, LINE, NEW, UP

_drawing = msgspec.json.Decoder(CurveDrawing)
_Line = tuple[tuple[float, float], ...]


def paint(figure: Figure, data: bytes) -> None:
    drawing = _drawing.decode(data)
    axes = figure.add_subplot()
    lines = (drawing.old, drawing.new) if drawing.new else (drawing.old,)
    xs = [x for line in lines for x, _ in line] + ([drawing.premium_pct] if drawing.premium_pct is not None else [])
    margin = max(0.5, (max(xs) - min(xs)) * 0.08)
    low, high = min(xs) - margin, max(xs) + margin
    faded = bool(drawing.new)
    _line(axes, drawing.old, low, high, FAINT if faded else LINE, drawing.old_label, dashed=faded)
    if drawing.new:
        _line(axes, drawing.new, low, high, NEW, drawing.new_label, dashed=False)
    if drawing.premium_pct is not None:
        _present(axes, drawing, drawing.new or drawing.old, drawing.premium_pct)
    axes.set_xlim(low, high)
    axes.set_ylim(-4, 108)
    axes.set_title(drawing.title, loc="left", color=INK, fontsize=14, pad=12)
    axes.set_xlabel(drawing.x_label, color=FAINT)
    axes.set_ylabel(drawing.y_label, color=FAINT)
    axes.legend(loc="upper right", labelcolor=INK, fontsize=9)


def weight_at(points: _Line, x: float) -> float:
    """Linear between points, flat outside."""
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]


def _line(axes: Axes, points: _Line, low: float, high: float, colour: str, label: str, *, dashed: bool) -> None:
    xs = [low, *(x for x, _ in points), high]
    ys = [points[0][1], *(y for _, y in points), points[-1][1]]
    percent = [100 * y for y in ys]
    axes.plot(xs, percent, color=colour, linewidth=2.4, linestyle="--" if dashed else "-", label=label)
    if dashed:
        return
    axes.fill_between(xs, percent, color=colour, alpha=0.10)
    axes.scatter(
        [x for x, _ in points], [100 * y for _, y in points], s=42, color=colour, edgecolor=BACKGROUND, zorder=4
    )
    for x, y in points:
        axes.annotate(
            f"{100 * y:.0f}", (x, 100 * y), (0, 8), textcoords="offset points", ha="center", color=INK, fontsize=9
        )


def _present(axes: Axes, drawing: CurveDrawing, points: _Line, premium_pct: float) -> None:
    target = 100 * weight_at(points, premium_pct)
    axes.axvline(premium_pct, color=UP, linewidth=1.2, alpha=0.8)
    axes.scatter([premium_pct], [target], s=90, color=UP, edgecolor=BACKGROUND, zorder=5)
    # The label keeps clear of the right edge when the premium stands near it.
    left = premium_pct > points[-1][0] - 0.2 * (points[-1][0] - points[0][0])
    axes.annotate(
        f"{drawing.now_label} {premium_pct:+.2f} % → {target:.1f} %",
        (premium_pct, target),
        (-10 if left else 10, 12),
        textcoords="offset points",
        ha="right" if left else "left",
        color=UP,
        fontsize=11,
    )
    if drawing.weight_now is not None:
        held = 100 * drawing.weight_now
        axes.axhline(held, color=FAINT, linewidth=1, linestyle=":", label=f"{drawing.held_label} {held:.1f} %")
