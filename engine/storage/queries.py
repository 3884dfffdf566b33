"""Reading the SQL store: history, reports, the audit. Every method may raise StoreUnavailable."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.domain.effect import OrderView, Reply
from engine.domain.errors import StoreUnavailable
from engine.domain.event import SettingStored
from engine.domain.report import AuditPage, AuditRow, Execution, PnlReport, StoredNotice
from engine.domain.view import OpportunityView, RefusalView, TradeView
from engine.storage import models
from engine.storage.audit import Head, first_broken
from engine.storage.reports import ClosedTrade, pnl, window
from engine.storage.rows import Row

T = TypeVar("T")

_PAGE = 1_000
_NEVER_SENT = ("planned", "not_placed")
_UNDER_WAY = ("working", "naked")


class Queries:
    """One reader of `engine`'s database; safe beside the writer. `zone` says where a day begins."""

    def __init__(self, engine: AsyncEngine, zone: str) -> None:
        self._engine = engine
        self.zone = zone

    async def _rows(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        try:
            async with self._engine.connect() as sql:
                return (await sql.execute(query)).mappings().all()
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(f"sql store: {str(error).splitlines()[0]}") from error

    async def _bodies(self, query: sa.Select[Any], kind: type[T]) -> list[T]:
        rows, decode = await self._rows(query), msgspec.json.Decoder(kind).decode
        # In a thread, like everything here that may take long: the loop has prices to look at.
        return await asyncio.to_thread(lambda: [decode(row["body"]) for row in rows])

    async def settings(self, now_ns: int) -> list[SettingStored]:
        """Every version of every setting, oldest first: what the core needs to use the newest and to undo it."""
        table = models.Setting
        rows = await self._rows(sa.select(table.name, table.version, table.value).order_by(table.name, table.version))
        return [SettingStored(name=r["name"], version=r["version"], value=r["value"], seen_ns=now_ns) for r in rows]

    async def setting_history(self, name: str, limit: int = 20) -> list[Row]:
        """Versions of one setting, newest first: version, value, actor, wall_ms."""
        table = models.Setting
        query = sa.select(table.version, table.value, table.actor, table.wall_ms).where(table.name == name)
        return [dict(row) for row in await self._rows(query.order_by(table.version.desc()).limit(limit))]

    async def reply_of(self, request_id: str) -> tuple[str, Reply] | None:
        """The first answer to this request id and the actor that it was given to."""
        table = models.KeptReply
        rows = await self._rows(sa.select(table.__table__).where(table.request_id == request_id))
        if not rows:
            return None
        row = rows[0]
        reply = Reply(request_id=request_id, ok=row["ok"], rule=row["rule"], text=row["text"], body=row["body"])
        return row["actor"], reply

    async def cards(self, kind: str) -> list[bytes]:
        """The newest notice of each key among the last thousand notices of all kinds."""
        table = models.StoredNotice
        first = sa.select(sa.func.max(table.id) - _PAGE).scalar_subquery()
        newest = sa.select(sa.func.max(table.id)).where(table.kind == kind, table.id > first).group_by(table.key)
        rows = await self._rows(sa.select(table.body).where(table.id.in_(newest)).order_by(table.id))
        return [row["body"] for row in rows]

    async def notices_after(self, notice_id: int, limit: int) -> list[StoredNotice]:
        table = models.StoredNotice
        query = sa.select(table.__table__).where(table.id > notice_id).order_by(table.id).limit(limit)
        return [StoredNotice(**row) for row in await self._rows(query)]

    async def signals(self, coin: str, limit: int) -> list[OpportunityView]:
        """Opportunities, newest first; `coin` "" for all."""
        table = models.ArbitrageSignal
        query = sa.select(table.body).order_by(table.opened_ms.desc(), table.id).limit(limit)
        return await self._bodies(query.where(table.coin == coin) if coin else query, OpportunityView)

    async def signal(self, signal_id: str) -> OpportunityView | None:
        found = await self._bodies(
            sa.select(models.ArbitrageSignal.body).where(models.ArbitrageSignal.id == signal_id), OpportunityView
        )
        return found[0] if found else None

    async def trades(self, limit: int) -> list[TradeView]:
        query = sa.select(models.Trade.body).order_by(models.Trade.opened_ms.desc(), models.Trade.id).limit(limit)
        return await self._bodies(query, TradeView)

    async def under_way(self) -> list[TradeView]:
        """Trades that have no end here, of the thousand opened last."""
        last = sa.select(models.Trade.id).order_by(models.Trade.opened_ms.desc()).limit(_PAGE)
        query = sa.select(models.Trade.body).where(models.Trade.id.in_(last), models.Trade.state.in_(_UNDER_WAY))
        return await self._bodies(query.order_by(models.Trade.id), TradeView)

    async def trade(self, trade_id: str) -> TradeView | None:
        found = await self._bodies(sa.select(models.Trade.body).where(models.Trade.id == trade_id), TradeView)
        return found[0] if found else None

    async def order(self, cid: str) -> OrderView | None:
        found = await self._bodies(sa.select(models.Order.body).where(models.Order.cid == cid), OrderView)
        return found[0] if found else None

    async def orders_of(self, trade_id: str) -> list[OrderView]:
        query = sa.select(models.Order.body).where(models.Order.trade_id == trade_id).order_by(models.Order.cid)
        return await self._bodies(query, OrderView)

    async def executions(self, symbol: str, limit: int) -> list[Execution]:
        """Orders that were sent, newest first. `symbol` may be a part: BTC finds KRW-BTC and BTCUSDT."""
        table = models.Order
        query = sa.select(table.__table__).where(table.status.not_in(_NEVER_SENT))
        if symbol:
            query = query.where(table.symbol.contains(symbol.upper(), autoescape=True))
        return [_execution(row) for row in await self._rows(query.order_by(table.updated_ms.desc()).limit(limit))]

    async def refusals(self, key: str, limit: int) -> list[RefusalView]:
        """Newest first. `key`: an opportunity's key or id, a strategy, a coin; "" for all."""
        table = models.Refusal
        query = sa.select(table.body).order_by(table.wall_ms.desc(), table.id).limit(limit)
        if key:
            coin = table.key.contains(f":{key}:", autoescape=True)
            query = query.where(sa.or_(table.key == key, table.opportunity_id == key, table.strategy == key, coin))
        return await self._bodies(query, RefusalView)

    async def pnl(self, now_ms: int, days: int) -> PnlReport:
        """The local day of `now_ms` and the `days - 1` before it."""
        over = window(self.zone, now_ms, days)
        trade, signal = models.Trade, models.ArbitrageSignal
        columns = [getattr(trade, name) for name in ClosedTrade.__struct_fields__]
        closed = (
            sa.select(*columns)
            .where(trade.closed_ms >= over.starts_ms[0], trade.closed_ms < over.starts_ms[-1])
            .where(trade.outcome != "nothing_filled")  # nothing was traded
            .order_by(trade.closed_ms, trade.id)
        )
        seen = (
            sa.select(sa.func.count().label("count"))
            .select_from(signal)
            .where(signal.opened_ms >= over.starts_ms[0], signal.opened_ms < over.starts_ms[-1])
        )
        rows, counted = await self._rows(closed), await self._rows(seen)
        return await asyncio.to_thread(
            lambda: pnl([ClosedTrade(**row) for row in rows], over, int(counted[0]["count"]))
        )

    async def audit(self, limit: int, newest_deed: int) -> AuditPage:
        """The newest rows, and a check of the whole chain, which must reach the writer's `newest_deed`."""
        table = models.Audit
        newest = await self._rows(sa.select(table.__table__).order_by(table.id.desc()).limit(limit))
        reached, broken_at = await self._check_chain(newest_deed)
        return AuditPage(
            rows=tuple(AuditRow(**row) for row in newest),
            intact=broken_at is None,
            checked=reached.id,
            broken_at=broken_at,
        )

    async def _check_chain(self, newest_deed: int) -> tuple[Head, int | None]:
        table, reached = models.Audit, Head()
        while True:
            page = await self._rows(
                sa.select(table.__table__).where(table.id > reached.id).order_by(table.id).limit(_PAGE)
            )
            reached, broken_at = await asyncio.to_thread(_walk, reached, page)
            if broken_at is not None:
                return reached, broken_at
            if len(page) < _PAGE:
                # Fewer rows than were written: the tail was taken off while we ran.
                return reached, reached.id + 1 if reached.id < newest_deed else None


def _walk(reached: Head, page: Sequence[sa.RowMapping]) -> tuple[Head, int | None]:
    return first_broken(reached, (AuditRow(**row) for row in page))


def _execution(row: sa.RowMapping) -> Execution:
    return Execution(
        cid=row["cid"],
        trade_id=row["trade_id"],
        venue=row["venue"],
        symbol=row["symbol"],
        side=row["side"],
        role=row["role"],
        status=row["status"],
        qty=row["requested_qty"],
        price=row["requested_price"],
        filled_qty=row["filled_qty"],
        filled_quote=row["filled_quote"],
        fees=msgspec.json.decode(row["fees"], type=dict[str, Decimal]),
        latency_us=row["latency_us"],
        wall_ms=row["updated_ms"],
    )
