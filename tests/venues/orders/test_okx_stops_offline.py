"""OKX's stops against a scripted server and the venue's stand-in: their lists and ids, and what they make."""

import asyncio
import json
import time
from datetime import datetime
from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from engine.domain.errors import OrderNotFound, OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.market import FeeSide
from engine.domain.order import OrderKind, OrderStatus, Side, TimeInForce
from engine.venues.okx.order_stream import OkxStreamDialect
from engine.venues.okx.orders import OkxOrders
from engine.venues.okx.swap_orders import OkxSwapOrders
from engine.venues.protocol import Conditional, OrderTold, everything_open
from engine.venues.verdict import Budgets
from sandbox.faults import Fault
from sandbox.venues.orders import State
from sandbox.venues.trading import Countdown
from sandbox.world import World, WorldConfig
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, order, stage
from tests.venues.orders.test_against_sandbox import Trader
from tests.venues.orders.test_okx_offline import FEES, FILLS, QUOTE, ROW, no, row_no, yes
from tests.venues.orders.test_okx_swap_offline import BTC, MARKET
from tests.venues.orders.test_stops_at_venues import Anything, Watcher
from tests.waiting import until

TRADE = "/api/v5/trade"
PLACE, CANCEL = f"POST {TRADE}/order-algo", f"POST {TRADE}/cancel-algos"
ONE, PENDING, HISTORY = (
    f"GET {TRADE}/order-algo",
    f"GET {TRADE}/orders-algo-pending",
    f"GET {TRADE}/orders-algo-history",
)
CHILD, CHILDREN, ENDED_CHILDREN = f"GET {TRADE}/order", f"GET {TRADE}/orders-pending", f"GET {TRADE}/orders-history"
NOW_MS = time.time_ns() // 1_000_000
LONG_AGO = {"uTime": str(NOW_MS - 3 * 3_600_000)}
STOP = {
    "algoClOrdId": CID,
    "algoId": "1753184812254216192",
    "cTime": str(NOW_MS - 60_000),
    "clOrdId": "",
    "failCode": "",
    "instId": "BTC-USDT",
    "instType": "SPOT",
    "ordId": "",
    "ordIdList": [],
    "ordType": "conditional",
    "side": "sell",
    "slOrdPx": "59900",
    "slTriggerPx": "60000.5",
    "slTriggerPxType": "last",
    "state": "live",
    "sz": "0.5",
    "uTime": str(NOW_MS),
}
WENT_OFF = STOP | {"state": "effective", "ordId": "312", "ordIdList": ["312"], "actualSide": "sl"}
MADE = ROW | {"ordId": "312", "clOrdId": "O1753184812254216192", "algoId": STOP["algoId"], "algoClOrdId": CID}
PLACED = yes({"algoId": "17", "algoClOrdId": CID, "clOrdId": "", "sCode": "0", "sMsg": "", "tag": ""})
NONE = no("51603", "Order does not exist")


@pytest.fixture
async def play():
    async with stage() as play:
        play.says("GET /api/v5/public/instruments", yes(MARKET))
        yield play


@pytest.fixture
async def orders(play):
    settings = config(play.base, symbols=("BTC-USDT",), fee_side=FeeSide.RECEIVED, min_notional=D(1), ticks=())
    orders = OkxOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    yield orders
    await orders.close()


@pytest.fixture
async def swaps(play):
    settings = config(play.base, symbols=(BTC,), fee_side=FeeSide.QUOTE, min_notional=D(0), ticks=())
    orders = OkxSwapOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    yield orders
    await orders.close()


def stop(venue="okx", symbol="BTC-USDT", **over):
    values = {"kind": OrderKind.STOP_LOSS, "stop_price": D("60000.5"), "price": D("59900.10"), "side": Side.SELL}
    return order(venue, symbol, TimeInForce.GTC, **(values | over))


def asked(play, line):
    method, path = line.split()
    return [heard for heard in play.heard if (heard.method, heard.path) == (method, path)]


@pytest.mark.parametrize("side", Side)
async def test_a_stop_is_one_request_with_the_exact_text(play, orders, side):
    play.says(PLACE, PLACED)
    report = await orders.place(stop(side=side))
    assert (report.status, report.venue_order_id, report.cid) == (OrderStatus.OPEN, "17", CID)
    assert isinstance(orders, Conditional)
    [heard] = play.heard
    expected = {
        "instId": "BTC-USDT",
        "tdMode": "cash",
        "side": side.value,
        "ordType": "conditional",
        "sz": "0.12345678901234567890",
        "slTriggerPx": "60000.5",
        "slTriggerPxType": "last",
        "slOrdPx": "59900.10",
        "algoClOrdId": CID,
    }
    assert json.loads(heard.body) == expected | ({"tgtCcy": "base_ccy"} if side is Side.BUY else {})


@pytest.mark.parametrize("reduce_only", [False, True])
@pytest.mark.parametrize("side", Side)
async def test_a_stop_of_a_swap_counts_contracts(play, swaps, side, reduce_only):
    play.says(PLACE, PLACED)
    await swaps.place(stop("okx_swap", BTC, side=side, qty=D("0.0130"), reduce_only=reduce_only))
    [heard] = asked(play, PLACE)
    expected = {
        "instId": BTC,
        "tdMode": "cross",
        "side": side.value,
        "ordType": "conditional",
        "sz": "1.30",
        "slTriggerPx": "60000.5",
        "slTriggerPxType": "last",
        "slOrdPx": "59900.10",
        "algoClOrdId": CID,
    }
    assert json.loads(heard.body) == expected | ({"reduceOnly": True} if reduce_only else {})


async def test_its_timestamp_is_as_old_as_makes_it_expire_when_we_stop_waiting(play, orders):
    play.says(PLACE, PLACED)
    play.says(ONE, yes(STOP))
    before_ms = time.time_ns() // 1_000_000
    await orders.place(stop())
    await orders.look_up_stop("BTC-USDT", CID)
    stamps = [datetime.fromisoformat(heard.headers["OK-ACCESS-TIMESTAMP"]).timestamp() * 1000 for heard in play.heard]
    assert 0 <= stamps[0] + 30_000 - 400 - before_ms < 200 and 0 <= stamps[1] - before_ms < 400
    assert all("expTime" not in heard.headers for heard in play.heard)


LOST = [("hang", Say(happens="hang")), ("50004", row_no("50004")), ("no row", yes()), ("no id", yes({"sCode": "0"}))]


@pytest.mark.parametrize("why, say", LOST, ids=[why for why, _ in LOST])
async def test_no_usable_answer_is_unknown_and_sent_once(play, orders, why, say):
    play.says(PLACE, say)
    with pytest.raises(OutcomeUnknown):
        await orders.place(stop())
    assert len(play.heard) == 1


@pytest.mark.parametrize("code", ["51280", "51278", "51008", "51065", "51068"])
async def test_a_no_is_read_as_what_it_means(play, orders, code):
    """The last two: its client id is known."""
    play.says(PLACE, row_no(code))
    with pytest.raises(VenueRefused) as caught:
        await orders.place(stop())
    assert caught.value.code == ("duplicate" if code in ("51065", "51068") else code)


@pytest.mark.parametrize("state", ["live", "pause"])
async def test_one_that_waits_is_open(play, orders, state):
    play.says(ONE, yes(STOP | {"state": state}))
    report = await orders.look_up_stop("BTC-USDT", CID)
    assert (report.status, report.filled_qty, report.venue_order_id) == (OrderStatus.OPEN, 0, STOP["algoId"])
    assert (report.cid, report.side, report.venue_ts_ms) == (CID, Side.SELL, NOW_MS)
    assert [heard.query for heard in play.heard] == [f"algoClOrdId={CID}"]


@pytest.mark.parametrize("state", ["canceled", "order_failed"])
async def test_one_that_ended_without_an_order_is_cancelled(play, orders, state):
    play.says(ONE, yes(STOP | {"state": state, "failCode": "51008"}))
    report = await orders.look_up_stop("BTC-USDT", CID)
    assert (report.status, report.filled_qty, report.fees) == (OrderStatus.CANCELLED, 0, ())


CHILDREN_STATES = [
    ("rests", {"state": "live"}, [], OrderStatus.OPEN, "0", "0", ()),
    ("filled in part", {"state": "partially_filled", "accFillSz": "0.5"}, FILLS, OrderStatus.OPEN, "0.5", QUOTE, FEES),
    ("filled", {"state": "filled", "accFillSz": "0.5"}, FILLS, OrderStatus.FILLED, "0.5", QUOTE, FEES),
    ("part, then cancelled", {"accFillSz": "0.5"}, FILLS, OrderStatus.CANCELLED, "0.5", QUOTE, FEES),
]


@pytest.mark.parametrize("by_list", [False, True])
@pytest.mark.parametrize(
    "why, row, fills, status, qty, quote, fees", CHILDREN_STATES, ids=[each[0] for each in CHILDREN_STATES]
)
async def test_one_that_went_off_is_what_became_of_its_order(
    play, orders, why, row, fills, status, qty, quote, fees, by_list
):
    play.says(ONE, yes(WENT_OFF | {"ordId": "" if by_list else "312", "ordIdList": ["312"] if by_list else []}))
    play.says(CHILD, yes(MADE | row))
    play.says(f"GET {TRADE}/fills", yes(*fills))
    report = await orders.look_up_stop("BTC-USDT", CID)
    assert (report.status, report.filled_qty, report.filled_quote, report.fees) == (status, D(qty), D(quote), fees)
    assert (report.cid, report.venue_order_id) == (CID, "312")
    assert asked(play, CHILD)[0].query == "instId=BTC-USDT&ordId=312"


async def test_a_failure_that_names_an_order_is_followed_too(play, orders):
    play.says(ONE, yes(WENT_OFF | {"state": "partially_failed"}))
    play.says(CHILD, yes(MADE | {"accFillSz": "0.5"}))
    play.says(f"GET {TRADE}/fills", yes(*FILLS))
    assert (await orders.look_up_stop("BTC-USDT", CID)).filled_qty == D("0.5")


@pytest.mark.parametrize("made", [[], ["312", "313"]])
async def test_what_cannot_be_followed_is_asked_again(play, orders, made):
    play.says(ONE, yes(WENT_OFF | {"ordId": "", "ordIdList": made}))
    with pytest.raises(VenueUnavailable, match=f"names {len(made)} orders"):
        await orders.look_up_stop("BTC-USDT", CID)


async def test_an_order_that_its_query_does_not_know_is_among_those_that_ended(play, orders):
    play.says(ONE, yes(WENT_OFF))
    play.says(CHILD, NONE)
    play.says(ENDED_CHILDREN, yes(MADE | {"ordId": "311"}, MADE))
    report = await orders.look_up_stop("BTC-USDT", CID)
    assert (report.status, report.venue_order_id) == (OrderStatus.CANCELLED, "312")


@pytest.mark.parametrize(
    "age, fills, error",
    [({}, [], VenueUnavailable), (LONG_AGO, [], OrderNotFound), (LONG_AGO, FILLS, VenueUnavailable)],
)
async def test_an_order_that_nobody_shows_is_absent_once_the_venue_has_dropped_it(play, orders, age, fills, error):
    play.says(ONE, yes(WENT_OFF | age))
    play.says(CHILD, NONE)
    play.says(ENDED_CHILDREN, yes())
    play.says(f"GET {TRADE}/fills", yes(*fills))
    with pytest.raises(error):
        await orders.look_up_stop("BTC-USDT", CID)


@pytest.mark.parametrize("none", [NONE, yes(), yes(STOP | {"algoClOrdId": "another"})])
@pytest.mark.parametrize("at, state", [(0, "effective"), (1, "canceled"), (2, "order_failed")])
async def test_one_that_its_query_does_not_know_is_in_a_history(play, orders, at, state, none):
    play.says(ONE, none)
    play.says(PENDING, yes())
    row = WENT_OFF if state == "effective" else STOP | {"state": state}
    play.says(HISTORY, *[yes()] * at, yes(row))
    play.says(CHILD, yes(MADE))
    assert (await orders.look_up_stop("BTC-USDT", CID)).status is OrderStatus.CANCELLED
    common = "ordType=conditional&instType=SPOT&instId=BTC-USDT&limit=100"
    assert [heard.query for heard in asked(play, PENDING)] == [common]
    states = ["effective", "canceled", "order_failed"][: at + 1]
    assert [heard.query for heard in asked(play, HISTORY)] == [f"{common}&state={each}" for each in states]


async def test_one_that_waits_on_a_later_page(play, orders):
    play.says(ONE, NONE)
    page = [STOP | {"algoClOrdId": "", "algoId": str(900 - n)} for n in range(100)]
    play.says(PENDING, yes(*page), yes(STOP))
    assert (await orders.look_up_stop("BTC-USDT", CID)).status is OrderStatus.OPEN
    assert asked(play, PENDING)[1].query.endswith("&after=801")


async def test_absent_is_only_what_every_place_denies(play, orders):
    play.says(ONE, NONE)
    play.says(PENDING, yes())
    play.says(HISTORY, yes(), yes(), yes(), yes(), NONE, yes(), no("50011", "Too Many Requests"))
    with pytest.raises(OrderNotFound):
        await orders.look_up_stop("BTC-USDT", CID)
    assert len(play.heard) == 5
    for _ in range(2):
        with pytest.raises(VenueUnavailable):
            await orders.look_up_stop("BTC-USDT", CID)


async def test_more_than_are_read_is_no_evidence(play, orders):
    play.says(ONE, NONE)
    play.says(PENDING, yes(*[STOP | {"algoClOrdId": ""}] * 100))
    with pytest.raises(VenueUnavailable, match="more stops wait"):
        await orders.look_up_stop("BTC-USDT", CID)


async def test_what_waits_and_what_it_made_are_open_orders_of_ours(play, orders):
    """A stop that goes off between the two lists is in both; what a person placed in the app bears no id of ours."""
    other = "zyxwvutsrqponmlkjihgfedc32"
    waits = STOP | {"algoId": "9", "algoClOrdId": other}
    stranger = STOP | {"algoId": "8", "algoClOrdId": ""}
    play.says(PENDING, yes(STOP, waits, stranger))
    play.says(CHILDREN, yes(MADE | {"state": "live"}, ROW | {"state": "live", "clOrdId": "abc", "ordId": "5"}))
    reports = await everything_open(orders, Anything())
    told = [(report.cid, report.venue_order_id) for report in reports]
    assert told == [(CID, "312"), ("abc", "5"), (other, "9"), ("", "8")]
    assert all(report.status is OrderStatus.OPEN for report in reports)
    assert [heard.path for heard in play.heard] == [PENDING.split()[1], CHILDREN.split()[1]]


async def test_stops_that_wait_are_read_over_all_pages(play, swaps):
    page = [STOP | {"algoId": str(900 - n), "instId": BTC} for n in range(100)]
    play.says(PENDING, yes(*page), yes(STOP | {"instId": BTC}))
    play.says(CHILDREN, yes())
    assert len(await swaps.waiting_stops()) == 101
    first, second = asked(play, PENDING)
    assert first.query == "ordType=conditional&instType=SWAP&limit=100" and second.query == f"{first.query}&after=801"


async def test_one_that_waits_is_cancelled_by_client_id_in_a_list(play, orders):
    play.says(CANCEL, yes({"algoClOrdId": "", "algoId": "17", "sCode": "0", "sMsg": ""}))
    await orders.cancel_stop("BTC-USDT", CID, "17")
    [heard] = play.heard
    assert json.loads(heard.body) == [{"instId": "BTC-USDT", "algoClOrdId": CID}]


async def test_of_one_that_went_off_its_order_is_cancelled(play, orders):
    play.says(CANCEL, row_no("51400"))
    play.says(ONE, yes(WENT_OFF))
    play.says(f"POST {TRADE}/cancel-order", yes({"ordId": "312", "sCode": "0"}), row_no("51402"))
    await orders.cancel_stop("BTC-USDT", CID, STOP["algoId"])
    assert json.loads(play.heard[-1].body) == {"instId": "BTC-USDT", "ordId": "312"}
    with pytest.raises(VenueRefused) as caught:
        await orders.cancel_stop("BTC-USDT", CID, STOP["algoId"])
    assert caught.value.code == "51402"


@pytest.mark.parametrize("say", [yes(STOP | {"state": state}) for state in ("canceled", "order_failed")])
async def test_where_nothing_is_left_to_cancel_the_venues_no_stands(play, orders, say):
    play.says(CANCEL, row_no("51400"))
    play.says(ONE, say)
    with pytest.raises(VenueRefused) as caught:
        await orders.cancel_stop("BTC-USDT", CID, "17")
    assert caught.value.code == "51400"


def test_the_stream_tells_the_order_that_a_stop_made_as_ours():
    dialect = OkxStreamDialect(config("http://127.0.0.1:9", symbols=("BTC-USDT",)), CREDENTIAL, lambda: 0)
    rows = [MADE | {"state": "live"}, MADE | {"algoClOrdId": ""}]
    told = dialect.read(json.dumps({"arg": {"channel": "orders"}, "data": rows}).encode())
    assert [each.report.cid for each in told if isinstance(each, OrderTold)] == [CID, MADE["clOrdId"]]


# against the stand-in


@pytest.fixture
async def watcher():
    async with World(WorldConfig(seed=7, episodes=False, houses=("okx",))) as world:
        trader = await Trader(world, "okx", "native", order_stream=True).start()
        yield Watcher(trader)
        await trader.close()


async def test_a_stop_goes_by_rest_where_orders_go_by_socket(watcher):
    order = watcher.stop()
    await watcher.orders.place(order)
    assert watcher.orders.line.sent == 0 and await watcher.listed() == [order.cid]
    await watcher.orders.place(watcher.trader.wish(Side.BUY, TimeInForce.IOC))
    assert watcher.orders.line.sent == 1


async def test_one_that_comes_late_is_refused_for_its_age(watcher):
    wait_ms = watcher.trader.settings.order_timeout_ms + 200
    watcher.floor.faults.arm(Fault(kind="delay_before", ms=wait_ms))
    order = watcher.stop()
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        await watcher.orders.place(order)
    while time.monotonic() < began + (wait_ms + 300) / 1000:
        assert not watcher.floor.stops.of("trader")
        await asyncio.sleep(0.05)
    with pytest.raises(OrderNotFound):
        await watcher.look_up(order)


async def test_the_timer_takes_back_what_is_in_the_book_and_no_stop_that_waits(watcher):
    order = watcher.stop()
    await watcher.orders.place(order)
    resting = watcher.trader.wish(Side.BUY, TimeInForce.GTC, away=D("-0.2"))
    await watcher.orders.place(resting)
    [placed] = watcher.floor.exchange.orders.values()
    Countdown(watcher.floor).arm(placed.account, 0.01)
    await until(lambda: placed.state is State.CANCELLED, 5)
    assert (await watcher.look_up(order)).status is OrderStatus.OPEN and await watcher.listed() == [order.cid]


@pytest.mark.parametrize("ended", [False, True])
async def test_one_that_only_the_lists_know_is_found(watcher, ended):
    order = watcher.stop()
    await watcher.orders.place(order)
    if ended:
        await watcher.cancel(order)
    watcher.floor.faults.arm(Fault(kind="query_blind"))
    assert (await watcher.look_up(order)).status is (OrderStatus.CANCELLED if ended else OrderStatus.OPEN)
    with pytest.raises(OrderNotFound):
        await watcher.look_up(replace(order, cid=order.cid[:-2]))
