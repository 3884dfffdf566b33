"""Bitget's plan orders against a scripted server: the bytes on the wire, both lists, and what a stop has become."""

import json
import time
from decimal import Decimal as D

import msgspec
import pytest

from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.market import FeeSide
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.venues.bitget.futures import BitgetFuturesOrders
from engine.venues.bitget.order_stream import BitgetStreamDialect
from engine.venues.bitget.orders import BitgetOrders
from engine.venues.bitget.stops import Names
from engine.venues.departure import watch
from engine.venues.protocol import Conditional, OrderTold
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage

BTC, PLAN_ID, MADE_ID = "BTCUSDT", "1111503385931620352", "1111503399000000001"


def yes(data):
    return Say({"code": "00000", "msg": "success", "data": data})


def no(code, text="no", status=400):
    return Say({"code": code, "msg": text, "data": None}, status)


class Spot:
    kind, name = BitgetOrders, "bitget"
    place, cancel = "POST /api/v2/spot/trade/place-plan-order", "POST /api/v2/spot/trade/cancel-plan-order"
    waiting, ended = "GET /api/v2/spot/trade/current-plan-order", "GET /api/v2/spot/trade/history-plan-order"
    made, named = "GET /api/v2/spot/trade/orderInfo", "GET /api/v2/spot/trade/plan-sub-order"
    orders_ended, resting = "GET /api/v2/spot/trade/history-orders", "GET /api/v2/spot/trade/unfilled-orders"
    fills, cancel_made = "GET /api/v2/spot/trade/fills", "POST /api/v2/spot/trade/cancel-order"
    ticker = "GET /api/v2/spot/market/tickers"
    nothing, cancelled, refused = yes([]), yes({"result": "success"}), no("43026", "The planned order has been closed")
    body = {
        "symbol": BTC,
        "side": "sell",
        "orderType": "limit",
        "size": "0.0150",
        "triggerPrice": "61000.50",
        "triggerType": "fill_price",
        "clientOid": CID,
        "planType": "amount",
        "executePrice": "60000.10",
    }
    taken_back = {"clientOid": CID}
    made_cancelled = {"symbol": BTC, "orderId": MADE_ID}

    @staticmethod
    def plans(*rows):
        return yes({"nextFlag": len(rows) == 100, "idLessThan": rows[-1]["orderId"] if rows else "", "orderList": rows})

    @staticmethod
    def plan(word, **over):
        row = {"orderId": PLAN_ID, "clientOid": CID, "symbol": BTC, "side": "sell", "status": word, "uTime": "1700"}
        return row | over

    @staticmethod
    def orders(*rows):
        return yes(list(rows))

    @staticmethod
    def order(word, filled, **over):
        ids = {"symbol": BTC, "orderId": MADE_ID, "clientOid": PLAN_ID, "side": "sell", "uTime": "1800"}
        return ids | {"status": word, "baseVolume": filled, "quoteVolume": "600"} | over

    told = orders
    filled = yes([{"tradeId": "7", "size": "0.01", "feeDetail": {"feeCoin": "USDT", "totalFee": "-0.6"}}])


class Mix:
    kind, name = BitgetFuturesOrders, "bitget_futures"
    place, cancel = "POST /api/v2/mix/order/place-plan-order", "POST /api/v2/mix/order/cancel-plan-order"
    waiting, ended = "GET /api/v2/mix/order/orders-plan-pending", "GET /api/v2/mix/order/orders-plan-history"
    made, named = "GET /api/v2/mix/order/detail", ""
    orders_ended, resting = "GET /api/v2/mix/order/orders-history", "GET /api/v2/mix/order/orders-pending"
    fills, cancel_made = "GET /api/v2/mix/order/fills", "POST /api/v2/mix/order/cancel-order"
    ticker = "GET /api/v2/mix/market/ticker"
    nothing = no("40109", "The data of the order cannot be found")
    cancelled = yes({"successList": [{"orderId": PLAN_ID, "clientOid": CID}], "failureList": []})
    refused = yes({"successList": [], "failureList": [{"orderId": "", "clientOid": CID, "errorMsg": "notExistend"}]})
    product = {"productType": "USDT-FUTURES"}
    body = {
        "productType": "USDT-FUTURES",
        "symbol": BTC,
        "side": "sell",
        "orderType": "limit",
        "size": "0.0150",
        "triggerPrice": "61000.50",
        "triggerType": "fill_price",
        "clientOid": CID,
        "planType": "normal_plan",
        "price": "60000.10",
        "marginMode": "crossed",
        "marginCoin": "USDT",
    }
    taken_back = product | {
        "symbol": BTC,
        "marginCoin": "USDT",
        "planType": "normal_plan",
        "orderIdList": [{"clientOid": CID}],
    }
    made_cancelled = product | {"symbol": BTC, "marginCoin": "USDT", "orderId": MADE_ID}

    @staticmethod
    def plans(*rows):
        return yes({"entrustedList": list(rows) or None, "endId": rows[-1]["orderId"] if rows else None})

    @staticmethod
    def plan(word, **over):
        ids = {"orderId": PLAN_ID, "clientOid": CID, "symbol": BTC, "side": "sell", "planType": "normal_plan"}
        made = {"executeOrderId": MADE_ID} if word == "executed" else {}
        return ids | {"planStatus": word, "uTime": "1700"} | made | over

    @staticmethod
    def orders(*rows):
        return yes({"entrustedList": list(rows) or None})

    @staticmethod
    def order(word, filled, **over):
        ids = {"symbol": BTC, "orderId": MADE_ID, "clientOid": PLAN_ID, "side": "sell", "uTime": "1800"}
        return ids | {"status": {"cancelled": "canceled"}.get(word, word), "baseVolume": filled} | over

    @staticmethod
    def told(row):
        return yes(row)

    filled = yes(
        {
            "fillList": [
                {
                    "tradeId": "7",
                    "price": "60000",
                    "baseVolume": "0.01",
                    "feeDetail": [{"feeCoin": "USDT", "totalFee": "-0.6"}],
                }
            ]
        }
    )


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture(params=[Spot, Mix], ids=lambda venue: venue.name)
def venue(request):
    return request.param


@pytest.fixture
async def trade(play, venue):
    settings = config(play.base, symbols=(BTC,), fee_side=FeeSide.QUOTE, min_notional=D(1), ticks=())
    trade = venue.kind(settings, CREDENTIAL, Budgets(Open(), Open()))
    yield trade
    await trade.close()


def stop(venue, **over):
    values = {"qty": D("0.0150"), "price": D("60000.10"), "stop_price": D("61000.50"), "side": Side.SELL}
    return order(venue.name, BTC, TimeInForce.GTC, kind=OrderKind.STOP_LOSS, **(values | over))


def asked(play):
    return [f"{heard.method} {heard.path}" for heard in play.heard]


def last_price(price):
    return yes([{"symbol": BTC, "lastPr": price}])


async def test_a_stop_is_one_request_with_the_exact_text(play, venue, trade):
    play.says(venue.place, yes({"orderId": PLAN_ID, "clientOid": CID}))
    play.says(venue.ticker, last_price("61000.51"))
    report = await trade.place(stop(venue))
    assert isinstance(trade, Conditional) and asked(play) == [venue.place, venue.ticker]
    assert json.loads(play.heard[0].body) == venue.body
    assert "symbol=BTCUSDT" in play.heard[1].query and (venue is Spot or "productType=USDT" in play.heard[1].query)
    assert (report.cid, report.status, report.venue_order_id) == (CID, OrderStatus.OPEN, PLAN_ID)


async def test_one_that_may_only_reduce_says_so():
    async with stage() as play:
        trade = BitgetFuturesOrders(config(play.base), CREDENTIAL, Budgets(Open(), Open()))
        play.says(Mix.place, yes({"orderId": PLAN_ID}))
        play.says(Mix.ticker, last_price("61000.51"))
        await trade.place(stop(Mix, reduce_only=True))
        await trade.close()
    assert json.loads(play.heard[0].body) == Mix.body | {"reduceOnly": "YES"}


LATE = [
    ("a fall has reached it", Side.SELL, "61000.50", True),
    ("a fall has passed it", Side.SELL, "50000", True),
    ("a fall has not", Side.SELL, "61000.51", False),
    ("a rise has reached it", Side.BUY, "61000.50", True),
    ("a rise has not", Side.BUY, "61000.49", False),
    ("nothing was traded", Side.SELL, "0", False),
]


@pytest.mark.parametrize("why, side, last, is_late", LATE, ids=[case[0] for case in LATE])
async def test_a_stop_that_came_too_late_is_taken_back(play, venue, trade, why, side, last, is_late):
    play.says(venue.place, yes({"orderId": PLAN_ID}))
    play.says(venue.ticker, last_price(last))
    play.says(venue.cancel, venue.cancelled)
    await trade.place(stop(venue, side=side))
    assert asked(play) == [venue.place, venue.ticker] + [venue.cancel] * is_late
    assert not is_late or json.loads(play.heard[2].body) == venue.taken_back


@pytest.mark.parametrize("ticker, cancel", [(no("40010"), None), (Say(happens="hang"), None), ("5", "refused")])
async def test_what_follows_a_placement_never_undoes_its_answer(play, venue, trade, ticker, cancel):
    play.says(venue.place, yes({"orderId": PLAN_ID}))
    play.says(venue.ticker, last_price(ticker) if isinstance(ticker, str) else ticker)
    play.says(venue.cancel, venue.refused)
    assert (await trade.place(stop(venue))).status is OrderStatus.OPEN
    assert (venue.cancel in asked(play)) is (cancel is not None)


async def test_a_halt_after_the_placement_finds_no_order_to_stop(play, venue, trade):
    """What the latch forbids is the order: it has left, and the answer must be told."""
    play.says(venue.place, yes({"orderId": PLAN_ID}))
    play.says(venue.ticker, last_price("70000"))
    departure = watch(lambda: "halted" if play.heard else "")
    try:
        assert (await trade.place(stop(venue))).venue_order_id == PLAN_ID
    finally:
        departure.over()
    assert asked(play) == [venue.place, venue.ticker] and departure.at_ns


@pytest.mark.parametrize("say", [Say(happens="cut"), Say("<html>", 502), no("45001"), yes({"clientOid": CID})])
async def test_no_usable_answer_is_unknown_and_sent_once(play, venue, trade, say):
    play.says(venue.place, say)
    with pytest.raises(OutcomeUnknown):
        await trade.place(stop(venue))
    assert asked(play) == [venue.place]


@pytest.mark.parametrize("word", ["live", "not_trigger", "executing"])
async def test_while_it_waits_it_is_open(play, venue, trade, word):
    play.says(venue.waiting, venue.plans(venue.plan("live", clientOid="another", orderId="9"), venue.plan(word)))
    report = await trade.look_up_stop(BTC, CID)
    assert (report.status, report.filled_qty, report.venue_order_id) == (OrderStatus.OPEN, D(0), PLAN_ID)
    assert (report.cid, report.side, report.venue_ts_ms) == (CID, Side.SELL, 1700)


@pytest.mark.parametrize("where", ["waiting", "ended"])
async def test_both_lists_are_read_to_their_end(play, venue, trade, where):
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


async def test_what_rests_is_listed_under_our_client_id_by_one_who_knows_nothing(play, venue, trade):
    """A foreign order with a number of the venue's own stays foreign."""
    foreign = venue.order("live", "", orderId="500", clientOid="501")
    play.says(venue.waiting, venue.plans())
    play.says(venue.resting, venue.orders(venue.order("live", ""), foreign))
    old = [venue.plan("cancelled", clientOid=f"x{n}", orderId=str(9_000 - n)) for n in range(100)]
    play.says(venue.ended, venue.plans(*old), venue.plans(venue.plan("executed")))
    assert [report.cid for report in await trade.open_orders()] == [CID, "501"]
    assert asked(play) == [venue.waiting, venue.resting, venue.ended, venue.ended]
    play.forget()
    play.says(venue.waiting, venue.plans())
    play.says(venue.resting, venue.orders(venue.order("live", "")))
    assert [report.cid for report in await trade.open_orders()] == [CID]
    assert asked(play) == [venue.waiting, venue.resting]  # it is known by now


async def test_what_goes_off_between_the_lists_is_told_once(play, venue, trade):
    play.says(venue.waiting, venue.plans(venue.plan("live"), venue.plan("live", clientOid="other", orderId="8")))
    play.says(venue.resting, venue.orders(venue.order("live", "")))
    found = {report.cid: report.venue_order_id for report in await trade.open_orders()}
    assert found == {CID: MADE_ID, "other": "8"}


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
