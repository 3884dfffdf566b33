"""Our own signatures against vectors that others made, and against what ccxt sends for the same order."""

import hashlib
import hmac
import json
import os
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import ccxt  # type: ignore[import-untyped]
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from engine.domain.errors import ConfigError
from engine.venues import jwt
from engine.venues.binance import signing as binance
from engine.venues.bithumb import signing as bithumb
from engine.venues.bybit import signing as bybit
from engine.venues.coinone import signing as coinone
from engine.venues.mac import Mac
from engine.venues.okx import signing as okx
from engine.venues.upbit import signing as upbit

SHARED = Path(os.environ.get("PREMIA_SHARED", Path(__file__).parents[3].parent / "shared"))
VECTORS = SHARED / "venues/_signing/vectors.json"
KEYS = {"apiKey": "the-key", "secret": "the-secret", "password": "the-phrase"}
NONCE = "6f5570df-d8bc-4daf-85b4-976733feb624"
STAMP_MS = 1_700_000_000_123
ORDER = {"market": "KRW-BTC", "side": "bid", "volume": "0.01", "price": "100000000", "ord_type": "limit"}


def vector(venue, start):
    if not VECTORS.exists():
        pytest.skip(f"{VECTORS} is not here")
    return next(v for v in json.loads(VECTORS.read_text()) if v["venue"] == venue and v["case"].startswith(start))


class Still:
    """Goes before a ccxt class: its clock and its ids stand still."""

    def milliseconds(self):
        return STAMP_MS

    def uuid(self, _=None):
        return NONCE


def frozen(name):
    return type(name, (Still, getattr(ccxt, name)), {})(KEYS)


def pairs(text):
    return [tuple(pair.split("=", 1)) for pair in text.split("&")]


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 127, 128, 129, 500])
def test_a_prepared_key_signs_as_hmac_does(digest, length):
    secret = bytes(range(256)) * 2
    assert Mac(secret[:length], digest).sign(b"text") == hmac.digest(secret[:length], b"text", digest)


def test_nonces_are_different_uuids():
    made = [next(each) for each in [jwt.nonces()] for _ in range(1_000)]
    assert len(set(made)) == 1_000 and all(UUID(text).version == 4 and str(UUID(text)) == text for text in made)


@pytest.mark.parametrize("params", [{"a": "1 &=", "b": "ㄱ"}, {"a": [1, "x y"]}, {"a": "b=c"}, {}])
def test_bithumbs_parameters_are_encoded_where_they_must_be(params):
    assert bithumb.query_text(params) == frozen("bithumb").urlencode_with_array_brackets(params)


@pytest.mark.parametrize("case", ["REST ASCII", "WebSocket API, sorted keys"])
def test_binance_vectors(case):
    found = vector("binance", case)
    sign = binance.signer(found["secret"])
    ordered = pairs(found["string_to_sign"]) if case == "REST ASCII" else sorted(pairs(found["string_to_sign"]))
    assert sign(binance.query_text(ordered).encode()) == found["expected"]


def test_bybit_vectors():
    found = vector("bybit", "v5 GET")
    payload = found["string_to_sign"].split("5000", 1)[1]
    assert bybit.signature(b"test_secret", "test_api_key", 1_700_000_000_000, 5_000, payload) == found["expected"]
    found = vector("bybit", "private websocket auth")
    assert bybit.login(b"test_secret", 1_700_000_000_000) == found["expected"]


def test_okx_vector():
    found = vector("okx", "OK-ACCESS-SIGN")
    stamp, path = found["string_to_sign"].split("GET", 1)
    assert okx.signature(found["secret"].encode(), stamp, "GET", path) == found["expected"]


@pytest.mark.parametrize("case", ["query_hash open orders", "query_hash cancel", "query_hash limit order"])
def test_upbit_query_hashes(case):
    found = vector("upbit", case)
    params: dict[str, Any] = {}
    for key, value in pairs(found["string_to_sign"]):
        if key.endswith("[]"):
            params.setdefault(key.removesuffix("[]"), []).append(value)
        else:
            params[key] = value
    assert hashlib.sha512(upbit.query_text(params).encode()).hexdigest() == found["expected"]


@pytest.mark.parametrize("venue", ["upbit", "bithumb"])
def test_json_web_tokens(venue):
    found = vector(venue, "Authorization JWT")
    assert jwt.token(found["claims"], Mac(found["secret"].encode(), "sha256")).decode() == found["expected"]
    claims, mac = found["claims"], Mac(found["secret"].encode(), "sha256")
    if venue == "upbit":
        made = upbit.bearer(claims["access_key"], mac, claims["nonce"], upbit.query_text(ORDER))
    else:
        query = bithumb.query_text(ORDER)
        made = bithumb.bearer(claims["access_key"], mac, claims["nonce"], claims["timestamp"], query)
    assert made.decode() == found["expected"]


def test_coinone_vector():
    found = vector("coinone", "v2.1")
    signed = coinone.payload(json.loads(found["body"]))
    assert signed.decode() == found["payload"]
    assert coinone.signature(found["secret"].encode(), signed) == found["expected"]


def test_upbit_signs_as_ccxt_does():
    theirs = frozen("upbit").sign("orders", ["private"], "POST", dict(ORDER))
    ours = upbit.bearer("the-key", Mac(b"the-secret", "sha256"), NONCE, upbit.query_text(ORDER)).decode()
    assert theirs["headers"]["Authorization"] == f"Bearer {ours}"
    assert theirs["body"].encode() == msgspec.json.encode(ORDER)
    longer = upbit.bearer("the-key", Mac(b"the-secret", "sha512"), NONCE, upbit.query_text(ORDER)).decode()
    claims = ours.split(".")[1]
    assert longer.split(".")[1] == claims  # the same claims under the venue's documented HS512
    assert longer == ccxt.Exchange.jwt(json.loads(b64decode(claims + "==")), b"the-secret", "sha512")


def test_bithumb_signs_as_ccxt_does():
    theirs = frozen("bithumb").sign("v2/orders", ["private"], "POST", dict(ORDER))
    ours = bithumb.bearer("the-key", Mac(b"the-secret", "sha256"), NONCE, STAMP_MS, bithumb.query_text(ORDER)).decode()
    assert theirs["headers"]["Authorization"] == f"Bearer {ours}"
    assert theirs["body"].encode() == msgspec.json.encode(ORDER)


def test_coinone_signs_as_ccxt_does_but_for_the_case_of_the_secret():
    theirs = frozen("coinone").sign("order", ["v2_1Private"], "POST", {"side": "BUY"})
    signed = coinone.payload({"access_token": "the-key", "nonce": NONCE, "side": "BUY"})
    assert theirs["body"].encode() == signed
    assert theirs["headers"]["X-COINONE-SIGNATURE"] == coinone.signature(b"THE-SECRET", signed)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "币安人生USDT", "A+B USDT"])
def test_binance_signs_as_ccxt_does(symbol):
    order = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "quantity": "0.1", "newClientOrderId": "a-1"}
    theirs = frozen("binance").sign("order", ["private"], "POST", dict(order))
    query, _, signature = theirs["body"].rpartition("&signature=")
    window = [("timestamp", STAMP_MS), *order.items(), ("recvWindow", 10_000)]
    assert sorted(pairs(binance.query_text(window))) == sorted(pairs(query))
    assert binance.signer("the-secret")(query.encode()) == signature


def test_binance_speaks_ed25519():
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    private.public_key().verify(b64decode(binance.signer(pem)(b"symbol=BTCUSDT")), b"symbol=BTCUSDT")
    assert binance.signer(pem)(b"x") == ccxt.Exchange.eddsa(b"x", pem, "ed25519")
    with pytest.raises(ConfigError):
        binance.signer(pem.replace("MC4C", "AAAA"))  # no key any more


def test_okx_signs_as_ccxt_does():
    order = {"instId": "BTC-USDT", "clOrdId": "a1"}
    theirs = frozen("okx").sign("trade/order", ["private"], "POST", dict(order))
    stamp = datetime.fromtimestamp(STAMP_MS / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert theirs["headers"]["OK-ACCESS-TIMESTAMP"] == stamp
    ours = okx.signature(b"the-secret", stamp, "POST", "/api/v5/trade/order", theirs["body"])
    assert theirs["headers"]["OK-ACCESS-SIGN"] == ours
    assert okx.login(b"the-secret", 1_700_000_000) == okx.signature(
        b"the-secret", "1700000000", "GET", "/users/self/verify"
    )


def test_bybit_signs_as_ccxt_does():
    theirs = frozen("bybit").sign("v5/order/create", ["private"], "POST", {"symbol": "BTCUSDT"})
    window = int(theirs["headers"]["X-BAPI-RECV-WINDOW"])
    ours = bybit.signature(b"the-secret", "the-key", STAMP_MS, window, theirs["body"])
    assert theirs["headers"]["X-BAPI-SIGN"] == ours
