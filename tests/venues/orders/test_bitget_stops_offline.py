"""Bitget's plan orders against a scripted server: the bytes on the wire, both lists, and what a stop has become."""

import json
import time
from decimal import Decimal as D

import pytest

from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.order import Fee, OrderStatus, Side
from engine.venues.bitget.futures import BitgetFuturesOrders
from engine.venues.bitget.orders import BitgetOrders
from engine.venues.protocol import Conditional
from engine.venues.verdict import Budgets
from tests.venues.orders.bitget_stage import (
    AHEAD,
    BTC,
    MADE_ID,
    PLAN_ID,
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


async def test_a_stop_is_one_request_with_the_exact_text(play, venue, trade):
    play.says(venue.place, yes({"orderId": PLAN_ID, "clientOid": CID}))
    play.says(venue.ticker, last_price("61000.51"))
    report = await trade.place(stop(venue))
    assert isinstance(trade, Conditional) and asked(play) == [venue.ticker, venue.place, venue.ticker]
    assert json.loads(play.heard[1].body) == venue.body
    for heard in (play.heard[0], play.heard[2]):
        assert "symbol=BTCUSDT" in heard.query and (venue is Spot or "productType=USDT" in heard.query)
    assert (report.cid, report.status, report.venue_order_id) == (CID, OrderStatus.OPEN, PLAN_ID)


async def test_one_that_may_only_reduce_says_so():
    async with stage() as play:
        trade = BitgetFuturesOrders(config(play.base), CREDENTIAL, Budgets(Open(), Open()))
        play.says(Mix.place, yes({"orderId": PLAN_ID}))
        play.says(Mix.ticker, last_price("61000.51"))
        await trade.place(stop(Mix, reduce_only=True))
        await trade.close()
    assert json.loads(play.heard[1].body) == Mix.body | {"reduceOnly": "YES"}


@pytest.mark.parametrize("say", [Say(happens="cut"), Say("<html>", 502), no("45001"), yes({"clientOid": CID})])
async def test_no_usable_answer_is_unknown_and_sent_once(play, venue, trade, say):
    play.says(venue.ticker, AHEAD)
    play.says(venue.place, say)
    with pytest.raises(OutcomeUnknown):
        await trade.place(stop(venue))
    assert asked(play) == [venue.ticker, venue.place]


@pytest.mark.parametrize("word", ["live", "not_trigger", "executing"])
async def test_while_it_waits_it_is_open(play, venue, trade, word):
    play.says(venue.ticker, AHEAD)
    play.says(venue.waiting, venue.plans(venue.plan("live", clientOid="another", orderId="9"), venue.plan(word)))
    report = await trade.look_up_stop(BTC, CID)
    assert (report.status, report.filled_qty, report.venue_order_id) == (OrderStatus.OPEN, D(0), PLAN_ID)
    assert (report.cid, report.side, report.venue_ts_ms) == (CID, Side.SELL, 1700)


@pytest.mark.parametrize("where", ["waiting", "ended"])
async def test_both_lists_are_read_to_their_end(play, venue, trade, where):
    play.says(venue.ticker, AHEAD)
    others = [venue.plan("live", clientOid=f"x{n}", orderId=str(900 - n)) for n in range(100)]
    word = "live" if where == "waiting" else "cancelled"
    play.says(venue.waiting, *([] if where == "waiting" else [venue.plans()]))
    play.says(getattr(venue, where), venue.plans(*others), venue.plans(venue.plan(word)))
    play.says(venue.made, venue.nothing)
    play.says(venue.orders_ended, venue.orders())
    play.says(venue.named, no("40307"))
    assert (await trade.look_up_stop(BTC, CID)).venue_order_id == PLAN_ID
    pages = [heard.query for heard in play.heard if f"GET {heard.path}" == getattr(venue, where)]
    assert len(pages) == 2 and "idLessThan=801" in pages[1] and "symbol=BTCUSDT" in pages[1]


async def test_what_it_made_is_told_under_the_stops_own_client_id(play, venue, trade):
    """Filled in part and cancelled; its money and its fee are those of its fills."""
    play.says(venue.waiting, venue.plans())
    play.says(venue.ended, venue.plans(venue.plan("executed")))
    play.says(venue.made, venue.told(venue.order("cancelled", "0.01")))
    play.says(venue.fills, venue.filled)
    report = await trade.look_up_stop(BTC, CID)
    assert (report.cid, report.status, report.venue_order_id) == (CID, OrderStatus.CANCELLED, MADE_ID)
    assert (report.filled_qty, report.filled_quote, report.fees) == (D("0.01"), D(600), (Fee("USDT", D("0.6")),))
    query = play.heard[2].query
    assert (f"clientOid={PLAN_ID}" if venue is Spot else f"orderId={MADE_ID}") in query


async def test_fills_that_do_not_add_up_are_no_answer(play, venue, trade):
    play.says(venue.waiting, venue.plans())
    play.says(venue.ended, venue.plans(venue.plan("executed")))
    play.says(venue.made, venue.told(venue.order("filled", "0.015")))
    play.says(venue.fills, venue.filled)
    with pytest.raises(VenueUnavailable, match="not settled"):
        await trade.look_up_stop(BTC, CID)


async def test_spot_asks_for_its_id_where_no_order_has_the_plans():
    async with stage() as play:
        trade = BitgetOrders(config(play.base), CREDENTIAL, Budgets(Open(), Open()))
        play.says(Spot.waiting, Spot.plans())
        play.says(Spot.ended, Spot.plans(Spot.plan("executed")))
        play.says(Spot.made, yes([]), yes([Spot.order("live", "", clientOid="")]))
        play.says(Spot.orders_ended, yes([]))
        play.says(Spot.named, yes([{"orderId": MADE_ID, "price": "1", "type": "limit", "status": "success"}]))
        report = await trade.look_up_stop(BTC, CID)
        await trade.close()
    assert (report.status, report.venue_order_id) == (OrderStatus.OPEN, MADE_ID)
    assert f"planOrderId={PLAN_ID}" in play.heard[4].query and f"orderId={MADE_ID}" in play.heard[5].query


async def test_a_contract_without_its_order_id_is_asked_for_by_the_plans():
    async with stage() as play:
        trade = BitgetFuturesOrders(config(play.base), CREDENTIAL, Budgets(Open(), Open()))
        play.says(Mix.waiting, Mix.nothing)  # some answer a query for one order so
        play.says(Mix.ended, Mix.plans(Mix.plan("executed", executeOrderId="0")))
        play.says(Mix.made, yes(Mix.order("live", "")))
        assert (await trade.look_up_stop(BTC, CID)).venue_order_id == MADE_ID
        await trade.close()
    assert f"clientOid={CID}" in play.heard[0].query and f"clientOid={PLAN_ID}" in play.heard[2].query


ENDS = [
    ("cancelled", OrderStatus.CANCELLED),
    ("fail_execute", OrderStatus.CANCELLED),
    ("fail_trigger", OrderStatus.CANCELLED),
    ("executed", None),  # what it made must be somewhere
    ("tomorrow", None),
]


@pytest.mark.parametrize("word, status", ENDS)
async def test_what_has_made_nothing_has_ended_only_where_the_venue_says_so(play, venue, trade, word, status):
    play.says(venue.waiting, venue.plans())
    play.says(venue.ended, venue.plans(venue.plan(word)))
    play.says(venue.made, venue.nothing)
    play.says(venue.orders_ended, venue.orders())
    play.says(venue.named, no("40307", "The current plan order does not exist or has not been triggered"))
    if status is None:
        with pytest.raises(VenueUnavailable):
            await trade.look_up_stop(BTC, CID)
        return
    report = await trade.look_up_stop(BTC, CID)
    assert (report.status, report.filled_qty, report.fees) == (status, D(0), ())


async def test_a_stop_that_was_cancelled_after_it_went_off_has_its_fills(play, venue, trade):
    play.says(venue.waiting, venue.plans())
    play.says(venue.ended, venue.plans(venue.plan("cancelled")))
    play.says(venue.made, venue.told(venue.order("cancelled", "0.01")))
    play.says(venue.fills, venue.filled)
    assert (await trade.look_up_stop(BTC, CID)).filled_qty == D("0.01")


async def test_it_is_absent_only_where_both_lists_answer(play, venue, trade):
    other = venue.plan("live", clientOid="another")
    play.says(venue.waiting, venue.plans(other))
    play.says(venue.ended, venue.plans())
    with pytest.raises(OrderNotFound):
        await trade.look_up_stop(BTC, CID)
    for broken in (venue.waiting, venue.ended):
        for say in (no("45001"), Say("<html>", 502), yes({}), yes(None)):
            play.forget()
            play.says(venue.waiting, say if broken == venue.waiting else venue.plans())
            play.says(venue.ended, say if broken == venue.ended else venue.plans())
            with pytest.raises(VenueUnavailable):
                await trade.look_up_stop(BTC, CID)


async def test_no_error_of_a_list_of_all_says_that_one_is_absent():
    async with stage() as play:
        trade = BitgetOrders(config(play.base), CREDENTIAL, Budgets(Open(), Open()))
        play.says(Spot.waiting, Spot.plans())
        play.says(Spot.ended, no("43025", "Plan order does not exist"))
        with pytest.raises(VenueUnavailable):
            await trade.look_up_stop(BTC, CID)
        await trade.close()


async def test_the_history_is_asked_for_ninety_days_as_older_pages_want_it():
    async with stage() as play:
        trade = BitgetOrders(config(play.base), CREDENTIAL, Budgets(Open(), Open()))
        play.says(Spot.waiting, Spot.plans())
        play.says(Spot.ended, Spot.plans())
        with pytest.raises(OrderNotFound):
            await trade.look_up_stop(BTC, CID)
        await trade.close()
    query = dict(part.split("=") for part in play.heard[1].query.split("&"))
    assert int(query["endTime"]) - int(query["startTime"]) == 90 * 86_400_000
    assert int(query["endTime"]) > time.time_ns() // 1_000_000  # what is as new as that is found, too


async def test_one_that_waits_is_cancelled_by_client_id(play, venue, trade):
    play.says(venue.cancel, venue.cancelled)
    await trade.cancel_stop(BTC, CID, PLAN_ID)
    assert asked(play) == [venue.cancel] and json.loads(play.heard[0].body) == venue.taken_back


async def test_one_that_has_gone_off_is_cancelled_by_what_it_made(play, venue, trade):
    play.says(venue.cancel, venue.refused)
    play.says(venue.waiting, venue.plans())
    play.says(venue.ended, venue.plans(venue.plan("executed")))
    play.says(venue.made, venue.told(venue.order("live", "0.01")))
    play.says(venue.cancel_made, yes({"orderId": MADE_ID}))
    await trade.cancel_stop(BTC, CID, PLAN_ID)
    assert asked(play)[-1] == venue.cancel_made and json.loads(play.heard[-1].body) == venue.made_cancelled
    assert venue.fills not in asked(play)  # a cancel does not wait for fills to be settled


async def test_one_that_waits_and_is_not_cancelled_stays_refused(play, venue, trade):
    play.says(venue.cancel, venue.refused)
    play.says(venue.waiting, venue.plans(venue.plan("live")))
    with pytest.raises(VenueRefused):
        await trade.cancel_stop(BTC, CID, PLAN_ID)
    assert asked(play) == [venue.cancel, venue.waiting]
