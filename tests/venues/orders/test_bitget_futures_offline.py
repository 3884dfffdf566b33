"""Bitget's perpetuals against a scripted server: one-way orders, crossed margin, positions, funding, odd answers."""

import itertools
import json
import os
import time
from decimal import Decimal as D
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.domain.errors import OrderNotFound, OutcomeUnknown, RateLimited, VenueRefused, VenueUnavailable
from engine.domain.market import Balance, FeeSide, Product
from engine.domain.money import TickBand
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.domain.position import FundingPaid, Position
from engine.venues.bitget.futures import BitgetFuturesOrders
from engine.venues.protocol import Lender, Margined
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

SHARED = Path(os.environ.get("PREMIA_SHARED", Path(__file__).parents[3].parent / "shared"))
NOW_MS = time.time_ns() // 1_000_000
DAY_MS = 86_400_000
BTC, USDT = "BTCUSDT", "USDT"
PLACE, DETAIL = "POST /api/v2/mix/order/place-order", "GET /api/v2/mix/order/detail"
HISTORY, FILLS = "GET /api/v2/mix/order/orders-history", "GET /api/v2/mix/order/fills"
PENDING, WAITING = "GET /api/v2/mix/order/orders-pending", "GET /api/v2/mix/order/orders-plan-pending"
ACCOUNT, BILL = "GET /api/v2/mix/account/account", "GET /api/v2/mix/account/bill"
MARKET = {
    "symbol": BTC,
    "baseCoin": "BTC",
    "quoteCoin": USDT,
    "pricePlace": "1",
    "priceEndStep": "5",
    "sizeMultiplier": "0.001",
    "minTradeNum": "0.001",
    "minTradeUSDT": "5",
    "symbolStatus": "normal",
    "offTime": "-1",
}
ROW = {
    "symbol": BTC,
    "orderId": "1111465253393825792",
    "clientOid": CID,
    "side": "sell",
    "baseVolume": "0.015",
    "state": "filled",
    "uTime": str(NOW_MS),
}
FILL = {
    "tradeId": "7",
    "price": "67000.1",
    "baseVolume": "0.01",
    "feeDetail": [{"feeCoin": USDT, "totalFee": "-0.402"}],
}
REST = FILL | {"tradeId": "8", "price": "67000.5", "baseVolume": "0.005"}
HELD = {
    "symbol": BTC,
    "holdSide": "short",
    "total": "0.015",
    "openPriceAvg": "67000.1",
    "markPrice": "66900.5",
    "marginSize": "501.7",
    "liquidationPrice": "99000.5",
}


def yes(data):
    return Say({"code": "00000", "msg": "success", "data": data})


def no(code, text="no", status=400):
    return Say({"code": code, "msg": text, "data": None}, status)


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture
async def orders(play):
    settings = config(play.base, symbols=(BTC,), fee_side=FeeSide.QUOTE, min_notional=D(1), ticks=())
    orders = BitgetFuturesOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    yield orders
    await orders.close()


def wish(**over):
    values = {"qty": D("0.0150"), "price": D("67000.10"), "side": Side.SELL}
    return order("bitget_futures", BTC, TimeInForce.IOC, **(values | over))


def heard(play, path):
    return [json.loads(each.body) for each in play.heard if each.path.endswith(path)]


def test_the_account_is_margined_and_lends_nothing(orders):
    assert isinstance(orders, Margined) and isinstance(orders, BitgetFuturesOrders) and not isinstance(orders, Lender)
    assert orders.abilities.reduce_only and not orders.abilities.amend and not orders.abilities.expiry
    assert orders.late_acceptance_ms == 5_000 + 1_000


@pytest.mark.parametrize("tif", list(TimeInForce))
async def test_an_order_names_its_product_and_crossed_margin(play, orders, tif):
    play.says(PLACE, yes({"orderId": "312", "clientOid": CID}))
    report = await orders.place(replace(wish(), tif=tif))
    assert (report.venue, report.status, report.venue_order_id) == ("bitget_futures", OrderStatus.OPEN, "312")
    assert heard(play, "place-order") == [
        {
            "symbol": BTC,
            "productType": "USDT-FUTURES",
            "marginMode": "crossed",
            "marginCoin": USDT,
            "side": "sell",
            "orderType": "limit",
            "force": tif.value,
            "price": "67000.10",
            "size": "0.0150",
            "clientOid": CID,
        }
    ]


async def test_what_may_only_reduce_says_so_and_a_market_order_has_no_price(play, orders):
    play.says(PLACE, yes({"orderId": "312"}))
    await orders.place(wish(kind=OrderKind.MARKET, reduce_only=True, side=Side.BUY))
    [sent] = heard(play, "place-order")
    assert (sent["orderType"], sent["reduceOnly"], sent["size"]) == ("market", "YES", "0.0150")
    assert not {"price", "force", "tradeSide"} & set(sent)


LOST = [
    ("no answer", Say(happens="hang")),
    ("connection cut", Say(happens="cut")),
    ("gateway page", Say("<html>502 Bad Gateway</html>", 502)),
    ("40010", no("40010", "Request timed out")),
    ("45001", no("45001", "Unknown error")),
    ("no data", yes(None)),
    ("no id", yes({"clientOid": CID})),
]


@pytest.mark.parametrize("why, say", LOST, ids=[case[0] for case in LOST])
async def test_no_usable_answer_is_unknown_and_sent_once(play, orders, why, say):
    play.says(PLACE, say)
    with pytest.raises(OutcomeUnknown):
        await orders.place(wish())
    assert len(play.heard) == 1


REFUSED = [
    ("margin", no("40762", "The order amount exceeds the balance"), "40762", False),
    ("nothing to reduce", no("22002", "No position to close"), "22002", False),
    ("minimum", no("45110", "less than the minimum amount 5 USDT"), "45110", True),
    ("lot", no("45111", "less than the minimum order quantity"), "45111", True),
    ("tick", no("45115", "The price you enter should be a multiple of 0.1"), "45115", True),
    ("duplicate", no("40786", "Duplicate clientOid"), "duplicate", False),
    ("hedge mode", no("40774", "The order type for unilateral position must be unilateral"), "40774", False),
    ("a code of tomorrow", no("49999"), "49999", False),
]


@pytest.mark.parametrize("why, say, code, about_rules", REFUSED, ids=[case[0] for case in REFUSED])
async def test_a_definitive_no_is_refused(play, orders, why, say, code, about_rules):
    play.says(PLACE, say)
    with pytest.raises(VenueRefused) as caught:
        await orders.place(wish())
    assert (caught.value.code, caught.value.about_rules) == (code, about_rules)


async def test_a_limit_is_obeyed(play, orders):
    play.says(PLACE, no("429", "Too Many Requests", 429))
    with pytest.raises(RateLimited):
        await orders.place(wish())


LOOK_UPS = [
    ("resting", {"state": "live", "baseVolume": ""}, [], OrderStatus.OPEN, "0", "0"),
    ("in part", {"state": "partially_filled", "baseVolume": "0.01"}, [FILL], OrderStatus.OPEN, "0.01", "670.001"),
    ("filled", {}, [FILL, REST], OrderStatus.FILLED, "0.015", "1005.0035"),
    ("ended in part", {"state": "canceled", "baseVolume": "0.01"}, [FILL], OrderStatus.CANCELLED, "0.01", "670.001"),
    ("ended without a fill", {"state": "canceled", "baseVolume": "0"}, [], OrderStatus.CANCELLED, "0", "0"),
]


@pytest.mark.parametrize("why, row, fills, status, qty, quote", LOOK_UPS, ids=[case[0] for case in LOOK_UPS])
async def test_look_up(play, orders, why, row, fills, status, qty, quote):
    play.says(DETAIL, yes(ROW | row))
    play.says(FILLS, yes({"fillList": fills, "endId": "7"}))
    report = await orders.look_up(BTC, CID)
    assert (report.status, report.filled_qty, report.filled_quote) == (status, D(qty), D(quote))
    assert report.fees == ((Fee(USDT, D("0.402") * len(fills)),) if fills else ())
    assert f"clientOid={CID}" in play.heard[0].query and "productType=USDT-FUTURES" in play.heard[0].query


ODD = [
    ("fills that do not add up", ROW, {"fillList": [FILL]}),
    ("no fills yet", ROW, {"fillList": None}),
    ("a state that nobody knows", ROW | {"state": "wandering"}, {"fillList": [FILL, REST]}),
    ("a size that is none", ROW | {"baseVolume": "some"}, {"fillList": []}),
    ("no row", None, {"fillList": []}),
]


@pytest.mark.parametrize("why, row, fills", ODD, ids=[case[0] for case in ODD])
async def test_an_odd_answer_to_a_look_up_says_nothing(play, orders, why, row, fills):
    play.says(DETAIL, yes(row))
    play.says(FILLS, yes(fills))
    with pytest.raises(VenueUnavailable):
        await orders.look_up(BTC, CID)


async def test_an_order_that_is_forgotten_is_found_among_the_ended_or_nowhere(play, orders):
    ended = ROW | {"state": "", "status": "canceled", "baseVolume": "0"}
    play.says(DETAIL, no("40109", "The data of the order cannot be found"))
    stranger = ended | {"clientOid": "another"}
    play.says(HISTORY, yes({"entrustedList": [stranger, ended]}), yes({"entrustedList": None}), no("40010"))
    assert (await orders.look_up(BTC, CID)).status is OrderStatus.CANCELLED
    with pytest.raises(OrderNotFound):
        await orders.look_up(BTC, CID)
    with pytest.raises(VenueUnavailable):
        await orders.look_up(BTC, CID)


async def test_open_orders_over_all_pages(play, orders):
    live = ROW | {"state": "", "status": "live", "baseVolume": ""}
    page = [live | {"orderId": str(n)} for n in range(100)]
    play.says(PENDING, yes({"entrustedList": page}), yes({"entrustedList": [live | {"clientOid": ""}]}))
    play.says("GET /api/v2/mix/order/orders-plan-history", yes({"entrustedList": None}))
    reports = await orders.open_orders()
    assert len(reports) == 101 and (reports[0].cid, reports[100].cid) == (CID, "")
    assert "idLessThan=99" in play.heard[1].query


async def test_cancel_is_by_client_id_and_amend_is_not_asked(play, orders):
    play.says("POST /api/v2/mix/order/cancel-order", yes({"orderId": "312"}), no("22001", "No order to cancel"))
    await orders.cancel(BTC, CID, "312")
    [sent] = heard(play, "cancel-order")
    assert (sent["clientOid"], sent["symbol"], sent["productType"]) == (CID, BTC, "USDT-FUTURES")
    with pytest.raises(VenueRefused):
        await orders.cancel(BTC, CID, "312")
    with pytest.raises(VenueRefused, match="unsupported"):
        await orders.amend(BTC, CID, "312", D(1), D(1))
    assert len(play.heard) == 2


WALLETS = [
    ("a gain that is open", {"unrealizedPL": "12.5"}, "1000.5"),
    ("a loss that is open", {"unrealizedPL": "-0.25"}, "1013.25"),
    ("nothing open", {"unrealizedPL": ""}, "1013"),
    ("nothing said", {"unrealizedPL": None}, "1013"),
]


@pytest.mark.parametrize("why, over, total", WALLETS, ids=[case[0] for case in WALLETS])
async def test_the_wallet_is_without_open_results(play, orders, why, over, total):
    row = {"marginCoin": USDT, "accountEquity": "1013", "crossedMaxAvailable": "812.25", "available": "900"}
    play.says("GET /api/v2/mix/account/accounts", yes([row | over]))
    assert await orders.balances() == [Balance(USDT, D("812.25"), D(total))]


POSITIONS = [
    ("a short", {}, "-0.015", "99000.5"),
    ("a long", {"holdSide": "long", "total": "0.02"}, "0.02", "99000.5"),
    ("nothing would liquidate it", {"liquidationPrice": "-120.5"}, "-0.015", None),
    ("no word of liquidation", {"liquidationPrice": ""}, "-0.015", None),
]


@pytest.mark.parametrize("why, over, qty, liquidation", POSITIONS, ids=[case[0] for case in POSITIONS])
async def test_positions_are_signed(play, orders, why, over, qty, liquidation):
    flat = HELD | {"symbol": "ETHUSDT", "total": "0"}
    play.says("GET /api/v2/mix/position/all-position", yes([HELD | over, flat]))
    assert await orders.positions() == [
        Position(
            symbol=BTC,
            qty=D(qty),
            entry=D("67000.1"),
            mark=D("66900.5"),
            margin=D("501.7"),
            liquidation=D(liquidation) if liquidation else None,
        )
    ]


@pytest.mark.parametrize("say", [yes(None), yes([HELD | {"total": "NaN"}]), Say("<html>", 200), no("40010")])
async def test_an_unreadable_answer_is_no_flat_account(play, orders, say):
    play.says("GET /api/v2/mix/position/all-position", say)
    with pytest.raises(VenueUnavailable):
        await orders.positions()


def bill(number, at_ms, amount="-0.5", kind="contract_settle_fee"):
    return {
        "billId": str(number),
        "symbol": BTC,
        "amount": amount,
        "coin": USDT,
        "businessType": kind,
        "cTime": str(at_ms),
    }


async def test_funding_is_read_page_by_page_oldest_first(play, orders):
    first = [bill(1_000 - n, NOW_MS - n * 1_000) for n in range(100)]
    early, other = bill(7, NOW_MS - 900_000, "0.25"), bill(6, NOW_MS - 900_000, "9", "open_long")
    play.says(BILL, yes({"bills": first}), yes({"bills": [early, other, bill(5, NOW_MS - 2_000_000)]}))
    paid = await orders.funding_since(NOW_MS - 900_000)
    assert len(paid) == 101 and [each.at_ms for each in paid] == sorted(each.at_ms for each in paid)
    assert paid[0] == FundingPaid(id="7", symbol=BTC, asset=USDT, amount=D("0.25"), at_ms=NOW_MS - 900_000)
    assert "businessType=contract_settle_fee" in play.heard[0].query and "idLessThan=901" in play.heard[1].query


async def test_a_long_time_is_asked_in_stretches_and_never_beyond_what_is_kept(play, orders):
    play.says(BILL, yes({"bills": None}))
    assert await orders.funding_since(0) == []
    spans = [dict(part.split("=") for part in each.query.split("&")) for each in play.heard]
    assert len(spans) == 4 and int(spans[0]["startTime"]) > NOW_MS - 91 * DAY_MS
    assert all(int(span["endTime"]) - int(span["startTime"]) < 30 * DAY_MS for span in spans)
    assert all(int(b["startTime"]) == int(a["endTime"]) + 1 for a, b in itertools.pairwise(spans))


async def test_prepare_changes_only_what_differs(play, orders):
    right = {"posMode": "one_way_mode", "marginMode": "crossed", "crossedMarginLeverage": 2}
    wrong = {"posMode": "hedge_mode", "marginMode": "isolated", "crossedMarginLeverage": "20"}
    play.says(ACCOUNT, yes(right), yes(wrong))
    for what in ("set-position-mode", "set-margin-mode", "set-leverage"):
        play.says(f"POST /api/v2/mix/account/{what}", yes({}))
    await orders.prepare([BTC], 2)
    assert len(play.heard) == 1
    await orders.prepare([BTC], 2)
    assert heard(play, "set-position-mode") == [{"productType": "USDT-FUTURES", "posMode": "one_way_mode"}]
    assert [sent["marginMode"] for sent in heard(play, "set-margin-mode")] == ["crossed"]
    assert [sent["leverage"] for sent in heard(play, "set-leverage")] == ["2"]


async def test_open_positions_forbid_another_mode(play, orders):
    play.says(ACCOUNT, yes({"posMode": "hedge_mode", "marginMode": "crossed", "crossedMarginLeverage": 2}))
    play.says("POST /api/v2/mix/account/set-position-mode", no("40920", "Position or order exists"))
    with pytest.raises(VenueRefused) as caught:
        await orders.prepare([BTC], 2)
    assert caught.value.code == "40920"


async def test_the_rules(play, orders):
    play.says("GET /api/v2/mix/market/contracts", yes([MARKET]), no("40034"))
    play.says("GET /api/v2/common/trade-rate", yes({"makerFeeRate": "0.0002", "takerFeeRate": "0.0006"}))
    [found] = await orders.instruments([BTC])
    assert (found.base, found.quote, found.product, found.contract_size) == ("BTC", USDT, Product.PERP, D(1))
    assert (found.qty_step, found.min_qty, found.min_notional) == (D("0.001"), D("0.001"), D(5))
    assert found.ticks == (TickBand(D(0), D("0.5")),) and found.fee_side is FeeSide.QUOTE
    assert (found.maker_fee_bps, found.taker_fee_bps) == (D(2), D(6))
    assert "businessType=mix" in play.heard[1].query
    assert await orders.instruments(["NOPE"]) == []


WARNINGS = [
    ({}, []),
    ({"symbolStatus": "maintain"}, [("suspended", "maintain", 0)]),
    ({"offTime": str(NOW_MS)}, [("delisting", "offTime", NOW_MS)]),
    ({"symbolStatus": "off", "offTime": "1"}, [("suspended", "off", 0), ("delisting", "offTime", 1)]),
]


@pytest.mark.parametrize("over, told", WARNINGS)
async def test_warnings(play, orders, over, told):
    play.says("GET /api/v2/mix/market/contracts", yes([MARKET | over]))
    assert [(each.kind, each.text, each.at_ms) for each in await orders.warnings([BTC])] == told


ONE_WAY = {"posMode": "one_way_mode"}
RECORDED = {
    "Account/GetBalances": "GET /api/v2/mix/account/accounts",
    "Trading/GetPositions": "GET /api/v2/mix/position/all-position",
    "Trading/GetOrder": DETAIL,
    "Trading/GetUserTrades": FILLS,
    "Trading/GetOpenOrders2": PENDING,
    "Trading/GetOpenTriggerOrders2": WAITING,
    "Trading/GetClosedTriggerOrders": "GET /api/v2/mix/order/orders-plan-history",
    "Account/GetLedger": BILL,
}


async def test_recorded_rows_are_read(play, orders):
    file = SHARED / "venues/bitget/fixtures-jkorf.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    bodies = {row["name"]: row["data"] for row in map(json.loads, file.read_text().splitlines()) if row.get("req")}
    for name, request in RECORDED.items():
        play.says(request, Say(bodies[f"Endpoints/Futures/{name}"]))
    assert await orders.balances() == [Balance(USDT, D("10580.56434289"), D("10582.90265771"))]
    with pytest.raises(VenueRefused, match="held by side"):
        await orders.positions()
    [row] = json.loads(bodies["Endpoints/Futures/Trading/GetPositions"])["data"]
    play.forget()
    for name, request in RECORDED.items():
        play.says(
            request, Say(bodies[f"Endpoints/Futures/{name}"]) if "Positions" not in name else yes([row | ONE_WAY])
        )
    [held] = await orders.positions()
    assert (held.qty, held.entry, held.mark) == (D("0.01"), D(25_000), D(25_100))
    [live], [waiting] = await orders.open_orders(), await orders.waiting_stops()
    assert (live.symbol, live.status, live.filled_qty) == ("BLURUSDT", OrderStatus.OPEN, D(0))
    assert (waiting.symbol, waiting.status, waiting.cid) == ("BNBUSDT", OrderStatus.OPEN, "1272849518383902720")
    with pytest.raises(VenueUnavailable, match="not settled: 1 of 2"):
        await orders.look_up("ETHUSDT", CID)
    assert [each.amount for each in await orders.funding_since(1_695_715_200_654)] == [D("-0.004992")]
