"""Stop-losses on Binance's USDT perpetuals against a scripted server: the wire, and how odd answers are read."""

from decimal import Decimal as D
from urllib.parse import parse_qsl

import msgspec
import pytest

from engine.domain.errors import BadFrame, OrderNotFound, OutcomeUnknown, VenueRefused, VenueUnavailable
from engine.domain.order import Fee, OrderKind, OrderStatus, Side, TimeInForce
from engine.venues.binance_usdm.order_stream import BinanceUsdmStreamDialect
from engine.venues.binance_usdm.orders import BinanceUsdmOrders
from engine.venues.ccxt_orders import wall_ms
from engine.venues.protocol import Conditional, OrderTold, everything_open
from engine.venues.verdict import Budgets
from tests.venues.orders.stage import CID, CREDENTIAL, Open, Say, config, stage
from tests.venues.orders.test_binance_usdm_offline import FILLS, LOST, PAID, PART, ROW, no, sent, wish
from tests.venues.orders.test_stops_at_venues import Every

PLACE, LOOK_UP, CANCEL = (f"{method} /fapi/v1/algoOrder" for method in ("POST", "GET", "DELETE"))
OPEN, EVERY = "GET /fapi/v1/openAlgoOrders", "GET /fapi/v1/allAlgoOrders"
ORDER, ORDERS, OPEN_ORDERS = "GET /fapi/v1/order", "GET /fapi/v1/allOrders", "GET /fapi/v1/openOrders"
STOP = {  # as the venue's page shows one
    "algoId": 2146760,
    "clientAlgoId": CID,
    "algoType": "CONDITIONAL",
    "orderType": "STOP",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "positionSide": "BOTH",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "algoStatus": "NEW",
    "actualOrderId": "",
    "actualPrice": "0.00000",
    "triggerPrice": "750.000",
    "price": "740.000",
    "icebergQuantity": None,
    "reduceOnly": False,
    "createTime": 1750485492076,
    "updateTime": 1750514545091,
    "triggerTime": 0,
}
MADE = STOP | {"algoStatus": "TRIGGERED", "actualOrderId": "28"}
UNKNOWN = no(-2013, "Order does not exist.")


@pytest.fixture
async def play():
    async with stage() as play:
        yield play


@pytest.fixture
async def trade(play):
    settings = config(play.base, symbols=("BTCUSDT",), ticks=(), min_notional=D(7), leverage=2)
    orders = BinanceUsdmOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    yield orders
    await orders.close()


def stop(**over):
    return wish(TimeInForce.GTC, kind=OrderKind.STOP_LOSS, stop_price=D("93000000.50"), **over)


def asked(play):
    return [f"{heard.method} {heard.path}" for heard in play.heard]


def query(heard):
    fields = dict(parse_qsl(heard.query or heard.body))
    return {name: text for name, text in fields.items() if name not in ("timestamp", "recvWindow", "signature")}


async def test_the_wire_of_a_stop(play, trade):
    assert issubclass(BinanceUsdmOrders, Conditional)
    play.says(PLACE, Say({key: value for key, value in STOP.items() if not key.startswith("actual")}))
    fields = {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "STOP",
        "timeInForce": "GTC",
        "quantity": "0.12345678901234567890",
        "price": "93125000.10",
        "triggerPrice": "93000000.50",
        "workingType": "CONTRACT_PRICE",
        "clientAlgoId": CID,
    }
    for over, more in (({}, {}), ({"side": Side.SELL, "reduce_only": True}, {"side": "SELL", "reduceOnly": "true"})):
        play.heard.clear()
        report = await trade.place(stop(**over))
        assert (report.status, report.venue_order_id, report.filled_qty) == (OrderStatus.OPEN, "2146760", 0)
        assert asked(play) == [PLACE] and sent(play.heard[0]) == fields | more


async def test_no_usable_answer_is_unknown_and_sent_once(play, trade):
    for why, say in [(why, say) for why, say in LOST if why not in ("no side", "a state of tomorrow", "no number")]:
        play.forget()
        play.says(PLACE, Say(STOP | {"algoId": "NaN"}) if why == "an overflow" else say)
        with pytest.raises(OutcomeUnknown):
            await trade.place(stop())
        assert len(play.heard) == 1, why


async def test_what_the_venue_refuses_is_refused(play, trade):
    noes = {-2021: "Order would immediately trigger.", -4116: "ClientOrderId is duplicated.", -4120: "Algo, please."}
    for code, text in (*noes.items(), (-20132, "The client algo id is duplicated")):
        play.forget()
        play.says(PLACE, no(code, text))
        with pytest.raises(VenueRefused) as caught:
            await trade.place(stop())
        assert caught.value.code == ("duplicate" if "duplicated" in text else str(code)) and len(play.heard) == 1


WORDS: list[tuple[dict[str, str | None], OrderStatus]] = [
    ({}, OrderStatus.OPEN),
    ({"algoStatus": "TRIGGERING"}, OrderStatus.OPEN),
    ({"algoStatus": "CANCELED"}, OrderStatus.CANCELLED),
    ({"algoStatus": "EXPIRED", "actualOrderId": None}, OrderStatus.CANCELLED),
    ({"algoStatus": "REJECTED", "actualOrderId": "0"}, OrderStatus.CANCELLED),
]


@pytest.mark.parametrize("over, status", WORDS, ids=[over.get("algoStatus", "NEW") for over, _ in WORDS])
async def test_before_it_makes_an_order_it_has_filled_nothing(play, trade, over, status):
    play.says(LOOK_UP, Say(STOP | over))
    report = await trade.look_up_stop("BTCUSDT", CID)
    assert (report.status, report.filled_qty, report.fees, report.cid) == (status, 0, (), CID)
    assert asked(play) == [LOOK_UP] and query(play.heard[0]) == {"clientAlgoId": CID}


@pytest.mark.parametrize("word", ["TRIGGERED", "FINISHED", "PONDERED"])
async def test_one_that_should_have_made_an_order_is_not_known_to_have_ended(play, trade, word):
    play.says(LOOK_UP, Say(STOP | {"algoStatus": word}))
    with pytest.raises(VenueUnavailable, match="names no order"):
        await trade.look_up_stop("BTCUSDT", CID)


@pytest.mark.parametrize("number", ["28", 28])
@pytest.mark.parametrize("word", ["TRIGGERED", "FINISHED", "CANCELED"])
async def test_the_order_that_it_made_is_the_truth_whatever_its_id(play, trade, word, number):
    """One that filled in part and was cancelled; it need not bear our id."""
    play.says(LOOK_UP, Say(MADE | {"algoStatus": word, "actualOrderId": number}))
    play.says(ORDER, Say(ROW | PART | {"status": "CANCELED", "clientOrderId": "the-venues-own"}))
    play.says(FILLS, Say(PAID))
    report = await trade.look_up_stop("BTCUSDT", CID)
    assert (report.status, report.filled_qty, report.filled_quote) == (OrderStatus.CANCELLED, D("0.003"), D("201.3"))
    assert (report.cid, report.venue_order_id) == (CID, "28")
    assert report.fees == (Fee("USDT", D("0.05")), Fee("BNB", D("0.0001")))
    assert query(play.heard[1]) == {"symbol": "BTCUSDT", "orderId": "28"}


async def test_an_order_that_is_named_and_not_shown_yet_is_waited_for(play, trade):
    fresh = MADE | {"algoStatus": "FINISHED", "updateTime": wall_ms()}
    play.says(LOOK_UP, Say(fresh), Say(fresh), Say(fresh | {"updateTime": wall_ms() - 4 * 86_400_000}))
    play.says(ORDER, UNKNOWN)
    play.says(ORDERS, Say([ROW | PART | {"status": "FILLED"}]), Say([]))
    play.says(FILLS, Say(PAID))
    assert (await trade.look_up_stop("BTCUSDT", CID)).status is OrderStatus.FILLED  # the list knows it
    with pytest.raises(VenueUnavailable, match="not shown yet"):
        await trade.look_up_stop("BTCUSDT", CID)
    old = await trade.look_up_stop("BTCUSDT", CID)  # the venue forgets what ended without a trade
    assert (old.status, old.filled_qty) == (OrderStatus.CANCELLED, 0)


async def test_one_that_the_engine_denied_filled_nothing(play, trade):
    play.says(LOOK_UP, Say(MADE | {"algoStatus": "REJECTED"}))
    play.says(ORDER, UNKNOWN)
    play.says(ORDERS, Say([]))
    assert (await trade.look_up_stop("BTCUSDT", CID)).status is OrderStatus.CANCELLED


async def test_none_is_said_only_after_every_place_that_could_know_it(play, trade):
    places = [(LOOK_UP, UNKNOWN), (OPEN, Say([])), (EVERY, Say([])), (ORDER, UNKNOWN), (ORDERS, Say([]))]
    for request, answer in places:
        play.says(request, answer)
    with pytest.raises(OrderNotFound):
        await trade.look_up_stop("BTCUSDT", CID)
    assert asked(play) == [request for request, _ in places]
    assert query(play.heard[2]) == {"symbol": "BTCUSDT", "limit": "1000"}
    for silent in (OPEN, EVERY, ORDERS):
        play.forget()
        for request, answer in places:
            play.says(request, answer if request != silent else no(-1001, status=503))
        with pytest.raises(VenueUnavailable):
            await trade.look_up_stop("BTCUSDT", CID)


@pytest.mark.parametrize("listed, row", [(EVERY, STOP | {"algoStatus": "CANCELED"}), (OPEN, STOP)])
async def test_what_its_query_does_not_know_a_list_may(play, trade, listed, row):
    another = STOP | {"clientAlgoId": "another", "algoId": 1}
    play.says(LOOK_UP, UNKNOWN)
    for request in (OPEN, EVERY):
        play.says(request, Say([another, row] if request == listed else [another]))
    report = await trade.look_up_stop("BTCUSDT", CID)
    assert report.status is (OrderStatus.OPEN if listed == OPEN else OrderStatus.CANCELLED)
    assert (report.cid, report.venue_order_id) == (CID, "2146760")


async def test_a_stop_that_only_its_order_remembers_is_found_by_the_id_that_it_passed_on(play, trade):
    play.says(LOOK_UP, UNKNOWN)
    for request in (OPEN, EVERY):
        play.says(request, Say([]))
    play.says(ORDER, Say(ROW))
    assert (await trade.look_up_stop("BTCUSDT", CID)).status is OrderStatus.OPEN
    assert query(play.heard[-1]) == {"symbol": "BTCUSDT", "origClientOrderId": CID}


async def test_a_cancel_goes_to_the_stop_and_then_to_the_order_that_it_made(play, trade):
    play.says(CANCEL, Say({"algoId": 2146760, "clientAlgoId": CID, "code": "200", "msg": "success"}))
    await trade.cancel_stop("BTCUSDT", CID, "2146760")
    assert asked(play) == [CANCEL] and query(play.heard[0]) == {"clientAlgoId": CID}
    play.forget()
    play.says(CANCEL, no(-2011, "Unknown order sent."))
    play.says(LOOK_UP, Say(MADE))
    play.says("DELETE /fapi/v1/order", Say(ROW | {"status": "CANCELED"}))
    await trade.cancel_stop("BTCUSDT", CID, "2146760")
    assert asked(play) == [CANCEL, LOOK_UP, "DELETE /fapi/v1/order"]
    assert query(play.heard[-1]) == {"symbol": "BTCUSDT", "orderId": "28"}


@pytest.mark.parametrize("known", [UNKNOWN, *(Say(STOP | {"algoStatus": word}) for word in ("CANCELED", "REJECTED"))])
async def test_a_cancel_that_finds_nothing_to_cancel_is_refused(play, trade, known):
    play.says(CANCEL, no(-2011, "Unknown order sent."))
    play.says(LOOK_UP, known)
    with pytest.raises(OrderNotFound if known is UNKNOWN else VenueRefused):
        await trade.cancel_stop("BTCUSDT", CID, "2146760")
    assert asked(play) == [CANCEL, LOOK_UP]


@pytest.mark.parametrize("word", ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED", "PONDERED", None])
async def test_a_cancel_of_one_that_is_about_to_name_its_order_is_asked_again(play, trade, word):
    play.says(CANCEL, no(-2011, "Unknown order sent."))
    play.says(LOOK_UP, Say(STOP | {"algoStatus": word}))
    with pytest.raises(VenueUnavailable, match="names no order yet"):
        await trade.cancel_stop("BTCUSDT", CID, "2146760")


@pytest.mark.parametrize("at", [None, 0, ""])
async def test_without_a_time_it_has_ended_just_now(play, trade, at):
    play.says(LOOK_UP, Say(MADE | {"algoStatus": "FINISHED", "updateTime": at}))
    play.says(ORDER, UNKNOWN)
    play.says(ORDERS, Say([]))
    with pytest.raises(VenueUnavailable, match="not shown yet"):
        await trade.look_up_stop("BTCUSDT", CID)


async def test_an_odd_row_hides_no_stop_that_waits(play, trade):
    odd = [
        {name: None for name in STOP},
        {},
        STOP | {"clientAlgoId": None, "algoId": 5, "side": "LONG", "algoStatus": "PONDERED"},
        STOP | {"clientAlgoId": "", "algoId": 6, "updateTime": None, "symbol": None},
        MADE | {"clientAlgoId": "names-no-order", "algoId": 7, "actualOrderId": None},
    ]
    play.says(OPEN, Say([*odd, STOP | {"updateTime": None}, MADE]))
    told = await trade.waiting_stops()
    assert all(each.status is OrderStatus.OPEN for each in told)
    ids = [(each.cid, each.venue_order_id) for each in told]
    unnamed = [("", number) for number in ("", "", "5", "6")]
    assert ids == [*unnamed, ("names-no-order", "7"), (CID, "2146760")]
    play.forget()
    play.says(LOOK_UP, UNKNOWN)
    play.says(OPEN, Say([*odd, STOP | {"updateTime": None}]))
    play.says(EVERY, Say(odd))
    assert (await trade.look_up_stop("BTCUSDT", CID)).status is OrderStatus.OPEN
    play.forget()
    play.says(LOOK_UP, Say(STOP | {"side": "LONG"}))
    with pytest.raises(VenueUnavailable, match="unreadable"):
        await trade.look_up_stop("BTCUSDT", CID)


async def test_a_list_of_every_market_is_paid_by_its_weight(play):
    reads = Open()
    settings = config(play.base, symbols=("BTCUSDT",), ticks=(), min_notional=D(7), leverage=2)
    trade = BinanceUsdmOrders(settings, CREDENTIAL, Budgets(Open(), reads))
    play.says(OPEN, Say([]))
    play.says(OPEN_ORDERS, Say([]))
    await everything_open(trade, Every())
    assert len(reads.taken) + reads.owed == 2 * 10  # 40 each, where ten reads a second stand for a weight of 40
    await trade.close()


async def test_by_the_order_socket_it_cannot_leave(play):
    settings = config(play.base, symbols=("BTCUSDT",), ticks=(), min_notional=D(7), leverage=2, order_path="native")
    trade = BinanceUsdmOrders(settings, CREDENTIAL, Budgets(Open(), Open()))
    assert trade.line is not None
    trade.line.is_open = True
    play.says(PLACE, Say(STOP))
    await trade.place(stop())
    assert asked(play) == [PLACE] and trade.line.sent == 0
    await trade.close()


async def key() -> str:
    return "k"


TOLD = {  # as a desk of others has heard it
    "caid": CID,
    "aid": 1000000033225453,
    "at": "CONDITIONAL",
    "o": "STOP",
    "s": "DOGEUSDT",
    "S": "BUY",
    "q": "38",
    "X": "NEW",
    "ai": "",
    "ap": "0",
    "aq": "0",
    "tp": "0.13855",
    "tt": 1765431097019,
}
HEARD = [
    ({}, OrderStatus.OPEN),
    ({"X": "CANCELED"}, OrderStatus.CANCELLED),
    ({"X": "EXPIRED"}, OrderStatus.CANCELLED),
    ({"X": "REJECTED", "rm": "Margin is insufficient."}, OrderStatus.CANCELLED),
    ({"X": "REJECTED", "ai": "88937381063"}, None),
    ({"X": "TRIGGERING"}, None),
    ({"X": "TRIGGERED", "ai": "88937381063"}, None),
    ({"X": "FINISHED", "ai": 88937381063, "aq": "38"}, None),
    ({"X": "PONDERED"}, None),
]


@pytest.mark.parametrize("over, status", HEARD)
def test_the_stream_tells_of_a_stop_until_an_order_speaks_for_it(over, status):
    dialect = BinanceUsdmStreamDialect("ws://127.0.0.1:1", key)
    frame = {"e": "ALGO_UPDATE", "T": 1765431097030, "E": 1765431097037, "o": TOLD | over}
    said = dialect.read(msgspec.json.encode(frame))
    if status is None:
        assert not said
        return
    [told] = said
    assert isinstance(told, OrderTold) and told.is_whole
    report = told.report
    assert (report.cid, report.symbol, report.side, report.status) == (CID, "DOGEUSDT", Side.BUY, status)
    assert (report.venue_order_id, report.venue_ts_ms) == ("1000000033225453", 1765431097030) and not report.filled_qty


@pytest.mark.parametrize("over", [{"S": "LONG"}, {"aid": "x"}, {"caid": None}, {"X": 5}])
def test_what_is_no_stop_is_no_frame(over):
    dialect = BinanceUsdmStreamDialect("ws://127.0.0.1:1", key)
    with pytest.raises(BadFrame):
        dialect.read(msgspec.json.encode({"e": "ALGO_UPDATE", "T": 1, "o": TOLD | over}))


async def test_open_orders_are_those_that_wait_and_those_that_rest_each_once(play, trade):
    waiting = [
        STOP,
        STOP | {"clientAlgoId": "gone-off", "algoStatus": "TRIGGERING"},
        STOP | {"clientAlgoId": "by-hand", "orderType": "TAKE_PROFIT_MARKET", "closePosition": True, "quantity": None},
        STOP | {"clientAlgoId": "done", "algoStatus": "FINISHED", "actualOrderId": "77"},
    ]
    play.says(OPEN, Say(waiting))
    play.says(OPEN_ORDERS, Say([ROW | {"clientOrderId": "gone-off"}, ROW | {"clientOrderId": "web_1", "orderId": 29}]))
    told = await everything_open(trade, Every())
    assert asked(play) == [OPEN, OPEN_ORDERS] and not query(play.heard[0])
    assert sorted((report.cid, report.venue_order_id) for report in told) == sorted(
        [(CID, "2146760"), ("by-hand", "2146760"), ("gone-off", "28"), ("web_1", "29")]
    )
    play.forget()
    play.says(OPEN_ORDERS, Say([]))
    play.says(OPEN, Say("<html>502 Bad Gateway</html>", 502))
    assert not await trade.open_orders()
    with pytest.raises(VenueUnavailable):
        await trade.waiting_stops()
