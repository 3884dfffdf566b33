"""Reports from closed trades: figures checked by hand, days by the trader's own midnight."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.storage.reports import ClosedTrade, max_drawdown, pnl, sharpe, window
from engine.storage.rows import rows_of
from tests.storage.views import record, trade

HOUR_MS = 3_600_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


WINDOWS = [  # why                       zone               now (UTC)              days  first day     hours of each day
    ("Seoul's day began at 15:00 UTC", "Asia/Seoul", "2026-11-20T15:00:00", 1, "2026-11-21", [24]),
    ("a second before it", "Asia/Seoul", "2026-11-20T14:59:59", 1, "2026-11-20", [24]),
    ("a week", "Asia/Seoul", "2026-11-20T20:00:00", 7, "2026-11-15", [24] * 7),
    ("clocks go back in Berlin", "Europe/Berlin", "2026-10-26T12:00:00", 3, "2026-10-24", [24, 25, 24]),
    ("clocks go forward in New York", "America/New_York", "2026-03-08T12:00:00", 2, "2026-03-07", [24, 23]),
]


@pytest.mark.parametrize("why, zone, now, days, first, hours", WINDOWS, ids=[case[0] for case in WINDOWS])
def test_window(why, zone, now, days, first, hours):
    over = window(zone, at(now), days)
    assert over.days[0].isoformat() == first
    assert [(b - a) / HOUR_MS for a, b in zip(over.starts_ms, over.starts_ms[1:], strict=False)] == hours
    assert over.starts_ms[-2] <= at(now) < over.starts_ms[-1]


def closed(number: int, net_krw: str, when: str, **options) -> ClosedTrade:
    """Through the same row that the store keeps."""
    _, (row,) = rows_of(record("trades", f"t{number}", trade(number, net_krw, at(when), **options)))
    return ClosedTrade(**{name: row[name] for name in ClosedTrade.__struct_fields__})


def test_a_week_by_hand():
    trades = [
        closed(1, "3000", "2026-11-18T03:00:00"),
        closed(2, "-1000", "2026-11-18T04:00:00", coin="ETH"),
        closed(3, "500", "2026-11-20T14:59:59", strategy="spatial"),  # still the 20th in Seoul
        closed(4, "-200", "2026-11-20T15:00:00", strategy="spatial", state="dead_letter"),  # the 21st
    ]
    report = pnl(trades, window("Asia/Seoul", at("2026-11-20T20:00:00"), 7), signals=12)
    total = report.total
    assert (total.trades, total.hits, total.net_krw, total.fees_krw) == (4, 2, Decimal(2300), Decimal(4800))
    assert (total.expected_krw, total.notional_krw, report.hit_rate) == (Decimal(16900), Decimal(3380000), 0.5)
    assert total.planned_edge_bps == pytest.approx(50.0)  # 4,225 / 845,000
    assert total.realised_edge_bps == pytest.approx(2300 / 3380000 * 10_000)
    assert [(line.name, int(line.net_krw)) for line in report.by_strategy] == [("kimchi", 2000), ("spatial", 300)]
    assert [(line.name, line.trades) for line in report.by_coin] == [("BTC", 3), ("ETH", 1)]
    assert [line.name for line in report.by_venue_pair] == ["binance>upbit"]
    assert [(day.date[-2:], day.trades, int(day.net_krw)) for day in report.daily if day.trades] == [
        ("18", 2, 2000), ("20", 1, 500), ("21", 1, -200),
    ]  # fmt: skip
    assert [int(point.net_krw) for point in report.equity] == [3000, 2000, 2500, 2300]
    assert report.best is not None and report.worst is not None
    assert (report.best.id, report.worst.id) == ("t1", "t2")
    assert (report.max_drawdown_krw, report.dead_letters, report.signals) == (Decimal(1000), 1, 12)


def test_a_day_without_trades():
    report = pnl([], window("Asia/Seoul", at("2026-11-20T20:00:00"), 1), signals=0)
    assert (report.total.trades, report.hit_rate, report.best, report.equity, report.sharpe) == (
        0,
        None,
        None,
        (),
        None,
    )
    assert [(day.date, day.trades) for day in report.daily] == [("2026-11-21", 0)]


def test_sharpe_counts_empty_days():
    assert sharpe([Decimal(2), Decimal(0)]) == pytest.approx(365**0.5 / 2**0.5)  # mean 1, sd √2
    assert sharpe([Decimal(5)] * 3) is None  # no spread, no ratio
    assert sharpe([Decimal(1)]) is None


DRAWDOWNS = [
    ([], 0),
    ([5, 5], 0),
    ([-3], 3),
    ([10, -4, -2, 5, -7], 8),
    ([-1, 10, -2], 2),
]


@pytest.mark.parametrize("nets, deepest", DRAWDOWNS)
def test_max_drawdown(nets, deepest):
    assert max_drawdown(Decimal(net) for net in nets) == deepest


@given(st.lists(st.tuples(st.decimals(-(10**9), 10**9, places=4), st.integers(0, 6 * 24 * HOUR_MS)), max_size=1200))
def test_every_cut_of_a_report_sums_to_the_total(made):
    over = window("Asia/Seoul", at("2026-11-20T20:00:00"), 7)
    template = closed(0, "1", "2026-11-18T03:00:00")
    trades = sorted(
        (
            msgspec.structs.replace(template, net_krw=net, closed_ms=over.starts_ms[0] + offset, coin=str(n % 3))
            for n, (net, offset) in enumerate(made)
        ),
        key=lambda trade: trade.closed_ms,
    )
    report = pnl(trades, over, signals=0)
    total = sum((trade.net_krw for trade in trades), Decimal(0))
    for lines in (report.by_strategy, report.by_coin, report.by_venue_pair, report.daily):
        assert sum((line.net_krw for line in lines), Decimal(0)) == total
        assert sum(line.trades for line in lines) == len(trades)
    assert len(report.equity) <= 500
    assert not trades or report.equity[-1].net_krw == total


def test_a_leg_without_a_rate_does_not_count():
    view = trade(1, "1", at("2026-11-18T03:00:00"))
    _, (row,) = rows_of(record("trades", "t1", view))
    assert row["notional_krw"] == Decimal("845000")
    assert (row["coin"], row["venue_pair"]) == ("BTC", "binance>upbit")
