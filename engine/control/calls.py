"""The door's paths as typed calls, for one actor. Reads raise DoorRefused; commands answer, refused or not."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from engine.control import messages as m
from engine.control.perp_views import PerpView

M = TypeVar("M", bound=m.Message)
Query = Mapping[str, str | int]

_record = TypeAdapter(dict[str, Any])


class Wire(Protocol):
    """How a call travels. Raises DoorUnavailable; `read` also DoorRefused."""

    async def read(self, path: str, actor: str, query: Query) -> bytes: ...

    async def command(self, path: str, actor: str, body: m.Message | None, request_id: str) -> m.Answer: ...


class Reads:
    """Everything that a viewer may see. One method per path; names are the paths'."""

    def __init__(self, wire: Wire, actor: str) -> None:
        self._wire = wire
        self._actor = actor

    async def _one(self, kind: type[M], path: str, **query: str | int) -> M:
        return kind.model_validate_json(await self._wire.read(path, self._actor, query))

    async def _many(self, kind: type[M], path: str, **query: str | int) -> list[M]:
        return TypeAdapter(list[kind]).validate_json(await self._wire.read(path, self._actor, query))  # type: ignore[valid-type]

    async def health(self) -> m.Health:
        return await self._one(m.Health, "/health")

    async def status(self) -> m.StatusView:
        return await self._one(m.StatusView, "/status")

    async def metrics(self) -> dict[str, Any]:
        return _record.validate_json(await self._wire.read("/metrics/live", self._actor, {}))

    async def limits(self) -> list[m.LimitUse]:
        """What orders are held to, and how much of it is used now."""
        return TypeAdapter(list[m.LimitUse]).validate_python((await self.metrics()).get("limits", []))

    async def positions(self) -> list[m.TradeView]:
        """Trades that are not closed."""
        return await self._many(m.TradeView, "/positions")

    async def signals(self, symbol: str = "") -> list[m.OpportunityView]:
        return await self._many(m.OpportunityView, f"/signals/{_part(symbol)}" if symbol else "/signals")

    async def orders(self) -> list[m.OrderView]:
        return await self._many(m.OrderView, "/orders")

    async def order(self, cid: str) -> m.OrderView:
        return await self._one(m.OrderView, f"/orders/{_part(cid)}")

    async def executions(self, symbol: str = "", limit: int = 50) -> list[m.Execution]:
        return await self._many(m.Execution, "/executions", symbol=symbol, limit=limit)

    async def strategies(self) -> list[m.StrategyView]:
        return await self._many(m.StrategyView, "/strategies")

    async def strategy(self, name: str) -> m.StrategyView:
        return await self._one(m.StrategyView, f"/strategies/{_part(name)}")

    async def curve(self, name: str) -> m.CurveView:
        return await self._one(m.CurveView, f"/curves/{_part(name)}")

    async def opportunities(self) -> list[m.OpportunityView]:
        """Live ones first, then those that ended lately."""
        return await self._many(m.OpportunityView, "/opportunities")

    async def opportunity(self, opportunity_id: str) -> m.OpportunityView:
        return await self._one(m.OpportunityView, f"/opportunities/{_part(opportunity_id)}")

    async def parents(self) -> list[m.ParentView]:
        """Persons' orders: those under way first, newest first."""
        return await self._many(m.ParentView, "/v1/parents")

    async def trades(self, limit: int = 50) -> list[m.TradeView]:
        return await self._many(m.TradeView, "/trades", limit=limit)

    async def trade(self, trade_id: str) -> m.TradeView:
        return await self._one(m.TradeView, f"/trades/{_part(trade_id)}")

    async def dead_letters(self) -> list[m.TradeView]:
        return await self._many(m.TradeView, "/dlq")

    async def balances(self) -> list[m.BalanceView]:
        return await self._many(m.BalanceView, "/balances")

    async def perps(self) -> list[PerpView]:
        """Open perpetuals."""
        return await self._many(PerpView, "/v1/perps")

    async def premiums(self, coin: str = "", limit: int = 100) -> m.PremiumBoard:
        """Every pair of a coin with its depth; without one, the pair of each coin that is farthest from zero."""
        return await self._one(m.PremiumBoard, "/v1/premiums", coin=coin, limit=limit)

    async def funding(self, coin: str = "") -> m.FundingBoard:
        return await self._one(m.FundingBoard, "/v1/funding", coin=coin)

    async def venues(self) -> list[m.VenueHealth]:
        return await self._many(m.VenueHealth, "/v1/venues")

    async def alerts(self, owner: str) -> m.AlertsView:
        """`owner`: desk, or mine for the asking actor's own."""
        return await self._one(m.AlertsView, f"/v1/alerts/{_part(owner)}")

    async def refusals(self, key: str = "", limit: int = 50) -> list[m.RefusalView]:
        """`key`: an opportunity key, an opportunity id, a strategy or a coin."""
        return await self._many(m.RefusalView, "/refusals", key=key, limit=limit)

    async def halt(self) -> m.HaltView:
        return await self._one(m.HaltView, "/halt")

    async def pnl(self, days: int = 1) -> m.PnlReport:
        """1 = today since local midnight, 7, 30, up to 366."""
        return await self._one(m.PnlReport, "/reports/pnl", days=days)

    async def audit(self, limit: int = 50) -> m.AuditPage:
        return await self._one(m.AuditPage, "/audit", limit=limit)


class Commands:
    """What changes something. A repeated `request_id` repeats the first answer: give one and a tap is idempotent."""

    def __init__(self, wire: Wire, actor: str) -> None:
        self._wire = wire
        self._actor = actor

    async def _send(self, path: str, body: m.Message | None, request_id: str) -> m.Answer:
        return await self._wire.command(path, self._actor, body, request_id)

    async def set_mode(self, strategy: str, mode: str, request_id: str = "") -> m.Answer:
        body = m.ModeBody.model_validate({"mode": mode})
        return await self._send(f"/strategies/{_part(strategy)}/mode", body, request_id)

    async def set_params(self, strategy: str, changes: dict[str, Any], request_id: str = "") -> m.Answer:
        return await self._send(f"/strategies/{_part(strategy)}/params", m.ParamsBody(changes=changes), request_id)

    async def undo(self, strategy: str, request_id: str = "") -> m.Answer:
        return await self._send(f"/strategies/{_part(strategy)}/undo", None, request_id)

    async def preview_curve(self, strategy: str, points: Sequence[tuple[Decimal, Decimal]]) -> m.Answer:
        """Changes nothing. On `ok` the body is a CurvePreview."""
        return await self._send(f"/curves/{_part(strategy)}/preview", _curve(points), "")

    async def set_curve(
        self, strategy: str, points: Sequence[tuple[Decimal, Decimal]], request_id: str = ""
    ) -> m.Answer:
        return await self._send(f"/curves/{_part(strategy)}/set", _curve(points), request_id)

    async def preview_alerts(self, owner: str, settings: m.AlertSettings) -> m.Answer:
        """Changes nothing. On `ok` the body is an AlertsPreview."""
        return await self._send(f"/v1/alerts/{_part(owner)}/preview", m.AlertsBody(settings=settings), "")

    async def set_alerts(self, owner: str, version: int, settings: m.AlertSettings, request_id: str = "") -> m.Answer:
        """Refused as `moved` unless `version` is the one in force. On `ok` the body is an AlertsView."""
        body = m.AlertsBody(version=version, settings=settings)
        return await self._send(f"/v1/alerts/{_part(owner)}/set", body, request_id)

    async def undo_alerts(self, owner: str, version: int, request_id: str = "") -> m.Answer:
        return await self._send(f"/v1/alerts/{_part(owner)}/undo", m.VersionBody(version=version), request_id)

    async def release_market(self, venue: str, symbol: str, evidence: str, request_id: str = "") -> m.Answer:
        """Owners only: a market in quarantine is compared and traded again, for a day."""
        body = m.ReleaseBody(venue=venue, symbol=symbol, evidence=evidence)
        return await self._send("/v1/quarantine/release", body, request_id)

    async def issue_token(
        self, opportunity_id: str, user_id: int, chat_id: int, fraction: Decimal = Decimal(1), request_id: str = ""
    ) -> m.Answer:
        """On `ok` the body is a TokenView."""
        body = m.TokenBody(user_id=user_id, chat_id=chat_id, fraction=fraction)
        return await self._send(f"/opportunities/{_part(opportunity_id)}/token", body, request_id)

    async def confirm(self, token: str, user_id: int, chat_id: int, request_id: str = "") -> m.Answer:
        body = m.ConfirmBody(token=token, user_id=user_id, chat_id=chat_id)
        return await self._send("/confirm", body, request_id)

    async def preview_order(self, order: m.OrderBody, user_id: int, chat_id: int, request_id: str = "") -> m.Answer:
        """Sends nothing. On `ok` the body is a ParentQuote."""
        body = m.PreviewBody(order=order, user_id=user_id, chat_id=chat_id)
        return await self._send("/v1/parents/preview", body, request_id)

    async def confirm_order(self, token: str, user_id: int, chat_id: int, request_id: str = "") -> m.Answer:
        """On `ok` the body is a ParentView."""
        body = m.ConfirmBody(token=token, user_id=user_id, chat_id=chat_id)
        return await self._send("/v1/parents/confirm", body, request_id)

    async def move_order(self, parent_id: str, to: str, request_id: str = "") -> m.Answer:
        """`to`: pause, resume or cancel. On `ok` the body is a ParentView."""
        return await self._send(f"/v1/parents/{_part(parent_id)}/{_part(to)}", None, request_id)

    async def skip(self, opportunity_id: str, request_id: str = "") -> m.Answer:
        return await self._send(f"/opportunities/{_part(opportunity_id)}/skip", None, request_id)

    async def mute(self, key: str, minutes: int, request_id: str = "") -> m.Answer:
        return await self._send("/mutes", m.MuteBody(key=key, minutes=minutes), request_id)

    async def halt(self, level: int, reason: str = "", request_id: str = "") -> m.Answer:
        body = m.HaltBody.model_validate({"level": level, "reason": reason})
        return await self._send("/halt", body, request_id)

    async def request_resume(self, request_id: str = "") -> m.Answer:
        """First step: the self-check. On `ok` the body holds `token`, good for 60 s."""
        return await self._send("/resume/request", None, request_id)

    async def confirm_resume(self, token: str, request_id: str = "") -> m.Answer:
        return await self._send("/resume/confirm", m.ResumeBody(token=token), request_id)

    async def accept_balances(self, venue: str, request_id: str = "") -> m.Answer:
        return await self._send(f"/balances/{_part(venue)}/accept", None, request_id)

    async def close_hedge(self, trade_id: str, request_id: str = "") -> m.Answer:
        """The hedge, reduce-only, and what it stands against."""
        return await self._send(f"/v1/perps/hedges/{_part(trade_id)}/close", None, request_id)

    async def close_position(self, venue: str, symbol: str, request_id: str = "") -> m.Answer:
        return await self._send(f"/v1/perps/positions/{_part(venue)}/{_part(symbol)}/close", None, request_id)

    async def resolve_unknown(
        self, cid: str, evidence: str, request_id: str = "", filled: Decimal = Decimal(0), price: Decimal | None = None
    ) -> m.Answer:
        """0 filled: never placed, or ended without a fill."""
        body = m.ResolveBody(evidence=evidence, filled=filled, price=price)
        return await self._send(f"/unknown/{_part(cid)}/resolve", body, request_id)

    async def retry_dead_letter(self, trade_id: str, request_id: str = "") -> m.Answer:
        return await self._send(f"/dlq/{_part(trade_id)}/retry", None, request_id)

    async def close_dead_letter(
        self,
        trade_id: str,
        evidence: str,
        request_id: str = "",
        amount: Decimal | None = None,
        price: Decimal | None = None,
    ) -> m.Answer:
        """Without an amount: all that was open."""
        body = m.CloseBody(evidence=evidence, amount=amount, price=price)
        return await self._send(f"/dlq/{_part(trade_id)}/close", body, request_id)


def _curve(points: Sequence[tuple[Decimal, Decimal]]) -> m.CurveBody:
    return m.CurveBody(points=tuple(m.CurvePoint(premium_pct=x, weight=y) for x, y in points))


def _part(name: str) -> str:
    return quote(name, safe="")
