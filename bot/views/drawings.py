"""What a drawing needs to know: small values that travel to the worker process, and nothing that is slow to import."""

from msgspec import Struct


class CurveDrawing(Struct, frozen=True, kw_only=True):
    """Input of the drawing `curve`; premium in percent, weights 0..1."""

    title: str
    x_label: str
    y_label: str
    old: tuple[tuple[float, float], ...]
    old_label: str
    new: tuple[tuple[float, float], ...] = ()
    new_label: str = ""
    premium_pct: float | None = None
    now_label: str = ""
    weight_now: float | None = None
    held_label: str = ""


class PnlDrawing(Struct, frozen=True, kw_only=True):
    """Input of the drawing `pnl`; money in KRW, times in seconds since 1970, `zone` for the axis."""

    title: str
    zone: str
    headline: str
    equity_label: str
    equity: tuple[tuple[float, float], ...]
    since_s: float
    until_s: float
    bars_label: str
    bars: tuple[tuple[str, float], ...]
    days_label: str
    days: tuple[tuple[str, float], ...]
    no_trades: str
