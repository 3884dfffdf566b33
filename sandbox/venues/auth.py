"""How each venue checks a signature. Pure: text in, access key out, or Denied."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from enum import Enum
from urllib.parse import unquote

import msgspec
from msgspec import Struct


class Why(Enum):
    NO_KEY = "no_key"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    BAD_QUERY_HASH = "bad_query_hash"
    BAD_PASSPHRASE = "bad_passphrase"
    NONCE_USED = "nonce_used"
    BAD_TIMESTAMP = "bad_timestamp"
    EXPIRED = "expired"
    AHEAD = "ahead"
    NOT_ALLOWED = "not_allowed"  # a good key of another account: it opens no door here


class Denied(Exception):
    """The request is not the account's, or came too late."""

    def __init__(self, why: Why, detail: str = "") -> None:
        super().__init__(f"{why.value} {detail}")
        self.why = why
        self.detail = detail


class Credential(Struct, frozen=True):
    account: str
    key: str
    secret: str
    passphrase: str = ""


Keys = Mapping[str, Credential]
_HASHES = {"HS256": "sha256", "HS512": "sha512"}


def _b64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jwt_claims(header: str, keys: Keys, algorithms: tuple[str, ...]) -> tuple[Credential, dict[str, object]]:
    """`Authorization: Bearer <JWT>` -> whose it is, and its claims. Raises Denied."""
    if not header.startswith("Bearer "):
        raise Denied(Why.NO_KEY)
    try:
        head, payload, signature = header.removeprefix("Bearer ").split(".")
        algorithm = msgspec.json.decode(_b64url(head), type=dict[str, str])["alg"]
        claims = msgspec.json.decode(_b64url(payload), type=dict[str, object])
        given = _b64url(signature)
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        raise Denied(Why.BAD_SIGNATURE, "not a JWT") from error
    credential = keys.get(str(claims.get("access_key")))
    if credential is None:
        raise Denied(Why.UNKNOWN_KEY)
    if algorithm not in algorithms:
        raise Denied(Why.BAD_SIGNATURE, f"algorithm {algorithm}")
    expected = hmac.digest(credential.secret.encode(), f"{head}.{payload}".encode(), _HASHES[algorithm])
    if not hmac.compare_digest(expected, given):
        raise Denied(Why.BAD_SIGNATURE)
    return credential, claims


def body_as_query(body: Mapping[str, object]) -> str:
    """A JSON body in the `k=v&k=v` form that is hashed; arrays repeat with `[]`."""
    parts = []
    for key, value in body.items():
        if isinstance(value, list):
            parts += [f"{key}[]={item}" for item in value]
        else:
            parts.append(f"{key}={str(value).lower() if isinstance(value, bool) else value}")
    return "&".join(parts)


def check_query_hash(claims: Mapping[str, object], *spellings: str) -> None:
    """The hash must be of one of these spellings of the parameters. Raises Denied."""
    if not any(spellings):
        return
    if claims.get("query_hash_alg", "SHA512") != "SHA512":
        raise Denied(Why.BAD_QUERY_HASH, "query_hash_alg must be SHA512")
    hashes = {hashlib.sha512(text.encode()).hexdigest() for text in spellings}
    if claims.get("query_hash") not in hashes:
        raise Denied(Why.BAD_QUERY_HASH)


def binance(key: str | None, parameters: str, keys: Keys) -> Credential:
    """`parameters` is the query string and the body joined, signature last. Raises Denied."""
    if not key:
        raise Denied(Why.NO_KEY)
    credential = keys.get(key)
    if credential is None:
        raise Denied(Why.UNKNOWN_KEY)
    signed, _, signature = parameters.rpartition("&signature=")
    expected = hmac.new(credential.secret.encode(), signed.encode(), "sha256").hexdigest()
    if not hmac.compare_digest(expected, unquote(signature)):
        raise Denied(Why.BAD_SIGNATURE)
    return credential


def okx(headers: Mapping[str, str], method: str, path_and_query: str, body: str, keys: Keys) -> Credential:
    """Raises Denied; the age of the timestamp is the caller's business."""
    key = headers.get("OK-ACCESS-KEY")
    if not key:
        raise Denied(Why.NO_KEY)
    credential = keys.get(key)
    if credential is None:
        raise Denied(Why.UNKNOWN_KEY)
    text = headers.get("OK-ACCESS-TIMESTAMP", "") + method + path_and_query + body
    expected = base64.b64encode(hmac.digest(credential.secret.encode(), text.encode(), "sha256")).decode()
    if not hmac.compare_digest(expected, headers.get("OK-ACCESS-SIGN", "")):
        raise Denied(Why.BAD_SIGNATURE)
    if not hmac.compare_digest(credential.passphrase, headers.get("OK-ACCESS-PASSPHRASE", "")):
        raise Denied(Why.BAD_PASSPHRASE)
    return credential


def bybit(headers: Mapping[str, str], payload: str, keys: Keys) -> Credential:
    """`payload` is the query or the body. Raises Denied; the age of the timestamp is the caller's business."""
    credential = _known(headers.get("X-BAPI-API-KEY"), keys)
    text = headers.get("X-BAPI-TIMESTAMP", "") + credential.key + headers.get("X-BAPI-RECV-WINDOW", "") + payload
    _check(credential.secret, text, "sha256", headers.get("X-BAPI-SIGN", ""))
    return credential


def bybit_socket(key: str, expires: str, signature: str, keys: Keys) -> Credential:
    """A socket's `auth`. Raises Denied; whether it has expired is the caller's business."""
    credential = _known(key, keys)
    _check(credential.secret, f"GET/realtime{expires}", "sha256", signature)
    return credential


def gate(headers: Mapping[str, str], method: str, path: str, query: str, body: bytes, keys: Keys) -> Credential:
    """`query` is percent-decoded. Raises Denied; the age of the timestamp is the caller's business."""
    credential = _known(headers.get("KEY"), keys)
    parts = (method, path, query, hashlib.sha512(body).hexdigest(), headers.get("Timestamp", ""))
    _check(credential.secret, "\n".join(parts), "sha512", headers.get("SIGN", ""))
    return credential


def bitget(headers: Mapping[str, str], method: str, path_and_query: str, body: str, keys: Keys) -> Credential:
    """The query is percent-decoded. Raises Denied; the age of the timestamp is the caller's business."""
    credential = _known(headers.get("ACCESS-KEY"), keys)
    text = headers.get("ACCESS-TIMESTAMP", "") + method + path_and_query + body
    _check_base64(credential.secret, text, headers.get("ACCESS-SIGN", ""), Why.BAD_SIGNATURE)
    if not hmac.compare_digest(credential.passphrase, headers.get("ACCESS-PASSPHRASE", "")):
        raise Denied(Why.BAD_PASSPHRASE)
    return credential


def kucoin(headers: Mapping[str, str], method: str, path_and_query: str, body: str, keys: Keys) -> Credential:
    """The passphrase comes signed (key version 2). Raises Denied; the age of the timestamp is the caller's business."""
    credential = _known(headers.get("KC-API-KEY"), keys)
    text = headers.get("KC-API-TIMESTAMP", "") + method + path_and_query + body
    _check_base64(credential.secret, text, headers.get("KC-API-SIGN", ""), Why.BAD_SIGNATURE)
    if headers.get("KC-API-KEY-VERSION") not in ("2", "3"):
        raise Denied(Why.BAD_PASSPHRASE, "key version")
    phrase = headers.get("KC-API-PASSPHRASE", "")
    _check_base64(credential.secret, credential.passphrase, phrase, Why.BAD_PASSPHRASE)
    return credential


def coinone(headers: Mapping[str, str], body: str, keys: Keys) -> tuple[Credential, dict[str, object]]:
    """Whose request it is, and its fields. The secret signs as it is shown; the body may be the payload or its JSON.

    Raises Denied.
    """
    payload = headers.get("X-COINONE-PAYLOAD", "")
    try:
        said = base64.b64decode(payload, validate=True)
        fields = msgspec.json.decode(said, type=dict[str, object])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Denied(Why.BAD_SIGNATURE, "no payload") from error
    if body not in (payload, said.decode()):
        raise Denied(Why.BAD_SIGNATURE, "payload and body differ")
    credential = _known(str(fields.get("access_token") or ""), keys)
    _check(credential.secret, payload, "sha512", headers.get("X-COINONE-SIGNATURE", ""))
    return credential, fields


def _known(key: str | None, keys: Keys) -> Credential:
    if not key:
        raise Denied(Why.NO_KEY)
    if key not in keys:
        raise Denied(Why.UNKNOWN_KEY)
    return keys[key]


def _check(secret: str, text: str, digest: str, given: str) -> None:
    """Hexadecimal."""
    expected = hmac.new(secret.encode(), text.encode(), digest).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise Denied(Why.BAD_SIGNATURE)


def _check_base64(secret: str, text: str, given: str, why: Why) -> None:
    expected = base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha256"))
    if not hmac.compare_digest(expected, given.encode()):
        raise Denied(why)
