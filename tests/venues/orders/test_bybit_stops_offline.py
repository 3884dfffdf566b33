"""Bybit's stops against a scripted server: spot takes no direction, so the side of each is proved."""

import json
from decimal import Decimal as D
from urllib.parse import parse_qs

import pytest

from engine.domain.errors import OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.market import FeeSide
from engine.domain.order import OrderKind, OrderStatus, Side, TimeInForce
from engine.venues.bybit import standing
from engine.venues.bybit.linear import BybitLinearOrders
from engine.venues.bybit.order_stream import BybitStreamDialect
from engine.venues.bybit.orders import BybitOrders
from engine.venues.protocol import Conditional, OrderTold
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage
from tests.venues.orders.test_against_sandbox import LOST_BUT_DONE
from tests.venues.orders.test_bybit_linear_offline import PLACE, ROW, no, rows, said
from tests.venues.orders.test_stops_at_venues import watching

LAST, CANCEL, LOOK_UP = "GET /v5/market/tickers", "POST /v5/order/cancel", "GET /v5/order/realtime"
PLACED = said({"orderId": "77", "orderLinkId": CID})
NOTHING = {"cumExecQty": "0", "cumExecValue": ""}
WAITS = ROW | NOTHING | {"orderStatus": "Untriggered", "triggerPrice": "60000.5", "stopOrderType": "Stop"}
ENDED = WAITS | {"orderStatus": "Cancelled"}
AHEAD = [(Side.SELL, "60000.6"), (Side.BUY, "60000.4")]
THERE = [(Side.SELL, "60000.50"), (Side.SELL, "59000"), (Side.BUY, "60000.5"), (Side.BUY, "61000")]


def ticker(last, symbol="BTCUSDT"):
    return rows({"symbol": symbol, "lastPrice": last, "bid1Price": "1"})


UNTOLD = [ticker(""), ticker(None), ticker("0"), ticker("70000", "ETHUSDT"), rows()]
UNANSWERED = [Say("", 502), no(10006), ticker("x"), no(170213)]


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture
async def spot(play):
    orders = BybitOrders(settings(play), CREDENTIAL, Budgets(Open(), Open()))
    assert isinstance(orders, Conditional)
    yield orders
    await orders.close()


@pytest.fixture
async def linear(play):
    orders = BybitLinearOrders(settings(play), CREDENTIAL, Budgets(Open(), Open()))
    yield orders
    await orders.close()


def settings(play):
    return config(play.base, symbols=("BTCUSDT",), fee_side=FeeSide.RECEIVED, ticks=(), min_notional=D(7))


def stop(side=Side.SELL):
    over = {"side": side, "kind": OrderKind.STOP_LOSS, "stop_price": D("60000.5")}
    return order("bybit", "BTCUSDT", TimeInForce.GTC, **over)


def asked(play):
    return [f"{heard.method} {heard.path}" for heard in play.heard]


@pytest.mark.parametrize("side, last", AHEAD)
async def test_a_stop_of_spot_is_told_no_direction_and_stands_between_two_questions(play, spot, side, last):
    play.says(LAST, ticker(last))
    play.says(PLACE, PLACED)
    report = await spot.place(stop(side))
    assert (report.status, report.cid, report.venue_order_id) == (OrderStatus.OPEN, CID, "77")
    assert asked(play) == [LAST, PLACE, LAST]
    assert parse_qs(play.heard[0].query) == {"category": ["spot"], "symbol": ["BTCUSDT"]}
    assert json.loads(play.heard[1].body) == {
        "category": "spot",
        "symbol": "BTCUSDT",
        "side": side.value.capitalize(),
        "orderType": "Limit",
        "qty": "0.12345678901234567890",
        "price": "93125000.10",
        "timeInForce": "GTC",
        "orderLinkId": CID,
        "triggerPrice": "60000.5",
        "orderFilter": "StopOrder",
    }
    play.says(LOOK_UP, rows(WAITS))
    assert (await spot.look_up_stop("BTCUSDT", CID)).status is OrderStatus.OPEN
    assert asked(play)[3:] == [LOOK_UP]  # its side is proved


@pytest.mark.parametrize("side, last", THERE)
async def test_one_whose_price_is_there_is_not_sent(play, spot, side, last):
    play.says(LAST, ticker(last))
    with pytest.raises(VenueRefused, match="last price") as caught:
        await spot.place(stop(side))
    assert caught.value.code == "would_trigger" and asked(play) == [LAST]


@pytest.mark.parametrize("says", UNTOLD)
async def test_without_a_last_price_none_is_sent(play, spot, says):
    play.says(LAST, says)
    with pytest.raises(VenueRefused, match="no last price"):
        await spot.place(stop())
    assert asked(play) == [LAST]


@pytest.mark.parametrize("says", UNANSWERED)
async def test_without_an_answer_none_is_sent(play, spot, says):
    play.says(LAST, says)
    with pytest.raises(VenueUnavailable):
        await spot.place(stop())
    assert asked(play) == [LAST]


@pytest.mark.parametrize("behind", [ticker("59999"), *UNTOLD, *UNANSWERED])
async def test_one_that_was_passed_meanwhile_or_may_have_been_is_taken_back(play, spot, behind):
    play.says(LAST, ticker("70000"), behind)
    play.says(PLACE, PLACED)
    play.says(CANCEL, said({"orderId": "77"}))
    assert (await spot.place(stop())).status is OrderStatus.OPEN
    assert asked(play) == [LAST, PLACE, LAST, CANCEL]
    named = {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": CID}
    assert json.loads(play.heard[3].body) == named | {"orderFilter": "StopOrder"}


@pytest.mark.parametrize("answer", [no(170213), Say("", 502)])
async def test_one_that_could_not_be_taken_back_is_looked_at_again(play, spot, answer):
    """Refused: it may have gone off as it should; what it made is left alone."""
    play.says(LAST, ticker("70000"), ticker("59999"))
    play.says(PLACE, PLACED)
    play.says(CANCEL, answer, said({"orderId": "77"}))
    await spot.place(stop())
    assert asked(play)[3:] == [CANCEL]
    play.says(LOOK_UP, rows(WAITS), rows(ENDED))
    assert (await spot.look_up_stop("BTCUSDT", CID)).status is OrderStatus.CANCELLED
    assert asked(play)[4:] == [LOOK_UP, LAST, CANCEL, LOOK_UP]


async def test_a_process_that_did_not_place_it_proves_its_side_once(play, spot):
    play.says(LOOK_UP, rows(WAITS))
    play.says(LAST, ticker("60000.6"))
    for _ in range(2):
        assert (await spot.look_up_stop("BTCUSDT", CID)).status is OrderStatus.OPEN
    assert asked(play) == [LOOK_UP, LAST, LOOK_UP]


async def test_what_went_off_while_it_was_looked_at_is_what_it_made(play, spot):
    play.says(LOOK_UP, rows(WAITS), rows(ROW | NOTHING | {"orderStatus": "New"}))
    play.says(LAST, ticker("60000"))
    play.says(CANCEL, no(170213))
    assert (await spot.look_up_stop("BTCUSDT", CID)).status is OrderStatus.OPEN
    assert asked(play) == [LOOK_UP, LAST, CANCEL, LOOK_UP]


@pytest.mark.parametrize("row, last", [(WAITS | {"triggerPrice": ""}, ticker("70000")), (WAITS, ticker(""))])
async def test_while_a_side_cannot_be_told_it_is_neither_open_nor_taken_back(play, spot, row, last):
    play.says(LOOK_UP, rows(row))
    play.says(LAST, last)
    with pytest.raises(VenueUnavailable):
        await spot.look_up_stop("BTCUSDT", CID)
    assert CANCEL not in asked(play)


async def test_a_perpetuals_stop_names_its_direction_and_asks_for_no_price(play, linear):
    play.says(PLACE, PLACED)
    await linear.place(stop())
    play.says(LOOK_UP, rows(WAITS))
    await linear.look_up_stop("BTCUSDT", CID)
    assert asked(play) == [PLACE, LOOK_UP] and json.loads(play.heard[0].body)["triggerDirection"] == 2


ODD = [
    {"side": "Both"},
    {"side": None, "symbol": None},
    {"orderStatus": "a word of tomorrow"},
    {"orderStatus": None},
    {"cumExecQty": None, "cumExecValue": None, "updatedTime": None, "triggerPrice": None},
    {"orderLinkId": None},
    {"orderId": None, "updatedTime": ""},
    {"orderStatus": ["Untriggered"]},
]


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_row_hides_no_other(play, spot, linear, odd):
    rests = ROW | NOTHING | {"orderStatus": "New", "orderLinkId": "rests"}
    play.says(LOOK_UP, rows(WAITS | {"orderLinkId": "x"} | odd, WAITS, rests))
    for orders in (spot, linear):
        found = await orders.waiting_stops()
        assert [each.cid for each in found] == ["" if "orderLinkId" in odd else "x", CID]
        assert {each.status for each in found} == {OrderStatus.OPEN} and found[1].side is Side.SELL
        assert [each.cid for each in await orders.open_orders()] == ["rests"]


async def test_an_order_that_cannot_be_read_leaves_the_list_unread(play, spot):
    play.says(LOOK_UP, rows(ROW | {"orderStatus": "New", "side": "Both"}))
    with pytest.raises(VenueUnavailable, match="unreadable"):
        await spot.open_orders()


@pytest.mark.parametrize("category, is_whole", [("spot", False), ("linear", True)])
async def test_the_stream_leaves_the_side_of_a_stop_of_spot_to_a_look_up(play, category, is_whole):
    dialect = BybitStreamDialect(settings(play), CREDENTIAL, lambda: 0, "bybit", category)
    frame = {"topic": "order", "data": [WAITS | {"category": category}]}
    [told] = dialect.read(json.dumps(frame).encode())
    assert isinstance(told, OrderTold)
    assert (told.report.cid, told.report.status, told.is_whole) == (CID, OrderStatus.OPEN, is_whole)


@pytest.mark.parametrize("lost", [False, True])
async def test_at_its_house_what_trades_between_question_and_order_leaves_no_stop_on_the_wrong_side(monkeypatch, lost):
    """By the look behind it, or, where its answer is lost, by its look-up."""
    now, told = standing.last_price, [D(10**12)]

    async def late(*asked):
        return told.pop() if told else await now(*asked)

    monkeypatch.setattr(standing, "last_price", late)
    async with watching("bybit") as watcher:
        wish = watcher.stop()
        watcher.trade_at(wish.stop_price * D("0.99"))
        if lost:
            watcher.floor.faults.arm(LOST_BUT_DONE[0])
            with pytest.raises(OutcomeUnknown):
                await watcher.orders.place(wish)
            assert await watcher.listed() == [wish.cid]
        else:
            await watcher.orders.place(wish)
        assert (await watcher.look_up(wish)).status is OrderStatus.CANCELLED and not await watcher.listed()
