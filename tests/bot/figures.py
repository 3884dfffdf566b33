"""A report of a busy month, and pictures of it."""

from decimal import Decimal

from engine.control.messages import DayLine, EquityPoint, PnlLine, PnlReport, TradeLine


def line(name: str, net: int) -> PnlLine:
    return PnlLine(
        name=name,
        trades=1_234,
        hits=1_000,
        net_krw=Decimal(net),
        expected_krw=Decimal(net + 10_000),
        fees_krw=Decimal(1_234_567),
        slippage_krw=Decimal(234_567),
        notional_krw=Decimal(12_345_678_901),
        planned_edge_bps=31.2,
        realised_edge_bps=28.7,
    )


def busy_report(days: int = 30) -> PnlReport:
    began_ms = 1_790_000_000_000
    names = ("kimchi", "spatial", "tether_bot", "funding", "basis", "triangular")
    best = TradeLine(id="t1", strategy="kimchi", key="kimchi:BTC:binance>upbit", net_krw=Decimal(98_765), closed_ms=1)
    return PnlReport(
        days=days,
        time_zone="Asia/Seoul",
        since_ms=began_ms,
        until_ms=began_ms + days * 86_400_000,
        total=line("total", 12_345_678),
        hit_rate=0.81,
        by_strategy=tuple(line(name, (-1) ** i * 1_000_000 * (i + 1)) for i, name in enumerate(names)),
        by_venue_pair=(),
        by_coin=(),
        daily=tuple(
            DayLine(date=f"2026-11-{1 + n:02}", trades=n, net_krw=Decimal((n % 7 - 2) * 50_000), fees_krw=Decimal(1))
            for n in range(min(days, 30))
        ),
        equity=tuple(
            EquityPoint(wall_ms=began_ms + n * 3_600_000, net_krw=Decimal(n * 9_000 - (n % 11) * 30_000))
            for n in range(24 * days)
        ),
        best=best,
        worst=best.model_copy(update={"id": "t2", "net_krw": Decimal(-54_321)}),
        sharpe=3.21,
        max_drawdown_krw=Decimal(765_432),
        signals=12_345,
        dead_letters=1,
    )
