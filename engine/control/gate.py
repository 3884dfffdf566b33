"""Who is asking, and may they? Deny by default."""

import hmac
import logging
from collections.abc import Mapping
from enum import IntEnum

import msgspec
from fastapi import Request, Response
from msgspec import Struct
from starlette.requests import HTTPConnection

log = logging.getLogger(__name__)

_STRANGERS_REMEMBERED = 1_000


class Role(IntEnum):
    """Each may do what the one below may."""

    NOBODY = 0
    VIEWER = 1
    TRADER = 2
    OWNER = 3

    @property
    def label(self) -> str:
        return "" if self is Role.NOBODY else self.name.lower()


class Caller(Struct, frozen=True):
    actor: str
    role: Role


class Refused(Exception):
    """Ends a request with `status` and a body that names the rule."""

    def __init__(self, status: int, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.status = status
        self.rule = rule
        self.text = text


class Gate:
    """`users` maps actors (`telegram:1001`, `cli`, `bot`) to role names. With a `token` every request must bear it."""

    def __init__(self, users: Mapping[str, str], token: str = "") -> None:
        self._roles = {actor: Role[role.upper()] for actor, role in users.items()}
        self._token = token.encode()
        self._strangers: set[str] = set()

    def caller(self, connection: HTTPConnection) -> Caller:
        """Raises Refused 401 without the right token. An actor that nobody configured has the role NOBODY."""
        if self._token:
            given = connection.headers.get("authorization", "").removeprefix("Bearer ").encode()
            if not hmac.compare_digest(given, self._token):
                raise Refused(401, "token", "a bearer token is needed on this address")
        actor = connection.headers.get("x-premia-actor", "")[:100]
        role = self._roles.get(actor, Role.NOBODY)
        if role is Role.NOBODY and actor not in self._strangers and len(self._strangers) < _STRANGERS_REMEMBERED:
            self._strangers.add(actor)
            log.warning("actor_refused actor=%r", actor)
        return Caller(actor, role)


async def anyone(connection: HTTPConnection) -> Caller:
    """FastAPI dependency: who asks, known or not."""
    gate: Gate = connection.app.state.gate
    return gate.caller(connection)


async def reader(connection: HTTPConnection) -> Caller:
    """FastAPI dependency: at least a viewer. Raises Refused."""
    caller = await anyone(connection)
    if caller.role < Role.VIEWER:
        raise Refused(403, "actor", f"actor {caller.actor!r} is not on the list of users")
    return caller


async def answer_refused(_: Request, error: Exception) -> Response:
    """FastAPI exception handler."""
    assert isinstance(error, Refused)
    return said(error.status, {"rule": error.rule, "text": error.text})


def said(status: int, body: object) -> Response:
    """JSON as msgspec writes it: Decimals as strings, an estimate that is not finite as null."""
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
