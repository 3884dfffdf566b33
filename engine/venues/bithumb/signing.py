"""Bithumb's signature, v2: a JWT with the time and the SHA-512 of the parameters. Source: Bithumb API reference 2.1."""

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from engine.venues import jwt
from engine.venues.mac import Mac

_PLAIN = re.compile(r"[A-Za-z0-9_.\-=&]*")


def query_text(params: Mapping[str, object]) -> str:
    """Percent-encoded `k=v&k=v` in the given order; an array repeats its key with `[]`."""
    text = "&".join([f"{key}={value}" for key, value in params.items()])
    if _PLAIN.fullmatch(text) is not None and text.count("=") == len(params) == text.count("&") + 1:
        return text  # what an order holds seldom needs encoding
    pairs: list[tuple[str, object]] = []
    for key, value in params.items():
        pairs += [(f"{key}[]", each) for each in value] if isinstance(value, list) else [(key, value)]
    return urlencode(pairs, safe="[]", quote_via=quote)


def bearer(key: str, mac: Mac, nonce: str, stamp_ms: int, query: str) -> bytes:
    """The token of one request; `stamp_ms` is wall time, which the venue demands. `query` is "" without parameters."""
    claims: dict[str, object] = {"access_key": key, "nonce": nonce, "timestamp": stamp_ms}
    if query:
        claims["query_hash"] = hashlib.sha512(query.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    return jwt.token(claims, mac)
