"""Open perpetuals at the door, under /v1/perps: looked at; a hedge or a position closed."""

from typing import Any

from fastapi import APIRouter, Depends, Response

from engine.control import messages as m
from engine.control.acting import Asking, RequestId, answered
from engine.control.clerk import Clerk
from engine.control.door import Desk
from engine.control.gate import Role, reader, said
from engine.control.perp_views import PerpView
from engine.domain.command import CloseHedge, ClosePosition


class Perps:
    """Looking is everybody's, closing the owner's."""

    def __init__(self, desk: Desk, clerk: Clerk) -> None:
        self._desk = desk
        self._clerk = clerk

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1/perps")
        shape: dict[int | str, dict[str, Any]] = {200: {"model": list[PerpView]}, "4XX": {"model": m.Refusal}}
        router.add_api_route(
            "", self.perps, methods=["GET"], responses=shape, response_model=None, dependencies=[Depends(reader)]
        )
        shape = {200: {"model": m.Answer}, "4XX": {"model": m.Answer}}
        for path, endpoint in (
            ("/hedges/{trade_id}/close", self.close_hedge),
            ("/positions/{venue}/{symbol}/close", self.close_position),
        ):
            router.add_api_route(path, endpoint, methods=["POST"], responses=shape, response_model=None)
        return router

    async def perps(self) -> Response:
        return said(200, self._desk.perps())

    async def close_hedge(self, trade_id: str, caller: Asking, request_id: RequestId) -> Response:
        return answered(await self._clerk.take(caller, request_id, Role.OWNER, CloseHedge(trade_id=trade_id)))

    async def close_position(self, venue: str, symbol: str, caller: Asking, request_id: RequestId) -> Response:
        command = ClosePosition(venue=venue, symbol=symbol)
        return answered(await self._clerk.take(caller, request_id, Role.OWNER, command))
