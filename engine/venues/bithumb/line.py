"""Bithumb's placements over kept connections: POST /v2/orders with our own token."""

import msgspec

from engine.venues.bithumb.signing import bearer, query_text
from engine.venues.jwt import nonces
from engine.venues.line import HttpLine, Params, head_of, pool_for
from engine.venues.mac import Mac
from engine.venues.settings import Key, OrderSettings


class BithumbLine(HttpLine):
    def __init__(self, config: OrderSettings, credential: Key) -> None:
        super().__init__(pool_for(config), "v2/orders", self._request)
        self._key = credential.key
        self._mac = Mac(credential.secret.encode(), "sha256")
        self._nonces = nonces()
        self._head = head_of(config.rest_base, "/v2/orders") + b"Authorization: Bearer "

    def _request(self, params: Params, stamp_ms: int) -> bytes:
        body = msgspec.json.encode(params)
        token = bearer(self._key, self._mac, next(self._nonces), stamp_ms, query_text(params))
        return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, token, len(body), body)
