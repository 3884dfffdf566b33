"""OKX's orders against a scripted server: what goes over the wire, and how every kind of answer is read."""

import base64
import hashlib
import hmac
import json
import os
import time
from datetime import datetime
from decimal import Decimal as D
from pathlib import Path

import pytest

from engine.domain.errors import OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, FeeSide
from engine.domain.money import TickBand
from engine.domain.order import Fee, OrderStatus, Side, TimeInForce
from engine.venues.okx.orders import OkxOrders
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

SHARED = Path(os.environ.get("PREMIA_SHARED", Path(__file__).parents[3].parent / "shared"))
NOW_MS = time.time_ns() // 1_000_000
ROW = {
    "instId": "BTC-USDT",
    "ordId": "680800019749904384",
    "clOrdId": CID,
    "state": "canceled",
    "side": "buy",
    "accFillSz": "0",
    "uTime": str(NOW_MS),
}
FILLS = [
    {"fillSz": "0.2", "fillPx": "67000.1", "fee": "-0.0002", "feeCcy": "BTC", "billId": "1"},
    {"fillSz": "0.3", "fillPx": "67000.2", "fee": "0.00005", "feeCcy": "USDT", "billId": "2"},
]
FEES = (Fee("BTC", D("0.0002")), Fee("USDT", D("-0.00005")))
QUOTE = "33500.08"


def yes(*rows):
    return Say({"code": "0", "msg": "", "data": list(rows)})


def no(code, message="no", status=200):
    return Say({"code": code, "msg": message, "data": []}, status)


def row_no(code, message="no"):
    row = {"clOrdId": CID, "ordId": "", "sCode": code, "sMsg": message, "tag": ""}
    return Say({"code": "1", "msg": "All operations failed", "data": [row]})


def settings(base):
    return config(base, symbols=("BTC-USDT",), fee_side=FeeSide.RECEIVED, min_notional=D(1), ticks=())


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture
def budgets():
    return Budgets(Open(), Open())


@pytest.fixture
async def orders(play, budgets):
    orders = OkxOrders(settings(play.base), CREDENTIAL, budgets)
    yield orders
    await orders.close()


@pytest.mark.parametrize("tif, sent", [("gtc", "limit"), ("ioc", "ioc"), ("fok", "fok"), ("post_only", "post_only")])
async def test_one_request_with_the_exact_text(play, orders, tif, sent):
    play.says("POST /api/v5/trade/order", yes({"ordId": "312", "clOrdId": CID, "sCode": "0", "ts": "1695190491421"}))
    report = await orders.place(order("okx", "BTC-USDT", TimeInForce(tif)))
    assert (report.status, report.venue_order_id, report.venue_ts_ms) == (OrderStatus.OPEN, "312", 1695190491421)
    [heard] = play.heard
    assert json.loads(heard.body) == {
        "instId": "BTC-USDT",
        "tdMode": "cash",
        "side": "buy",
        "ordType": sent,
        "px": "93125000.10",
        "sz": "0.12345678901234567890",
        "clOrdId": CID,
    }


async def test_signature_and_expiry(play, orders):
    play.says("POST /api/v5/trade/order", yes({"ordId": "312", "sCode": "0"}))
    await orders.place(order("okx", "BTC-USDT"))
    [heard] = play.heard
    stamp = heard.headers["OK-ACCESS-TIMESTAMP"]
    text = f"{stamp}POST/api/v5/trade/order{heard.body}"
    mac = base64.b64encode(hmac.new(b"the-secret", text.encode(), hashlib.sha256).digest()).decode()
    assert heard.headers["OK-ACCESS-SIGN"] == mac
    assert heard.headers["OK-ACCESS-KEY"] == "the-key" and heard.headers["OK-ACCESS-PASSPHRASE"] == "the-phrase"
    signed_ms = datetime.fromisoformat(stamp).timestamp() * 1000
    assert 0 <= int(heard.headers["expTime"]) - signed_ms - 400 < 50  # the venue drops it when we stop waiting
    assert orders.late_acceptance_ms == 400 + 1_000


async def test_only_placements_expire(play, orders):
    play.says("GET /api/v5/trade/order", yes(ROW))
    await orders.look_up("BTC-USDT", CID)
    assert "expTime" not in play.heard[0].headers


def test_signing_vector():
    file = SHARED / "venues/_signing/vectors.json"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    vector = next(v for v in json.loads(file.read_text()) if v["venue"] == "okx")
    exchange = OkxOrders(settings("http://127.0.0.1:1"), CREDENTIAL, Budgets(Open(), Open()))._exchange
    text, secret = vector["string_to_sign"].encode(), vector["secret"].encode()
    assert exchange.hmac(text, secret, hashlib.sha256, "base64") == vector["expected"]


LOST = [
    ("no answer", Say(happens="hang")),
    ("connection cut", Say(happens="cut")),
    ("gateway page", Say("<html>502 Bad Gateway</html>", 502)),
    ("50001", no("50001", "Service temporarily unavailable", 503)),
    ("50004", no("50004", "API endpoint request timeout", 400)),
    ("50013", no("50013", "System is busy")),
    ("50026", no("50026", "System error")),
    ("51149", row_no("51149", "Order timed out. Please try again.")),
    ("51054", row_no("51054", "Getting information timed out.")),
    ("a page with 200", Say("<html>hello</html>")),
    ("no row", yes()),
    ("no id", yes({"sCode": "0"})),
]


@pytest.mark.parametrize("why, say", LOST, ids=[why for why, _ in LOST])
async def test_no_usable_answer_is_unknown_and_sent_once(play, orders, why, say):
    play.says("POST /api/v5/trade/order", say)
    with pytest.raises(OutcomeUnknown):
        await orders.place(order("okx", "BTC-USDT"))
    assert len(play.heard) == 1


REFUSED = [
    ("51008", row_no("51008", "Order placement failed due to insufficient balance.")),
    ("duplicate", row_no("51016", "Client order ID already exists.")),
    ("51001", row_no("51001", "Instrument ID does not exist.")),
    ("51000", row_no("51000", "Parameter tdMode error")),
    ("50102", no("50102", "Timestamp request expired", 401)),
    ("50111", no("50111", "Invalid OK-ACCESS-KEY", 401)),
    ("59999", row_no("59999", "a code of tomorrow")),
]


@pytest.mark.parametrize("code, say", REFUSED, ids=[code for code, _ in REFUSED])
async def test_a_definitive_no_is_refused(play, orders, code, say):
    play.says("POST /api/v5/trade/order", say)
    with pytest.raises(VenueRefused) as caught:
        await orders.place(order("okx", "BTC-USDT"))
    assert caught.value.code == code


@pytest.mark.parametrize("say", [no("50011", "Too Many Requests", 429), row_no("50011"), row_no("50061")])
async def test_limits_are_obeyed(play, orders, budgets, say):
    play.says("POST /api/v5/trade/order", say)
    with pytest.raises(RateLimited) as caught:
        await orders.place(order("okx", "BTC-USDT"))
    assert caught.value.retry_after_s == 2.0 and budgets.orders.held == [(2.0, True)]


PART = {"accFillSz": "0.5"}
LOOK_UPS = [
    ("resting", {"state": "live"}, [], OrderStatus.OPEN, "0", "0", ()),
    ("filled in part", PART | {"state": "partially_filled"}, FILLS, OrderStatus.OPEN, "0.5", QUOTE, FEES),
    ("filled", PART | {"state": "filled"}, FILLS, OrderStatus.FILLED, "0.5", QUOTE, FEES),
    ("IOC filled in part", PART, FILLS, OrderStatus.CANCELLED, "0.5", QUOTE, FEES),
    ("IOC without a fill", {"accFillSz": ""}, [], OrderStatus.CANCELLED, "0", "0", ()),
]


@pytest.mark.parametrize("why, row, fills, status, qty, quote, fees", LOOK_UPS, ids=[case[0] for case in LOOK_UPS])
async def test_look_up(play, orders, why, row, fills, status, qty, quote, fees):
    play.says("GET /api/v5/trade/order", yes(ROW | row))
    play.says("GET /api/v5/trade/fills", yes(*fills))
    report = await orders.look_up("BTC-USDT", CID)
    assert (report.status, report.filled_qty, report.filled_quote, report.fees) == (status, D(qty), D(quote), fees)
    assert report.cid == CID and report.side is Side.BUY
    assert play.heard[0].query == f"instId=BTC-USDT&clOrdId={CID}"
    assert len(play.heard) == (2 if fills else 1)


async def test_fills_of_last_week_are_in_the_history(play, orders):
    play.says("GET /api/v5/trade/order", yes(ROW | PART | {"uTime": str(NOW_MS - 7 * 86_400_000)}))
    play.says("GET /api/v5/trade/fills-history", yes(*FILLS))
    assert (await orders.look_up("BTC-USDT", CID)).filled_quote == D(QUOTE)


async def test_look_up_before_the_fills_settle_asks_again_later(play, orders):
    play.says("GET /api/v5/trade/order", yes(ROW | PART))
    play.says("GET /api/v5/trade/fills", yes(FILLS[0]))
    with pytest.raises(VenueUnavailable, match="not settled"):
        await orders.look_up("BTC-USDT", CID)


async def test_only_the_venues_own_code_is_not_found(play, orders):
    play.says("GET /api/v5/trade/orders-history", yes())
    play.says("GET /api/v5/trade/order", no("51603", "Order does not exist"), Say("<html>", 404), no("51001"))
    with pytest.raises(OrderNotFound):
        await orders.look_up("BTC-USDT", CID)
    with pytest.raises(VenueUnavailable):
        await orders.look_up("BTC-USDT", CID)
    with pytest.raises(VenueRefused):
        await orders.look_up("BTC-USDT", CID)


async def test_cancel_by_client_id(play, orders, budgets):
    play.says("POST /api/v5/trade/cancel-order", yes({"sCode": "0", "clOrdId": CID}), row_no("51401", "already done"))
    await orders.cancel("BTC-USDT", CID, "312")
    assert json.loads(play.heard[0].body) == {"instId": "BTC-USDT", "clOrdId": CID}
    assert budgets.orders.taken == [True]
    with pytest.raises(VenueRefused) as caught:
        await orders.cancel("BTC-USDT", CID, "312")
    assert caught.value.code == "51401"


async def test_open_orders_over_all_pages(play, orders):
    page = [ROW | {"state": "live", "ordId": str(n)} for n in range(100)]
    stranger = ROW | {"state": "live", "clOrdId": "", "ordId": "100"}
    play.says("GET /api/v5/trade/orders-pending", yes(*page), yes(stranger))
    reports = await orders.open_orders()
    assert len(reports) == 101 and reports[0].cid == CID and reports[100].cid == ""
    assert "after=99" in play.heard[1].query


async def test_balances(play, orders):
    details = [
        {"ccy": "USDT", "availBal": "94.4", "cashBal": "99.9"},
        {"ccy": "BTC", "availBal": "", "cashBal": "0"},
    ]
    play.says("GET /api/v5/account/balance", yes({"details": details}))
    assert await orders.balances() == [Balance("USDT", D("94.4"), D("99.9"))]


async def test_instruments(play, orders):
    market = {"instId": "BTC-USDT", "baseCcy": "BTC", "quoteCcy": "USDT", "tickSz": "0.1", "lotSz": "0.00000001"}
    play.says("GET /api/v5/public/instruments", yes(market | {"minSz": "0.00001", "ctVal": ""}))
    play.says("GET /api/v5/account/trade-fee", yes({"maker": "-0.0008", "taker": "-0.001", "category": "1"}))
    [found] = await orders.instruments(["BTC-USDT"])
    assert (found.base, found.quote, found.min_notional) == ("BTC", "USDT", D(1))
    assert found.ticks == (TickBand(D(0), D("0.1")),)
    assert (found.qty_step, found.min_qty) == (D("0.00000001"), D("0.00001"))
    assert (found.taker_fee_bps, found.maker_fee_bps, found.source) == (D(10), D(8), "venue")


async def test_expiry_follows_the_venues_clock(play, orders):
    ahead_ms = time.time_ns() // 1_000_000 + 60_000
    play.says("GET /api/v5/public/time", yes({"ts": str(ahead_ms)}))
    play.says("POST /api/v5/trade/order", yes({"ordId": "312", "sCode": "0"}))
    assert 0 <= await orders.server_time_ms() - ahead_ms < 400
    await orders.place(order("okx", "BTC-USDT"))
    assert abs(int(play.heard[-1].headers["expTime"]) - 400 - ahead_ms) < 2_000


def test_no_address_of_ccxt_survives():
    orders = OkxOrders(settings("http://127.0.0.1:9"), CREDENTIAL, Budgets(Open(), Open()))
    assert set(orders._exchange.urls["api"].values()) == {"http://127.0.0.1:9"}


async def test_recorded_rows_are_read(play, orders):
    file = SHARED / "venues/okx/fixtures-jkorf.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    bodies = {row["name"]: row["data"] for row in map(json.loads, file.read_text().splitlines()) if row.get("req")}
    play.says("GET /api/v5/trade/order", Say(bodies["Endpoints/UnifiedApi/Trading/GetOrderDetails"]))
    play.says("GET /api/v5/trade/fills-history", Say(bodies["Endpoints/UnifiedApi/Trading/GetUserTrades"]))
    report = await orders.look_up("BTC-USDT", CID)
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, D("0.00192834"))
    assert report.filled_quote == D("0.00192834") * 51858 and report.fees == (Fee("BTC", D("0.00000192834")),)
