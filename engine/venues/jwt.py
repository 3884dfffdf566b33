"""JSON Web Tokens as Upbit and Bithumb want them: HMAC over a fixed header and compact claims. Source: RFC 7519."""

import os
from binascii import b2a_base64
from collections.abc import Iterator, Mapping

import msgspec

from engine.venues.mac import Mac

_ALGORITHMS = {"sha256": "HS256", "sha512": "HS512"}
_ENTROPY = 4096  # bytes at once: a system call each time is dearer than all else of a nonce
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _part(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=")


_HEADS = {
    digest: _part(msgspec.json.encode({"alg": name, "typ": "JWT"})) + b"." for digest, name in _ALGORITHMS.items()
}


def token(claims: Mapping[str, object], mac: Mac) -> bytes:
    """Claims in their given order, signed: HS256 or HS512, as the key signs."""
    signed = _HEADS[mac.digest] + _part(msgspec.json.encode(claims))
    return signed + b"." + _part(mac.sign(signed))


def nonces() -> Iterator[str]:
    """UUIDs of version 4, without end."""
    while True:
        entropy = os.urandom(_ENTROPY).hex()
        for at in range(0, 2 * _ENTROPY, 32):
            text = entropy[at : at + 32]
            yield f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
