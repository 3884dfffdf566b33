"""The paths of the markets, under /v1: boards, venues, and what people want to be told of them."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response

from engine.control import messages as m
from engine.control.acting import Asking, RequestId, answered
from engine.control.clerk import Clerk
from engine.control.door import Desk
from engine.control.gate import Caller, Refused, Role, reader, said
from engine.domain.alerting import DESK, AlertSettings
from engine.domain.command import ReleaseMarket, SetAlerts, UndoAlerts

Coin = Annotated[str, Query(max_length=20)]
Rows = Annotated[int, Query(ge=1, le=2_000)]
Looking = Annotated[Caller, Depends(reader)]


class Markets:
    """`owner` in a path is `desk`, or `mine` for who asks: nobody reads or changes another person's."""

    def __init__(self, desk: Desk, clerk: Clerk) -> None:
        self._desk = desk
        self._clerk = clerk

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1")
        looks: list[tuple[str, Any, Any]] = [
            ("/premiums", self.premiums, m.PremiumBoard),
            ("/funding", self.funding, m.FundingBoard),
            ("/venues", self.venues, list[m.VenueHealth]),
            ("/alerts/{owner}", self.alerts, m.AlertsView),
        ]
        for path, endpoint, model in looks:
            shape: dict[int | str, dict[str, Any]] = {200: {"model": model}, "4XX": {"model": m.Refusal}}
            router.add_api_route(
                path, endpoint, methods=["GET"], responses=shape, response_model=None, dependencies=[Depends(reader)]
            )
        acts: list[tuple[str, Any]] = [
            ("/alerts/{owner}/preview", self.preview),
            ("/alerts/{owner}/set", self.change),
            ("/alerts/{owner}/undo", self.undo),
            ("/quarantine/release", self.release),
        ]
        shape = {200: {"model": m.Answer}, "4XX": {"model": m.Answer}}
        for path, endpoint in acts:
            router.add_api_route(path, endpoint, methods=["POST"], responses=shape, response_model=None)
        return router

    async def premiums(self, coin: Coin = "", limit: Rows = 100) -> Response:
        return said(200, self._desk.premiums(coin.upper(), limit))

    async def funding(self, coin: Coin = "") -> Response:
        return said(200, self._desk.fundings(coin.upper()))

    async def venues(self) -> Response:
        return said(200, self._desk.venues())

    async def alerts(self, owner: str, caller: Looking) -> Response:
        return said(200, self._desk.alerts(_owner(owner, caller)))

    async def preview(self, owner: str, body: m.AlertsBody, caller: Looking) -> Response:
        """Changes nothing and is not audited: what would ring at this moment."""
        try:
            settings = msgspec.json.decode(_json(body), type=AlertSettings, strict=False)
        except msgspec.MsgspecError as error:
            raise Refused(422, "bad_parameter", str(error)) from error
        shown = self._desk.preview_alerts(_owner(owner, caller), settings)
        return said(200, {"request_id": "", "ok": True, "rule": "", "text": "preview", "body": shown})

    async def change(self, owner: str, body: m.AlertsBody, caller: Asking, request_id: RequestId) -> Response:
        command = SetAlerts(owner=_owner(owner, caller), version=body.version, settings=_json(body))
        return answered(await self._clerk.take(caller, request_id, _needs(owner), command))

    async def undo(self, owner: str, body: m.VersionBody, caller: Asking, request_id: RequestId) -> Response:
        command = UndoAlerts(owner=_owner(owner, caller), version=body.version)
        return answered(await self._clerk.take(caller, request_id, _needs(owner), command))

    async def release(self, body: m.ReleaseBody, caller: Asking, request_id: RequestId) -> Response:
        command = ReleaseMarket(venue=body.venue, symbol=body.symbol, evidence=body.evidence)
        return answered(await self._clerk.take(caller, request_id, Role.OWNER, command))


def _owner(owner: str, caller: Caller) -> str:
    """Raises Refused 403 for somebody else's."""
    if owner == DESK:
        return DESK
    if owner in ("mine", caller.actor):
        return caller.actor
    raise Refused(403, "not_yours", f"alerts of {owner} belong to somebody else")


def _needs(owner: str) -> Role:
    """What everybody hears is changed by those who trade; one's own by anyone."""
    return Role.TRADER if owner == DESK else Role.VIEWER


def _json(body: m.AlertsBody) -> bytes:
    return body.settings.model_dump_json().encode()
