"""Bybit's signatures: hexadecimal HMAC-SHA256. Source: Bybit V5 API, Authentication and WebSocket Connect."""

import hmac


def signature(secret: bytes, key: str, stamp_ms: int, recv_window_ms: int, payload: str) -> str:
    """Of a REST request; `payload` is its query or its JSON body."""
    return hmac.digest(secret, f"{stamp_ms}{key}{recv_window_ms}{payload}".encode(), "sha256").hex()


def login(secret: bytes, expires_ms: int) -> str:
    """Of a socket's `auth`: valid until `expires_ms`."""
    return hmac.digest(secret, f"GET/realtime{expires_ms}".encode(), "sha256").hex()
