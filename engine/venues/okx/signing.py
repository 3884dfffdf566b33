"""OKX's signatures: base64 HMAC-SHA256 over time, method, path and body. Source: OKX API v5 reference, Overview."""

import hmac
from base64 import b64encode

_LOGIN = "GET/users/self/verify"


def signature(secret: bytes, stamp: str, method: str, path_and_query: str, body: str = "") -> str:
    """Of a REST request. `stamp` is ISO 8601 in UTC with milliseconds, as in OK-ACCESS-TIMESTAMP."""
    return b64encode(hmac.digest(secret, f"{stamp}{method}{path_and_query}{body}".encode(), "sha256")).decode()


def login(secret: bytes, stamp_s: int) -> str:
    """Of a socket's login, which is valid for 30 s. Here the time is in whole seconds."""
    return b64encode(hmac.digest(secret, f"{stamp_s}{_LOGIN}".encode(), "sha256")).decode()
