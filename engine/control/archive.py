"""What the control server asks of the store: to keep, and to remember. engine.storage provides both."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from engine.domain.effect import Notice, OrderView, Reply
from engine.domain.report import AuditPage, Deed, Execution, PnlReport, StoredNotice
from engine.domain.view import OpportunityView, RefusalView, TradeView


class Keeper(Protocol):
    """The writing side (engine.storage.writer). A future resolves when the thing is durable."""

    @property
    def problem(self) -> str:
        """Why nothing can be written now; "" when it can."""
        ...

    @property
    def newest_deed(self) -> int: ...

    @property
    def newest_notice(self) -> int: ...

    def keep(self, deed: Deed, reply: Reply | None) -> asyncio.Future[int]: ...

    def notice(self, notice: Notice) -> asyncio.Future[int]: ...


class History(Protocol):
    """The reading side (engine.storage.queries). Every method may raise StoreUnavailable."""

    async def reply_of(self, request_id: str) -> tuple[str, Reply] | None: ...

    async def notices_after(self, notice_id: int, limit: int) -> list[StoredNotice]: ...

    async def signals(self, coin: str, limit: int) -> list[OpportunityView]: ...

    async def signal(self, signal_id: str) -> OpportunityView | None: ...

    async def trades(self, limit: int) -> list[TradeView]: ...

    async def trade(self, trade_id: str) -> TradeView | None: ...

    async def order(self, cid: str) -> OrderView | None: ...

    async def executions(self, symbol: str, limit: int) -> list[Execution]: ...

    async def refusals(self, key: str, limit: int) -> Sequence[RefusalView]: ...

    async def pnl(self, now_ms: int, days: int) -> PnlReport: ...

    async def audit(self, limit: int, newest_deed: int) -> AuditPage: ...
