"""Takes commands: asks the desk once per request id, audits every deed, keeps the answer for who asks again."""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from engine.control.archive import History, Keeper
from engine.control.door import Desk
from engine.control.gate import Caller, Refused, Role
from engine.domain.command import Command, Halt, SetAlerts, SetParams
from engine.domain.effect import Reply
from engine.domain.errors import StoreUnavailable
from engine.domain.report import Deed

log = logging.getLogger(__name__)

_REMEMBERED = 10_000
_DURABLE_WITHIN_S = 2.0
_TOKEN_SHOWN = 6


class Clerk:
    """One per engine, whatever the number of addresses. Runs in the loop's thread."""

    def __init__(
        self,
        desk: Desk,
        keeper: Keeper,
        history: History,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._desk = desk
        self._keeper = keeper
        self._history = history
        self._wall_ms = wall_ms
        self._answered: dict[str, tuple[str, Reply]] = {}

    async def take(self, caller: Caller, request_id: str, needs: Role, command: Command) -> Reply:
        """The reply of the desk, or the first one to this request id. Raises Refused before the desk is asked.

        A halt waits for nothing: not for the store to be read, not for the audit to be durable.
        """
        if caller.role < needs:
            raise await self._refuse(caller, request_id, command, 403, *_too_low(caller, needs))
        if not isinstance(command, Halt):
            known = await self._known(caller, request_id)
            if known is not None:
                return known
            if self._keeper.problem:
                text = f"nothing is changed while the audit cannot be written: {self._keeper.problem}"
                raise await self._refuse(caller, request_id, command, 503, "storage", text)
        # From here to the end of `ask` nothing awaits: of two requests with one id the second finds the first's answer.
        if request_id in self._answered:
            return self._own(caller, *self._answered[request_id])
        reply = self._desk.ask(request_id, caller.actor, caller.role.label, command)
        self._answered[request_id] = (caller.actor, reply)
        if len(self._answered) > _REMEMBERED:
            del self._answered[next(iter(self._answered))]
        durable = self._keeper.keep(self._deed(caller, request_id, command, reply.ok, reply.rule, reply.text), reply)
        await self._settle(durable, wait=not isinstance(command, Halt))
        return reply

    async def _known(self, caller: Caller, request_id: str) -> Reply | None:
        if request_id in self._answered:
            return self._own(caller, *self._answered[request_id])
        try:
            kept = await self._history.reply_of(request_id)
        except StoreUnavailable as error:
            raise Refused(503, "storage", str(error)) from error
        return None if kept is None else self._own(caller, *kept)

    def _own(self, caller: Caller, actor: str, reply: Reply) -> Reply:
        if actor != caller.actor:
            raise Refused(409, "request_id", "this request id was used by another actor")
        return reply

    async def _refuse(
        self, caller: Caller, request_id: str, command: Command, status: int, rule: str, text: str
    ) -> Refused:
        durable = self._keeper.keep(self._deed(caller, request_id, command, False, rule, text), None)
        await self._settle(durable, wait=status != 503)
        return Refused(status, rule, text)

    async def _settle(self, durable: asyncio.Future[int], wait: bool) -> None:
        """What was done stays done: an audit row that is late is written as soon as the store can be."""
        durable.add_done_callback(_tell_lost)
        if wait:
            await asyncio.wait([durable], timeout=_DURABLE_WITHIN_S)
            if not durable.done():
                log.warning("audit_late problem=%r", self._keeper.problem)

    def _deed(self, caller: Caller, request_id: str, command: Command, ok: bool, rule: str, text: str) -> Deed:
        return Deed(
            wall_ms=self._wall_ms(),
            actor=caller.actor,
            role=caller.role.label,
            request_id=request_id,
            command=type(command).__name__,
            body=_readable(command),
            ok=ok,
            rule=rule,
            text=text,
        )


def _too_low(caller: Caller, needs: Role) -> tuple[str, str]:
    if caller.role is Role.NOBODY:
        return "actor", f"actor {caller.actor!r} is not on the list of users"
    return "role", f"this needs the role {needs.label}, {caller.actor} is {caller.role.label}"


def _readable(command: Command) -> str:
    """JSON for the audit: parameters as JSON again, and of a token only its beginning."""
    fields = msgspec.structs.asdict(command)
    if isinstance(command, SetParams):
        fields["changes"] = msgspec.Raw(command.changes)
    if isinstance(command, SetAlerts):
        fields["settings"] = msgspec.Raw(command.settings)
    if "token" in fields:
        fields["token"] = fields["token"][:_TOKEN_SHOWN] + "…"
    return msgspec.json.encode(fields).decode()


def _tell_lost(durable: asyncio.Future[int]) -> None:
    if not durable.cancelled() and durable.exception() is not None:
        log.error("audit_lost reason=%r", str(durable.exception()))
