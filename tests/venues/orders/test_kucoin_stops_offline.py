"""KuCoin's stops against a scripted server: spot's, which are apart from its orders, and those of its perpetuals."""

import json
import time
from decimal import Decimal as D
from urllib.parse import parse_qs

import pytest

from engine.domain.errors import OrderNotFound, VenueRefused, VenueUnavailable
from engine.domain.market import FeeSide
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.venues.kucoin.futures import KucoinFuturesOrders
from engine.venues.kucoin.orders import KucoinOrders
from engine.venues.protocol import Conditional, everything_open
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage
from tests.venues.orders.test_kucoin_futures_offline import CONTRACT, ROW, no, page, said
from tests.venues.orders.test_stops_at_venues import Every

SYMBOL, CONTRACT_OF = "BTC-USDT", "XBTUSDTM"
PATH = "/api/v1/stop-order"
NAMED, WAITING = f"GET {PATH}/queryOrderByClientOid", f"GET {PATH}"
CANCEL = f"DELETE {PATH}/cancelOrderByClientOid"
MADE, DONE, ACTIVE = (
    f"/api/v1/hf/orders/client-order/{CID}",
    "GET /api/v1/hf/orders/done",
    "GET /api/v1/hf/orders/active",
)
HOUR_MS = 3_600_000
NOW_MS = time.time_ns() // 1_000_000
WENT_OFF_MS = NOW_MS - HOUR_MS
STOP = {
    "id": "vs93gptvr9t2fsql003l8k5p",
    "symbol": SYMBOL,
    "status": "NEW",
    "type": "limit",
    "side": "sell",
    "price": "50000.00000000000000000000",
    "size": "0.30000000000000000000",
    "clientOid": CID,
    "createdAt": WENT_OFF_MS - 45_116,
    "stop": "loss",
    "stopTriggerTime": None,
    "stopPrice": "60000.00000000000000000000",
}
CHILD = {
    "id": "67c00000000000000000000a",
    "clientOid": CID,
    "symbol": SYMBOL,
    "side": "sell",
    "price": "50000",
    "size": "0.3",
    "dealSize": "0.1",
    "dealFunds": "5500.5",
    "fee": "5.5005",
    "feeCurrency": "USDT",
    "active": False,
    "cancelExist": True,
    "createdAt": WENT_OFF_MS,
    "lastUpdatedAt": WENT_OFF_MS + 5_000,
}
TRIGGERED = STOP | {"status": "TRIGGERED", "stopTriggerTime": WENT_OFF_MS}
NONE = no("400100", "order_not_exist_or_not_allow_to_cancel")


def items(*rows):
    return said({"lastId": 0, "items": list(rows)})


@pytest.fixture
async def play():
    async with stage() as play:
        play.says(f"GET /api/v1/contracts/{CONTRACT_OF}", said(CONTRACT))
        yield play


@pytest.fixture
async def spot(play):
    settings = config(play.base, symbols=(SYMBOL,), fee_side=FeeSide.QUOTE, ticks=())
    orders = KucoinOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    assert isinstance(orders, Conditional)
    yield orders
    await orders.close()


@pytest.fixture
async def perp(play):
    settings = config(play.base, symbols=(CONTRACT_OF,), fee_side=FeeSide.QUOTE, ticks=(), min_notional=D(0))
    orders = KucoinFuturesOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    assert isinstance(orders, Conditional)
    yield orders
    await orders.close()


def stop(side):
    over = {"side": side, "qty": D("0.3"), "price": D("50000.10"), "stop_price": D("60000.50")}
    return order("kucoin", SYMBOL, TimeInForce.GTC, kind=OrderKind.STOP_LOSS, **over)


@pytest.mark.parametrize("side, way", [(Side.SELL, "loss"), (Side.BUY, "entry")])
async def test_spot_names_the_way_its_price_is_reached(play, spot, side, way):
    play.says(f"POST {PATH}", said({"orderId": STOP["id"]}))
    report = await spot.place(stop(side))
    assert (report.status, report.cid, report.venue_order_id) == (OrderStatus.OPEN, CID, STOP["id"])
    [heard] = play.heard
    assert json.loads(heard.body) == {
        "clientOid": CID,
        "symbol": SYMBOL,
        "side": side.value,
        "type": "limit",
        "price": "50000.10",
        "size": "0.3",
        "timeInForce": "GTC",
        "stop": way,
        "stopPrice": "60000.50",
    }


async def test_spot_one_that_waits_is_open_and_nothing_else_is_asked(play, spot):
    play.says(NAMED, said([STOP | {"clientOid": "another"}, TRIGGERED, STOP]))
    report = await spot.look_up_stop(SYMBOL, CID)
    assert (report.status, report.filled_qty, report.fees, report.side) == (OrderStatus.OPEN, 0, (), Side.SELL)
    assert parse_qs(play.heard[0].query) == {"clientOid": [CID], "symbol": [SYMBOL]} and len(play.heard) == 1


@pytest.mark.parametrize("record", [[TRIGGERED], [], None])
async def test_spot_one_that_went_off_is_the_order_that_it_made(play, spot, record):
    """In part filled, then cancelled; whether its own record is still there or not."""
    play.says(NAMED, said(record))
    play.says(WAITING, page())
    play.says(f"GET {MADE}", said(CHILD))
    report = await spot.look_up_stop(SYMBOL, CID)
    assert (report.status, report.cid, report.venue_order_id) == (OrderStatus.CANCELLED, CID, CHILD["id"])
    assert (report.filled_qty, report.filled_quote, report.fees) == (D("0.1"), D("5500.5"), (Fee("USDT", D("5.5005")),))


@pytest.mark.parametrize("word", ["CANCELLED", "CANCELED"])
async def test_spot_one_that_a_person_ended_has_made_nothing(play, spot, word):
    play.says(NAMED, said([STOP | {"status": word}]))
    play.says(f"GET {MADE}", said(None))
    play.says(DONE, items())
    report = await spot.look_up_stop(SYMBOL, CID)
    assert (report.status, report.filled_qty) == (OrderStatus.CANCELLED, 0)


async def test_spot_one_whose_order_bears_another_name_is_never_denied(play, spot):
    """Its own number is proof; an order that only looks like it is none, and makes no end of it either."""
    play.says(NAMED, said([TRIGGERED]))
    play.says(f"GET {MADE}", NONE)
    play.says(ACTIVE, said(None))
    nameless = CHILD | {"clientOid": None}
    play.says(DONE, items(nameless | {"id": STOP["id"]}))
    assert (await spot.look_up_stop(SYMBOL, CID)).filled_qty == D("0.1")
    assert [f"{heard.method} {heard.path}" for heard in play.heard] == [NAMED, f"GET {MADE}", ACTIVE, DONE]  # each once
    others = CHILD | {"clientOid": "x", "price": "1"}
    undated = {"createdAt": 0, "lastUpdatedAt": 0}
    likely = [[nameless | over] for over in ({}, undated, {"clientOid": "another"})]
    for ended in (*likely, [others] * 100, [others | undated] * 100):  # the last two are cut
        play.forget()
        play.says(NAMED, said([TRIGGERED]))
        play.says(f"GET {MADE}", NONE)
        play.says(ACTIVE, said([]))
        play.says(DONE, items(*ended))
        with pytest.raises(VenueUnavailable, match="not known yet"):
            await spot.look_up_stop(SYMBOL, CID)


@pytest.mark.parametrize("word", ["TRIGGERED", "CANCELLED"])
async def test_spot_one_that_went_off_for_nothing_ends_once_its_market_shows_no_such_order(play, spot, word):
    others = [CHILD | {"clientOid": "x", "side": "buy"}, CHILD | {"clientOid": "y", "createdAt": WENT_OFF_MS - 1}]
    play.says(NAMED, said([TRIGGERED | {"status": word}]))
    play.says(f"GET {MADE}", NONE)
    play.says(ACTIVE, said(others[:1]))
    play.says(DONE, items(*others))
    report = await spot.look_up_stop(SYMBOL, CID)
    assert (report.status, report.filled_qty, report.venue_order_id) == (OrderStatus.CANCELLED, 0, STOP["id"])


UNPROVED = [
    {"stopTriggerTime": None},
    {"stopTriggerTime": 0},
    {"stopTriggerTime": NOW_MS + HOUR_MS},  # just now: its order may be shown late
    {"stopTriggerTime": NOW_MS - 71 * HOUR_MS},  # the lists reach back three days
    {"status": "a word of tomorrow"},
    {"status": ""},
]


@pytest.mark.parametrize("odd", UNPROVED)
async def test_spot_empty_lists_prove_nothing_of_what_they_may_not_show(play, spot, odd):
    play.says(NAMED, said([TRIGGERED | odd]))
    play.says(f"GET {MADE}", NONE)
    play.says(ACTIVE, said([]))
    play.says(DONE, items())
    with pytest.raises(VenueUnavailable, match="not known yet"):
        await spot.look_up_stop(SYMBOL, CID)


async def test_spot_none_is_said_only_after_four_places(play, spot):
    answers = {NAMED: NONE, WAITING: page(), f"GET {MADE}": NONE, DONE: items()}
    for place, answer in answers.items():
        play.says(place, answer)
    with pytest.raises(OrderNotFound):
        await spot.look_up_stop(SYMBOL, CID)
    assert [f"{heard.method} {heard.path}" for heard in play.heard] == list(answers)
    for silent in answers:
        play.forget()
        for place, answer in answers.items():
            play.says(place, Say("", 503) if place == silent else answer)
        with pytest.raises(VenueUnavailable):
            await spot.look_up_stop(SYMBOL, CID)


async def test_spot_the_list_of_those_that_wait_is_a_witness(play, spot):
    play.says(NAMED, said([]))
    play.says(WAITING, page(STOP | {"clientOid": "another"}, STOP))
    assert (await spot.look_up_stop(SYMBOL, CID)).status is OrderStatus.OPEN


@pytest.mark.parametrize("answer", [NONE, said(None), said({"cancelledOrderId": None, "clientOid": CID})])
async def test_spot_a_cancel_goes_on_to_the_order_that_it_made(play, spot, answer):
    play.says(CANCEL, answer)
    play.says(f"DELETE {MADE}", said({"clientOid": CID}))
    await spot.cancel_stop(SYMBOL, CID, "")
    assert [heard.path for heard in play.heard] == [CANCEL.split()[1], MADE]
    assert parse_qs(play.heard[0].query) == {"clientOid": [CID], "symbol": [SYMBOL]}


async def test_spot_a_cancel_of_one_that_waits_is_one_request(play, spot):
    play.says(CANCEL, said({"cancelledOrderId": STOP["id"], "clientOid": CID}))
    await spot.cancel_stop(SYMBOL, CID, STOP["id"])
    assert len(play.heard) == 1


async def test_spot_lists_those_that_wait_page_by_page_and_none_twice(play, spot):
    """One goes off between the two lists; one was placed in the venue's app, without a client id."""
    foreign = STOP | {"clientOid": None, "id": "vs9"}
    play.says(WAITING, page(STOP, pages=2), page(STOP | {"clientOid": "other"}, foreign, pages=2))
    play.says("GET /api/v1/hf/orders/active/symbols", said({"symbols": [SYMBOL]}))
    play.says(ACTIVE, said([CHILD | {"active": True, "cancelExist": False}]))
    found = [(each.cid, each.venue_order_id, each.filled_qty) for each in await everything_open(spot, Every())]
    assert found == [(CID, CHILD["id"], D("0.1")), ("other", STOP["id"], 0)]
    assert {each.cid for each in await spot.waiting_stops()} == {"other", ""}  # the last page is all that is said now
    assert [each.cid for each in await spot.open_orders()] == [CID]
    assert [parse_qs(heard.query).get("currentPage") for heard in play.heard[:2]] == [["1"], ["2"]]


PERP = ROW | {"stop": "down", "stopPriceType": "TP", "stopPrice": "60000.5", "stopTriggered": None}
WAITS = PERP | {"filledSize": 0, "isActive": True, "status": "open"}
FILL = {"tradeId": "1", "size": 20, "price": "59000", "fee": "0.7", "feeCurrency": "USDT"}


async def test_a_perpetuals_stop_is_one_order_all_its_life(play, perp):
    unfilled = {"filledSize": 0, "isActive": False, "status": "done", "cancelExist": True}
    play.says(
        "GET /api/v1/orders/byClientOid",
        said(WAITS),
        said(WAITS | {"isActive": False}),  # were it no active order while it waits: its status is the venue's word
        said(PERP | {"status": "done", "stopTriggered": True}),
        said(PERP | unfilled),
        said(PERP | unfilled | {"stopTriggered": True}),  # nobody could pay for it
    )
    play.says("GET /api/v1/fills", page(FILL))
    told = [await perp.look_up_stop(CONTRACT_OF, CID) for _ in range(5)]
    ended = OrderStatus.CANCELLED
    assert [each.status for each in told] == [OrderStatus.OPEN, OrderStatus.OPEN, ended, ended, ended]
    assert [each.filled_qty for each in told] == [0, 0, D("0.020"), 0, 0]
    assert told[2].fees == (Fee("USDT", D("0.7")),) and {each.venue_order_id for each in told} == {ROW["id"]}


async def test_a_perpetuals_stop_is_cancelled_by_its_number(play, perp):
    path = f"/api/v1/orders/{ROW['id']}"
    play.says(f"DELETE {path}", said({"cancelledOrderIds": [ROW["id"]]}))
    play.says("GET /api/v1/orders/byClientOid", said(WAITS), said(None))
    await perp.cancel_stop(CONTRACT_OF, CID, ROW["id"])
    await perp.cancel_stop(CONTRACT_OF, CID, "")
    assert [heard.path for heard in play.heard] == [path, "/api/v1/orders/byClientOid", path]
    with pytest.raises(OrderNotFound):
        await perp.cancel_stop(CONTRACT_OF, CID, "")
    play.forget()
    play.says(f"DELETE {path}", no("100004", "Order is in not cancelable state"))
    play.says(f"DELETE /api/v1/orders/client-order/{CID}", no("100004", "Order is in not cancelable state"))
    with pytest.raises(VenueRefused, match="100004"):
        await perp.cancel_stop(CONTRACT_OF, CID, ROW["id"])


async def test_a_perpetuals_stop_is_none_only_after_four_places(play, perp):
    answers = {
        "GET /api/v1/orders/byClientOid": no("100001", "error.getOrder.orderNotExist"),
        "GET /api/v1/recentDoneOrders": said([]),
        "GET /api/v1/stopOrders": page(WAITS | {"clientOid": "another"}),
        "GET /api/v1/orders": page(),
    }
    for place, answer in answers.items():
        play.says(place, answer)
    with pytest.raises(OrderNotFound):
        await perp.look_up_stop(CONTRACT_OF, CID)
    assert [f"{heard.method} {heard.path}" for heard in play.heard] == list(answers)
    asked = {"symbol": [CONTRACT_OF], "currentPage": ["1"], "pageSize": ["100"]}
    assert parse_qs(play.heard[-1].query) == asked | {"status": ["done"], "type": ["limit_stop"]}
    for silent in answers:
        play.forget()
        for place, answer in answers.items():
            play.says(place, Say("", 503) if place == silent else answer)
        with pytest.raises(VenueUnavailable):
            await perp.look_up_stop(CONTRACT_OF, CID)


@pytest.mark.parametrize("where, status", [("stopOrders", OrderStatus.OPEN), ("orders", OrderStatus.CANCELLED)])
async def test_a_perpetuals_stop_that_only_a_list_knows_is_found(play, perp, where, status):
    play.says(f"GET /api/v1/contracts/{CONTRACT_OF}", said(CONTRACT))
    play.says("GET /api/v1/orders/byClientOid", said(None))
    play.says("GET /api/v1/recentDoneOrders", said(None))
    for path in ("stopOrders", "orders"):
        row = WAITS if path == "stopOrders" else PERP | {"filledSize": 0, "status": "done"}
        play.says(f"GET /api/v1/{path}", page(row) if path == where else page())
    report = await perp.look_up_stop(CONTRACT_OF, CID)
    assert (report.status, report.filled_qty) == (status, 0)


async def test_perpetuals_stops_are_listed_page_by_page_and_none_twice(play, perp):
    play.says("GET /api/v1/stopOrders", page(WAITS, pages=2), page(WAITS | {"id": "9", "clientOid": "other"}, pages=2))
    play.says("GET /api/v1/orders", page(PERP | {"isActive": True, "status": "open"}))  # one goes off in between
    play.says("GET /api/v1/fills", page(FILL))
    found = [(each.cid, each.status, each.filled_qty) for each in await everything_open(perp, Every())]
    assert found == [(CID, OrderStatus.OPEN, D("0.020")), ("other", OrderStatus.OPEN, 0)]
    assert [each.cid for each in await perp.open_orders()] == [CID]


ODD = [
    {"side": "both", "status": "a word of tomorrow"},
    {"side": None, "symbol": None, "status": None},
    {"price": "", "size": "", "filledSize": None, "createdAt": None, "updatedAt": None, "stopTriggerTime": ""},
    {"size": None, "filledSize": None, "isActive": None},
    {"symbol": "XBTUSDM"},  # of a contract that counts dollars
    {"clientOid": None},
    {"id": None},
]


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_row_hides_no_other(play, spot, perp, odd):
    play.says(WAITING, page(STOP | {"clientOid": "x"} | odd, STOP))
    play.says("GET /api/v1/stopOrders", page(WAITS | {"clientOid": "x"} | odd, WAITS))
    for orders, row in ((spot, STOP), (perp, WAITS)):
        found = await orders.waiting_stops()
        assert [each.cid for each in found] == ["" if "clientOid" in odd else "x", CID]
        assert (found[1].venue_order_id, found[1].symbol) == (row["id"], row["symbol"])
        assert {each.status for each in found} == {OrderStatus.OPEN} and found[1].side is Side(str(row["side"]))


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_row_of_another_hides_ours_from_no_look_up(play, spot, perp, odd):
    foreign = {"clientOid": "x"} | odd
    play.says(NAMED, NONE)
    play.says(WAITING, page(STOP | foreign, STOP | {"price": ""}))
    assert (await spot.look_up_stop(SYMBOL, CID)).status is OrderStatus.OPEN
    play.says("GET /api/v1/orders/byClientOid", said(None))
    play.says("GET /api/v1/recentDoneOrders", said(None))
    play.says("GET /api/v1/stopOrders", page(WAITS | foreign, WAITS))
    assert (await perp.look_up_stop(CONTRACT_OF, CID)).status is OrderStatus.OPEN


async def test_ours_that_cannot_be_read_is_no_answer(play, spot):
    play.says(NAMED, said([STOP | {"side": "both"}]))
    with pytest.raises(VenueUnavailable, match="cannot be read"):
        await spot.look_up_stop(SYMBOL, CID)
