"""The funding board: rates made comparable, the gap between two perpetuals, and how intervals change (domain.md §7)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from engine.domain.board import EdgeView, FundingBoard, FundingView, IntervalChange
from engine.domain.event import PerpState
from engine.domain.market import Instrument, Product
from engine.domain.money import BPS, NS_PER_MS
from engine.market.premium import left_out
from engine.market.view import Market

HOUR_MS = 3_600_000
_HOURS_A_YEAR = 24 * 365
_STALE_MS = 120_000  # venues repeat funding with every mark price, or at least once a minute
_KEEP = 8  # interval changes remembered per contract

Key = tuple[str, str]


def per_hour(rate: float, interval_ms: int) -> float:
    """A rate per interval as a rate per hour: 0.01 % per 8 h and 0.005 % per 4 h are both 0.00125 %."""
    return rate * HOUR_MS / interval_ms


def annual(rate: float, interval_ms: int) -> float:
    """Simple: what a year of this rate would pay on a constant notional."""
    return per_hour(rate, interval_ms) * _HOURS_A_YEAR


def annual_compounded(rate: float, interval_ms: int) -> float:
    """Every payment kept in the position. -1 at worst: a rate of -100 % or less loses everything."""
    if rate <= -1.0:
        return -1.0
    try:
        return float((1 + rate) ** (_HOURS_A_YEAR * HOUR_MS / interval_ms)) - 1
    except OverflowError:
        return float("inf")


class Edge(NamedTuple):
    """What short at one and long at the other earns while both rates stay."""

    per_hour: float
    per_8h: float


def edge(short_rate: float, short_interval_ms: int, long_rate: float, long_interval_ms: int) -> Edge:
    gap = per_hour(short_rate, short_interval_ms) - per_hour(long_rate, long_interval_ms)
    return Edge(gap, 8 * gap)


def break_even_hours(cost: float, hourly: float) -> float:
    """How long until an hourly gain has paid `cost`; infinite where nothing is gained."""
    return cost / hourly if hourly > 0.0 else float("inf")


def break_even_intervals(cost: float, rate: float) -> float:
    """How many settlements at `rate` pay `cost`; infinite where nothing is gained."""
    return cost / rate if rate > 0.0 else float("inf")


def view(market: Market, key: Key, now_ns: int) -> FundingView | None:
    """One contract; None while its rules or its state are not known, or it is no perpetual."""
    at, told = market.instruments.get(key), market.perps.get(key)
    if at is None or told is None or at.product is not Product.PERP:
        return None
    per = float(at.price_per)
    rate, interval_ms = told.funding_rate, told.interval_ms
    known = rate is not None and interval_ms is not None and interval_ms > 0
    day = market.day_tickers.get(key)
    return FundingView(
        venue=key[0],
        symbol=key[1],
        coin=at.base,
        rate=rate,
        predicted=told.predicted_rate,
        interval_ms=interval_ms,
        per_hour=per_hour(rate, interval_ms) if known else None,  # type: ignore[arg-type]
        annual=annual(rate, interval_ms) if known else None,  # type: ignore[arg-type]
        annual_compounded=annual_compounded(rate, interval_ms) if known else None,  # type: ignore[arg-type]
        next_funding_ms=told.next_funding_ms,
        mark=told.mark / per if told.mark is not None else None,
        index=told.index / per if told.index is not None else None,
        basis=told.mark / told.index - 1 if told.mark and told.index else None,
        quote_volume=day.quote_volume if day is not None else None,
        age_ms=max(0, now_ns - told.seen_ns) / NS_PER_MS,
        why=_why(market, told, known, now_ns),
    )


def _why(market: Market, told: PerpState, known: bool, now_ns: int) -> str:
    if not market.connected.get(told.venue, False):
        return "disconnected"
    if (now_ns - told.seen_ns) / NS_PER_MS > _STALE_MS:
        return "stale"
    if not known:
        return "no_rate" if told.funding_rate is None else "no_interval"
    # The rate was for a settlement that is over: the venue has to name the next one before it counts again.
    if told.next_funding_ms is not None and market.wall_ms - told.next_funding_ms > _STALE_MS:
        return "settled"
    return ""


def views(market: Market, now_ns: int, coin: str = "", without: Mapping[Key, str] | None = None) -> list[FundingView]:
    """Every perpetual that is not quarantined, by coin, then venue and symbol."""
    found = (view(market, key, now_ns) for key in sorted(market.perps) if key not in (without or {}))
    rows = [row for row in found if row is not None and coin in ("", row.coin)]
    return sorted(rows, key=lambda row: (row.coin, row.venue, row.symbol))


def edges(rows: Sequence[FundingView], instruments: Mapping[Key, Instrument]) -> list[EdgeView]:
    """Of each coin the widest gap between two contracts that can be believed, widest first."""
    by_coin: dict[str, list[tuple[float, FundingView]]] = {}
    for row in rows:
        if row.per_hour is not None and not row.why:
            by_coin.setdefault(row.coin, []).append((row.per_hour, row))
    made = []
    for coin, found in sorted(by_coin.items()):
        (low, long), (high, short) = min(found, key=_by_rate), max(found, key=_by_rate)
        if long is short or high <= low:
            continue
        fees = sum(float(instruments[row.venue, row.symbol].taker_fee_bps * BPS) for row in (long, short))
        gap = high - low
        made.append(
            EdgeView(
                coin=coin,
                short=short.venue,
                long=long.venue,
                per_hour=gap,
                per_8h=8 * gap,
                annual=gap * _HOURS_A_YEAR,
                cost=2 * fees,
                break_even_h=break_even_hours(2 * fees, gap),
            )
        )
    return sorted(made, key=lambda row: (-row.per_hour, row.coin))


def _by_rate(found: tuple[float, FundingView]) -> tuple[float, str, str]:
    return found[0], found[1].venue, found[1].symbol


class Intervals:
    """How often each contract settled, with its changes. Written by the core alone; venues change it at their will."""

    def __init__(self) -> None:
        self._told: dict[Key, list[tuple[int, int]]] = {}  # (since, interval), oldest first

    def take(self, key: Key, interval_ms: int, wall_ms: int) -> int:
        """The interval before, where this one differs; 0 where it does not, or is the first one."""
        told = self._told.setdefault(key, [])
        if not told:
            told.append((wall_ms, interval_ms))
            return 0
        before = told[-1][1]
        if before == interval_ms:
            return 0
        told.append((wall_ms, interval_ms))
        del told[:-_KEEP]
        return before

    def changes(self) -> list[IntervalChange]:
        """Without the first word of each contract, newest first."""
        found = [
            IntervalChange(venue=key[0], symbol=key[1], wall_ms=since_ms, interval_ms=interval_ms)
            for key, told in sorted(self._told.items())
            for since_ms, interval_ms in told[1:]
        ]
        return sorted(found, key=lambda change: -change.wall_ms)

    def kept(self) -> list[tuple[str, str, list[tuple[int, int]]]]:
        """Everything, to be stored."""
        return [(key[0], key[1], list(told)) for key, told in sorted(self._told.items())]

    def restore(self, kept: Sequence[tuple[str, str, list[tuple[int, int]]]]) -> None:
        self._told = {(venue, symbol): list(told) for venue, symbol, told in kept}


def board(
    market: Market,
    now_ns: int,
    intervals: Intervals,
    *,
    coin: str = "",
    quarantined: Mapping[Key, str] | None = None,
) -> FundingBoard:
    rows = views(market, now_ns, coin, quarantined)
    shown = {(row.venue, row.symbol) for row in rows}
    return FundingBoard(
        wall_ms=market.wall_ms,
        rows=tuple(rows),
        edges=tuple(edges(rows, market.instruments)),
        changes=tuple(change for change in intervals.changes() if (change.venue, change.symbol) in shown),
        left_out=tuple(
            row for row in left_out(market, quarantined or {}, coin) if (row.venue, row.symbol) in market.perps
        ),
        loans=market.loans.views(coin, now_ns),
    )


class FundingKept(Struct, frozen=True, kw_only=True):
    """What is stored of the intervals under `funding.intervals`."""

    contracts: list[tuple[str, str, list[tuple[int, int]]]]
