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


class HeatCell(Struct, frozen=True, kw_only=True):
    """One contract; `annual` None: nothing to believe, drawn grey."""

    annual: float | None
    text: str  # +10.95 %
    below: str  # 8h · 3h 12m


class HeatDrawing(Struct, frozen=True, kw_only=True):
    """Input of the drawing `heat`: venues down, coins across; a cell is None where the venue has no such contract."""

    title: str
    as_of: str
    venues: tuple[str, ...]
    coins: tuple[str, ...]
    cells: tuple[tuple[HeatCell | None, ...], ...]  # per venue, per coin
    note: str = ""


class PremiumDrawing(Struct, frozen=True, kw_only=True):
    """Input of the drawing `premium`; ratios in percent, `is_stale` ones are drawn grey."""

    title: str
    as_of: str
    tether_label: str
    fx_label: str
    bars: tuple[tuple[str, str, float, float | None, bool], ...]  # coin, route, tether basis, FX basis, is_stale


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
