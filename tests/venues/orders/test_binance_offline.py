"""Binance's orders against a scripted server: what goes over the wire, and how every kind of answer is read."""

import hashlib
import hmac
import json
import os
import time
from decimal import Decimal as D
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from engine.domain.errors import OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, FeeSide
from engine.domain.money import TickBand
from engine.domain.order import Fee, OrderStatus, Side, TimeInForce
from engine.venues.binance.orders import BinanceOrders
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

SHARED = Path(os.environ.get("PREMIA_SHARED", Path(__file__).parents[3].parent / "shared"))
ROW = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "clientOrderId": CID,
    "side": "BUY",
    "status": "EXPIRED",
    "executedQty": "0.00000000",
    "cummulativeQuoteQty": "0.00000000",
}
PART = ROW | {"executedQty": "0.50000000", "cummulativeQuoteQty": "33500.00000000"}
FILLS = [
    {"price": "67000.00", "qty": "0.20", "commission": "0.0002", "commissionAsset": "BTC", "id": 1},
    {"price": "67000.00", "qty": "0.30", "commission": "0.01", "commissionAsset": "BNB", "id": 2},
]
FEES = (Fee("BTC", D("0.0002")), Fee("BNB", D("0.01")))


def no(code, message="no", status=400):
    return Say({"code": code, "msg": message}, status)


def settings(base):
    return config(base, symbols=("BTCUSDT",), fee_side=FeeSide.RECEIVED, min_notional=D(0), ticks=())


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture
def budgets():
    return Budgets(Open(), Open())


@pytest.fixture
async def orders(play, budgets):
    orders = BinanceOrders(settings(play.base), CREDENTIAL, budgets)
    yield orders
    await orders.close()


TIFS = [
    (TimeInForce.GTC, {"type": "LIMIT", "timeInForce": "GTC"}),
    (TimeInForce.IOC, {"type": "LIMIT", "timeInForce": "IOC"}),
    (TimeInForce.FOK, {"type": "LIMIT", "timeInForce": "FOK"}),
    (TimeInForce.POST_ONLY, {"type": "LIMIT_MAKER"}),
]


@pytest.mark.parametrize("tif, sent", TIFS)
async def test_one_request_with_the_exact_text(play, orders, tif, sent):
    play.says("POST /api/v3/order", Say(ROW | {"status": "NEW"}))
    before_ms = time.time_ns() // 1_000_000
    report = await orders.place(order("binance", "BTCUSDT", tif))
    assert report.status is OrderStatus.OPEN and report.venue_order_id == "28" and report.cid == CID
    [heard] = play.heard
    assert heard.headers["X-MBX-APIKEY"] == "the-key"
    query, _, signature = heard.body.rpartition("&signature=")
    assert signature == hmac.new(b"the-secret", query.encode(), hashlib.sha256).hexdigest()
    body = dict(parse_qsl(query))
    assert before_ms <= int(body.pop("timestamp")) <= before_ms + 5_000
    assert body == sent | {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "quantity": "0.12345678901234567890",
        "price": "93125000.10",
        "newClientOrderId": CID,
        "newOrderRespType": "FULL",
        "recvWindow": "400",  # the venue drops it when we stop waiting
    }
    assert orders.late_acceptance_ms == 400 + 1_000


def test_signing_vector():
    file = SHARED / "venues/_signing/vectors.json"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    vector = next(v for v in json.loads(file.read_text()) if v["venue"] == "binance" and v["case"] == "REST ASCII")
    exchange = BinanceOrders(settings("http://127.0.0.1:1"), CREDENTIAL, Budgets(Open(), Open()))._exchange
    signed = exchange.hmac(vector["string_to_sign"].encode(), vector["secret"].encode(), hashlib.sha256)
    assert signed == vector["expected"]


async def test_a_placement_that_fills_brings_its_fees(play, orders):
    play.says("POST /api/v3/order", Say(PART | {"fills": FILLS, "transactTime": 1507725176595}))
    report = await orders.place(order("binance", "BTCUSDT"))
    assert (report.status, report.filled_qty, report.filled_quote) == (OrderStatus.CANCELLED, D("0.5"), D(33500))
    assert report.fees == FEES and report.venue_ts_ms == 1507725176595


async def test_a_placement_without_its_fees_is_left_to_a_look_up(play, orders):
    play.says("POST /api/v3/order", Say(PART | {"fills": FILLS[:1]}))
    report = await orders.place(order("binance", "BTCUSDT"))
    assert (report.status, report.filled_qty, report.fees) == (OrderStatus.OPEN, 0, ())


LOST = [
    ("no answer", Say(happens="hang")),
    ("connection cut", Say(happens="cut")),
    ("gateway page", Say("<html>502 Bad Gateway</html>", 502)),
    ("503 with JSON", no(-1001, "Internal error; unable to process your request. Please try again.", 503)),
    ("-1000", no(-1000, "An unknown error occurred while processing the request.")),
    ("-1006", no(-1006, "Execution status unknown.")),
    ("-1007", no(-1007, "Timeout waiting for response from backend server. Execution status unknown.")),
    ("-1007 with 408", no(-1007, status=408)),
    ("a page with 200", Say("<html>hello</html>")),
    ("an answer without an id", Say({"symbol": "BTCUSDT"})),
]


@pytest.mark.parametrize("why, say", LOST, ids=[why for why, _ in LOST])
async def test_no_usable_answer_is_unknown_and_sent_once(play, orders, why, say):
    play.says("POST /api/v3/order", say)
    with pytest.raises(OutcomeUnknown):
        await orders.place(order("binance", "BTCUSDT"))
    assert len(play.heard) == 1


REFUSED = [
    ("-2010", no(-2010, "Account has insufficient balance for requested action.")),
    ("duplicate", no(-2010, "Duplicate order sent.")),
    ("-1013", no(-1013, "Filter failure: PRICE_FILTER")),
    ("-1021", no(-1021, "Timestamp for this request is outside of the recvWindow.")),
    ("-1022", no(-1022, "Signature for this request is not valid.")),
    ("-1121", no(-1121, "Invalid symbol.")),
    ("-2014", no(-2014, "API-key format invalid.", 401)),
    ("-2015", no(-2015, "Invalid API-key, IP, or permissions for action.", 401)),
    ("-9999", no(-9999, "a code of tomorrow")),
]


@pytest.mark.parametrize("code, say", REFUSED, ids=[code for code, _ in REFUSED])
async def test_a_definitive_no_is_refused(play, orders, code, say):
    play.says("GET /api/v3/account", Say({"balances": []}))
    await orders.balances()  # a key that has worked before: ccxt then reads -2015 as a ban
    play.says("POST /api/v3/order", say)
    with pytest.raises(VenueRefused) as caught:
        await orders.place(order("binance", "BTCUSDT"))
    assert caught.value.code == code


LIMITED = [
    (Say({"code": -1003, "msg": "Too much request weight used"}, 429, {"Retry-After": "7"}), 7.0),
    (Say({"code": -1003, "msg": "IP banned"}, 418, {"Retry-After": "180"}), 180.0),
    (no(-1015, "Too many new orders."), 10.0),
]


@pytest.mark.parametrize("say, wait_s", LIMITED)
async def test_limits_are_obeyed(play, orders, budgets, say, wait_s):
    play.says("POST /api/v3/order", say)
    with pytest.raises(RateLimited) as caught:
        await orders.place(order("binance", "BTCUSDT"))
    assert caught.value.retry_after_s == wait_s and budgets.orders.held == [(wait_s, True)]


async def test_used_weight_leaves_the_rest_to_urgent_calls(play, orders, budgets):
    play.says("GET /api/v3/account", Say({"balances": []}, headers={"X-MBX-USED-WEIGHT-1M": "5400"}))
    await orders.balances()
    [(seconds, urgent_too)] = budgets.reads.held
    assert 0 < seconds <= 60 and not urgent_too


LOOK_UPS = [
    ("resting", {"status": "NEW"}, [], OrderStatus.OPEN, "0", "0", ()),
    ("filled in part", PART | {"status": "PARTIALLY_FILLED"}, FILLS, OrderStatus.OPEN, "0.5", "33500", FEES),
    ("filled", PART | {"status": "FILLED"}, FILLS, OrderStatus.FILLED, "0.5", "33500", FEES),
    ("IOC filled in part", PART, FILLS, OrderStatus.CANCELLED, "0.5", "33500", FEES),
    ("IOC without a fill", {}, [], OrderStatus.CANCELLED, "0", "0", ()),
    ("cancelled", {"status": "CANCELED"}, [], OrderStatus.CANCELLED, "0", "0", ()),
    ("self-trade", {"status": "EXPIRED_IN_MATCH"}, [], OrderStatus.CANCELLED, "0", "0", ()),
    ("rejected", {"status": "REJECTED"}, [], OrderStatus.REJECTED, "0", "0", ()),
]


@pytest.mark.parametrize("why, row, fills, status, qty, quote, fees", LOOK_UPS, ids=[case[0] for case in LOOK_UPS])
async def test_look_up(play, orders, why, row, fills, status, qty, quote, fees):
    play.says("GET /api/v3/order", Say(ROW | row))
    play.says("GET /api/v3/myTrades", Say(fills))
    report = await orders.look_up("BTCUSDT", CID)
    assert (report.status, report.filled_qty, report.filled_quote, report.fees) == (status, D(qty), D(quote), fees)
    assert report.cid == CID and report.side is Side.BUY
    assert f"origClientOrderId={CID}" in play.heard[0].query
    assert len(play.heard) == (2 if fills else 1)


async def test_look_up_before_the_fills_settle_asks_again_later(play, orders):
    play.says("GET /api/v3/order", Say(PART))
    play.says("GET /api/v3/myTrades", Say(FILLS[:1]))
    with pytest.raises(VenueUnavailable, match="not settled"):
        await orders.look_up("BTCUSDT", CID)


async def test_more_fills_than_one_page(play, orders):
    fill = {"price": "1", "qty": "0.0001", "commission": "0", "commissionAsset": "BTC"}
    row = PART | {"executedQty": "0.1001", "cummulativeQuoteQty": "0.1001"}
    play.says("GET /api/v3/order", Say(row))
    play.says("GET /api/v3/myTrades", Say([fill | {"id": n} for n in range(1000)]), Say([fill | {"id": 1000}]))
    report = await orders.look_up("BTCUSDT", CID)
    assert report.filled_qty == D("0.1001") and "fromId=1000" in play.heard[-1].query


async def test_only_the_venues_own_code_is_not_found(play, orders):
    play.says("GET /api/v3/allOrders", Say([]))
    play.says("GET /api/v3/order", no(-2013, "Order does not exist."), Say("<html>404</html>", 404), no(-1121))
    with pytest.raises(OrderNotFound):
        await orders.look_up("BTCUSDT", CID)
    with pytest.raises(VenueUnavailable):
        await orders.look_up("BTCUSDT", CID)
    with pytest.raises(VenueRefused):
        await orders.look_up("BTCUSDT", CID)


async def test_cancel_by_client_id(play, orders, budgets):
    play.says("DELETE /api/v3/order", Say(ROW), no(-2011, "Unknown order sent."))
    await orders.cancel("BTCUSDT", CID, "28")
    assert f"origClientOrderId={CID}" in play.heard[0].query and budgets.orders.taken == [True]
    with pytest.raises(VenueRefused):
        await orders.cancel("BTCUSDT", CID, "28")


async def test_open_orders_carry_client_ids_and_fees(play, orders):
    play.says("GET /api/v3/openOrders", Say([ROW | {"status": "NEW"}, PART | {"status": "PARTIALLY_FILLED"}]))
    play.says("GET /api/v3/myTrades", Say(FILLS))
    first, second = await orders.open_orders()
    assert (first.cid, first.fees) == (CID, ()) and (second.filled_qty, second.fees) == (D("0.5"), FEES)


async def test_balances(play, orders):
    rows = [
        {"asset": "USDT", "free": "100.5", "locked": "1"},
        {"asset": "BNB", "free": "0.00000000", "locked": "0.00000000"},
    ]
    play.says("GET /api/v3/account", Say({"balances": rows}))
    assert await orders.balances() == [Balance("USDT", D("100.5"), D("101.5"))]


async def test_instruments(play, orders):
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "stepSize": "0.00001000"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
    ]
    symbol = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": filters}
    rates = {"maker": "0.00075", "taker": "0.001", "buyer": "0", "seller": "0.0001"}
    play.says("GET /api/v3/exchangeInfo", Say({"symbols": [symbol]}))
    commission = {"standardCommission": rates, "taxCommission": {"taker": "0.0002"}}
    play.says("GET /api/v3/account/commission", Say(commission))
    [found] = await orders.instruments(["BTCUSDT"])
    assert (found.base, found.quote, found.fee_side) == ("BTC", "USDT", FeeSide.RECEIVED)
    assert found.ticks == (TickBand(D(0), D("0.01")),)
    assert (found.qty_step, found.min_qty, found.min_notional) == (D("0.00001"), D("0.00001"), D(5))
    assert (found.taker_fee_bps, found.maker_fee_bps, found.source) == (D(13), D("8.5"), "venue")


async def test_signed_timestamps_follow_the_venues_clock(play, orders):
    ahead_ms = time.time_ns() // 1_000_000 + 60_000
    play.says("GET /api/v3/time", Say({"serverTime": ahead_ms}))
    play.says("GET /api/v3/account", Say({"balances": []}))
    assert 0 <= await orders.server_time_ms() - ahead_ms < 400
    await orders.balances()
    assert abs(int(dict(parse_qsl(play.heard[-1].query))["timestamp"]) - ahead_ms) < 2_000


def test_no_address_of_ccxt_survives():
    orders = BinanceOrders(settings("http://127.0.0.1:9"), CREDENTIAL, Budgets(Open(), Open()))
    addresses = set(orders._exchange.urls["api"].values())
    assert all(address.startswith("http://127.0.0.1:9/") for address in addresses) and len(addresses) > 10
