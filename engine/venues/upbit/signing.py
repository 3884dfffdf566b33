"""Upbit's signature: a JWT over the SHA-512 of the parameters. Source: Upbit API reference, Authentication."""

import hashlib
from collections.abc import Mapping

from engine.venues import jwt
from engine.venues.mac import Mac


def query_text(params: Mapping[str, object]) -> str:
    """`k=v&k=v` in the given order and not percent-encoded; an array repeats its key with `[]`."""
    return "&".join(
        [
            f"{key}={value}" if type(value) is not list else "&".join([f"{key}[]={each}" for each in value])
            for key, value in params.items()
        ]
    )


def bearer(key: str, mac: Mac, nonce: str, query: str) -> bytes:
    """The token of one request. `query` is "" where it has no parameters; a body is hashed in that form as well."""
    claims = {"access_key": key, "nonce": nonce}
    if query:
        claims["query_hash"] = hashlib.sha512(query.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    return jwt.token(claims, mac)
