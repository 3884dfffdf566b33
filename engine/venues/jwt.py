"""JSON Web Tokens as Upbit and Bithumb want them: HMAC over a fixed header and compact claims. Source: RFC 7519."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping

import msgspec

_ALGORITHMS = {"sha256": "HS256", "sha512": "HS512"}


def _part(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


_HEADS = {
    digest: _part(msgspec.json.encode({"alg": name, "typ": "JWT"})) + b"." for digest, name in _ALGORITHMS.items()
}


def token(claims: Mapping[str, object], secret: bytes, digest: str) -> bytes:
    """Claims in their given order, signed. `digest` is sha256 (HS256) or sha512 (HS512)."""
    signed = _HEADS[digest] + _part(msgspec.json.encode(claims))
    return signed + b"." + _part(hmac.digest(secret, signed, digest))
