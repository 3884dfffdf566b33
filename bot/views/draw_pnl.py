"""Profit and loss: the equity curve above, bars by strategy and by day below."""

from zoneinfo import ZoneInfo

import msgspec
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bot.views.drawings import PnlDrawing
from bot.views.palette import FAINT, INK, LINE, of

_drawing = msgspec.json.Decoder(PnlDrawing)


def paint(figure: Figure, data: bytes) -> None:
    drawing = _drawing.decode(data)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.7, 1))
    _equity(figure.add_subplot(grid[0, :]), drawing)
    if drawing.days:
        _bars(figure.add_subplot(grid[1, 0]), drawing.bars, drawing.bars_label, drawing.no_trades)
        _bars(figure.add_subplot(grid[1, 1]), drawing.days, drawing.days_label, drawing.no_trades)
    else:
        _bars(figure.add_subplot(grid[1, :]), drawing.bars, drawing.bars_label, drawing.no_trades)


def _equity(axes: Axes, drawing: PnlDrawing) -> None:
    zone = ZoneInfo(drawing.zone)
    points = [(drawing.since_s, 0.0), *drawing.equity]
    points.append((max(drawing.until_s, points[-1][0]), points[-1][1]))
    times = [second / 86_400 for second, _ in points]  # matplotlib's dates are days since 1970
    values = [value for _, value in points]
    colour = of(values[-1])
    axes.step(times, values, where="post", color=colour, linewidth=2.2)
    axes.fill_between(times, values, step="post", color=colour, alpha=0.12)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    if not drawing.equity:
        _empty(axes, drawing.no_trades)
        axes.set_ylim(-1, 1)
    locator = AutoDateLocator(tz=zone, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    days = ConciseDateFormatter(locator, tz=zone, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(days)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_title(drawing.title, loc="left", color=INK, fontsize=14, pad=10)
    axes.set_title(drawing.headline, loc="right", color=colour, fontsize=17, pad=10)
    axes.set_ylabel(drawing.equity_label, color=FAINT, fontsize=9)


def _bars(axes: Axes, bars: tuple[tuple[str, float], ...], title: str, no_trades: str) -> None:
    axes.set_title(title, loc="left", color=FAINT, fontsize=10)
    if not bars:
        _empty(axes, no_trades)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    names = [name for name, _ in bars]
    values = [value for _, value in bars]
    axes.bar(range(len(bars)), values, color=[of(value) for value in values], width=0.62)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.margins(y=0.22)
    every = max(1, len(bars) // 8)
    axes.set_xticks(range(0, len(bars), every), [names[i] for i in range(0, len(bars), every)])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if len(bars) > 8:
        return
    axes.set_xlim(-0.8, max(len(bars), 3) - 0.2)
    for place, value in enumerate(values):
        above = value >= 0
        axes.annotate(
            f"{value:+,.0f}",
            (place, value),
            (0, 3 if above else -3),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            color=of(value),
            fontsize=8,
        )


def _empty(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=LINE, fontsize=11)
