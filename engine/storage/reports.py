"""Closed trades -> reports. Pure: rows, a window and a time zone in, figures out (domain.md §12)."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import fmean, stdev
from zoneinfo import ZoneInfo

from msgspec import Struct

from engine.domain.money import BPS, ZERO
from engine.domain.report import DayLine, EquityPoint, PnlLine, PnlReport, TradeLine

_PICTURE_POINTS = 500  # more than a phone's picture has columns


class ClosedTrade(Struct, frozen=True, kw_only=True):
    """What a report needs of one trade."""

    id: str
    strategy: str
    key: str
    coin: str
    venue_pair: str
    state: str
    notional_krw: Decimal
    planned_notional_krw: Decimal
    expected_krw: Decimal
    net_krw: Decimal
    fees_krw: Decimal
    slippage_krw: Decimal
    closed_ms: int


class Window(Struct, frozen=True):
    """Local days, oldest first, each from its midnight to the next one's; a day may have 23 or 25 hours."""

    zone: str
    days: tuple[date, ...]
    starts_ms: tuple[int, ...]  # one more than days: the last is where the window ends


def window(zone: str, now_ms: int, days: int) -> Window:
    """The local day that holds `now_ms` and the `days - 1` before it."""
    last = datetime.fromtimestamp(now_ms / 1_000, UTC).astimezone(ZoneInfo(zone)).date()
    dates = tuple(last - timedelta(days=back) for back in range(days - 1, -1, -1))
    return Window(zone, dates, tuple(_midnight_ms(zone, day) for day in (*dates, last + timedelta(days=1))))


def _midnight_ms(zone: str, day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp() * 1_000)


def pnl(trades: Sequence[ClosedTrade], over: Window, signals: int) -> PnlReport:
    """`trades` closed inside the window, in order of closing."""
    total = _line("total", trades)
    daily = _daily(trades, over)
    return PnlReport(
        days=len(over.days),
        time_zone=over.zone,
        since_ms=over.starts_ms[0],
        until_ms=over.starts_ms[-1],
        total=total,
        hit_rate=total.hits / total.trades if total.trades else None,
        by_strategy=_grouped(trades, lambda trade: trade.strategy),
        by_venue_pair=_grouped(trades, lambda trade: trade.venue_pair),
        by_coin=_grouped(trades, lambda trade: trade.coin),
        daily=daily,
        equity=_equity(trades),
        best=_trade_line(max(trades, key=lambda trade: trade.net_krw, default=None)),
        worst=_trade_line(min(trades, key=lambda trade: trade.net_krw, default=None)),
        sharpe=sharpe([day.net_krw for day in daily]),
        max_drawdown_krw=max_drawdown(trade.net_krw for trade in trades),
        signals=signals,
        dead_letters=sum(1 for trade in trades if trade.state == "dead_letter"),
    )


def sharpe(daily_net: Sequence[Decimal]) -> float | None:
    """mean / sd × √365. Capital is taken as constant, so it cancels out; days without trades are zeros and count."""
    if len(daily_net) < 2:
        return None
    values = [float(net) for net in daily_net]
    spread = stdev(values)
    return fmean(values) / spread * 365**0.5 if spread else None


def max_drawdown(nets: Iterable[Decimal]) -> Decimal:
    """The deepest fall of the running sum below its peak, as a positive amount."""
    running = peak = deepest = ZERO
    for net in nets:
        running += net
        peak = max(peak, running)
        deepest = max(deepest, peak - running)
    return deepest


def _line(name: str, trades: Sequence[ClosedTrade]) -> PnlLine:
    net, expected = sum((t.net_krw for t in trades), ZERO), sum((t.expected_krw for t in trades), ZERO)
    notional = sum((t.notional_krw for t in trades), ZERO)
    planned = sum((t.planned_notional_krw for t in trades), ZERO)
    return PnlLine(
        name=name,
        trades=len(trades),
        hits=sum(1 for t in trades if t.net_krw > 0),
        net_krw=net,
        expected_krw=expected,
        fees_krw=sum((t.fees_krw for t in trades), ZERO),
        slippage_krw=sum((t.slippage_krw for t in trades), ZERO),
        notional_krw=notional,
        planned_edge_bps=float(expected / planned / BPS) if planned else None,
        realised_edge_bps=float(net / notional / BPS) if notional else None,
    )


def _grouped(trades: Sequence[ClosedTrade], name_of: Callable[[ClosedTrade], str]) -> tuple[PnlLine, ...]:
    """Best group first; equal ones by name."""
    groups: dict[str, list[ClosedTrade]] = {}
    for trade in trades:
        groups.setdefault(name_of(trade), []).append(trade)
    lines = [_line(name, group) for name, group in groups.items()]
    return tuple(sorted(lines, key=lambda line: (-line.net_krw, line.name)))


def _daily(trades: Sequence[ClosedTrade], over: Window) -> tuple[DayLine, ...]:
    lines = []
    for day, start_ms, end_ms in zip(over.days, over.starts_ms, over.starts_ms[1:], strict=False):
        closed = [trade for trade in trades if start_ms <= trade.closed_ms < end_ms]
        net = sum((trade.net_krw for trade in closed), ZERO)
        fees = sum((trade.fees_krw for trade in closed), ZERO)
        lines.append(DayLine(date=day.isoformat(), trades=len(closed), net_krw=net, fees_krw=fees))
    return tuple(lines)


def _equity(trades: Sequence[ClosedTrade]) -> tuple[EquityPoint, ...]:
    """At most `_PICTURE_POINTS`, evenly taken; the last one is always the total."""
    running, points = ZERO, []
    for trade in trades:
        running += trade.net_krw
        points.append(EquityPoint(trade.closed_ms, running))
    step = -(-len(points) // _PICTURE_POINTS) or 1
    return tuple(points[::-step][::-1])


def _trade_line(trade: ClosedTrade | None) -> TradeLine | None:
    if trade is None:
        return None
    return TradeLine(
        id=trade.id, strategy=trade.strategy, key=trade.key, net_krw=trade.net_krw, closed_ms=trade.closed_ms
    )
