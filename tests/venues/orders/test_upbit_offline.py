"""Upbit's orders against a scripted server: what goes over the wire, and how every kind of answer is read."""

import base64
import hashlib
import hmac
import json
import os
from decimal import Decimal as D
from pathlib import Path
from typing import NoReturn

import aiohttp
import pytest

from engine.domain.errors import OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import Balance
from engine.domain.order import Fee, OrderStatus, Side, TimeInForce
from engine.venues.upbit.orders import UpbitOrders
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

SHARED = Path(os.environ.get("PREMIA_SHARED", Path(__file__).parents[3].parent / "shared"))
PLACED = {"uuid": "u-1", "side": "bid", "state": "wait", "market": "KRW-BTC", "created_at": "2026-11-21T09:00:00+09:00"}
ROW = PLACED | {"volume": "0.5", "executed_volume": "0", "paid_fee": "0", "identifier": CID, "trades": []}
TRADES = [{"volume": "0.2", "funds": "20000000", "price": "100000000"}, {"volume": "0.3", "funds": "30030000"}]


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
    orders = UpbitOrders(config(play.base), CREDENTIAL, budgets)
    yield orders
    await orders.close()


@pytest.mark.parametrize("tif, sent", [("gtc", None), ("ioc", "ioc"), ("fok", "fok"), ("post_only", "post_only")])
async def test_one_request_with_the_exact_text(play, orders, tif, sent):
    play.says("POST /v1/orders", Say(PLACED, 201))
    report = await orders.place(order("upbit", "KRW-BTC", TimeInForce(tif)))
    assert report.status is OrderStatus.OPEN and report.venue_order_id == "u-1" and report.filled_qty == 0
    [heard] = play.heard
    expected = {
        "market": "KRW-BTC",
        "side": "bid",
        "volume": "0.12345678901234567890",
        "price": "93125000.10",
        "ord_type": "limit",
        "identifier": CID,
    }
    assert json.loads(heard.body) == expected | ({"time_in_force": sent} if sent else {})
    assert "Origin" not in heard.headers


async def test_signature_hashes_the_body_as_a_query(play, orders):
    play.says("POST /v1/orders", Say(PLACED, 201))
    await orders.place(order("upbit", "KRW-BTC"))
    [heard] = play.heard
    head, claims, signature = heard.headers["Authorization"].removeprefix("Bearer ").split(".")
    assert _json(head) == {"alg": "HS512", "typ": "JWT"}
    query = "&".join(f"{key}={value}" for key, value in json.loads(heard.body).items())
    assert _json(claims)["query_hash"] == hashlib.sha512(query.encode()).hexdigest()
    assert _json(claims)["query_hash_alg"] == "SHA512" and _json(claims)["access_key"] == "the-key"
    mac = hmac.new(b"the-secret", f"{head}.{claims}".encode(), hashlib.sha512).digest()
    assert _bytes(signature) == mac


def test_signing_vectors():
    file = SHARED / "venues/_signing/vectors.json"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    vectors = {v["case"]: v for v in json.loads(file.read_text()) if v["venue"] == "upbit"}
    limit = next(v for case, v in vectors.items() if "limit order" in case)
    exchange = UpbitOrders(config("http://127.0.0.1:1"), CREDENTIAL, Budgets(Open(), Open()))._client.exchange
    body = dict(pair.split("=") for pair in limit["string_to_sign"].split("&"))
    request = exchange.sign("orders", ["private"], "POST", body)
    claims = _json(request["headers"]["Authorization"].split(".")[1])
    assert claims["query_hash"] == limit["expected"]
    token = vectors["Authorization JWT HS256"]
    exchange.digest = "sha256"
    assert exchange.jwt(token["claims"], token["secret"].encode()) == token["expected"]


LOST = [
    ("no answer", Say(happens="hang")),
    ("connection cut", Say(happens="cut")),
    ("gateway page", Say("<html>502 Bad Gateway</html>", 502)),
    ("JSON with 500", no("server_error", status=500)),
    ("maintenance", no("maintenance", status=503)),
    ("a page with 200", Say("<html>hello</html>", 200)),
    ("a page with 403", Say("<html>forbidden</html>", 403)),
    ("empty 200", Say("", 200)),
    ("an answer without an id", Say({"state": "wait"}, 201)),
    ("sent elsewhere", Say("", 307, {"Location": "/v1/orders"})),
]


@pytest.mark.parametrize("why, say", LOST, ids=[why for why, _ in LOST])
async def test_no_usable_answer_is_unknown_and_sent_once(play, orders, why, say):
    play.says("POST /v1/orders", say)
    with pytest.raises(OutcomeUnknown):
        await orders.place(order("upbit", "KRW-BTC"))
    assert len(play.heard) == 1


async def test_refused_connection_means_nothing_left(budgets):
    orders = UpbitOrders(config("http://127.0.0.1:1"), CREDENTIAL, budgets)
    with pytest.raises(VenueUnavailable):
        await orders.place(order("upbit", "KRW-BTC"))
    await orders.close()


async def test_empty_budget_sends_nothing(play):
    orders = UpbitOrders(config(play.base), CREDENTIAL, Budgets(Open(wait_s=0.5), Open()))
    with pytest.raises(RateLimited) as caught:
        await orders.place(order("upbit", "KRW-BTC"))
    assert caught.value.retry_after_s == 0.5 and not play.heard
    await orders.close()


REFUSED = [
    ("insufficient_funds_bid", no("insufficient_funds_bid", "주문가능한 금액(KRW)이 부족합니다.")),
    ("under_min_total_bid", no("under_min_total_bid")),
    ("invalid_price_bid", no("invalid_price_bid")),
    ("invalid_access_key", no("invalid_access_key", status=401)),
    ("validation_error", no("validation_error")),
    ("404", no(404, "Code not found", 404)),
    ("duplicate", no("duplicate_identifier", "이미 사용된 identifier 입니다.")),
]


@pytest.mark.parametrize("code, say", REFUSED, ids=[code for code, _ in REFUSED])
async def test_a_definitive_no_is_refused(play, orders, code, say):
    play.says("POST /v1/orders", say)
    with pytest.raises(VenueRefused) as caught:
        await orders.place(order("upbit", "KRW-BTC"))
    assert caught.value.code == code


LIMITED = [
    (Say("Too many API requests.", 429), 1.0),
    (no("blocked", "blocked for 10 seconds", 418), 10.0),
    (Say("", 418), 60.0),
]


@pytest.mark.parametrize("say, wait_s", LIMITED)
async def test_limits_are_obeyed(play, orders, budgets, say, wait_s):
    play.says("POST /v1/orders", say)
    with pytest.raises(RateLimited) as caught:
        await orders.place(order("upbit", "KRW-BTC"))
    assert caught.value.retry_after_s == wait_s
    assert budgets.orders.held == [(wait_s, True)] and budgets.reads.held == [(wait_s, True)]


async def test_remaining_req_rests_its_own_group(play, orders, budgets):
    play.says("POST /v1/orders", Say(PLACED, 201, {"Remaining-Req": "group=order; min=1800; sec=0"}))
    await orders.place(order("upbit", "KRW-BTC"))
    assert budgets.orders.held == [(1.0, True)] and not budgets.reads.held


LOOK_UPS = [
    ("resting", {}, OrderStatus.OPEN, "0", "0", ()),
    (
        "filled",
        {"state": "done", "executed_volume": "0.5", "paid_fee": "25015", "trades": TRADES},
        OrderStatus.FILLED,
        "0.5",
        "50030000",
        (Fee("KRW", D(25015)),),
    ),
    (
        "IOC filled in part",
        {"state": "cancel", "executed_volume": "0.2", "paid_fee": "10000.5", "trades": TRADES[:1]},
        OrderStatus.CANCELLED,
        "0.2",
        "20000000",
        (Fee("KRW", D("10000.5")),),
    ),
    ("IOC without a fill", {"state": "cancel"}, OrderStatus.CANCELLED, "0", "0", ()),
    ("self-match", {"state": "prevented"}, OrderStatus.CANCELLED, "0", "0", ()),
    (
        "funds of a row without trades",
        {"state": "cancel", "executed_volume": "0.2", "executed_funds": "20000000", "paid_fee": "1", "trades": None},
        OrderStatus.CANCELLED,
        "0.2",
        "20000000",
        (Fee("KRW", D(1)),),
    ),
]


@pytest.mark.parametrize("why, row, status, qty, quote, fees", LOOK_UPS, ids=[case[0] for case in LOOK_UPS])
async def test_look_up(play, orders, why, row, status, qty, quote, fees):
    play.says("GET /v1/order", Say(ROW | row))
    report = await orders.look_up("KRW-BTC", CID)
    assert (report.status, report.filled_qty, report.filled_quote, report.fees) == (status, D(qty), D(quote), fees)
    assert report.cid == CID and report.side is Side.BUY
    assert [heard.query for heard in play.heard] == [f"identifier={CID}"]


async def test_look_up_before_the_fills_settle_asks_again_later(play, orders):
    play.says("GET /v1/order", Say(ROW | {"state": "done", "executed_volume": "0.5", "trades": TRADES[:1]}))
    with pytest.raises(VenueUnavailable, match="not settled"):
        await orders.look_up("KRW-BTC", CID)


async def test_only_the_venues_own_code_is_not_found(play, orders):
    play.says("GET /v1/orders/closed", Say([]))
    play.says("GET /v1/order", no("order_not_found", status=404), Say("<html>404</html>", 404), no(404, status=404))
    with pytest.raises(OrderNotFound):
        await orders.look_up("KRW-BTC", CID)
    with pytest.raises(VenueUnavailable):
        await orders.look_up("KRW-BTC", CID)
    with pytest.raises(VenueRefused):
        await orders.look_up("KRW-BTC", CID)


async def test_cancel_by_client_id_uses_the_reserved_share(play, orders, budgets):
    play.says("DELETE /v1/order", Say(ROW), no("order_not_found", status=404))
    await orders.cancel("KRW-BTC", CID, "")
    assert play.heard[0].query == f"identifier={CID}" and budgets.orders.taken == [True]
    with pytest.raises(VenueRefused):
        await orders.cancel("KRW-BTC", CID, "")


async def test_a_signature_that_is_refused_is_tried_the_older_way(play, orders):
    play.says("GET /v1/orderbook/instruments", Say([]))
    play.says("GET /v1/accounts", no("jwt_verification", status=401), Say([]))
    await orders.warm()
    heads = [heard.headers["Authorization"].split(".")[0] for heard in play.heard if heard.path == "/v1/accounts"]
    assert [_json(head.removeprefix("Bearer "))["alg"] for head in heads] == ["HS512", "HS256"]


async def test_open_orders_of_both_states_and_all_pages(play, orders):
    page = [ROW | {"uuid": f"u-{n}"} for n in range(100)]
    stranger = {key: value for key, value in ROW.items() if key not in ("identifier", "trades")}
    play.says("GET /v1/orders/open", Say(page), Say([stranger | {"uuid": "s"}]), Say([]))
    reports = await orders.open_orders()
    assert len(reports) == 101 and reports[0].cid == CID and reports[100].cid == ""


async def test_balances(play, orders):
    rows = [
        {"currency": "KRW", "balance": "1000000.5", "locked": "10", "avg_buy_price": "0"},
        {"currency": "BTC", "balance": "0.0", "locked": "0.0"},
    ]
    play.says("GET /v1/accounts", Say(rows))
    assert await orders.balances() == [Balance("KRW", D("1000000.5"), D("1000010.5"))]


async def test_instruments_take_the_accounts_fees_and_the_venues_tick(play, orders):
    side = {"currency": "KRW", "min_total": "5000"}
    chance = {
        "bid_fee": "0.0005",
        "ask_fee": "0.0005",
        "maker_bid_fee": "0.0003",
        "maker_ask_fee": "0.0003",
        "market": {"id": "KRW-USDT", "bid": side, "ask": {"currency": "USDT", "min_total": "5000"}},
    }
    play.says("GET /v1/orders/chance", Say(chance))
    play.says("GET /v1/orderbook/instruments", Say([{"market": "KRW-USDT", "tick_size": "0.5"}]))
    play.says("GET /v1/orderbook", Say([{"market": "KRW-USDT", "orderbook_units": [{"ask_price": 1452.5}]}]))
    [found] = await orders.instruments(["KRW-USDT"])
    assert (found.base, found.quote, found.min_notional) == ("USDT", "KRW", D(5000))
    assert (found.taker_fee_bps, found.maker_fee_bps, found.source) == (D(5), D(3), "account")
    assert [(band.from_price, band.tick) for band in found.ticks] == [(D(0), D(1)), (D(1000), D("0.5"))]


async def test_clock_from_the_date_header(play, orders):
    play.says("GET /v1/orderbook/instruments", Say([], headers={"Date": "Sat, 21 Nov 2026 00:00:10 GMT"}))
    first = await orders.server_time_ms()
    assert 1_795_219_210_000 <= first < 1_795_219_211_500


def test_no_address_of_ccxt_survives():
    orders = UpbitOrders(config("http://127.0.0.1:9"), CREDENTIAL, Budgets(Open(), Open()))
    assert set(orders._client.exchange.urls["api"].values()) == {"http://127.0.0.1:9"}


async def test_a_recorded_order_is_read(play, orders):
    file = SHARED / "venues/upbit/fixtures-ccxt-comments.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    done = next(json.loads(row["data"]) for row in rows if row["name"] == "parse_order" and '"done"' in row["data"])
    play.says("GET /v1/order", Say(done))
    report = await orders.look_up("KRW-USDT", CID)
    assert (report.status, report.side) == (OrderStatus.FILLED, Side.SELL)
    assert (report.filled_qty, report.filled_quote) == (D("5.377594"), D("7394.19175"))
    assert report.fees == (Fee("KRW", D("3.697095875")),)


def _bytes(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _json(part):
    return json.loads(_bytes(part))


class Taken(aiohttp.TCPConnector):
    """What uvloop says of a new socket, now and then, after a connect that was cancelled."""

    async def connect(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("File descriptor 44 is used by transport <TCPTransport closed=False>")


async def test_a_socket_that_uvloop_takes_for_another_is_a_venue_that_is_away(play, budgets):
    """Found by killing engines on a busy machine: it ended the whole desk."""
    orders = UpbitOrders(config(play.base), CREDENTIAL, budgets)
    session = orders._client._open()
    session._connector = Taken()
    with pytest.raises(VenueUnavailable):
        await orders.look_up("KRW-BTC", "cid")
    with pytest.raises(VenueUnavailable):
        await orders.server_time_ms()
    await orders.close()
