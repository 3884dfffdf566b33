"""OKX's stops where an answer is odd: rows without their fields, without a time, without the order that they made."""

import ccxt  # type: ignore[import-untyped]
import pytest

from engine.domain.errors import OrderNotFound, VenueUnavailable
from engine.domain.order import OrderStatus
from tests.venues.orders.stage import CID
from tests.venues.orders.test_okx_offline import row_no, yes
from tests.venues.orders.test_okx_stops_offline import (
    CANCEL,
    CHILD,
    ENDED_CHILDREN,
    LONG_AGO,
    NONE,
    ONE,
    PENDING,
    STOP,
    TRADE,
    WENT_OFF,
    orders,
    play,
)

__all__ = ["orders", "play"]


@pytest.mark.parametrize("state", ["live", "effective", "partially_effective", "tomorrows"])
async def test_a_cancel_of_one_that_names_no_order_yet_is_asked_again(play, orders, state):
    play.says(CANCEL, row_no("51400"))
    play.says(ONE, yes(STOP | {"state": state, "ordIdList": None}))
    with pytest.raises(VenueUnavailable, match="names no order yet"):
        await orders.cancel_stop("BTC-USDT", CID, "17")


@pytest.mark.parametrize(
    "times, error",
    [
        ({"uTime": "0", "triggerTime": "0"}, VenueUnavailable),
        ({"uTime": "", "triggerTime": None, "cTime": LONG_AGO["uTime"]}, VenueUnavailable),  # it may have waited long
        ({"uTime": "", "triggerTime": LONG_AGO["uTime"]}, OrderNotFound),
    ],
)
async def test_without_a_time_it_went_off_just_now(play, orders, times, error):
    play.says(ONE, yes(WENT_OFF | times))
    play.says(CHILD, NONE)
    play.says(ENDED_CHILDREN, yes())
    play.says(f"GET {TRADE}/fills", yes())
    with pytest.raises(error):
        await orders.look_up_stop("BTC-USDT", CID)


async def test_an_odd_row_hides_no_stop_that_waits(play, orders):
    odd = [
        {name: None for name in STOP},
        {},
        STOP | {"algoClOrdId": None, "algoId": "5", "uTime": "", "side": "", "state": "partially_effective"},
        STOP | {"algoClOrdId": "", "algoId": "6", "uTime": None, "side": "long", "instId": None},
    ]
    mine = STOP | {"ordIdList": None, "ordId": None, "uTime": ""}
    play.says(PENDING, yes(*odd, mine))
    told = await orders.waiting_stops()
    assert all(each.status is OrderStatus.OPEN for each in told)
    ids = [(each.cid, each.venue_order_id) for each in told]
    assert ids == [*(("", number) for number in ("", "", "5", "6")), (CID, STOP["algoId"])]
    play.says(ONE, NONE)
    assert (await orders.look_up_stop("BTC-USDT", CID)).status is OrderStatus.OPEN
    play.forget()
    play.says(ONE, yes(STOP | {"side": "long"}))
    with pytest.raises(VenueUnavailable, match="unreadable"):
        await orders.look_up_stop("BTC-USDT", CID)


async def test_a_full_page_that_ends_without_an_id_is_no_list(play, orders):
    play.says(PENDING, yes(*[STOP | {"algoId": None}] * 100))
    with pytest.raises(VenueUnavailable, match="without an id"):
        await orders.waiting_stops()


async def test_a_request_that_cannot_be_signed_leaves_the_clock_as_it_was(orders):
    exchange = orders._exchange
    exchange.secret = ""
    with pytest.raises(ccxt.AuthenticationError):
        exchange.sign("trade/order-algo", ["private"], "POST", {})
    assert exchange._aged_ms == 0


async def test_one_that_nobody_knows_is_not_said_to_have_ended(play, orders):
    play.says(CANCEL, row_no("51400"))
    play.says(ONE, NONE)
    with pytest.raises(OrderNotFound):
        await orders.cancel_stop("BTC-USDT", CID, "17")
