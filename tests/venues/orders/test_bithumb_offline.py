"""Bithumb's orders against a scripted server: what goes over the wire, and how every kind of answer is read."""

import base64
import hashlib
import hmac
import json
import os
import time
from decimal import Decimal as D
from pathlib import Path

import pytest

from engine.domain.errors import OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import Balance
from engine.domain.order import Fee, OrderStatus, Side, TimeInForce
from engine.venues.bithumb.orders import BithumbOrders
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

SHARED = Path(os.environ.get("PREMIA_SHARED", Path(__file__).parents[3].parent / "shared"))
PLACED = {"order_id": "C01", "market": "KRW-BTC", "side": "bid", "created_at": "2026-11-21T09:00:00+09:00"}
ROW = {
    "uuid": "C01",
    "side": "bid",
    "state": "wait",
    "market": "KRW-BTC",
    "created_at": "2026-11-21T09:00:00+09:00",
    "volume": "0.5",
    "executed_volume": "0",
    "executed_funds": "0",
    "paid_fee": "0",
    "client_order_id": CID,
    "trades": [],
}
TRADES = [{"volume": "0.2", "funds": "20000000"}, {"volume": "0.3", "funds": "30030000"}]


def no(name, message="no", status=400):
    return Say({"error": {"name": name, "message": message}}, status)


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture
def budgets():
    return Budgets(Open(), Open())


@pytest.fixture
async def orders(play, budgets):
    orders = BithumbOrders(config(play.base), CREDENTIAL, budgets)
    yield orders
    await orders.close()


@pytest.mark.parametrize("tif, sent", [("gtc", None), ("ioc", "ioc"), ("fok", "fok"), ("post_only", "post_only")])
async def test_one_request_with_the_exact_text(play, orders, tif, sent):
    play.says("POST /v2/orders", Say(PLACED, 201))
    report = await orders.place(order("bithumb", "KRW-BTC", TimeInForce(tif)))
    assert report.status is OrderStatus.OPEN and report.venue_order_id == "C01" and report.filled_qty == 0
    [heard] = play.heard
    assert json.loads(heard.body) == {
        "market": "KRW-BTC",
        "side": "bid",
        "order_type": "limit",
        "price": "93125000.10",
        "volume": "0.12345678901234567890",
        "client_order_id": CID,
    } | ({"time_in_force": sent} if sent else {})


async def test_signature_carries_the_time_and_the_hash(play, orders):
    play.says("POST /v2/orders", Say(PLACED, 201))
    before_ms = time.time_ns() // 1_000_000
    await orders.place(order("bithumb", "KRW-BTC"))
    [heard] = play.heard
    head, claims, signature = heard.headers["Authorization"].removeprefix("Bearer ").split(".")
    assert _json(head) == {"alg": "HS256", "typ": "JWT"}
    query = "&".join(f"{key}={value}" for key, value in json.loads(heard.body).items())
    assert _json(claims)["query_hash"] == hashlib.sha512(query.encode()).hexdigest()
    assert before_ms <= _json(claims)["timestamp"] <= before_ms + 5_000
    assert _bytes(signature) == hmac.new(b"the-secret", f"{head}.{claims}".encode(), hashlib.sha256).digest()


def test_signing_vector():
    file = SHARED / "venues/_signing/vectors.json"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    vector = next(v for v in json.loads(file.read_text()) if v["venue"] == "bithumb" and "JWT" in v["case"])
    exchange = BithumbOrders(config("http://127.0.0.1:1"), CREDENTIAL, Budgets(Open(), Open()))._client.exchange
    assert exchange.jwt(vector["claims"], vector["secret"].encode(), "sha256") == vector["expected"]


LOST = [
    ("no answer", Say(happens="hang")),
    ("connection cut", Say(happens="cut")),
    ("gateway page", Say("<html>502 Bad Gateway</html>", 502)),
    ("JSON with 500", no("server_error", status=500)),
    ("still being accepted", no("order_not_ready", status=422)),
    ("a page with 200", Say("<html>hello</html>", 200)),
    ("a token not taken: perhaps its nonce was used", no("jwt_verification", status=401)),
    ("a bare 404", Say("", 404)),
    ("an answer without an id", Say({"market": "KRW-BTC"}, 201)),
]


@pytest.mark.parametrize("why, say", LOST, ids=[why for why, _ in LOST])
async def test_no_usable_answer_is_unknown_and_sent_once(play, orders, why, say):
    play.says("POST /v2/orders", say)
    with pytest.raises(OutcomeUnknown):
        await orders.place(order("bithumb", "KRW-BTC"))
    assert len(play.heard) == 1


REFUSED = [
    ("insufficient_funds_bid", no("insufficient_funds_bid")),
    ("invalid_price_bid", no("invalid_price_bid", "주문가격 단위를 잘못 입력하셨습니다.")),
    ("cross_trading", no("cross_trading")),
    ("NotAllowIP", no("NotAllowIP", status=401)),
    ("400", no(400, "Missing request parameter error. Check the required parameters!", 200)),  # an error in HTTP 200
    ("duplicate", no("duplicate_client_order_id")),
]


@pytest.mark.parametrize("code, say", REFUSED, ids=[code for code, _ in REFUSED])
async def test_a_definitive_no_is_refused(play, orders, code, say):
    play.says("POST /v2/orders", say)
    with pytest.raises(VenueRefused) as caught:
        await orders.place(order("bithumb", "KRW-BTC"))
    assert caught.value.code == code


async def test_limits_are_obeyed(play, orders, budgets):
    play.says("POST /v2/orders", Say("", 429))
    with pytest.raises(RateLimited) as caught:
        await orders.place(order("bithumb", "KRW-BTC"))
    assert caught.value.retry_after_s == 1.0 and budgets.orders.held == [(1.0, True)]


DONE = {"state": "done", "executed_volume": "0.5", "executed_funds": "50030000", "paid_fee": "20012"}
PART = {"state": "done", "executed_volume": "0.2", "executed_funds": "20000000", "paid_fee": "8000"}
LOOK_UPS = [
    ("resting", {}, OrderStatus.OPEN, "0", "0", ()),
    ("filled", DONE | {"trades": TRADES}, OrderStatus.FILLED, "0.5", "50030000", (Fee("KRW", D(20012)),)),
    (
        "an IOC filled in part ends as done",
        PART | {"trades": TRADES[:1]},
        OrderStatus.CANCELLED,
        "0.2",
        "20000000",
        (Fee("KRW", D(8000)),),
    ),
    ("funds without trades", PART, OrderStatus.CANCELLED, "0.2", "20000000", (Fee("KRW", D(8000)),)),
    ("IOC without a fill", {"state": "cancel"}, OrderStatus.CANCELLED, "0", "0", ()),
    ("a post-only that would take", {"state": "cancel"}, OrderStatus.CANCELLED, "0", "0", ()),
]


@pytest.mark.parametrize("why, row, status, qty, quote, fees", LOOK_UPS, ids=[case[0] for case in LOOK_UPS])
async def test_look_up(play, orders, why, row, status, qty, quote, fees):
    play.says("GET /v1/order", Say(ROW | row))
    report = await orders.look_up("KRW-BTC", CID)
    assert (report.status, report.filled_qty, report.filled_quote, report.fees) == (status, D(qty), D(quote), fees)
    assert report.cid == CID and report.side is Side.BUY
    assert [heard.query for heard in play.heard] == [f"client_order_id={CID}"]


async def test_only_the_venues_own_code_is_not_found(play, orders):
    play.says("GET /v1/orders", Say([]))
    play.says(
        "GET /v1/order",
        no("order_not_found", status=404),
        Say("", 404),
        no("order_not_ready", status=422),
        no(404, "Code not found", 200),
    )
    with pytest.raises(OrderNotFound):
        await orders.look_up("KRW-BTC", CID)
    with pytest.raises(VenueUnavailable):
        await orders.look_up("KRW-BTC", CID)
    with pytest.raises(VenueUnavailable):  # it exists, or will: ask again
        await orders.look_up("KRW-BTC", CID)
    with pytest.raises(VenueRefused):
        await orders.look_up("KRW-BTC", CID)


async def test_cancel_by_client_id(play, orders, budgets):
    play.says("DELETE /v2/order", Say({"order_id": "C01"}), no("order_not_found", status=404))
    await orders.cancel("KRW-BTC", CID, "C01")
    assert play.heard[0].query == f"client_order_id={CID}" and budgets.orders.taken == [True]
    with pytest.raises(VenueRefused):
        await orders.cancel("KRW-BTC", CID, "C01")


async def test_open_orders(play, orders):
    stranger = {key: value for key, value in ROW.items() if key not in ("client_order_id", "trades")}
    play.says("GET /v1/orders", Say([ROW, stranger | {"uuid": "C02"}]), Say([]))
    first, second = await orders.open_orders()
    assert first.cid == CID and second.cid == "" and second.venue_order_id == "C02"


async def test_balances(play, orders):
    rows = [{"currency": "KRW", "balance": "51026", "locked": "0.5"}, {"currency": "P", "balance": "0", "locked": "0"}]
    play.says("GET /v1/accounts", Say(rows))
    assert await orders.balances() == [Balance("KRW", D(51026), D("51026.5"))]


async def test_instruments_take_the_accounts_own_fee(play, orders):
    bid, ask = {"currency": "KRW", "min_total": "5000"}, {"currency": "BTC", "min_total": "5000"}
    chance = {"bid_fee": "0.0004", "ask_fee": "0.0004", "market": {"id": "KRW-BTC", "bid": bid, "ask": ask}}
    play.says("GET /v1/orders/chance", Say(chance))
    [found] = await orders.instruments(["KRW-BTC"])
    assert (found.base, found.quote, found.min_notional, found.taker_fee_bps) == ("BTC", "KRW", D(5000), D(4))
    assert [band.tick for band in found.ticks] == [D(1), D(1)]


def test_no_address_of_ccxt_survives():
    orders = BithumbOrders(config("http://127.0.0.1:9"), CREDENTIAL, Budgets(Open(), Open()))
    assert set(orders._client.exchange.urls["api"].values()) == {"http://127.0.0.1:9"}


async def test_documented_rows_are_read(play, orders):
    file = SHARED / "venues/bithumb/fixtures-probed.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    rows = {row["name"]: row["data"] for row in map(json.loads, file.read_text().splitlines()) if row.get("name")}
    play.says("GET /v1/order", Say(rows["order done with one trade (documentation sample)"]))
    report = await orders.look_up("KRW-BTC", CID)
    assert (report.status, report.filled_quote) == (OrderStatus.FILLED, D(83_000_000))
    assert report.fees == (Fee("KRW", D(207_500)),)
    play.says("GET /v1/accounts", Say(rows["accounts (documentation sample, 2 of n rows)"]))
    assert [balance.asset for balance in await orders.balances()] == ["BTC", "ETH"]


def _bytes(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _json(part):
    return json.loads(_bytes(part))
