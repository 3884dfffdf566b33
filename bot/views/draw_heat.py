"""The funding heatmap: venues down, coins across; green where longs are paid for, red where shorts are."""

import msgspec
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bot.views.drawings import HeatCell, HeatDrawing
from bot.views.palette import BACKGROUND, DOWN, FAINT, GRID, INK, UP

_drawing = msgspec.json.Decoder(HeatDrawing)
_FULL = 0.60  # a year: the colour is full
_GAP = 0.05


def paint(figure: Figure, data: bytes) -> None:
    """Phone width whatever the number of coins; the height follows the venues."""
    drawing = _drawing.decode(data)
    rows = max(1, len(drawing.venues))
    figure.set_size_inches(7.2, 1.35 + 0.82 * rows)
    axes = figure.add_subplot()
    for row, cells in enumerate(drawing.cells):
        for column, cell in enumerate(cells):
            _cell(axes, column, row, cell, len(drawing.coins))
    axes.set_xlim(0, max(1, len(drawing.coins)))
    axes.set_ylim(rows, 0)
    axes.set_xticks([column + 0.5 for column in range(len(drawing.coins))], list(drawing.coins))
    axes.set_yticks([row + 0.5 for row in range(len(drawing.venues))], list(drawing.venues))
    axes.xaxis.set_ticks_position("top")
    axes.set_title(drawing.title, loc="left", color=INK, fontsize=15, pad=12)
    axes.set_title(drawing.as_of, loc="right", color=FAINT, fontsize=11, pad=12)
    axes.set_gid("bare")
    if drawing.note:
        axes.set_xlabel(drawing.note, color=FAINT, fontsize=10)


def _cell(axes: Axes, column: int, row: int, cell: HeatCell | None, coins: int) -> None:
    colour = _colour(cell)
    size = 1 - 2 * _GAP
    axes.add_patch(Rectangle((column + _GAP, row + _GAP), size, size, color=colour, linewidth=0))
    if cell is None:
        return
    # Six coins fill the width of a phone: more of them need smaller letters.
    large = 13 if coins <= 6 else 11
    ink = FAINT if cell.annual is None else INK
    axes.text(column + 0.5, row + 0.40, cell.text, ha="center", va="center", color=ink, fontsize=large)
    axes.text(column + 0.5, row + 0.72, cell.below, ha="center", va="center", color=ink, alpha=0.85, fontsize=large - 4)


def _colour(cell: HeatCell | None) -> tuple[float, float, float]:
    """From the desk's dark to full colour; what is not there stays dark, what is not believed is grey."""
    if cell is None:
        return to_rgb(GRID)
    if cell.annual is None:
        return to_rgb("#2a333d")
    share = 0.12 + 0.68 * min(1.0, abs(cell.annual) / _FULL)
    full, dark = to_rgb(UP if cell.annual >= 0 else DOWN), to_rgb(BACKGROUND)
    return (
        dark[0] + (full[0] - dark[0]) * share,
        dark[1] + (full[1] - dark[1]) * share,
        dark[2] + (full[2] - dark[2]) * share,
    )
