"""From a picture's data to PNG bytes. Runs in a worker process: matplotlib is slow to load and holds its lock long."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import font_manager, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bot.views import draw_curve, draw_heat, draw_pnl, draw_premium
from bot.views.money import MINUS
from bot.views.palette import BACKGROUND, FAINT, GRID

_FONTS = Path(__file__).parent / "fonts"
_DPI = 160


def draw(kind: str, data: bytes) -> bytes:
    """PNG of one picture, well below Telegram's 10 MB and 10,000 pixels. `kind` is a name in DRAWINGS."""
    family = _font()
    figure = Figure(figsize=(7.2, 4.6), dpi=_DPI, facecolor=BACKGROUND, layout="constrained")
    FigureCanvasAgg(figure)
    DRAWINGS[kind](figure, data)
    for axes in figure.axes:
        _style(axes, family)
    for text in figure.texts:
        text.set_fontfamily(family)
    out = BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def warm() -> None:
    """Load fonts once, before the first picture is wanted."""
    _font()


@cache
def _font() -> str:
    for file in sorted(_FONTS.glob("*.ttf")):
        font_manager.fontManager.addfont(str(file))
    rcParams["axes.unicode_minus"] = False
    return font_manager.FontProperties(fname=str(_FONTS / "NanumGothic.ttf")).get_name()


def _style(axes: Axes, family: str) -> None:
    axes.set_facecolor(BACKGROUND)
    if axes.get_gid() != "bare":
        axes.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=FAINT, labelsize=10.5 if axes.get_gid() == "bare" else 9, length=0)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontfamily(family)
        label.set_linespacing(1.25)
    texts: list[Any] = [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]
    texts += [*(getattr(axes, name) for name in ("_left_title", "_right_title"))]
    if (legend := axes.get_legend()) is not None:
        texts += legend.get_texts()
        legend.get_frame().set_alpha(0)
    for text in texts:
        text.set_fontfamily(family)
        text.set_text(text.get_text().replace(MINUS, "-"))  # the font has no U+2212


DRAWINGS: dict[str, Callable[[Figure, bytes], None]] = {
    "curve": draw_curve.paint,
    "heat": draw_heat.paint,
    "pnl": draw_pnl.paint,
    "premium": draw_premium.paint,
}
