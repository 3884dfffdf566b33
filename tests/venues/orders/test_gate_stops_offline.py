"""Stop-losses at Gate's USDT perpetuals: price orders on the wire, and what becomes of one."""

import json
import time
from decimal import Decimal as D
from urllib.parse import parse_qs

import pytest
from msgspec.structs import replace

from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.money import ceil_price
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.venues.protocol import Conditional, everything_open
from engine.venues.registry import build_orders
from tests.venues.orders.stage import CID, Say
from tests.venues.orders.test_gate_futures_offline import CONTRACT, ROOT, ROW, SYMBOL, TEXT, no, play, trade, wish
from tests.venues.orders.test_stops_at_venues import Anything, Every, watching

__all__ = ["play", "trade"]

STOPS = f"{ROOT}/price_orders"
STOP_ID, MADE_ID = 2050000000000000007, ROW["id"]
INITIAL = {"contract": SYMBOL, "size": -30, "price": "63900", "tif": "gtc", "text": TEXT, "auto_size": ""}
STOP = {
    "user": 10002,
    "trigger": {"strategy_type": 0, "price_type": 0, "price": "64000.5", "rule": 2, "expiration": 0},
    "initial": INITIAL,
    "id": STOP_ID,
    "trade_id": 0,
    "status": "open",
    "create_time": 1700000000,
    "finish_time": 1700000000,
}
GONE_OFF = STOP | {"status": "finished", "finish_as": "succeeded", "trade_id": MADE_ID}
ENDED = STOP | {"status": "finished", "finish_as": "cancelled"}
NONE = no("AUTO_ORDER_NOT_FOUND")


def named(text, **over):
    return STOP | {"initial": INITIAL | {"text": text}} | over


def asked(play, path=STOPS):
    return [(heard.method, parse_qs(heard.query)) for heard in play.heard if heard.path == path]


def stop(**over):
    return wish(TimeInForce.GTC, kind=OrderKind.STOP_LOSS, stop_price=D("64000.50"), **over)


async def test_the_wire_says_the_last_price_and_the_way_it_is_reached(play, trade):
    play.says(f"GET {STOPS}", Say([]))
    play.says(f"POST {STOPS}", Say({"id": STOP_ID, "id_string": str(STOP_ID)}, 201))
    initial = {"contract": SYMBOL, "size": 30, "price": "65000.10", "tif": "gtc", "text": TEXT}
    trigger = {"strategy_type": 0, "price_type": 0, "price": "64000.50", "rule": 1}
    cases = [
        (stop(), {"initial": initial, "trigger": trigger}),
        (
            stop(side=Side.SELL, reduce_only=True),
            {"initial": initial | {"size": -30, "reduce_only": True}, "trigger": trigger | {"rule": 2}},
        ),
    ]
    for request, body in cases:
        report = await trade.place(request)
        assert (report.status, report.cid, report.venue_order_id) == (OrderStatus.OPEN, CID, str(STOP_ID))
        assert json.loads(play.heard[-1].body) == body
        assert "x-gate-exptime" not in {name.lower() for name in play.heard[-1].headers}  # not documented there
    lists = [
        {"contract": [SYMBOL], "status": [each], "limit": ["100"], "offset": ["0"]} for each in ("open", "finished")
    ]
    assert asked(play)[:3] == [("GET", lists[0]), ("GET", lists[1]), ("POST", {})]


async def test_the_same_text_is_not_sent_twice_though_the_venue_would_take_it(play, trade):
    play.says(f"GET {STOPS}", Say([STOP]), Say([]), Say([GONE_OFF]))
    for _ in range(2):
        with pytest.raises(VenueRefused) as caught:
            await trade.place(stop())
        assert caught.value.code == "duplicate"
    assert [method for method, _ in asked(play)] == ["GET"] * 3


ENDS = [
    *((no(f"AUTO_TRIGGER_PRICE_{word}_LAST"), VenueRefused) for word in ("LESS", "GREATE")),
    (no("BALANCE_NOT_ENOUGH"), VenueRefused),
    *((answer, OutcomeUnknown) for answer in (no("SERVER_ERROR", 500), Say("<html>", 502), Say({"id": "?"}), Say([]))),
]


@pytest.mark.parametrize("answer, kind", ENDS)
async def test_a_no_is_a_no_and_the_rest_is_unknown(play, trade, answer, kind):
    play.says(f"GET {STOPS}", Say([]))
    play.says(f"POST {STOPS}", answer)
    with pytest.raises(kind):
        await trade.place(stop())


async def test_while_it_waits_it_is_open_and_ends_without_a_fill(play, trade):
    ended = STOP | {"status": "finished", "finish_time": 1700000060}
    micros = ended | {"finish_as": "expired", "finish_time": 1700000060123456}
    answers = [ended | {"finish_as": how} for how in ("cancelled", "failed")]
    play.says(f"GET {STOPS}", Say([STOP]), *(Say(rows) for row in (*answers, micros) for rows in ([], [row])))
    waits = await trade.look_up_stop(SYMBOL, CID)
    assert (waits.status, waits.filled_qty, waits.fees, waits.cid) == (OrderStatus.OPEN, 0, (), CID)
    assert (waits.side, waits.venue_order_id, waits.venue_ts_ms) == (Side.SELL, str(STOP_ID), 1700000000000)
    for at_ms in (1700000060000, 1700000060000, 1700000060123):
        report = await trade.look_up_stop(SYMBOL, CID)
        assert (report.status, report.filled_qty, report.venue_ts_ms) == (OrderStatus.CANCELLED, 0, at_ms)


@pytest.mark.parametrize(
    "said",
    [{"trade_id": 0}, {"status": "inactive"}, {"status": "invalid", "trade_id": "0"}, {"finish_as": None}],
)
async def test_one_that_names_no_order_yet_is_looked_up_again(play, trade, said):
    play.says(f"GET {STOPS}", Say([]), Say([GONE_OFF | {"trade_id": 0} | said]))
    with pytest.raises(VenueUnavailable, match="names no order yet"):
        await trade.look_up_stop(SYMBOL, CID)


async def test_what_it_made_is_told_under_our_number_with_its_own_fees(play, trade):
    """Filled in part, then cancelled by somebody."""
    play.says(f"GET {STOPS}", Say([]), Say([named("t-other"), GONE_OFF]))
    play.says(f"GET {ROOT}/orders/{MADE_ID}", Say(ROW | {"text": f"ao-{STOP_ID}", "finish_as": "cancelled"}))
    fills = [{"size": -20, "price": "65000", "fee": "0.0325", "point_fee": "0", "text": f"ao-{STOP_ID}"}]
    play.says(f"GET {ROOT}/my_trades", Say(fills))
    report = await trade.look_up_stop(SYMBOL, CID)
    assert (report.status, report.cid, report.venue_order_id) == (OrderStatus.CANCELLED, CID, str(MADE_ID))
    assert (report.filled_qty, report.filled_quote) == (D("0.0020"), D("130"))
    assert report.fees == (Fee("USDT", D("0.0325")),)
    assert asked(play, f"{ROOT}/my_trades")[0][1]["order"] == [str(MADE_ID)]


async def test_an_ended_stop_is_found_on_a_later_page(play, trade):
    play.says(f"GET {STOPS}", Say([]), Say([named("t-other")] * 100), Say([ENDED]))
    assert (await trade.look_up_stop(SYMBOL, CID)).status is OrderStatus.CANCELLED
    assert [query["offset"] for _, query in asked(play)] == [["0"], ["0"], ["100"]]


async def test_an_order_of_it_that_no_query_knows_is_looked_for_in_the_lists(play, trade):
    just_now = time.time_ns() // 1_000_000_000
    rests, other = ROW | {"left": -30, "status": "open"}, ROW | {"id": 1}
    cases = [
        ([rests], [], [], just_now, OrderStatus.OPEN),
        ([other], [ROW | {"left": -30}], [], just_now, OrderStatus.CANCELLED),
        ([other], [other], [], just_now - 700, OrderStatus.CANCELLED),
        ([], [other], [], just_now - 500, "not listed"),
        ([], [other], [], None, "not listed"),  # a stop without a time has ended just now
        ([], [], [{"size": 1, "price": "1"}], just_now - 700, "has trades"),
    ]
    for resting, ended, trades, at_s, outcome in cases:
        play.forget()
        play.says(f"GET {ROOT}/contracts/{SYMBOL}", Say(CONTRACT))
        play.says(f"GET {ROOT}/orders/{MADE_ID}", no("ORDER_NOT_FOUND"))
        play.says(f"GET {STOPS}", Say([]), Say([GONE_OFF | {"finish_time": at_s}]))
        play.says(f"GET {ROOT}/orders", Say(resting), Say(ended))
        play.says(f"GET {ROOT}/my_trades", Say(trades))
        if isinstance(outcome, OrderStatus):
            report = await trade.look_up_stop(SYMBOL, CID)
            assert (report.status, report.filled_qty, report.cid) == (outcome, 0, CID)
        else:
            with pytest.raises(VenueUnavailable, match=outcome):
                await trade.look_up_stop(SYMBOL, CID)


async def test_none_is_said_only_where_both_lists_say_so_and_none_waits_without_a_name(play, trade):
    web = named("web")
    play.says(f"GET {STOPS}", Say([web]), Say([named("t-other", status="finished")]))
    with pytest.raises(OrderNotFound):
        await trade.look_up_stop(SYMBOL, CID)
    for waiting, reason in (
        ([named("api")], "without a name"),
        ([named("")], "without a name"),
        ([STOP] * 2, "2 stops"),
    ):
        play.forget()
        play.says(f"GET {STOPS}", Say(waiting), Say([]))
        with pytest.raises(VenueUnavailable, match=reason):
            await trade.look_up_stop(SYMBOL, CID)
    play.forget()
    play.says(f"GET {STOPS}", Say([]), NONE)
    with pytest.raises(VenueUnavailable):  # a list has no such word
        await trade.look_up_stop(SYMBOL, CID)


async def test_an_order_of_it_that_rests_is_listed_once_as_ours_and_no_other_is(play, trade):
    made = ROW | {"status": "open", "left": -30, "text": f"ao-{STOP_ID}"}
    rows = [made, made | {"id": 2, "text": "ao-5"}, made | {"id": 3, "text": "ao-6"}, made | {"id": 4, "text": "ao-x"}]
    whole = {"contract": SYMBOL, "size": 0, "price": "0", "text": "web", "auto_size": "close_short"}
    play.says(f"GET {STOPS}", Say([STOP, STOP | {"id": 8, "initial": whole}]))
    play.says(f"GET {ROOT}/orders", Say(rows))
    play.says(f"GET {STOPS}/{STOP_ID}", Say(GONE_OFF))
    play.says(f"GET {STOPS}/5", Say(named(TEXT, id=5, trade_id=99)))  # it made another
    play.says(f"GET {STOPS}/6", NONE)
    for _ in range(2):
        listed = {report.venue_order_id: report for report in await everything_open(trade, Anything())}
        assert [report.venue_order_id for report in listed.values() if report.cid == CID] == [str(MADE_ID)]
        assert len(listed) == 5 and listed["8"].side is Side.BUY
    assert len(asked(play, f"{STOPS}/{STOP_ID}")) == 1  # a text stays
    play.says(f"GET {STOPS}/6", Say("<html>", 502))
    with pytest.raises(VenueUnavailable):
        [await trade.open_orders() for _ in range(2)]


async def test_a_cancel_goes_where_it_is_by_now(play, trade):
    play.says(f"GET {STOPS}", Say([STOP]), Say([]), Say([GONE_OFF]), Say([]), Say([ENDED]), Say([]))
    play.says(f"GET {STOPS}/{STOP_ID}", Say(STOP), Say(GONE_OFF))
    play.says(f"GET {STOPS}/{MADE_ID}", NONE)
    play.says(f"GET {ROOT}/orders/{MADE_ID}", Say(ROW | {"text": f"ao-{STOP_ID}"}))
    play.says(f"DELETE {STOPS}/{STOP_ID}", Say(STOP))
    play.says(f"DELETE {ROOT}/orders/{MADE_ID}", Say(ROW))
    await trade.cancel_stop(SYMBOL, CID, str(MADE_ID))
    assert play.heard[-1].path == f"{STOPS}/{STOP_ID}"
    await trade.cancel_stop(SYMBOL, CID, str(STOP_ID))
    assert play.heard[-1].path == f"{ROOT}/orders/{MADE_ID}"
    with pytest.raises(VenueRefused, match="ended"):
        await trade.cancel_stop(SYMBOL, CID, str(STOP_ID))
    await trade.cancel_stop(SYMBOL, CID, str(STOP_ID))  # no list shows it yet
    assert play.heard[-1].path == f"{STOPS}/{STOP_ID}"
    await trade.cancel_stop(SYMBOL, CID, str(MADE_ID))  # nor any more
    assert (play.heard[-1].method, play.heard[-1].path) == ("DELETE", f"{ROOT}/orders/{MADE_ID}")
    play.says(f"GET {STOPS}/{MADE_ID}", no("TOO_BUSY"))
    with pytest.raises(VenueUnavailable):
        [await trade.cancel_stop(SYMBOL, CID, str(MADE_ID)) for _ in range(2)]
    with pytest.raises(OrderNotFound):
        await trade.cancel_stop(SYMBOL, CID, "")


UNSURE = [[GONE_OFF | {"trade_id": 0}], [ENDED | {"finish_as": ""}], [ENDED | {"status": "inactive"}]]


async def test_one_that_goes_off_under_a_cancel_is_listed_again_and_its_order_cancelled(play, trade):
    play.says(f"DELETE {STOPS}/{STOP_ID}", NONE)
    play.says(f"DELETE {ROOT}/orders/{MADE_ID}", Say(ROW))
    play.says(f"GET {STOPS}", Say([STOP]), Say([]), Say([GONE_OFF]))
    await trade.cancel_stop(SYMBOL, CID, str(STOP_ID))
    assert (play.heard[-1].method, play.heard[-1].path) == ("DELETE", f"{ROOT}/orders/{MADE_ID}")
    for is_late in (True, False):  # it goes off under the cancel, or before
        for ended, kind in [*((rows, VenueUnavailable) for rows in UNSURE), ([ENDED], VenueRefused)]:
            play.forget()
            play.says(f"DELETE {STOPS}/{STOP_ID}", NONE)
            play.says(f"GET {STOPS}", *([Say([STOP])] if is_late else []), Say([]), Say(ended))
            with pytest.raises(kind):
                await trade.cancel_stop(SYMBOL, CID, str(STOP_ID))
    for lists in ([Say([STOP])], [Say([STOP]), Say([])]):  # it waits still, or no list shows it
        play.forget()
        play.says(f"DELETE {STOPS}/{STOP_ID}", NONE)
        play.says(f"GET {STOPS}", *lists)
        with pytest.raises(VenueUnavailable):
            await trade.cancel_stop(SYMBOL, CID, str(STOP_ID))


async def test_an_id_of_another_space_cancels_nothing_foreign(play, trade):
    """What no list shows: the id may be an order's, and somebody's stop may bear it, too."""
    play.says(f"GET {STOPS}", Say([]))
    play.says(f"GET {STOPS}/{MADE_ID}", Say(named("t-other", id=MADE_ID)))
    ours, foreign = ROW | {"text": f"ao-{STOP_ID}"}, ROW | {"text": "t-other"}
    play.says(f"GET {ROOT}/orders/{MADE_ID}", Say(foreign), Say(ROW | {"text": "ao-5"}), Say(ours), Say(ROW))
    play.says(f"GET {STOPS}/5", Say(named("t-other", id=5, trade_id=MADE_ID)))
    play.says(f"GET {STOPS}/{STOP_ID}", Say(GONE_OFF))
    play.says(f"DELETE {ROOT}/orders/{MADE_ID}", Say(ROW))
    for _ in range(2):
        with pytest.raises(OrderNotFound):
            await trade.cancel_stop(SYMBOL, CID, str(MADE_ID))
    assert not [heard for heard in play.heard if heard.method == "DELETE"]
    for _ in range(2):
        await trade.cancel_stop(SYMBOL, CID, str(MADE_ID))
    play.says(f"GET {ROOT}/orders/{STOP_ID}", no("ORDER_NOT_FOUND"))
    play.says(f"GET {STOPS}/{STOP_ID}", NONE)
    with pytest.raises(OrderNotFound):
        [await trade.cancel_stop(SYMBOL, CID, str(STOP_ID)) for _ in range(2)]
    deleted = [heard.path for heard in play.heard if heard.method == "DELETE"]
    assert deleted == [f"{ROOT}/orders/{MADE_ID}"] * 3


async def test_an_odd_row_hides_no_stop_that_waits(play, trade):
    nothing = {"auto_size": None, "order_type": None, "finish_as": None, "trade_id": None}
    odd = [
        {name: None for name in STOP},
        {},
        STOP | {"id": 5, "status": "pondered", "initial": None, "create_time": "?"},
        STOP | {"id": 6, "initial": INITIAL | {"text": None, "size": "x"}},
        named("web", id=7, finish_time=None),
    ]
    mine = STOP | nothing | {"initial": INITIAL | {"auto_size": None}}
    play.says(f"GET {STOPS}", Say([*odd, mine]))
    told = await trade.waiting_stops()
    assert all(each.status is OrderStatus.OPEN for each in told)
    ids = [(each.cid, each.venue_order_id) for each in told]
    assert ids == [*(("", number) for number in ("", "", "5", "6", "7")), (CID, str(STOP_ID))]
    assert (told[-1].side, told[-1].symbol, told[-1].venue_ts_ms) == (Side.SELL, SYMBOL, 1700000000000)
    assert (await trade.look_up_stop(SYMBOL, CID)).status is OrderStatus.OPEN
    play.forget()
    play.says(f"GET {STOPS}", Say([*odd, mine | {"initial": INITIAL | {"size": None}}]))
    with pytest.raises(VenueUnavailable, match="unreadable"):
        await trade.look_up_stop(SYMBOL, CID)


async def test_a_stops_request_does_not_expire_so_the_account_has_the_long_bound(trade):
    assert not trade.abilities.expiry
    assert trade.late_acceptance_ms == 5_000 + 1_000


async def test_one_that_may_only_reduce_fails_where_there_is_nothing_left():
    async with watching("gate_futures") as watcher:
        order = watcher.stop(reduce_only=True)
        await watcher.orders.place(order)
        watcher.trade_at(order.stop_price)
        ended = await watcher.look_up(order)
        assert (ended.status, ended.filled_qty) == (OrderStatus.CANCELLED, 0) and not await watcher.listed()


async def test_after_a_restart_the_order_of_a_stop_is_ours_still():
    async with watching("gate_futures") as watcher:
        order = watcher.stop()
        far = replace(order, price=ceil_price(watcher.trader.rules.ticks, order.stop_price * D("1.1")))
        await watcher.orders.place(far)
        watcher.trade_at(far.stop_price)
        again = build_orders("gate_futures", watcher.trader.settings, watcher.trader.credential)
        assert isinstance(again, Conditional)
        try:
            [rests] = await everything_open(again, Every())
            assert rests.cid == far.cid
            await again.cancel_stop(far.symbol, far.cid, rests.venue_order_id)
            assert (await again.look_up_stop(far.symbol, far.cid)).status is OrderStatus.CANCELLED
        finally:
            await again.close()
