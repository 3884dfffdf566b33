"""The paths that change something: body -> command -> clerk -> answer. Each needs a role and a request id."""

import secrets
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Protocol

import msgspec
from fastapi import APIRouter, Depends, Header, Response

from engine.control import messages as m
from engine.control.clerk import Clerk
from engine.control.gate import Caller, Refused, Role, anyone, reader, said
from engine.control.reading import Reading
from engine.domain import command as ask
from engine.domain.effect import Reply
from engine.domain.view import StrategyView

Asking = Annotated[Caller, Depends(anyone)]
RequestId = Annotated[str, Header(alias="X-Request-Id", min_length=1, max_length=100)]
Points = tuple[tuple[Decimal, Decimal], ...]

# What a refusal of the desk is in HTTP's words; any other rule is a conflict with the state of things.
_STATUS = {
    "unknown_strategy": 404,
    "unknown_venue": 404,
    "unknown_token": 404,
    "unknown_order": 404,
    "unknown_market": 404,
    "not_yours": 403,
    "gone": 410,
    "stale_confirm": 410,
    "bad_parameter": 422,
}


class CurveRules(Protocol):
    """engine.strategies.curve, handed in by the daemon: the door does no sums of its own."""

    def check(self, points: Points) -> None:
        """Raises ValueError naming the offending point."""
        ...

    def weight_at(self, points: Sequence[tuple[Decimal, Decimal]], premium_pct: Decimal) -> Decimal: ...


class Acting:
    """One method per path. The role that each needs is beside its path in `router`."""

    def __init__(self, clerk: Clerk, reading: Reading, curves: CurveRules) -> None:
        self._clerk = clerk
        self._reading = reading
        self._curves = curves

    def router(self) -> APIRouter:
        router = APIRouter()
        paths: list[tuple[str, Callable[..., Any]]] = [
            ("/strategies/{name}/mode", self.set_mode),
            ("/strategies/{name}/params", self.set_params),
            ("/strategies/{name}/undo", self.undo),
            ("/curves/{name}/set", self.set_curve),
            ("/opportunities/{opportunity_id}/token", self.issue_token),
            ("/opportunities/{opportunity_id}/skip", self.skip),
            ("/mutes", self.mute),
            ("/confirm", self.confirm),
            ("/dlq/{trade_id}/retry", self.retry_dead_letter),
            ("/dlq/{trade_id}/close", self.close_dead_letter),
            ("/unknown/{cid}/resolve", self.resolve_unknown),
            ("/balances/{venue}/accept", self.accept_balances),
            ("/halt", self.halt),
            ("/resume/request", self.request_resume),
            ("/resume/confirm", self.confirm_resume),
        ]
        shape: dict[int | str, dict[str, Any]] = {200: {"model": m.Answer}, "4XX": {"model": m.Answer}}
        for path, endpoint in paths:
            router.add_api_route(path, endpoint, methods=["POST"], responses=shape, response_model=None)
        router.add_api_route(
            "/curves/{name}/preview",
            self.preview_curve,
            methods=["POST"],
            responses=shape,
            response_model=None,
            dependencies=[Depends(reader)],
        )
        return router

    async def _do(self, caller: Caller, request_id: str, needs: Role, command: ask.Command) -> Response:
        return answered(await self._clerk.take(caller, request_id, needs, command))

    async def set_mode(self, name: str, body: m.ModeBody, caller: Asking, request_id: RequestId) -> Response:
        command = ask.SetMode(strategy=name, mode=ask.Mode(body.mode))
        return await self._do(caller, request_id, Role.TRADER, command)

    async def set_params(self, name: str, body: m.ParamsBody, caller: Asking, request_id: RequestId) -> Response:
        command = ask.SetParams(strategy=name, changes=msgspec.json.encode(body.changes))
        return await self._do(caller, request_id, Role.OWNER, command)

    async def undo(self, name: str, caller: Asking, request_id: RequestId) -> Response:
        return await self._do(caller, request_id, Role.OWNER, ask.UndoSetting(strategy=name))

    async def set_curve(self, name: str, body: m.CurveBody, caller: Asking, request_id: RequestId) -> Response:
        return await self._do(caller, request_id, Role.OWNER, ask.SetCurve(strategy=name, points=_points(body)))

    async def preview_curve(self, name: str, body: m.CurveBody) -> Response:
        """Changes nothing and is not audited: what the target would become at the premium of this moment."""
        held = self._reading.strategy_named(name)
        points = _points(body)
        if not held.curve:
            raise Refused(404, "no_curve", f"{name} has no allocation curve")
        try:
            self._curves.check(points)
        except ValueError as error:
            raise Refused(422, "bad_parameter", f"{name}: {error}") from error
        shown = self._preview(held, points)
        return said(200, {"request_id": "", "ok": True, "rule": "", "text": "preview", "body": shown})

    def _preview(self, held: StrategyView, points: Points) -> dict[str, object]:
        old = tuple((point.premium_pct, point.weight) for point in held.curve)
        premium, equity_krw = held.now.get("premium"), held.now.get("equity_krw")
        weights: list[float | None] = [None, None]
        if premium is not None:
            weights = [float(self._curves.weight_at(curve, Decimal(repr(premium * 100)))) for curve in (old, points)]
        targets = [None if w is None or equity_krw is None else w * equity_krw for w in weights]
        return {
            "strategy": held.name,
            "version": held.version,
            "old": held.curve,
            "new": [{"premium_pct": x, "weight": y} for x, y in points],
            "premium_pct": None if premium is None else premium * 100,
            "weight_now": held.now.get("weight_now"),
            "weight_old": weights[0],
            "weight_new": weights[1],
            "target_krw_old": targets[0],
            "target_krw_new": targets[1],
        }

    async def issue_token(
        self, opportunity_id: str, body: m.TokenBody, caller: Asking, request_id: RequestId
    ) -> Response:
        command = ask.IssueToken(
            token=secrets.token_urlsafe(16),
            opportunity_id=opportunity_id,
            user_id=body.user_id,
            chat_id=body.chat_id,
            fraction=body.fraction,
        )
        return await self._do(caller, request_id, Role.TRADER, command)

    async def confirm(self, body: m.ConfirmBody, caller: Asking, request_id: RequestId) -> Response:
        command = ask.Confirm(token=body.token, user_id=body.user_id, chat_id=body.chat_id)
        return await self._do(caller, request_id, Role.TRADER, command)

    async def skip(self, opportunity_id: str, caller: Asking, request_id: RequestId) -> Response:
        return await self._do(caller, request_id, Role.TRADER, ask.Skip(opportunity_id=opportunity_id))

    async def mute(self, body: m.MuteBody, caller: Asking, request_id: RequestId) -> Response:
        return await self._do(caller, request_id, Role.TRADER, ask.Mute(key=body.key, minutes=body.minutes))

    async def halt(self, body: m.HaltBody, caller: Asking, request_id: RequestId) -> Response:
        """Open to every role: stopping outranks everything."""
        return await self._do(caller, request_id, Role.VIEWER, ask.Halt(level=body.level, reason=body.reason))

    async def request_resume(self, caller: Asking, request_id: RequestId) -> Response:
        return await self._do(caller, request_id, Role.OWNER, ask.ResumeRequest(token=secrets.token_urlsafe(16)))

    async def confirm_resume(self, body: m.ResumeBody, caller: Asking, request_id: RequestId) -> Response:
        return await self._do(caller, request_id, Role.OWNER, ask.ResumeConfirm(token=body.token))

    async def accept_balances(self, venue: str, caller: Asking, request_id: RequestId) -> Response:
        return await self._do(caller, request_id, Role.OWNER, ask.AcceptBalances(venue=venue))

    async def resolve_unknown(self, cid: str, body: m.ResolveBody, caller: Asking, request_id: RequestId) -> Response:
        command = ask.ResolveUnknown(cid=cid, evidence=body.evidence, filled=body.filled, price=body.price)
        return await self._do(caller, request_id, Role.OWNER, command)

    async def retry_dead_letter(self, trade_id: str, caller: Asking, request_id: RequestId) -> Response:
        return await self._do(caller, request_id, Role.OWNER, ask.RetryDeadLetter(trade_id=trade_id))

    async def close_dead_letter(
        self, trade_id: str, body: m.CloseBody, caller: Asking, request_id: RequestId
    ) -> Response:
        command = ask.CloseDeadLetter(trade_id=trade_id, evidence=body.evidence, amount=body.amount, price=body.price)
        return await self._do(caller, request_id, Role.OWNER, command)


def _points(body: m.CurveBody) -> Points:
    return tuple((point.premium_pct, point.weight) for point in body.points)


def answered(reply: Reply) -> Response:
    body = {
        "request_id": reply.request_id,
        "ok": reply.ok,
        "rule": reply.rule,
        "text": reply.text,
        "body": msgspec.Raw(reply.body or b"null"),
    }
    return said(200 if reply.ok else _STATUS.get(reply.rule, 409), body)
