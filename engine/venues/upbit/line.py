"""Upbit's placements over kept connections: POST /v1/orders with our own token."""

import msgspec

from engine.venues.jwt import nonces
from engine.venues.line import HttpLine, Params, head_of, pool_for
from engine.venues.mac import Mac
from engine.venues.settings import Key, OrderSettings
from engine.venues.upbit.signing import bearer, query_text


class UpbitLine(HttpLine):
    """Signs HS512 until it is told that the venue accepts the other alone."""

    def __init__(self, config: OrderSettings, credential: Key) -> None:
        super().__init__(pool_for(config), "orders", self._request)
        self._key = credential.key
        self._secret = credential.secret.encode()
        self._mac = Mac(self._secret, "sha512")
        self._nonces = nonces()
        self._head = head_of(config.rest_base, "/v1/orders") + b"Authorization: Bearer "

    def sign_with(self, digest: str) -> None:
        self._mac = Mac(self._secret, digest)

    def _request(self, params: Params, stamp_ms: int) -> bytes:
        """The venue wants no time in it."""
        body = msgspec.json.encode(params)
        token = bearer(self._key, self._mac, next(self._nonces), query_text(params))
        return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, token, len(body), body)
