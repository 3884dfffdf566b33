"""Whose request it is at Bitget: signed headers with a passphrase, and a key that opens one product."""

from collections.abc import Sequence
from urllib.parse import unquote

from aiohttp import web

from sandbox.venues import auth
from sandbox.venues.auth import Denied, Why
from sandbox.venues.floor import Floor
from sandbox.venues.trading import stamped_ms

_STAMP_MS = 30_000
_DENIALS = {
    Why.NO_KEY: ("40001", "ACCESS_KEY cannot be empty"),
    Why.UNKNOWN_KEY: ("40006", "Invalid ACCESS_KEY"),
    Why.BAD_SIGNATURE: ("40009", "sign signature error"),
    Why.BAD_PASSPHRASE: ("40012", "apikey/password is incorrect"),
    Why.BAD_TIMESTAMP: ("40005", "Invalid ACCESS_TIMESTAMP"),
    Why.NOT_ALLOWED: ("40014", "Incorrect permissions"),
}
_EXPIRED = ("40008", "Request timestamp expired")


class Keys:
    """Of every floor of the house."""

    def __init__(self, floors: Sequence[Floor]) -> None:
        self._floors = floors

    async def account(self, request: web.Request, floor: Floor) -> str:
        """At this floor. Raises Denied."""
        known = {key: credential for each in self._floors for key, credential in each.keys.items()}
        path = unquote(request.raw_path)
        credential = auth.bitget(request.headers, request.method, path, await request.text(), known)
        stamped_ms(request.headers.get("ACCESS-TIMESTAMP", ""), floor.clock(), _STAMP_MS, _STAMP_MS)
        if credential.key not in floor.keys:
            raise Denied(Why.NOT_ALLOWED)
        return credential.account


def denial(error: Denied) -> tuple[str, str]:
    return _DENIALS.get(error.why, _EXPIRED)
