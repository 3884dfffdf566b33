"""What is written once a night: the finished day, and what every account held."""

from collections.abc import Sequence

import msgspec

from engine.domain.effect import Record
from engine.domain.view import BalanceView
from engine.storage import models
from engine.storage.queries import Queries
from engine.storage.reports import window
from engine.storage.writer import Writer

_SHARPE_DAYS = 30


async def roll_up(writer: Writer, queries: Queries, now_ms: int, mode: str) -> None:
    """Write `daily_performance` of the local day before the one that holds `now_ms`. Doing it again changes nothing."""
    yesterday_ms = window(queries.zone, now_ms, 1).starts_ms[0] - 1
    day = await queries.pnl(yesterday_ms, 1)
    month = await queries.pnl(yesterday_ms, _SHARPE_DAYS)
    row = {
        "date": day.daily[0].date,
        "mode": mode,
        "signals": day.signals,
        "trades": day.total.trades,
        "total_pnl_krw": day.total.net_krw + day.total.fees_krw,
        "fees_krw": day.total.fees_krw,
        "net_pnl_krw": day.total.net_krw,
        "sharpe": month.sharpe,
        "max_drawdown_krw": day.max_drawdown_krw,
        "win_rate": day.hit_rate,
    }
    await writer.rows(models.DailyPerformance, [row])


async def snapshot(writer: Writer, balances: Sequence[BalanceView], now_ms: int) -> None:
    """Write `portfolio_snapshots` of this moment; returns when it is durable."""
    writer.record(Record(table="snapshots", key=str(now_ms), wall_ms=now_ms, row=msgspec.json.encode(balances)))
    await writer.flush()
