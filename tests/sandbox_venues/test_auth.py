"""Signatures: published vectors pass, and one changed byte does not."""

import hashlib
import json

import pytest

from sandbox.venues import auth
from sandbox.venues.auth import Credential, Denied, Why

STAMP = "2020-12-08T09:08:57.715Z"


@pytest.fixture
def vectors(shared):
    found = json.loads((shared / "venues" / "_signing" / "vectors.json").read_text())
    return {(vector["venue"], vector["case"].split(":")[0]): vector for vector in found}


@pytest.mark.parametrize("venue, case", [("upbit", "Authorization JWT HS256"), ("bithumb", "Authorization JWT HS256")])
def test_jwt_vectors(vectors, venue, case):
    vector = next(v for (where, name), v in vectors.items() if where == venue and name.startswith(case))
    key = vector["claims"]["access_key"]
    keys = {key: Credential("trader", key, vector["secret"])}
    credential, claims = auth.jwt_claims(f"Bearer {vector['expected']}", keys, ("HS256", "HS512"))
    assert credential.account == "trader" and claims == vector["claims"]
    head, payload, signature = vector["expected"].split(".")
    forged = f"{head}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    with pytest.raises(Denied) as caught:
        auth.jwt_claims(f"Bearer {forged}", keys, ("HS256",))
    assert caught.value.why is Why.BAD_SIGNATURE
    with pytest.raises(Denied):
        auth.jwt_claims(f"Bearer {vector['expected']}", keys, ("HS512",))


def test_upbit_query_hash_vectors(vectors):
    for (venue, _), vector in vectors.items():
        if venue == "upbit" and vector["algo"] == "SHA512 hex":
            claims = {"query_hash": vector["expected"], "query_hash_alg": "SHA512"}
            auth.check_query_hash(claims, vector["string_to_sign"])
            with pytest.raises(Denied):
                auth.check_query_hash(claims, vector["string_to_sign"] + "0")


def test_a_body_is_hashed_as_a_query():
    body = {"market": "KRW-BTC", "side": "bid", "volume": "0.01", "states": ["wait", "watch"], "post": True}
    text = "market=KRW-BTC&side=bid&volume=0.01&states[]=wait&states[]=watch&post=true"
    assert auth.body_as_query(body) == text
    auth.check_query_hash({"query_hash": hashlib.sha512(text.encode()).hexdigest()}, text)


def test_binance_vector(vectors):
    vector = vectors["binance", "REST ASCII"]
    keys = {"key": Credential("trader", "key", vector["secret"])}
    signed = f"{vector['string_to_sign']}&signature={vector['expected']}"
    assert auth.binance("key", signed, keys).account == "trader"
    for wrong_key, text, why in (
        (None, signed, Why.NO_KEY),
        ("other", signed, Why.UNKNOWN_KEY),
        ("key", signed.replace("quantity=1", "quantity=2"), Why.BAD_SIGNATURE),
    ):
        with pytest.raises(Denied) as caught:
            auth.binance(wrong_key, text, keys)
        assert caught.value.why is why


def test_okx_vector(vectors):
    vector = next(v for (venue, _), v in vectors.items() if venue == "okx")
    keys = {"key": Credential("trader", "key", vector["secret"], "phrase")}
    headers = {"OK-ACCESS-KEY": "key", "OK-ACCESS-TIMESTAMP": STAMP, "OK-ACCESS-SIGN": vector["expected"]}
    headers["OK-ACCESS-PASSPHRASE"] = "phrase"
    path = "/api/v5/account/balance?ccy=BTC"
    assert auth.okx(headers, "GET", path, "", keys).account == "trader"
    for wrong, where, why in (
        ({"OK-ACCESS-PASSPHRASE": "other"}, path, Why.BAD_PASSPHRASE),
        ({}, path + "C", Why.BAD_SIGNATURE),
        ({"OK-ACCESS-KEY": ""}, path, Why.NO_KEY),
    ):
        with pytest.raises(Denied) as caught:
            auth.okx(headers | wrong, "GET", where, "", keys)
        assert caught.value.why is why


def of(vectors, venue):
    return next(vector for (where, _), vector in vectors.items() if where == venue)


def test_bybit_vector(vectors):
    vector = of(vectors, "bybit")
    keys = {vector["key"]: Credential("trader", vector["key"], vector["secret"])}
    headers = {"X-BAPI-API-KEY": vector["key"], "X-BAPI-TIMESTAMP": "1700000000000", "X-BAPI-RECV-WINDOW": "5000"}
    headers["X-BAPI-SIGN"] = vector["expected"]
    query = "category=linear&symbol=BTCUSDT"
    assert auth.bybit(headers, query, keys).account == "trader"
    refuses(lambda: auth.bybit(headers | {"X-BAPI-RECV-WINDOW": "50000"}, query, keys), Why.BAD_SIGNATURE)
    refuses(lambda: auth.bybit(headers, query + "C", keys), Why.BAD_SIGNATURE)
    refuses(lambda: auth.bybit(headers | {"X-BAPI-API-KEY": "other"}, query, keys), Why.UNKNOWN_KEY)


def test_gate_vector(vectors):
    vector = of(vectors, "gate")
    keys = {"key": Credential("trader", "key", vector["secret"])}
    headers = {"KEY": "key", "Timestamp": vector["timestamp"], "SIGN": vector["expected"]}
    path, query = "/api/v4/futures/orders", "contract=BTC_USD&status=finished&limit=50"
    assert auth.gate(headers, "GET", path, query, b"", keys).account == "trader"
    refuses(lambda: auth.gate(headers, "GET", path, query, b"{}", keys), Why.BAD_SIGNATURE)
    refuses(lambda: auth.gate({}, "GET", path, query, b"", keys), Why.NO_KEY)


def test_bitget_vector(vectors):
    vector = of(vectors, "bitget")
    keys = {"key": Credential("trader", "key", vector["secret"], "phrase")}
    headers = {"ACCESS-KEY": "key", "ACCESS-TIMESTAMP": "1684813405151", "ACCESS-SIGN": vector["expected"]}
    headers["ACCESS-PASSPHRASE"] = "phrase"
    path = "/api/v2/spot/account/assets?coin=USDT"
    assert auth.bitget(headers, "GET", path, "", keys).account == "trader"
    refuses(lambda: auth.bitget(headers | {"ACCESS-PASSPHRASE": "x"}, "GET", path, "", keys), Why.BAD_PASSPHRASE)
    refuses(lambda: auth.bitget(headers, "POST", path, "", keys), Why.BAD_SIGNATURE)


def test_kucoin_vector(vectors):
    vector = of(vectors, "kucoin")
    keys = {"key": Credential("trader", "key", vector["secret"], vector["passphrase"])}
    headers = {"KC-API-KEY": "key", "KC-API-TIMESTAMP": "1547015186532", "KC-API-SIGN": vector["expected"]}
    headers |= {"KC-API-PASSPHRASE": vector["expected_passphrase"], "KC-API-KEY-VERSION": "2"}
    path, body = "/api/v1/orders", vector["string_to_sign"].partition("/api/v1/orders")[2]
    assert auth.kucoin(headers, "POST", path, body, keys).account == "trader"
    plain = headers | {"KC-API-PASSPHRASE": vector["passphrase"]}  # it must come signed
    refuses(lambda: auth.kucoin(plain, "POST", path, body, keys), Why.BAD_PASSPHRASE)
    refuses(lambda: auth.kucoin(headers, "POST", path, body + " ", keys), Why.BAD_SIGNATURE)


def test_coinone_vector(vectors):
    vector = of(vectors, "coinone")
    token = json.loads(vector["body"])["access_token"]
    keys = {token: Credential("trader", token, vector["secret"])}
    headers = {"X-COINONE-PAYLOAD": vector["payload"], "X-COINONE-SIGNATURE": vector["expected"]}
    for body in (vector["payload"], vector["body"]):  # the payload itself, or the JSON in it
        credential, fields = auth.coinone(headers, body, keys)
        assert credential.account == "trader" and fields["target_currency"] == "BTC"
    refuses(lambda: auth.coinone(headers, vector["body"].replace("BTC", "ETH"), keys), Why.BAD_SIGNATURE)
    refuses(lambda: auth.coinone(headers | {"X-COINONE-SIGNATURE": "00"}, vector["body"], keys), Why.BAD_SIGNATURE)


def refuses(call, why):
    with pytest.raises(Denied) as caught:
        call()
    assert caught.value.why is why
