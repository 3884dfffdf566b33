"""Binance's USDT perpetuals against a scripted server: what goes over the wire, and how odd answers are read."""

import gzip
import hashlib
import hmac
import json
import os
from decimal import Decimal as D
from pathlib import Path
from urllib.parse import parse_qsl

import msgspec
import pytest

from engine.domain.errors import ConfigError, OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, FeeSide, Product
from engine.domain.money import TickBand
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.domain.position import FundingPaid, Position
from engine.venues.binance.order_socket import USDM, BinanceOrderDialect
from engine.venues.binance_usdm import private
from engine.venues.binance_usdm.orders import BinanceUsdmOrders
from engine.venues.protocol import DeadMan, Lender, Margined
from engine.venues.registry import build_orders
from engine.venues.verdict import Budgets, exact_json
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

SHARED = Path(os.environ.get("PREMIA_SHARED", Path(__file__).parents[3].parent / "shared"))
PLACE, LOOK_UP, FILLS = "POST /fapi/v1/order", "GET /fapi/v1/order", "GET /fapi/v1/userTrades"
ROW = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "clientOrderId": CID,
    "side": "SELL",
    "status": "NEW",
    "executedQty": "0",
    "cumQuote": "0",
    "updateTime": 1_700_000_000_000,
}
PART = {"executedQty": "0.003", "cumQuote": "201.3"}
PAID = [
    {"id": 1, "qty": "0.001", "commission": "0.05", "commissionAsset": "USDT"},
    {"id": 2, "qty": "0.002", "commission": "0.0001", "commissionAsset": "BNB"},
]


def no(code, text="no", status=400, headers=None):
    return Say({"code": code, "msg": text}, status, headers or {})


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture
def budgets():
    return Budgets(Open(), Open())


@pytest.fixture
async def trade(play, budgets):
    settings = config(play.base, symbols=("BTCUSDT", "ETHUSDT"), ticks=(), min_notional=D(7), leverage=2)
    orders = BinanceUsdmOrders(settings, CREDENTIAL, budgets)
    yield orders
    await orders.close()


def wish(tif=TimeInForce.IOC, **over):
    return order("binance_usdm", "BTCUSDT", tif, **over)


def sent(heard):
    """Without what every signed request carries; that its signature holds is checked on the way."""
    query, _, signature = (heard.body or heard.query).rpartition("&signature=")
    assert signature == hmac.new(b"the-secret", query.encode(), hashlib.sha256).hexdigest()
    assert heard.headers["X-MBX-APIKEY"] == "the-key"
    fields = dict(parse_qsl(query))
    assert fields.pop("recvWindow") == "400" and fields.pop("timestamp").isdigit()
    return fields


async def test_it_is_an_account_on_margin_with_a_timer_and_lends_nothing(trade):
    assert isinstance(trade, Margined) and isinstance(trade, DeadMan) and not isinstance(trade, Lender)
    assert isinstance(trade, BinanceUsdmOrders) and trade.late_acceptance_ms == 400 + 1_000


async def test_without_a_leverage_it_is_not_built():
    with pytest.raises(ConfigError, match=r"venues\.binance_usdm: `leverage`"):
        build_orders("binance_usdm", config("http://127.0.0.1:9"), CREDENTIAL)


async def test_the_wire_of_limits_markets_and_reductions(play, trade):
    play.says(PLACE, Say(ROW))
    limit = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "quantity": "0.12345678901234567890",
        "price": "93125000.10",
        "newClientOrderId": CID,
        "newOrderRespType": "RESULT",
    }
    market = {key: value for key, value in limit.items() if key not in ("price", "timeInForce")} | {"type": "MARKET"}
    cases = [
        (wish(), limit),
        (wish(TimeInForce.GTC), limit | {"timeInForce": "GTC"}),
        (wish(TimeInForce.FOK), limit | {"timeInForce": "FOK"}),
        (wish(TimeInForce.POST_ONLY, reduce_only=True), limit | {"timeInForce": "GTX", "reduceOnly": "true"}),
        (wish(kind=OrderKind.MARKET), market),
        (
            wish(kind=OrderKind.MARKET, side=Side.SELL, reduce_only=True),
            market | {"side": "SELL", "reduceOnly": "true"},
        ),
    ]
    for request, fields in cases:
        play.heard.clear()
        report = await trade.place(request)
        assert (report.venue, report.cid, report.venue_order_id) == ("binance_usdm", CID, "28")
        assert [sent(heard) for heard in play.heard] == [fields]


async def test_what_a_placement_traded_is_left_to_the_look_up_that_knows_its_fees(play, trade):
    play.says(PLACE, Say(ROW | PART | {"status": "FILLED"}), Say(ROW | {"status": "EXPIRED"}))
    report = await trade.place(wish())
    assert (report.status, report.filled_qty, report.fees) == (OrderStatus.OPEN, 0, ())
    report = await trade.place(wish())
    assert (report.status, report.filled_qty, report.fees) == (OrderStatus.CANCELLED, 0, ())
    assert len(play.heard) == 2


async def test_a_change_names_the_side_that_the_venue_told(play, trade):
    play.says(LOOK_UP, Say(ROW))
    play.says("PUT /fapi/v1/order", Say(ROW), no(-5027, "No need to modify the order."))
    await trade.amend("BTCUSDT", CID, "28", D("0.10"), D("60000.10"))
    named = {"symbol": "BTCUSDT", "origClientOrderId": CID}
    assert sent(play.heard[-1]) == named | {"side": "SELL", "quantity": "0.10", "price": "60000.10"}
    with pytest.raises(VenueRefused, match="-5027"):
        await trade.amend("BTCUSDT", CID, "28", D("0.10"), D("60000.10"))


LOST = [
    ("no answer", Say(happens="hang")),
    ("connection cut", Say(happens="cut")),
    ("gateway page", Say("<html>502 Bad Gateway</html>", 502)),
    ("a page with 200", Say("<html>hello</html>")),
    ("503 unknown", no(-1000, "Unknown error, please check your request or try again later.", 503)),
    ("overloaded", no(-1008, "Server is currently overloaded with other requests.")),
    ("-1006", no(-1006, "Execution status unknown.")),
    ("-1007", no(-1007, "Timeout waiting for response from backend server.", 408)),
    ("no id", Say({"symbol": "BTCUSDT"})),
    ("no number", Say(ROW | {"executedQty": "NaN"})),
    ("an overflow", Say(ROW | {"cumQuote": "1e999999"})),
    ("no side", Say(ROW | {"side": "UP", "status": "EXPIRED"})),
    ("a state of tomorrow", Say(ROW | {"status": "PONDERED"})),
    ("done, and no order", Say({"code": 200, "msg": "success"})),
]


async def test_no_usable_answer_is_unknown_and_sent_once(play, trade):
    for why, say in LOST:
        play.forget()
        play.says(PLACE, say)
        with pytest.raises(OutcomeUnknown):
            await trade.place(wish())
        assert len(play.heard) == 1, why


REFUSED = [-1021, -1022, -1111, -1121, -2010, -2014, -2015, -2019, -2020, -2022, -2023, -4014, -4061, -4131, -4164]
REFUSED += [-5022, -9999]


async def test_a_definitive_no_is_refused(play, trade):
    play.says("GET /fapi/v3/balance", Say([]))
    await trade.balances()  # a key that has worked before: ccxt then reads -2015 as a ban
    for code in REFUSED:
        play.forget()
        play.says(PLACE, no(code, status=401 if code in (-2014, -2015) else 400))
        with pytest.raises(VenueRefused) as caught:
            await trade.place(wish())
        assert caught.value.code == str(code) and len(play.heard) == 1
        assert caught.value.about_rules is (code in (-1111, -4014, -4164))
    play.forget()
    play.says(PLACE, no(-4116, "ClientOrderId is duplicated."))
    with pytest.raises(VenueRefused) as caught:
        await trade.place(wish())
    assert caught.value.code == "duplicate"


LIMITED = [
    (no(-1003, "Too many requests", 429, {"Retry-After": "7"}), 7.0),
    (no(-1003, "banned", 418, {"Retry-After": "180"}), 180.0),
    (no(-1015, "Too many new orders."), 10.0),
]


async def test_limits_are_obeyed(play, trade, budgets):
    for say, wait_s in LIMITED:
        play.forget()
        play.says(PLACE, say)
        with pytest.raises(RateLimited) as caught:
            await trade.place(wish())
        assert caught.value.retry_after_s == wait_s and budgets.orders.held.pop() == (wait_s, True)


CALM = [
    ({"X-MBX-USED-WEIGHT-1M": "2160"}, 1, 1),
    ({"X-MBX-ORDER-COUNT-10S": "300"}, 1, 0),
    ({"X-MBX-ORDER-COUNT-1M": "1200"}, 1, 0),
    ({"X-MBX-ORDER-COUNT-10S": "299", "X-MBX-ORDER-COUNT-1M": "x"}, 0, 0),
]


async def test_a_nearly_full_window_leaves_the_rest_to_urgent_calls(play, trade, budgets):
    for headers, orders, reads in CALM:
        play.forget()
        play.says(PLACE, Say(ROW, headers=headers))
        await trade.place(wish())
        assert (len(budgets.orders.held), len(budgets.reads.held)) == (orders, reads), headers
        assert all(0 < seconds <= 60 and not urgent_too for seconds, urgent_too in budgets.orders.held)
        budgets.orders.held.clear()
        budgets.reads.held.clear()


async def test_a_look_up_sums_fees_by_asset_and_waits_for_all_of_them(play, trade):
    play.says(LOOK_UP, Say(ROW | PART | {"status": "FILLED"}))
    play.says(FILLS, Say(PAID), Say(PAID[:1]))
    report = await trade.look_up("BTCUSDT", CID)
    assert (report.status, report.side, report.filled_qty, report.filled_quote) == (
        OrderStatus.FILLED,
        Side.SELL,
        D("0.003"),
        D("201.3"),
    )
    assert report.fees == (Fee("USDT", D("0.05")), Fee("BNB", D("0.0001")))
    assert sent(play.heard[1]) == {"symbol": "BTCUSDT", "orderId": "28", "limit": "1000"}
    with pytest.raises(VenueUnavailable, match="not settled"):
        await trade.look_up("BTCUSDT", CID)


async def test_more_fills_than_one_page(play, trade):
    fill = {"qty": "0.0001", "commission": "0", "commissionAsset": "USDT"}
    play.says(LOOK_UP, Say(ROW | {"executedQty": "0.1001", "cumQuote": "1", "status": "FILLED"}))
    play.says(FILLS, Say([fill | {"id": n} for n in range(1000)]), Say([fill | {"id": 1000}]))
    assert (await trade.look_up("BTCUSDT", CID)).filled_qty == D("0.1001")
    assert sent(play.heard[-1])["fromId"] == "1000"


async def test_only_the_venues_own_code_is_not_found(play, trade):
    play.says("GET /fapi/v1/allOrders", Say([]))
    play.says(LOOK_UP, no(-2013, "Order does not exist."), Say("<html>404</html>", 404), no(-1121))
    for error in (OrderNotFound, VenueUnavailable, VenueRefused):
        with pytest.raises(error):
            await trade.look_up("BTCUSDT", CID)


async def test_balances_are_the_wallet_and_what_may_become_margin(play, trade):
    rows = [
        {"asset": "USDT", "balance": "1000.5", "crossUnPnl": "-3", "availableBalance": "700.25"},
        {"asset": "BNB", "balance": "0.00000000", "availableBalance": "0.00000000"},
    ]
    play.says("GET /fapi/v3/balance", Say(rows))
    assert await trade.balances() == [Balance("USDT", D("700.25"), D("1000.5"))]


HELD = {
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "positionAmt": "-0.002",
    "entryPrice": "68000.5",
    "markPrice": "68100.00000000",
    "liquidationPrice": "99000.1",
    "initialMargin": "68.1",
}


async def test_positions_are_signed_and_those_by_side_are_refused(play, trade):
    resting = HELD | {"symbol": "XRPUSDT", "positionAmt": "0.0", "entryPrice": "0.0"}
    safe = HELD | {"symbol": "ETHUSDT", "positionAmt": "1.5", "liquidationPrice": "0"}
    play.says("GET /fapi/v3/positionRisk", Say([HELD, resting, safe]), Say([HELD | {"positionSide": "SHORT"}]))
    short, long = await trade.positions()
    assert short == Position(
        symbol="BTCUSDT",
        qty=D("-0.002"),
        entry=D("68000.5"),
        mark=D(68100),
        margin=D("68.1"),
        liquidation=D("99000.1"),
    )
    assert (long.qty, long.liquidation) == (D("1.5"), None)
    with pytest.raises(VenueRefused, match="one-way"):
        await trade.positions()
    for odd in ({"positionAmt": "x"}, {"entryPrice": None}, {"markPrice": "Infinity"}):
        play.forget()
        play.says("GET /fapi/v3/positionRisk", Say([HELD | odd]))
        with pytest.raises(VenueUnavailable):
            await trade.positions()


async def test_funding_is_read_page_by_page_and_one_payment_is_one(play, trade):
    row = {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "asset": "USDT"}
    full = [row | {"income": "-0.5", "time": 1_000 + n, "tranId": n, "tradeId": ""} for n in range(1_000)]
    last = [full[-1], row | {"income": "0.25000000", "time": 5_000, "tranId": 9_689_322_392}]
    play.says("GET /fapi/v1/income", Say(full), Say(last))
    found = await trade.funding_since(1_000)
    assert len(found) == 1_001 and [each.at_ms for each in found] == sorted(each.at_ms for each in found)
    assert found[-1] == FundingPaid(id="9689322392", symbol="BTCUSDT", asset="USDT", amount=D("0.25"), at_ms=5_000)
    asked = {"incomeType": "FUNDING_FEE", "startTime": "1000", "limit": "1000"}
    assert [sent(heard) for heard in play.heard] == [asked | {"page": "1"}, asked | {"page": "2"}]


MODE, MARGIN, LEVERAGE = "/fapi/v1/positionSide/dual", "/fapi/v1/marginType", "/fapi/v1/leverage"


async def test_prepare_changes_only_what_is_not_so(play, trade):
    play.says(f"GET {MODE}", Say({"dualSidePosition": True}))
    play.says(f"POST {MODE}", Say({"code": 200, "msg": "success"}))
    known = [
        {"symbol": "BTCUSDT", "marginType": "CROSSED", "isAutoAddMargin": "false", "leverage": 2},
        {"symbol": "ETHUSDT", "marginType": "ISOLATED", "isAutoAddMargin": "false", "leverage": 20},
    ]
    play.says("GET /fapi/v1/symbolConfig", Say(known))
    play.says(f"POST {MARGIN}", no(-4046, "No need to change margin type."))
    play.says(f"POST {LEVERAGE}", Say({"leverage": 2, "maxNotionalValue": "1000000", "symbol": "ETHUSDT"}))
    await trade.prepare(["BTCUSDT", "ETHUSDT"], 2)
    changes = [(heard.path, sent(heard)) for heard in play.heard if heard.method == "POST"]
    assert changes == [
        (MODE, {"dualSidePosition": "false"}),
        (MARGIN, {"symbol": "ETHUSDT", "marginType": "CROSSED"}),
        (LEVERAGE, {"symbol": "ETHUSDT", "leverage": "2"}),
    ]


async def test_prepare_says_what_forbids_it(play, trade):
    play.says(f"GET {MODE}", Say({"dualSidePosition": True}))
    play.says(f"POST {MODE}", no(-4068, "Position side cannot be changed if there exists position."))
    with pytest.raises(VenueRefused, match="-4068"):
        await trade.prepare(["BTCUSDT"], 2)


async def test_the_countdown_is_set_for_every_symbol_of_ours(play, trade, budgets):
    play.says("POST /fapi/v1/countdownCancelAll", Say({"symbol": "BTCUSDT", "countdownTime": "30000"}))
    await trade.arm(30)
    await trade.arm(0)
    asked = [sent(heard) for heard in play.heard]
    assert [(each["symbol"], each["countdownTime"]) for each in asked] == [
        ("BTCUSDT", "30000"),
        ("ETHUSDT", "30000"),
        ("BTCUSDT", "0"),
        ("ETHUSDT", "0"),
    ]
    assert budgets.orders.taken == [True] * 4


def market(**over):
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.002", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
    ]
    row = {
        "symbol": "BTCUSDT",
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "deliveryDate": 4_133_404_800_000,
        "filters": filters,
    }
    return row | over


async def test_rules_are_of_perpetuals_alone(play, trade):
    dated = market(symbol="BTCUSDT_261225", contractType="CURRENT_QUARTER")
    bare = market(symbol="ETHUSDT", filters=market()["filters"][:2])
    play.says("GET /fapi/v1/exchangeInfo", Say({"symbols": [market(), dated, bare, market(symbol="OTHER")]}))
    play.says(
        "GET /fapi/v1/commissionRate",
        Say({"symbol": "BTCUSDT", "makerCommissionRate": "0.0002", "takerCommissionRate": "0.00045"}),
    )
    found, plain = await trade.instruments(["BTCUSDT", "BTCUSDT_261225", "ETHUSDT", "NOPE"])
    assert (found.symbol, found.base, found.quote, found.product) == ("BTCUSDT", "BTC", "USDT", Product.PERP)
    assert found.ticks == (TickBand(D(0), D("0.1")),) and found.contract_size == 1
    assert (found.qty_step, found.min_qty, found.min_notional) == (D("0.001"), D("0.001"), D(100))
    assert (found.maker_fee_bps, found.taker_fee_bps, found.fee_side) == (D(2), D("4.5"), FeeSide.QUOTE)
    assert plain.min_notional == 7  # of the configuration, where the venue names none


async def test_warnings_tell_of_halts_and_dated_ends(play, trade):
    rows = [market(), market(symbol="ETHUSDT", status="SETTLING"), market(symbol="XRPUSDT", deliveryDate=1_800_000)]
    play.says("GET /fapi/v1/exchangeInfo", Say({"symbols": rows}))
    found = await trade.warnings(["BTCUSDT", "ETHUSDT", "XRPUSDT", "NOPE"])
    assert [(each.symbol, each.kind, each.at_ms) for each in found] == [
        ("XRPUSDT", "delisting", 1_800_000),
        ("ETHUSDT", "suspended", 0),
        ("NOPE", "suspended", 0),
    ]


def test_no_address_of_ccxt_survives_and_all_go_to_futures():
    orders = BinanceUsdmOrders(config("http://127.0.0.1:9"), CREDENTIAL, Budgets(Open(), Open()))
    exchange = orders._exchange
    assert all(address.startswith("http://127.0.0.1:9/") for address in exchange.urls["api"].values())
    for section, path in (("private", "/fapi/v1/"), ("public", "/fapi/v1/"), ("fapiPrivateV3", "/fapi/v3/")):
        assert exchange.sign("order", [section], "GET", {})["url"].startswith(f"http://127.0.0.1:9{path}order")


def test_the_native_line_leaves_for_the_futures_own_host():
    settings = config("https://fapi.binance.com", ws_base="wss://fstream.binance.com", order_path="native")
    orders = BinanceUsdmOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    dialect = BinanceOrderDialect(settings, CREDENTIAL, 400, USDM)
    assert orders.line is not None and dialect.url() == "wss://ws-fapi.binance.com/ws-fapi/v1"
    wire = json.loads(dialect.write("7", {"symbol": "BTCUSDT", "reduceOnly": "true"}, 1_700_000_000_000))
    fields = wire["params"]
    signed = "apiKey=the-key&recvWindow=400&reduceOnly=true&symbol=BTCUSDT&timestamp=1700000000000"
    assert fields.pop("signature") == hmac.new(b"the-secret", signed.encode(), hashlib.sha256).hexdigest()
    assert (wire["id"], wire["method"], fields["reduceOnly"]) == ("7", "order.place", "true")


READ = {  # what others recorded or quote from the venue's pages, and what we read it as
    "GET /fapi/v1/order": private.Order,
    "GET /fapi/v1/openOrders": list[private.Order],
    "GET /fapi/v1/commissionRate": private.Commission,
    "GET /fapi/v3/positionRisk": list[private.Position],
    "futures/http_json/balance": list[private.Balance],
    "futures/http_json/order_response": private.Order,
    "http_responses/http_futures_account_orders": list[private.Order],
    "http_responses/http_futures_account_trades": list[private.Fill],
    "http_responses/http_futures_market_exchange_info": private.ExchangeInfo,
    "http_responses/http_futures_wallet_commission_rate_ethusdt": private.Commission,
    "GET /fapi/v1/exchangeInfo #0": private.ExchangeInfo,
    "GET /fapi/v1/time": private.Time,
    "POSITION_RISK_WITH_A_RESTING_ORDER": list[private.Position],
}


def told():
    folder = SHARED / "venues/binance_usdm"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    for file in ("jkorf", "nautilus", "gct", "maxt"):
        for line in (folder / f"fixtures-{file}.jsonl").read_text().splitlines():
            row = json.loads(line)
            if row.get("conn", "").startswith("rest"):
                yield row
    whole = gzip.decompress((folder / "rest-exchangeinfo-2023.jsonl.gz").read_bytes())
    yield json.loads(whole) | {"name": "GET /fapi/v1/exchangeInfo #0"}


def test_answers_that_others_recorded_are_read():
    met = set()
    for row in told():
        for name in (row.get("name"), row.get("req")):
            if name in READ:
                met.add(name)
                assert msgspec.convert(exact_json(row["data"]), READ[name], strict=False), row["data"][:80]
    assert met == set(READ)


def test_signing_vector():
    file = SHARED / "venues/_signing/vectors.json"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    vector = next(v for v in json.loads(file.read_text()) if v["venue"] == "binance" and v["case"] == "REST ASCII")
    credential = type(CREDENTIAL)("the-key", vector["secret"])
    orders = BinanceUsdmOrders(config("http://127.0.0.1:9"), credential, Budgets(Open(), Open()))
    exchange = orders._exchange
    exchange.nonce = lambda: 1499827319559
    fields = dict(parse_qsl(vector["string_to_sign"]))
    stamp = fields.pop("timestamp")
    exchange.options["recvWindow"] = None
    window = fields.pop("recvWindow")
    body = exchange.sign("order", ["private"], "POST", fields | {"recvWindow": window, "newClientOrderId": "x"})["body"]
    query, _, signature = body.rpartition("&signature=")
    assert dict(parse_qsl(query)) == fields | {"recvWindow": window, "timestamp": stamp, "newClientOrderId": "x"}
    secret = vector["secret"].encode()
    assert signature == hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
    assert exchange.hmac(vector["string_to_sign"].encode(), secret, hashlib.sha256) == vector["expected"]
