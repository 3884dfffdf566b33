"""Coinone's placements over kept connections: POST /v2.1/order with our own payload and signature."""

from engine.venues.coinone.signing import payload
from engine.venues.jwt import nonces
from engine.venues.line import HttpLine, Params, head_of, pool_for
from engine.venues.mac import Mac
from engine.venues.settings import Key, OrderSettings


class CoinoneLine(HttpLine):
    """Signs with the secret as it is shown until it is told otherwise."""

    def __init__(self, config: OrderSettings, credential: Key) -> None:
        super().__init__(pool_for(config), "v2.1/order", self._request)
        self._key = credential.key
        self._nonces = nonces()
        self._head = head_of(config.rest_base, "/v2.1/order") + b"X-COINONE-PAYLOAD: "
        self.sign_with(credential.secret)

    def sign_with(self, secret: str) -> None:
        self._mac = Mac(secret.encode(), "sha512")

    def _request(self, params: Params, stamp_ms: int) -> bytes:
        """The venue wants no time in it. What is signed is sent twice: as a header and as the body."""
        body = payload({"access_token": self._key, "nonce": next(self._nonces), **params})
        signed = (self._head, body, self._mac.sign(body).hex().encode(), len(body), body)
        return b"%b%b\r\nX-COINONE-SIGNATURE: %b\r\nContent-Length: %d\r\n\r\n%b" % signed
