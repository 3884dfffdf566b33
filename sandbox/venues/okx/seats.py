"""Whose request it is at OKX: a key opens one account, and an account trades one product."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.door import Malformed
from sandbox.venues.floor import Floor

T = TypeVar("T")
STAMP_MS = 30_000


class Seat(Struct, frozen=True):
    """An account at its floor."""

    floor: Floor
    account: str

    @property
    def is_swap(self) -> bool:
        return self.floor.rules.margined

    @property
    def kind(self) -> str:
        """instType."""
        return "SWAP" if self.is_swap else "SPOT"

    @property
    def margin(self) -> str:
        """tdMode."""
        return "cross" if self.is_swap else "cash"


class Seats:
    """Every account of the house."""

    def __init__(self, floors: Sequence[Floor]) -> None:
        self._floors = floors

    async def of(self, request: web.Request) -> Seat:
        """Raises Denied."""
        path = request.rel_url.raw_path_qs
        seat = self.signed(request.headers, request.method, path, await request.text())
        check_age(seat, request)
        return seat

    def signed(self, headers: Mapping[str, str], method: str, path: str, body: str) -> Seat:
        """The age of the timestamp is the caller's business. Raises Denied."""
        keys = {key: credential for floor in self._floors for key, credential in floor.keys.items()}
        credential = auth.okx(headers, method, path, body, keys)
        floor = next(floor for floor in self._floors if credential.key in floor.keys)
        return Seat(floor, credential.account)


def check_age(seat: Seat, request: web.Request) -> None:
    """Of its timestamp. Raises Denied."""
    try:
        stamp = datetime.fromisoformat(request.headers.get("OK-ACCESS-TIMESTAMP", ""))
    except ValueError as error:
        raise Denied(Why.BAD_TIMESTAMP) from error
    if abs(seat.floor.clock() - stamp.timestamp() * 1000) > STAMP_MS:
        raise Denied(Why.EXPIRED)


def numbered(floors: Iterable[Floor]) -> list[tuple[Floor, str]]:
    """Every market, in the order of the numbers (instIdCode) that the venue gives them."""
    return [(floor, symbol) for floor in floors for symbol in floor.rules.markets]


async def body_of(request: web.Request, kind: type[T]) -> T:
    """Raises Malformed."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise Malformed("body") from error
