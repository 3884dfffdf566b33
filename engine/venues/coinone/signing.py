"""Coinone's signature, v2.1: base64 of the JSON body is what is sent and signed. Source: docs.coinone.co.kr."""

import hmac
from base64 import b64encode
from collections.abc import Mapping

import msgspec


def payload(fields: Mapping[str, object]) -> bytes:
    """The body, and the header X-COINONE-PAYLOAD: `fields` hold `access_token` and a UUID as `nonce`."""
    return b64encode(msgspec.json.encode(fields))


def signature(secret: bytes, signed: bytes) -> str:
    """X-COINONE-SIGNATURE. The secret signs as it is shown; ccxt upper-cases it, the venue's page does not."""
    return hmac.digest(secret, signed, "sha512").hex()
