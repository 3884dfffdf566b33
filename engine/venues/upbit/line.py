"""Upbit's placements over kept connections: POST /v1/orders with our own token."""

from uuid import uuid4

import msgspec

from engine.venues.line import HttpLine, Params, head_of, pool_for
from engine.venues.settings import Key, OrderSettings
from engine.venues.upbit.signing import bearer, query_text


class UpbitLine(HttpLine):
    """`digest` follows what the venue accepts: sha512, or sha256 where a first call showed that."""

    def __init__(self, config: OrderSettings, credential: Key) -> None:
        super().__init__(pool_for(config), "orders", self._request)
        self.digest = "sha512"
        self._key = credential.key
        self._secret = credential.secret.encode()
        self._head = head_of(config.rest_base, "/v1/orders") + b"Authorization: Bearer "

    def _request(self, params: Params, stamp_ms: int) -> bytes:
        """The venue wants no time in it."""
        body = msgspec.json.encode(params)
        token = bearer(self._key, self._secret, str(uuid4()), query_text(params), self.digest)
        return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, token, len(body), body)
