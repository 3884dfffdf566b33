"""KuCoin's USDT perpetuals against a scripted server: contracts on the wire, and how odd answers are read."""

import json
from decimal import Decimal as D
from urllib.parse import parse_qs

import pytest

from engine.domain.errors import BadFrame, OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import FeeSide, Product
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.domain.position import FundingPaid, Position
from engine.venues.kucoin.futures import KucoinFuturesOrders
from engine.venues.kucoin.order_stream import FUTURES, KucoinStreamDialect
from engine.venues.order_stream import Answer
from engine.venues.protocol import Lender, Margined, OrderTold
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

SYMBOL, PLACE = "XBTUSDTM", "POST /api/v1/orders"
CONTRACT = {
    "symbol": SYMBOL,
    "baseCurrency": "XBT",
    "quoteCurrency": "USDT",
    "settleCurrency": "USDT",
    "multiplier": 0.001,
    "lotSize": 1,
    "tickSize": 0.1,
    "status": "Open",
}
ROW = {
    "id": "235000000000000077",
    "symbol": SYMBOL,
    "side": "sell",
    "size": 30,
    "filledSize": 20,
    "isActive": False,
    "clientOid": CID,
    "updatedAt": 1700000000456,
}


def said(data):
    return Say({"code": "200000", "data": data})


def no(code, text="no", status=200):
    return Say({"code": code, "msg": text}, status)


def page(*items, pages=1):
    return said({"currentPage": 1, "pageSize": 100, "totalNum": len(items), "totalPage": pages, "items": list(items)})


@pytest.fixture
async def play():
    async with stage() as play:
        play.says(f"GET /api/v1/contracts/{SYMBOL}", said(CONTRACT))
        yield play


@pytest.fixture
async def trade(play):
    settings = config(play.base, symbols=(SYMBOL, "ETHUSDTM"), fee_side=FeeSide.QUOTE, ticks=(), min_notional=D(0))
    orders = KucoinFuturesOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    assert isinstance(orders, Margined) and not isinstance(orders, Lender)
    yield orders
    await orders.close()


def wish(tif=TimeInForce.IOC, **over):
    return order("kucoin_futures", SYMBOL, tif, **({"qty": D("0.030"), "price": D("65000.10")} | over))


def stop(**over):
    return wish(TimeInForce.GTC, kind=OrderKind.STOP_LOSS, stop_price=D("64900.5"), **over)


async def test_the_wire_counts_contracts(play, trade):
    play.says(PLACE, said({"orderId": "77", "clientOid": CID}))
    market = {"clientOid": CID, "symbol": SYMBOL, "side": "buy", "type": "market", "size": 30, "marginMode": "CROSS"}
    limit = market | {"type": "limit", "price": "65000.10", "timeInForce": "IOC"}
    cases = [
        (wish(), limit),
        (wish(TimeInForce.POST_ONLY, side=Side.SELL), limit | {"side": "sell", "timeInForce": "GTC", "postOnly": True}),
        (wish(TimeInForce.GTC, reduce_only=True), limit | {"timeInForce": "GTC", "reduceOnly": True}),
        (wish(kind=OrderKind.MARKET), market),
        (stop(), limit | {"timeInForce": "GTC", "stop": "up", "stopPrice": "64900.5", "stopPriceType": "TP"}),
        (
            stop(side=Side.SELL, reduce_only=True),
            limit
            | {"side": "sell", "timeInForce": "GTC", "reduceOnly": True}
            | {"stop": "down", "stopPrice": "64900.5", "stopPriceType": "TP"},
        ),
    ]
    for number, (request, fields) in enumerate(cases):
        play.heard.clear()
        report = await trade.place(request)
        assert (report.venue, report.cid, report.venue_order_id) == ("kucoin_futures", CID, "77")
        assert json.loads(play.heard[-1].body) == fields
        assert len(play.heard) == (2 if number == 0 else 1)  # the size of a contract is asked for once
    headers = {key.lower() for key in play.heard[-1].headers}
    assert {"kc-api-key", "kc-api-sign", "kc-api-passphrase"} <= headers


async def test_what_it_cannot_do_is_refused_without_a_request(play, trade):
    with pytest.raises(VenueRefused, match="unsupported"):
        await trade.place(wish(TimeInForce.FOK))
    with pytest.raises(VenueRefused, match="unsupported"):
        await trade.amend(SYMBOL, CID, "77", D(1), D(1))
    assert play.heard == [] and not trade.abilities.countdown and not trade.abilities.expiry
    for qty in (D("0.0305"), D("0.0001")):
        with pytest.raises(VenueRefused, match="multiple") as caught:
            await trade.place(wish(qty=qty))
        assert caught.value.about_rules
    assert [heard.method for heard in play.heard] == ["GET"]
    play.says("GET /api/v1/contracts/XBTUSDM", said(CONTRACT | {"multiplier": -1}), no("200003"), said(None))
    for _ in range(3):
        with pytest.raises(VenueRefused, match="unsupported"):
            await trade.place(order("kucoin_futures", "XBTUSDM", qty=D(1)))


ENDS = [
    *((no(code), VenueRefused) for code in ("300003", "300009", "330005", "100001")),
    (no("100001", "Duplicate clientOid."), VenueRefused),
    (no("300018", "clientOid parameter repeated"), VenueRefused),
    *((answer, OutcomeUnknown) for answer in (no("408000"), no("500000"), Say("<html>", 502))),
    (no("429000", status=429), RateLimited),
]


async def test_every_no_is_read_as_what_it_means(play, trade):
    for answer, kind in ENDS:
        play.forget()
        play.says(PLACE, answer)
        play.says(f"GET /api/v1/contracts/{SYMBOL}", said(CONTRACT))
        with pytest.raises(kind) as caught:
            await trade.place(wish())
        assert sum(heard.method == "POST" for heard in play.heard) == 1, answer
        is_twice = "Duplicate" in str(answer.body) or "300018" in str(answer.body)
        assert (getattr(caught.value, "code", "") == "duplicate") is is_twice


async def test_a_report_is_in_base_and_its_fees_come_from_its_fills(play, trade):
    play.says("GET /api/v1/orders/byClientOid", said(ROW))
    first = {"tradeId": "1", "size": 5, "price": "65000", "fee": "0.195", "feeCurrency": "USDT"}
    second = first | {"tradeId": "2", "size": 15, "price": "65001.5", "fee": "-0.01"}
    play.says("GET /api/v1/fills", page(first, pages=2), page(second, pages=2), page(first))
    report = await trade.look_up(SYMBOL, CID)
    assert (report.status, report.side, report.venue_order_id) == (OrderStatus.CANCELLED, Side.SELL, ROW["id"])
    assert (report.filled_qty, report.filled_quote) == (D("0.020"), D("1300.0225"))
    assert report.fees == (Fee("USDT", D("0.185")),) and report.venue_ts_ms == 1700000000456
    assert [parse_qs(heard.query)["currentPage"] for heard in play.heard[-2:]] == [["1"], ["2"]]
    with pytest.raises(VenueUnavailable, match="not settled"):
        await trade.look_up(SYMBOL, CID)


async def test_none_is_said_only_after_what_has_ended(play, trade):
    play.says("GET /api/v1/orders/byClientOid", no("100001", "error.getOrder.orderNotExist"), said(None))
    unfilled = ROW | {"filledSize": 0}
    play.says("GET /api/v1/recentDoneOrders", said([ROW | {"clientOid": None}]), said([unfilled]), Say("", 503))
    with pytest.raises(OrderNotFound):
        await trade.look_up(SYMBOL, CID)
    assert (await trade.look_up(SYMBOL, CID)).status is OrderStatus.CANCELLED
    with pytest.raises(VenueUnavailable):
        await trade.look_up(SYMBOL, CID)


async def test_open_orders_are_read_page_by_page(play, trade):
    resting = ROW | {"isActive": True, "filledSize": 0}
    play.says("GET /api/v1/stopOrders", page())
    play.says("GET /api/v1/orders", page(resting, pages=2), page(resting | {"clientOid": None, "id": "9"}, pages=2))
    assert [(each.cid, each.status) for each in await trade.open_orders()] == [
        (CID, OrderStatus.OPEN),
        ("", OrderStatus.OPEN),
    ]


OVERVIEW = {"currency": "USDT", "marginBalance": 1000.5, "availableBalance": 900, "accountEquity": 1012.5}


async def test_the_wallet_is_without_unrealised_results(play, trade):
    answers = [OVERVIEW, OVERVIEW | {"availableMargin": 850.25}, OVERVIEW | {"availableBalance": 1010}]
    answers += [OVERVIEW | {"availableMargin": -3}, OVERVIEW | {"marginBalance": 0}]
    play.says("GET /api/v1/account-overview", *(said(answer) for answer in answers))
    told = [[(each.free, each.total) for each in await trade.balances()] for _ in answers]
    total = D("1000.5")
    assert told == [[(D(900), total)], [(D("850.25"), total)], [(total, total)], [(D(0), total)], []]


HELD = {
    "symbol": SYMBOL,
    "currentQty": -20,
    "avgEntryPrice": 65000.5,
    "markPrice": 65100,
    "posInit": 651.0,
    "posMargin": 651.0,
    "positionSide": "BOTH",
}


async def test_positions_are_signed_base_and_two_sides_are_none(play, trade):
    flat = HELD | {"symbol": "ETHUSDTM", "currentQty": 0}
    dual = HELD | {"positionSide": "SHORT"}
    play.says("GET /api/v1/positions", said([HELD | {"liquidationPrice": 0}, flat]), said([dual]), said(None))
    [short] = await trade.positions()
    assert short == Position(
        symbol=SYMBOL, qty=D("-0.020"), entry=D("65000.5"), mark=D(65100), margin=D(651), liquidation=None
    )
    with pytest.raises(VenueUnavailable, match="hedge mode"):
        await trade.positions()
    assert await trade.positions() == []


async def test_prepare_changes_only_what_is_not_so(play, trade):
    play.says("GET /api/v2/position/getPositionMode", said({"positionMode": 1}), said({"positionMode": 0}))
    play.says("POST /api/v2/position/switchPositionMode", said({"positionMode": 0}))
    play.says("GET /api/v2/position/getMarginMode", said({"marginMode": "ISOLATED"}), said({"marginMode": "CROSS"}))
    play.says("POST /api/v2/position/changeMarginMode", said({"marginMode": "CROSS"}))
    play.says("GET /api/v2/getCrossUserLeverage", said({"symbol": SYMBOL, "leverage": "5"}), said({"leverage": "2"}))
    play.says("POST /api/v2/changeCrossUserLeverage", said(True), no("300016"))
    await trade.prepare([SYMBOL], 2)
    assert [json.loads(heard.body) for heard in play.heard if heard.method == "POST"] == [
        {"positionMode": "0"},
        {"symbol": SYMBOL, "marginMode": "CROSS"},
        {"symbol": SYMBOL, "leverage": "2"},
    ]
    await trade.prepare([SYMBOL], 2)
    with pytest.raises(VenueRefused, match="300016"):
        await trade.prepare([SYMBOL], 3)
    assert sum(heard.method == "POST" for heard in play.heard) == 4


async def test_funding_is_asked_contract_by_contract_until_it_is_old(play, trade):
    def row(number, symbol, at_ms, funding):
        return {"id": number, "symbol": symbol, "timePoint": at_ms, "funding": funding, "settleCurrency": "USDT"}

    def rows(*listed, more=False):
        return said({"dataList": list(listed), "hasMore": more})

    play.says(
        "GET /api/v1/funding-history",
        rows(row(9, SYMBOL, 3_000, -0.25), row(8, SYMBOL, 2_000, 0.1), more=True),
        rows(row(7, SYMBOL, 1_500, 0.5), row(6, SYMBOL, 900, 9), more=True),  # the last is older than asked for
        rows(row(5, "ETHUSDTM", 2_500, 1), more=True),
        rows(more=True),
    )
    found = await trade.funding_since(1_000)
    assert [(each.id, each.at_ms) for each in found] == [("7", 1_500), ("8", 2_000), ("5", 2_500), ("9", 3_000)]
    assert found[-1] == FundingPaid(id="9", symbol=SYMBOL, asset="USDT", amount=D("-0.25"), at_ms=3_000)
    asked = [parse_qs(heard.query) for heard in play.heard]
    assert [(each["symbol"], each.get("offset")) for each in asked] == [
        ([SYMBOL], None),
        ([SYMBOL], ["8"]),
        (["ETHUSDTM"], None),
        (["ETHUSDTM"], ["5"]),
    ]


async def test_rules_are_in_base(play, trade):
    play.says("GET /api/v1/trade-fees", said({"symbol": SYMBOL, "takerFeeRate": "0.0006", "makerFeeRate": "0.0002"}))
    play.says("GET /api/v1/contracts/OLD", said(CONTRACT | {"symbol": "OLD", "status": "Paused"}))
    [rules] = await trade.instruments([SYMBOL])
    assert (rules.base, rules.quote, rules.product, rules.contract_size) == ("XBT", "USDT", Product.PERP, D("0.001"))
    assert (rules.qty_step, rules.min_qty, rules.ticks[0].tick) == (D("0.001"), D("0.001"), D("0.1"))
    assert (rules.taker_fee_bps, rules.maker_fee_bps) == (D(6), D(2))
    assert [(each.symbol, each.text) for each in await trade.warnings([SYMBOL, "OLD"])] == [("OLD", "Paused")]
    assert await trade.wallets(["USDT"]) == []


async def test_what_is_no_number_or_no_side_is_no_answer(play, trade):
    for odd in ({"size": "NaN"}, {"filledSize": "1e999"}, {"side": "both"}):
        play.forget()
        play.says("GET /api/v1/orders/byClientOid", said(ROW | odd))
        with pytest.raises(VenueUnavailable, match="unreadable"):
            await trade.look_up(SYMBOL, CID)
    play.says("GET /api/v1/positions", said([HELD | {"currentQty": "Infinity"}]))
    with pytest.raises(VenueUnavailable, match="unreadable"):
        await trade.positions()


def test_the_stream_counts_base_and_leaves_fills_to_look_ups():
    async def nowhere():
        return "ws://127.0.0.1:1"

    dialect = KucoinStreamDialect(nowhere, "kucoin_futures", FUTURES, {SYMBOL: D("0.001")}.get)
    row = {"symbol": SYMBOL, "side": "sell", "orderId": "77", "clientOid": CID, "type": "match", "filledSize": "20"}

    def told_of(**odd: object) -> list[OrderTold]:
        frame = {"type": "message", "topic": FUTURES, "data": row | odd}
        return [each for each in dialect.read(json.dumps(frame).encode()) if isinstance(each, OrderTold)]

    [matched] = told_of()
    assert (matched.report.filled_qty, matched.report.side, matched.is_whole) == (D("0.020"), Side.SELL, False)
    [ended] = told_of(type="canceled", filledSize="0")
    assert (ended.report.status, ended.is_whole) == (OrderStatus.CANCELLED, True)
    assert told_of(symbol="DOGEUSDTM") == []  # of unknown size: looked up
    [answer] = dialect.read(b'{"id":"x","type":"welcome"}')
    assert isinstance(answer, Answer) and json.loads(answer.frames[0])["topic"] == FUTURES
    for broken in ({"type": "gone"}, {"side": "both"}, {"filledSize": "x"}):
        with pytest.raises(BadFrame):
            told_of(**broken)
