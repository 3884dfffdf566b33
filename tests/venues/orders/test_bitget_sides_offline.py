"""A plan at Bitget names no direction: one whose side is not proved is refused, or taken back."""

import json

import pytest

from engine.domain.errors import OutcomeUnknown, SendStopped, VenueRefused, VenueUnavailable
from engine.domain.order import OrderStatus, Side
from engine.venues.departure import watch
from engine.venues.verdict import Budgets
from tests.venues.orders.bitget_stage import (
    AHEAD,
    BTC,
    PLAN_ID,
    THERE,
    Mix,
    Spot,
    asked,
    client,
    last_price,
    no,
    stop,
    yes,
)
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, stage


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture(params=[Spot, Mix], ids=lambda venue: venue.name)
def venue(request):
    return request.param


@pytest.fixture
async def trade(play, venue):
    trade = client(play, venue)
    yield trade
    await trade.close()


LATE = [
    ("a fall has reached it", Side.SELL, "61000.50", True),
    ("a fall has passed it", Side.SELL, "50000", True),
    ("a fall has not", Side.SELL, "61000.51", False),
    ("a rise has reached it", Side.BUY, "61000.50", True),
    ("a rise has not", Side.BUY, "61000.49", False),
]


@pytest.mark.parametrize("why, side, last, is_late", LATE, ids=[case[0] for case in LATE])
async def test_a_stop_that_comes_too_late_is_not_sent(play, venue, trade, why, side, last, is_late):
    play.says(venue.ticker, last_price(last))
    play.says(venue.place, yes({"orderId": PLAN_ID}))
    if not is_late:
        await trade.place(stop(venue, side=side))
        return
    with pytest.raises(VenueRefused, match="would_trigger"):
        await trade.place(stop(venue, side=side))
    assert asked(play) == [venue.ticker]


UNTOLD = [no("40010"), no("40109"), no("40034"), Say(happens="hang"), last_price("0"), last_price(""), yes([])]


@pytest.mark.parametrize("ticker", UNTOLD)
async def test_without_a_last_price_nothing_leaves(play, venue, trade, ticker):
    play.says(venue.ticker, ticker)
    with pytest.raises(VenueUnavailable):
        await trade.place(stop(venue))
    assert asked(play) == [venue.ticker]


async def test_the_price_is_asked_for_urgently(play, venue):
    budget = Open()
    trade = venue.kind(config(play.base, symbols=(BTC,)), CREDENTIAL, Budgets(Open(), budget))
    play.says(venue.ticker, AHEAD)
    play.says(venue.place, yes({"orderId": PLAN_ID}))
    await trade.place(stop(venue))
    await trade.close()
    assert budget.taken == [True, True]


@pytest.mark.parametrize("ticker", [THERE, *UNTOLD])
async def test_a_price_that_came_meanwhile_takes_the_stop_back(play, venue, trade, ticker):
    play.says(venue.ticker, AHEAD, ticker)
    play.says(venue.place, yes({"orderId": PLAN_ID}))
    play.says(venue.cancel, venue.cancelled)
    await trade.place(stop(venue))
    assert asked(play) == [venue.ticker, venue.place, venue.ticker, venue.cancel]
    assert json.loads(play.heard[3].body) == venue.taken_back


@pytest.mark.parametrize("is_refused", [True, False])
async def test_where_it_is_not_taken_back_a_look_up_must_tell(play, venue, trade, is_refused):
    play.says(venue.ticker, AHEAD, THERE)
    play.says(venue.place, yes({"orderId": PLAN_ID}))
    play.says(venue.cancel, venue.refused if is_refused else no("45001"))
    with pytest.raises(OutcomeUnknown):
        await trade.place(stop(venue))
    play.says(venue.waiting, venue.plans(venue.plan("live")))
    with pytest.raises(VenueUnavailable):
        await trade.look_up_stop(BTC, CID)
    assert asked(play).count(venue.cancel) == 2


async def test_a_halt_after_the_placement_finds_no_order_to_stop(play, venue, trade):
    """What the latch forbids is the order: it has left, and the answer must be told."""
    play.says(venue.place, yes({"orderId": PLAN_ID}))
    play.says(venue.ticker, last_price("70000"))
    departure = watch(lambda: "halted" if len(play.heard) > 1 else "")
    try:
        assert (await trade.place(stop(venue))).venue_order_id == PLAN_ID
    finally:
        departure.over()
    assert asked(play) == [venue.ticker, venue.place, venue.ticker] and departure.at_ns


async def test_a_halt_between_the_price_and_the_placement_stops_it(play, venue, trade):
    play.says(venue.ticker, last_price("70000"))
    departure = watch(lambda: "halted" if play.heard else "")
    try:
        with pytest.raises(SendStopped):
            await trade.place(stop(venue))
    finally:
        departure.over()
    assert asked(play) == [venue.ticker]


async def test_after_a_lost_answer_the_side_is_proved_before_it_is_told(play, venue, trade):
    play.says(venue.ticker, AHEAD)
    play.says(venue.place, Say(happens="cut"))
    with pytest.raises(OutcomeUnknown):
        await trade.place(stop(venue))
    play.says(venue.waiting, venue.plans(venue.plan("live")))
    assert (await trade.look_up_stop(BTC, CID)).status is OrderStatus.OPEN
    assert (await trade.look_up_stop(BTC, CID)).status is OrderStatus.OPEN
    assert asked(play) == [venue.ticker, venue.place, venue.waiting, venue.ticker, venue.waiting]  # proved once


UNREADABLE = [({"triggerPrice": ""}, AHEAD), ({"triggerPrice": None}, AHEAD), *(({}, ticker) for ticker in UNTOLD)]


@pytest.mark.parametrize("over, ticker", UNREADABLE)
async def test_a_stop_whose_side_cannot_be_told_is_neither_told_nor_taken_back(play, venue, trade, over, ticker):
    """After a restart a sound stop must not be given up because a ticker is away."""
    play.says(venue.ticker, ticker)
    play.says(venue.waiting, venue.plans(venue.plan("live", **over)))
    with pytest.raises(VenueUnavailable):
        await trade.look_up_stop(BTC, CID)
    assert venue.cancel not in asked(play)


@pytest.mark.parametrize("over, ticker", [({}, THERE), ({"side": "sideways"}, AHEAD)])
async def test_a_stop_on_the_wrong_side_is_taken_back_before_it_is_told(play, venue, trade, over, ticker):
    play.says(venue.ticker, ticker)
    play.says(venue.waiting, venue.plans(venue.plan("live", **over)), venue.plans())
    play.says(venue.cancel, venue.cancelled)
    play.says(venue.ended, venue.plans(venue.plan("cancelled")))
    play.says(venue.made, venue.nothing)
    play.says(venue.orders_ended, venue.orders())
    play.says(venue.named, no("40307"))
    assert (await trade.look_up_stop(BTC, CID)).status is OrderStatus.CANCELLED
    assert asked(play).count(venue.cancel) == 1


async def test_one_taken_back_and_not_shown_is_not_absent(play, venue, trade):
    play.says(venue.ticker, THERE)
    play.says(venue.waiting, venue.plans(venue.plan("live")), venue.plans())
    play.says(venue.cancel, venue.cancelled)
    play.says(venue.ended, venue.plans())
    with pytest.raises(VenueUnavailable):
        await trade.look_up_stop(BTC, CID)
