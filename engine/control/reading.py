"""The paths that only look (R172 and the desk's own): the present comes from the desk, the past from the store."""

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Response

from engine.control import messages as m
from engine.control.archive import History, Keeper
from engine.control.door import Desk
from engine.control.gate import Refused, reader, said
from engine.domain.errors import StoreUnavailable
from engine.domain.view import OpportunityView, StrategyView, TradeView

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=500)]
Days = Annotated[int, Query(ge=1, le=366)]
Word = Annotated[str, Query(max_length=200)]

_DESK_TRADES = 200  # older ones are in the store alone


class Reading:
    """One method per path; each answers with the JSON of the message that `router` names beside it."""

    def __init__(self, desk: Desk, keeper: Keeper, history: History) -> None:
        self._desk = desk
        self._keeper = keeper
        self._history = history

    def router(self) -> APIRouter:
        router = APIRouter(dependencies=[Depends(reader)])
        paths: list[tuple[str, Callable[..., Any], Any]] = [
            ("/health", self.health, m.Health),
            ("/status", self.status, m.StatusView),
            ("/metrics/live", self.metrics, dict[str, Any]),
            ("/positions", self.positions, list[m.TradeView]),
            ("/positions/{symbol}", self.positions_of, list[m.TradeView]),
            ("/signals", self.signals, list[m.OpportunityView]),
            ("/signals/{symbol}", self.signals_of, list[m.OpportunityView]),
            ("/orders", self.orders, list[m.OrderView]),
            ("/orders/{order_id}", self.order, m.OrderView),
            ("/executions", self.executions, list[m.Execution]),
            ("/strategies", self.strategies, list[m.StrategyView]),
            ("/strategies/{name}", self.strategy, m.StrategyView),
            ("/curves/{name}", self.curve, m.CurveView),
            ("/opportunities", self.opportunities, list[m.OpportunityView]),
            ("/opportunities/{opportunity_id}", self.opportunity, m.OpportunityView),
            ("/trades", self.trades, list[m.TradeView]),
            ("/trades/{trade_id}", self.trade, m.TradeView),
            ("/dlq", self.dead_letters, list[m.TradeView]),
            ("/balances", self.balances, list[m.BalanceView]),
            ("/refusals", self.refusals, list[m.RefusalView]),
            ("/halt", self.halt, m.HaltView),
            ("/reports/pnl", self.pnl, m.PnlReport),
            ("/audit", self.audit, m.AuditPage),
        ]
        for path, endpoint, model in paths:
            shape: dict[int | str, dict[str, Any]] = {200: {"model": model}, "4XX": {"model": m.Refusal}}
            router.add_api_route(path, endpoint, methods=["GET"], responses=shape, response_model=None)
        return router

    async def health(self) -> Response:
        status, problem = self._desk.status(), self._keeper.problem
        ok = status.ready and not problem
        body = {"ok": ok, "ready": status.ready, "level": status.level, "storage": problem or "ok"}
        return said(200, body | {"uptime_ms": status.uptime_ms})

    async def status(self) -> Response:
        return said(200, self._desk.status())

    async def metrics(self) -> Response:
        return said(200, self._desk.metrics())

    def _open_trades(self) -> list[TradeView]:
        return [trade for trade in self._desk.trades() if trade.state != "closed"]

    async def positions(self) -> Response:
        return said(200, self._open_trades())

    async def positions_of(self, symbol: str) -> Response:
        """`symbol`: a coin, or a venue's own spelling."""
        return said(200, [t for t in self._open_trades() if any(symbol in (leg.base, leg.symbol) for leg in t.legs)])

    async def signals(self, limit: Limit = 100) -> Response:
        return said(200, await self._history.signals("", limit))

    async def signals_of(self, symbol: str, limit: Limit = 100) -> Response:
        return said(200, await self._history.signals(symbol.upper(), limit))

    async def orders(self) -> Response:
        return said(200, self._desk.orders())

    async def order(self, order_id: str) -> Response:
        here = next((order for order in self._desk.orders() if order.request.cid == order_id), None)
        return said(200, _found(here or await self._history.order(order_id), "order", order_id))

    async def executions(self, symbol: Word = "", limit: Limit = 50) -> Response:
        return said(200, await self._history.executions(symbol, limit))

    async def strategies(self) -> Response:
        return said(200, self._desk.strategies())

    def strategy_named(self, name: str) -> StrategyView:
        """Raises Refused 404."""
        return _found(next((s for s in self._desk.strategies() if s.name == name), None), "strategy", name)

    async def strategy(self, name: str) -> Response:
        return said(200, self.strategy_named(name))

    async def curve(self, name: str) -> Response:
        held = self.strategy_named(name)
        if not held.curve:
            raise Refused(404, "no_curve", f"{name} has no allocation curve")
        return said(200, {"strategy": name, "version": held.version, "points": held.curve, "now": held.now})

    async def opportunities(self) -> Response:
        return said(200, self._desk.opportunities())

    async def opportunity(self, opportunity_id: str) -> Response:
        here: OpportunityView | None = next((o for o in self._desk.opportunities() if o.id == opportunity_id), None)
        return said(200, _found(here or await self._history.signal(opportunity_id), "opportunity", opportunity_id))

    async def trades(self, limit: Limit = 50) -> Response:
        if limit > _DESK_TRADES:
            return said(200, await self._history.trades(limit))
        return said(200, self._desk.trades()[:limit])

    async def trade(self, trade_id: str) -> Response:
        here = next((trade for trade in self._desk.trades() if trade.id == trade_id), None)
        return said(200, _found(here or await self._history.trade(trade_id), "trade", trade_id))

    async def dead_letters(self) -> Response:
        return said(200, [trade for trade in self._desk.trades() if trade.state == "dead_letter"])

    async def balances(self) -> Response:
        return said(200, self._desk.balances())

    async def refusals(self, key: Word = "", limit: Limit = 50) -> Response:
        """`/why` must answer on a bad day too: without the store, from what the desk remembers."""
        try:
            return said(200, await self._history.refusals(key, limit))
        except StoreUnavailable:
            known: Sequence[Any] = self._desk.refusals()
            return said(200, [r for r in known if key in ("", r.key, r.opportunity_id, r.strategy)][:limit])

    async def halt(self) -> Response:
        status = self._desk.status()
        return said(200, {"level": status.level, "reason": status.level_reason})

    async def pnl(self, days: Days = 1) -> Response:
        return said(200, await self._history.pnl(time.time_ns() // 1_000_000, days))

    async def audit(self, limit: Limit = 50) -> Response:
        return said(200, await self._history.audit(limit, self._keeper.newest_deed))


def _found(value: T | None, kind: str, name: str) -> T:
    if value is None:
        raise Refused(404, f"unknown_{kind}", f"no {kind} is called {name}")
    return value
