"""Both bases of the premium, coin by coin: the tether basis as a bar, the FX basis as a mark on the same line."""

import msgspec
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bot.views.drawings import PremiumDrawing
from bot.views.palette import FAINT, INK, NEW, of

_drawing = msgspec.json.Decoder(PremiumDrawing)
_STALE = "#4a545f"


def paint(figure: Figure, data: bytes) -> None:
    drawing = _drawing.decode(data)
    figure.set_size_inches(7.2, max(3.2, 1.6 + 0.56 * len(drawing.bars)))
    axes = figure.add_subplot()
    places = range(len(drawing.bars))
    values = [tether for _, _, tether, _, _ in drawing.bars]
    colours = [_STALE if stale else of(tether) for _, _, tether, _, stale in drawing.bars]
    axes.barh(places, values, color=colours, height=0.62)
    marks = [
        (place, fx, stale) for place, (_, _, _, fx, stale) in zip(places, drawing.bars, strict=True) if fx is not None
    ]
    fx_colours = [FAINT if stale else NEW for _, _, stale in marks]
    axes.scatter([fx for _, fx, _ in marks], [place for place, _, _ in marks], marker="D", s=52, c=fx_colours, zorder=4)
    reach = max([abs(value) for value in values] + [abs(fx) for _, fx, _ in marks] + [0.1])
    axes.set_xlim(min(0.0, *values, *(fx for _, fx, _ in marks)) - 0.22 * reach, reach * 1.6)
    for place, (_, _, tether, fx, stale) in zip(places, drawing.bars, strict=True):
        figures = ((0.86, f"{tether:+.2f} %", INK), (1.0, "–" if fx is None else f"{fx:+.2f} %", NEW))
        for x, text, colour in figures:
            ink = FAINT if stale else colour
            axes.text(
                x, place, text, transform=axes.get_yaxis_transform(), ha="right", va="center", color=ink, fontsize=12
            )
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set_yticks(list(places), [f"{coin}\n{route}" for coin, route, _, _, _ in drawing.bars])
    axes.set_ylim(len(drawing.bars) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.1f} %"))
    axes.set_title(drawing.title, loc="left", color=INK, fontsize=15, pad=26)
    axes.set_title(drawing.as_of, loc="right", color=FAINT, fontsize=11, pad=26)
    axes.set_gid("bare")
    axes.text(0, 1.02, f"■ {drawing.tether_label}", transform=axes.transAxes, color=INK, fontsize=10, va="bottom")
    axes.text(0.26, 1.02, f"◆ {drawing.fx_label}", transform=axes.transAxes, color=NEW, fontsize=10, va="bottom")
