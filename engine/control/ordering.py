"""Persons' orders at the door, under /v1/parents: looked at, previewed, confirmed, paused, resumed, cancelled."""

import secrets
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Response

from engine.control import messages as m
from engine.control.acting import Asking, RequestId, answered
from engine.control.clerk import Clerk
from engine.control.door import Desk, Turnover
from engine.control.gate import Refused, Role, reader, said
from engine.domain.command import ConfirmParent, MoveParent, PreviewParent
from engine.domain.errors import NoHistory
from engine.domain.parent import Ask, Template


class Ordering:
    """Looking is everybody's, acting a trader's."""

    def __init__(self, desk: Desk, clerk: Clerk, turnover: Turnover | None) -> None:
        self._desk = desk
        self._clerk = clerk
        self._turnover = turnover

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1/parents")
        shape: dict[int | str, dict[str, Any]] = {200: {"model": list[m.ParentView]}, "4XX": {"model": m.Refusal}}
        router.add_api_route(
            "", self.parents, methods=["GET"], responses=shape, response_model=None, dependencies=[Depends(reader)]
        )
        shape = {200: {"model": m.Answer}, "4XX": {"model": m.Answer}}
        for path, endpoint in (
            ("/preview", self.preview),
            ("/confirm", self.confirm),
            ("/{parent_id}/{to}", self.move),
        ):
            router.add_api_route(path, endpoint, methods=["POST"], responses=shape, response_model=None)
        return router

    async def parents(self) -> Response:
        return said(200, self._desk.parents())

    async def preview(self, body: m.PreviewBody, caller: Asking, request_id: RequestId) -> Response:
        try:
            wish = msgspec.json.decode(body.order.model_dump_json(), type=Ask, strict=False)
        except msgspec.ValidationError as error:
            raise Refused(422, "bad_parameter", str(error)) from error
        if wish.template is Template.VWAP and not wish.curve and caller.role >= Role.TRADER:
            wish = await self._with_curve(wish)
        command = PreviewParent(token=secrets.token_urlsafe(16), ask=wish, user_id=body.user_id, chat_id=body.chat_id)
        return answered(await self._clerk.take(caller, request_id, Role.TRADER, command))

    async def _with_curve(self, wish: Ask) -> Ask:
        """Its hours come with the command: the core asks nobody, and a replay finds the same slices."""
        if self._turnover is None:
            return wish
        try:
            return msgspec.structs.replace(wish, curve=await self._turnover.curve(wish.venue, wish.base))
        except NoHistory as error:
            raise Refused(409, error.rule, error.text) from error

    async def confirm(self, body: m.ConfirmBody, caller: Asking, request_id: RequestId) -> Response:
        command = ConfirmParent(token=body.token, user_id=body.user_id, chat_id=body.chat_id)
        return answered(await self._clerk.take(caller, request_id, Role.TRADER, command))

    async def move(
        self, parent_id: str, to: Literal["pause", "resume", "cancel"], caller: Asking, request_id: RequestId
    ) -> Response:
        command = MoveParent(parent_id=parent_id, to=to)
        return answered(await self._clerk.take(caller, request_id, Role.TRADER, command))
