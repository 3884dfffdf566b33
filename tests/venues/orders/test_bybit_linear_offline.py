"""Bybit's USDT perpetuals against a scripted server: what goes over the wire, and how odd answers are read."""

import json
from decimal import Decimal as D
from urllib.parse import parse_qs

import pytest

from engine.domain.errors import OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import FeeSide, Product
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.domain.position import FundingPaid, Position
from engine.venues.bybit.linear import BybitLinearOrders
from engine.venues.protocol import Lender, Margined
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

WEEK_MS = 7 * 86_400_000
PLACE = "POST /v5/order/create"
QTY, PRICE = "0.12345678901234567890", "93125000.10"


def said(result, code=0, text="OK"):
    return Say({"retCode": code, "retMsg": text, "result": result})


def rows(*listed, cursor=""):
    return said({"list": list(listed), "nextPageCursor": cursor})


def no(code):
    return said({}, code, "no")


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture
async def trade(play):
    settings = config(play.base, symbols=("BTCUSDT",), fee_side=FeeSide.QUOTE, ticks=(), min_notional=D(7))
    orders = BybitLinearOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    yield orders
    await orders.close()


def wish(tif=TimeInForce.IOC, **over):
    return order("bybit_linear", "BTCUSDT", tif, **over)


async def test_it_is_an_account_on_margin_and_lends_nothing(trade):
    assert isinstance(trade, Margined) and not isinstance(trade, Lender)


async def test_the_wire_of_limits_markets_and_reductions(play, trade):
    play.says(PLACE, said({"orderId": "77", "orderLinkId": CID}))
    limit = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": QTY,
        "price": PRICE,
        "timeInForce": "IOC",
        "orderLinkId": CID,
        "positionIdx": 0,
    }
    market = {key: value for key, value in limit.items() if key != "price"} | {"orderType": "Market"}
    cases = [
        (wish(), limit),
        (wish(TimeInForce.POST_ONLY, reduce_only=True), limit | {"timeInForce": "PostOnly", "reduceOnly": True}),
        (wish(kind=OrderKind.MARKET), market),
        (wish(kind=OrderKind.MARKET, side=Side.SELL, reduce_only=True), market | {"side": "Sell", "reduceOnly": True}),
    ]
    for request, fields in cases:
        play.heard.clear()
        report = await trade.place(request)
        assert (report.venue, report.cid, report.venue_order_id) == ("bybit_linear", CID, "77")
        assert [json.loads(heard.body) for heard in play.heard] == [fields]
    play.says("POST /v5/order/amend", said({"orderId": "77"}))
    await trade.amend("BTCUSDT", CID, "77", D("0.10"), D("60000.10"))
    named = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": CID}
    assert json.loads(play.heard[-1].body) == named | {"qty": "0.10", "price": "60000.10"}


ENDS = [
    *((code, VenueRefused) for code in (110007, 110017, 110094, 10001, 10005, 110072)),
    *((code, OutcomeUnknown) for code in (10000, 10016, 10019)),
    *((code, RateLimited) for code in (10006, 10018)),
]


async def test_every_no_is_read_as_what_it_means(play, trade):
    for code, kind in ENDS:
        play.forget()
        play.says(PLACE, no(code))
        with pytest.raises(kind) as caught:
            await trade.place(wish())
        assert len(play.heard) == 1, code
        assert (getattr(caught.value, "code", "") == "duplicate") is (code == 110072)


@pytest.mark.parametrize("side, direction", [(Side.BUY, 1), (Side.SELL, 2)])
async def test_a_stop_names_the_way_its_price_is_reached(play, trade, side, direction):
    play.says(PLACE, said({"orderId": "77", "orderLinkId": CID}))
    await trade.place(wish(TimeInForce.GTC, side=side, kind=OrderKind.STOP_LOSS, stop_price=D("61000.5")))
    body = json.loads(play.heard[0].body)
    assert (body["triggerPrice"], body["triggerDirection"], body["triggerBy"]) == ("61000.5", direction, "LastPrice")
    assert (body["orderType"], body["timeInForce"]) == ("Limit", "GTC") and "orderFilter" not in body


ROW = {
    "symbol": "BTCUSDT",
    "orderId": "77",
    "orderLinkId": CID,
    "side": "Sell",
    "orderStatus": "Filled",
    "cumExecQty": "0.003",
    "cumExecValue": "201.3",
    "updatedTime": "1700000000000",
}


async def test_fees_without_a_currency_are_in_what_it_settles_in(play, trade):
    play.says("GET /v5/order/realtime", rows(ROW))
    fills = [{"execQty": "0.001", "execFee": "0.05"}, {"execQty": "0.002", "execFee": "-0.01", "feeCurrency": ""}]
    play.says("GET /v5/execution/list", rows(*fills))
    report = await trade.look_up("BTCUSDT", CID)
    assert (report.status, report.side, report.filled_qty) == (OrderStatus.FILLED, Side.SELL, D("0.003"))
    assert report.fees == (Fee("USDT", D("0.04")),)


async def test_what_is_no_side_or_no_number_is_no_answer(play, trade):
    play.says("GET /v5/order/realtime", rows(ROW | {"side": "Both"}), rows(ROW))
    play.says("GET /v5/execution/list", rows({"execQty": "NaN", "execFee": "1"}))
    for _ in range(2):
        with pytest.raises(VenueUnavailable, match="unreadable"):
            await trade.look_up("BTCUSDT", CID)


async def test_none_is_said_only_after_three_sources(play, trade):
    for path in ("order/realtime", "order/history", "execution/list"):
        play.says(f"GET /v5/{path}", rows())
    with pytest.raises(OrderNotFound):
        await trade.look_up("BTCUSDT", CID)
    assert len(play.heard) == 3 and all("category=linear" in heard.query for heard in play.heard)


COIN = {"coin": "USDT", "walletBalance": "1000", "locked": "0", "totalOrderIM": "50", "totalPositionIM": "200.5"}
FREE = [  # why, equity, free
    ("flat", "1000", "749.5"),
    ("a loss binds", "900", "649.5"),
    ("a gain frees nothing", "1200", "749.5"),
    ("under water", "100", "0"),
    ("untold", "", "749.5"),
]


async def test_free_is_what_may_become_margin(play, trade):
    for why, equity, free in FREE:
        play.forget()
        play.says("GET /v5/account/wallet-balance", rows({"coin": [COIN | {"equity": equity}]}))
        [balance] = await trade.balances()
        assert (balance.asset, balance.free, balance.total) == ("USDT", D(free), D(1000)), why


HELD = {
    "positionIdx": 0,
    "symbol": "BTCUSDT",
    "side": "Sell",
    "size": "0.002",
    "avgPrice": "68000.5",
    "markPrice": "68100",
    "positionIM": "68.1",
    "liqPrice": "",
}


async def test_positions_are_signed_and_read_page_by_page(play, trade):
    other = HELD | {"symbol": "ETHUSDT", "side": "Buy", "size": "1.5", "liqPrice": "1200.5"}
    flat = HELD | {"symbol": "XRPUSDT", "side": "", "size": "0", "avgPrice": "", "positionIM": ""}
    play.says("GET /v5/position/list", rows(HELD, flat, cursor="a%3A1"), rows(other, cursor="a%3A2"), rows(cursor="z"))
    short, long = await trade.positions()
    assert short == Position(
        symbol="BTCUSDT", qty=D("-0.002"), entry=D("68000.5"), mark=D(68100), margin=D("68.1"), liquidation=None
    )
    assert (long.qty, long.liquidation) == (D("1.5"), D("1200.5"))
    asked = [parse_qs(heard.query) for heard in play.heard]
    assert [each.get("cursor") for each in asked] == [None, ["a:1"], ["a:2"]]
    assert all(each["settleCoin"] == ["USDT"] for each in asked)


async def test_a_position_that_cannot_be_read_is_no_position(play, trade):
    for odd in ({"positionIdx": 1}, {"size": "x"}, {"avgPrice": "NaN"}):
        play.forget()
        play.says("GET /v5/position/list", rows(HELD | odd))
        with pytest.raises(VenueUnavailable):
            await trade.positions()


async def test_funding_is_asked_week_by_week_and_told_oldest_first(play, trade):
    now_ms = trade.now_ms()
    start_ms = now_ms - WEEK_MS - 1_000

    def row(number, change, at_ms):
        named = {"id": f"n{number}", "symbol": "BTCUSDT", "currency": "USDT"}
        return named | {"change": change, "transactionTime": str(at_ms)}

    play.says(
        "GET /v5/account/transaction-log",
        rows(row(2, "-0.5", start_ms + 9), cursor="2"),
        rows(row(1, "0.25", start_ms + 1)),
        rows(row(3, "0.1", now_ms)),
    )
    found = await trade.funding_since(start_ms)
    assert [(each.id, each.amount) for each in found] == [("n1", D("0.25")), ("n2", D("-0.5")), ("n3", D("0.1"))]
    assert found[0] == FundingPaid(id="n1", symbol="BTCUSDT", asset="USDT", amount=D("0.25"), at_ms=start_ms + 1)
    spans = [(int(each["startTime"][0]), int(each["endTime"][0])) for each in (parse_qs(h.query) for h in play.heard)]
    assert spans[0] == spans[1] == (start_ms, start_ms + WEEK_MS - 1)
    assert spans[2][0] == spans[1][1] + 1 and spans[2][1] >= now_ms  # no moment is left out


MODES = ["/v5/position/switch-mode", "/v5/position/set-leverage"]


async def test_prepare_changes_only_what_is_not_so(play, trade):
    play.says("GET /v5/account/info", said({"marginMode": "REGULAR_MARGIN"}))
    play.says(f"POST {MODES[0]}", no(110025))
    play.says(f"POST {MODES[1]}", no(110043), said({}))
    await trade.prepare(["BTCUSDT", "ETHUSDT"], 2)
    assert [heard.path for heard in play.heard] == ["/v5/account/info", MODES[0], MODES[1], MODES[1]]
    assert json.loads(play.heard[1].body) == {"category": "linear", "coin": "USDT", "mode": 0}
    both = {"buyLeverage": "2", "sellLeverage": "2"}
    assert json.loads(play.heard[3].body) == {"category": "linear", "symbol": "ETHUSDT", **both}


async def test_prepare_asks_for_cross_margin_and_says_what_forbids_it(play, trade):
    play.says("GET /v5/account/info", said({"marginMode": "ISOLATED_MARGIN"}))
    play.says("POST /v5/account/set-margin-mode", said({"reasons": []}))
    play.says(f"POST {MODES[0]}", no(110024))
    with pytest.raises(VenueRefused, match="110024"):
        await trade.prepare(["BTCUSDT"], 2)
    assert json.loads(play.heard[1].body) == {"setMarginMode": "REGULAR_MARGIN"}


async def test_rules_are_the_contracts_own(play, trade):
    market = {
        "symbol": "BTCUSDT",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.001", "minNotionalValue": "5"},
        "priceFilter": {"tickSize": "0.10"},
    }
    bare = market | {"lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.002"}}
    usdc = market | {"settleCoin": "USDC"}
    play.says("GET /v5/market/instruments-info", rows(market), rows(bare), rows(usdc), no(10001))
    play.says("GET /v5/account/fee-rate", rows({"takerFeeRate": "0.00055", "makerFeeRate": "0.0002"}))
    found = await trade.instruments(["BTCUSDT", "B", "C", "D"])
    assert [(each.qty_step, each.min_qty, each.min_notional) for each in found] == [
        (D("0.001"), D("0.001"), D(5)),
        (D("0.001"), D("0.002"), D(7)),
    ]
    assert (found[0].product, found[0].contract_size, found[0].taker_fee_bps) == (Product.PERP, D(1), D("5.5"))
