"""What waits and what rests at Bitget, under whose client id, whatever else stands in its lists."""

import time
from typing import Any

import msgspec
import pytest

from engine.domain.errors import VenueUnavailable
from engine.domain.order import OrderStatus
from engine.venues.bitget.order_stream import BitgetStreamDialect
from engine.venues.bitget.stops import Names
from engine.venues.protocol import OrderTold, everything_open
from tests.venues.orders.bitget_stage import BTC, MADE_ID, PLAN_ID, Mix, Spot, asked, client, last_price, stop, yes
from tests.venues.orders.stage import CID, CREDENTIAL, config, stage
from tests.venues.orders.test_stops_at_venues import Every


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


async def test_what_rests_is_listed_under_our_client_id_by_one_who_knows_nothing(play, venue, trade):
    """A foreign order with a number of the venue's own stays foreign, and is asked about once."""
    foreign = venue.order("live", "", orderId="500", clientOid="501")
    play.says(venue.resting, venue.orders(venue.order("live", ""), foreign))
    old = [venue.plan("cancelled", clientOid=f"x{n}", orderId=str(9_000 - n)) for n in range(100)]
    play.says(venue.ended, venue.plans(*old), venue.plans(venue.plan("executed")))
    assert [report.cid for report in await trade.open_orders()] == [CID, "501"]
    assert asked(play) == [venue.resting, venue.ended, venue.ended]
    play.forget()
    play.says(venue.resting, venue.orders(venue.order("live", ""), foreign))
    assert [report.cid for report in await trade.open_orders()] == [CID, "501"]
    assert asked(play) == [venue.resting]  # both are known by now


async def test_no_number_of_foreign_plans_makes_ours_forgotten(play, venue, trade):
    """Of 1,500 that ended, ours last: it was placed before them, and has gone off just now."""
    foreign = venue.order("live", "", orderId="500", clientOid="501")
    plans = [venue.plan("cancelled", clientOid=f"x{n}", orderId=str(9_000 - n)) for n in range(1_500)]
    pages = [venue.plans(*plans[n : n + 100]) for n in range(0, 1_500, 100)]
    play.says(venue.resting, venue.orders(foreign, venue.order("live", "", cTime="1700000000000")))
    play.says(venue.ended, *pages, venue.plans(venue.plan("executed", uTime="1700000000000")))
    for _ in range(2):
        assert [report.cid for report in await trade.open_orders()] == ["501", CID]
    assert len(asked(play)) == 2 + len(pages) + 1


@pytest.mark.parametrize("made", [None, "", "now"])
async def test_what_is_new_is_asked_for_again(play, venue, trade, made):
    """What made it may not be shown yet."""
    made_ms = str(time.time_ns() // 1_000_000) if made == "now" else made
    play.says(venue.resting, venue.orders(venue.order("live", "", cTime=made_ms)))
    play.says(venue.ended, venue.plans(), venue.plans(venue.plan("executed")))
    assert [report.cid for report in await trade.open_orders()] == [PLAN_ID]
    assert [report.cid for report in await trade.open_orders()] == [CID]


async def test_what_goes_off_between_the_lists_is_told_once(play, venue, trade):
    play.says(venue.waiting, venue.plans(venue.plan("live"), venue.plan("live", clientOid="other", orderId="8")))
    play.says(venue.resting, venue.orders(venue.order("live", "")))
    play.says(venue.ended, venue.plans(venue.plan("executed")))
    found = {report.cid: report.venue_order_id for report in await everything_open(trade, Every())}
    assert found == {CID: MADE_ID, "other": "8"}
    assert asked(play) == [venue.waiting, venue.resting, venue.ended]


NOT_UNDERSTOOD: list[Any] = [{}, {"orderId": {}}, None, 7, [], "a word"]


async def test_no_odd_row_hides_a_stop_of_ours(play, venue, trade):
    whole = venue.plan("live")
    said: list[Any] = [None, "", "tomorrow", {}, [1]]
    fields = [{**whole, "clientOid": "x", name: each} for name in whole for each in said]
    play.says(venue.waiting, venue.plans(*NOT_UNDERSTOOD, *fields[:90], whole))
    told = await trade.waiting_stops()
    assert [report.cid for report in told].count(CID) == 1
    assert len(told) == len(NOT_UNDERSTOOD) + min(len(fields), 90) + 1
    assert {report.status for report in told} == {OrderStatus.OPEN}
    assert [report.cid for report in told[: len(NOT_UNDERSTOOD)]] == [""] * len(NOT_UNDERSTOOD)


async def test_a_page_that_names_no_next_one_is_no_list(play, venue, trade):
    rows: list[Any] = [{}, venue.plan("live")]
    for row in rows:
        play.forget()
        play.says(venue.waiting, venue.plans(*[venue.plan("live", orderId="9")] * 99, row | {"orderId": "9"}))
        with pytest.raises(VenueUnavailable):
            await trade.waiting_stops()


async def test_a_side_that_nobody_knows_is_no_answer(play, venue, trade):
    play.says(venue.waiting, venue.plans())
    play.says(venue.ended, venue.plans(venue.plan("executed")))
    play.says(venue.made, venue.told(venue.order("live", "", side="sideways")))
    with pytest.raises(VenueUnavailable, match="sideways"):
        await trade.look_up_stop(BTC, CID)
    play.says(venue.resting, venue.orders(venue.order("live", "", side="sideways")))
    with pytest.raises(VenueUnavailable, match="sideways"):
        await trade.open_orders()


async def test_the_stream_tells_what_it_made_under_the_stops_client_id(play, venue, trade):
    play.says(venue.place, yes({"orderId": PLAN_ID}))
    play.says(venue.ticker, last_price("70000"))
    await trade.place(stop(venue))
    row = {"instId": BTC, "orderId": MADE_ID, "status": "live", "side": "sell", "clientOid": PLAN_ID, "uTime": "1"}
    foreign = row | {"orderId": "76", "clientOid": "77"}
    frame = {"action": "snapshot", "arg": {"channel": "orders"}, "data": [row, foreign]}
    dialect = BitgetStreamDialect(config(play.base), CREDENTIAL, lambda: 0, name=trade.names.of)
    told = dialect.read(msgspec.json.encode(frame))
    assert [each.report.cid for each in told if isinstance(each, OrderTold)] == [CID, "77"]


def test_names_are_kept_for_the_newest():
    names = Names()
    for n in range(1_500):
        names.learn(f"c{n}", str(n))
    assert (names.of("1499", ""), names.of("499", ""), names.of("", "1499")) == ("c1499", "499", "c1499")
    assert names.knows("500", "") and not names.knows("499", "")
