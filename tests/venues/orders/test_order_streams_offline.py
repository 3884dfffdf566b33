"""What the private streams' frames mean, venue by venue: what is whole, what must be looked up, what is no frame."""

import asyncio
from decimal import Decimal as D
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.errors import BadFrame
from engine.domain.order import Fee, OrderStatus, Side
from engine.domain.stream_event import OrderStreamState
from engine.venues.binance.order_stream import BinanceStreamDialect
from engine.venues.bitget.order_stream import BitgetStreamDialect
from engine.venues.bithumb.order_stream import BithumbStreamDialect
from engine.venues.bybit.order_stream import BybitStreamDialect
from engine.venues.coinone.order_stream import CoinoneStreamDialect
from engine.venues.fill_sums import FillSums
from engine.venues.gate.order_stream import GateStreamDialect
from engine.venues.kucoin.order_stream import KucoinStreamDialect
from engine.venues.okx.order_stream import OkxStreamDialect
from engine.venues.order_stream import Answer, Ready, Refused, StreamDialect, StreamLine, figure
from engine.venues.protocol import OrderTold
from engine.venues.upbit.order_stream import UpbitStreamDialect
from tests.venues.orders.stage import CREDENTIAL, config

SETTINGS = config("http://127.0.0.1:1", symbols=("KRW-ETH",))
Row = dict[str, object]
OPEN, FILLED, CANCELLED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELLED


async def nowhere() -> str:
    return ""


def now_ms() -> int:
    return 1_700_000_000_000


MADE: dict[str, Any] = {
    "binance": lambda: BinanceStreamDialect(SETTINGS, CREDENTIAL, 400, now_ms),
    "okx": lambda: OkxStreamDialect(SETTINGS, CREDENTIAL, now_ms),
    "bybit": lambda: BybitStreamDialect(SETTINGS, CREDENTIAL, now_ms),
    "upbit": lambda: UpbitStreamDialect(SETTINGS, CREDENTIAL, lambda: "sha512"),
    "bithumb": lambda: BithumbStreamDialect(SETTINGS, CREDENTIAL, now_ms),
    "coinone": lambda: CoinoneStreamDialect(SETTINGS, CREDENTIAL, lambda: "secret", now_ms),
    "gate": lambda: GateStreamDialect(SETTINGS, CREDENTIAL, now_ms),
    "bitget": lambda: BitgetStreamDialect(SETTINGS, CREDENTIAL, now_ms),
    "kucoin": lambda: KucoinStreamDialect(nowhere),
}


def heard(dialect: StreamDialect, *frames: object) -> list[OrderTold]:
    """All that is told of orders in these frames."""
    said = [each for frame in frames for each in dialect.read(msgspec.json.encode(frame))]
    return [each for each in said if isinstance(each, OrderTold)]


def brief(told: OrderTold) -> tuple[Any, ...]:
    report = told.report
    return report.cid, report.status, report.filled_qty, report.filled_quote, report.fees, told.is_whole


def binance(**over: object) -> object:
    event: Row = {"e": "executionReport", "s": "ETHBTC", "c": "mine", "S": "BUY", "X": "NEW", "C": "", "i": 7, "t": -1}
    event |= {"l": "0.00", "z": "0.00", "Z": "0.00", "Y": "0.00", "n": "0", "N": None, "T": 1}
    return {"subscriptionId": 0, "event": event | over}


def okx(**over: object) -> object:
    row: Row = {
        "instId": "ETH-USDT",
        "ordId": "9",
        "clOrdId": "mine",
        "state": "live",
        "side": "sell",
        "accFillSz": "0",
    }
    row |= {"uTime": "1634548275191", "tradeId": "", "fillSz": "0", "fillPx": "", "fillFee": "0", "fillFeeCcy": ""}
    return {"arg": {"channel": "orders", "instType": "SPOT"}, "data": [row | over]}


def bybit_order(**over: object) -> object:
    row: Row = {"category": "spot", "symbol": "ETHUSDT", "orderId": "5", "orderLinkId": "mine", "side": "Buy"}
    row |= {"orderStatus": "New", "cumExecQty": "", "cumExecValue": "", "updatedTime": "1672364262457"}
    return {"topic": "order", "data": [row | over]}


def bybit_fill(number: str, qty: str, value: str, fee: str) -> object:
    row: Row = {"category": "spot", "orderId": "5", "execId": number, "execQty": qty, "execValue": value}
    return {"topic": "execution", "data": [row | {"execFee": fee, "feeCurrency": "ETH", "execType": "Trade"}]}


def upbit(**over: object) -> object:
    row: Row = {"type": "myOrder", "code": "KRW-ETH", "uuid": "u", "ask_bid": "BID", "state": "wait", "volume": 2.0}
    row |= {"executed_volume": 0.0, "executed_funds": 0.0, "remaining_volume": 2.0, "paid_fee": 0.0}
    return row | {"identifier": "mine", "trade_uuid": None, "price": 10.0, "timestamp": 1} | over


def bithumb(**over: object) -> object:
    row: Row = {"type": "myOrder", "code": "KRW-ETH", "order_id": "C1", "client_order_id": "mine", "side": "sell"}
    return row | {"state": "wait", "timestamp": 1} | over


def coinone(**over: object) -> object:
    data: Row = {"quote_currency": "KRW", "target_currency": "ETH", "order_id": "o", "status": "wait", "side": "BID"}
    data |= {"order_qty": None, "trade_id": None, "executed_price": None, "executed_qty": None, "executed_fee": None}
    return {"response_type": "DATA", "channel": "MYORDER", "data": data | {"user_order_id": "mine"} | over}


def gate(**over: object) -> object:
    row: Row = {"id": "3", "text": "t-mine", "currency_pair": "BTC_USDT", "side": "buy", "event": "put", "left": "0.1"}
    row |= {"filled_amount": "0", "filled_total": "0", "fee": "0", "fee_currency": "BTC", "gt_fee": "0"}
    return {"channel": "spot.orders", "event": "update", "result": [row | {"update_time_ms": "1"} | over]}


def bitget(**over: object) -> object:
    row: Row = {
        "instId": "BTCUSDT",
        "orderId": "4",
        "clientOid": "mine",
        "status": "live",
        "side": "sell",
        "uTime": "1",
    }
    return {"action": "snapshot", "arg": {"channel": "orders"}, "data": [row | {"accBaseVolume": "0"} | over]}


def kucoin(**over: object) -> object:
    data: Row = {"symbol": "BTC-USDT", "side": "buy", "orderId": "2", "type": "open", "clientOid": "mine"}
    data |= {"filledSize": "0", "ts": 1_648_957_054_031_001_037}
    return {"type": "message", "topic": "/spotMarket/tradeOrdersV2", "data": data | over}


FIRST = {"t": 1, "X": "PARTIALLY_FILLED", "l": "1", "Y": "10", "z": "1", "Z": "10", "n": "0.001", "N": "ETH"}
SECOND = {"t": 2, "X": "FILLED", "l": "2", "Y": "21", "z": "3", "Z": "31", "n": "0.002", "N": "ETH"}
OKX_FILL = {"state": "filled", "accFillSz": "2", "tradeId": "8", "fillSz": "2", "fillPx": "100"}
UP_TRADE = {"state": "trade", "trade_uuid": "x", "price": 1.5e1, "volume": 2.0, "executed_volume": 2.0}
CO_TRADE = {"status": "trade", "trade_id": "x", "executed_price": "10", "executed_qty": "0.4", "executed_fee": "0.1"}
BG_FILL = {"status": "filled", "accBaseVolume": "2", "tradeId": "1", "baseVolume": "2", "fillPrice": "5"}
CASES = [  # why, venue, frames, what the last of them tells
    ("opened", "binance", [binance()], ("mine", OPEN, D(0), D(0), (), True)),
    (
        "two fills",
        "binance",
        [binance(**FIRST), binance(**SECOND)],
        ("mine", FILLED, D(3), D(31), (Fee("ETH", D("0.003")),), True),
    ),
    ("a missed fill", "binance", [binance(**SECOND)], ("mine", FILLED, D(3), D(31), (Fee("ETH", D("0.002")),), False)),
    (
        "a repeat",
        "binance",
        [binance(**FIRST), binance(**FIRST)],
        ("mine", OPEN, D(1), D(10), (Fee("ETH", D("0.001")),), True),
    ),
    (
        "a cancel bears its own id",
        "binance",
        [binance(c="the-cancel", C="mine", X="CANCELED")],
        ("mine", CANCELLED, D(0), D(0), (), True),
    ),
    ("a status nobody knows", "binance", [binance(X="ODD")], ("mine", OPEN, D(0), D(0), (), False)),
    (
        "paid is negative",
        "okx",
        [okx(**OKX_FILL, fillFee="-0.2", fillFeeCcy="USDT")],
        ("mine", FILLED, D(2), D(200), (Fee("USDT", D("0.2")),), True),
    ),
    ("ended without a fill", "okx", [okx(state="canceled")], ("mine", CANCELLED, D(0), D(0), (), True)),
    ("a missed one", "okx", [okx(state="canceled", accFillSz="1")], ("mine", CANCELLED, D(1), D(0), (), False)),
    (
        "the order, then its execution",
        "bybit",
        [bybit_order(orderStatus="Filled", cumExecQty="2", cumExecValue="20"), bybit_fill("1", "2", "20", "0.01")],
        ("mine", FILLED, D(2), D(20), (Fee("ETH", D("0.01")),), True),
    ),
    (
        "the execution, then its order",
        "bybit",
        [bybit_fill("1", "2", "20", "0.01"), bybit_order(orderStatus="Filled", cumExecQty="2", cumExecValue="20")],
        ("mine", FILLED, D(2), D(20), (Fee("ETH", D("0.01")),), True),
    ),
    (
        "an execution alone",
        "bybit",
        [bybit_order(orderStatus="Filled", cumExecQty="3", cumExecValue="30"), bybit_fill("1", "2", "20", "0.01")],
        ("mine", FILLED, D(3), D(30), (), False),
    ),
    (
        "cumulative, with an exponent",
        "upbit",
        [upbit(**UP_TRADE, executed_funds=30.0, paid_fee=0.015)],
        ("mine", OPEN, D(2), D(30), (Fee("KRW", D("0.015")),), True),
    ),
    (
        "done with a rest",
        "upbit",
        [upbit(state="done", executed_volume=1.0, remaining_volume=1.0, executed_funds=10.0, paid_fee=0.5)],
        ("mine", CANCELLED, D(1), D(10), (Fee("KRW", D("0.5")),), True),
    ),
    ("a fee that is not told", "upbit", [upbit(paid_fee=None)], ("mine", OPEN, D(0), D(0), (), False)),
    ("nothing filled", "bithumb", [bithumb(state="cancel")], ("mine", CANCELLED, D(0), D(0), (), True)),
    (
        "fees are not certain",
        "bithumb",
        [bithumb(state="done", executed_quantity=1.5, executed_amount=15.0, paid_fee=0.1)],
        ("mine", FILLED, D("1.5"), D(15), (), False),
    ),
    (
        "a part is taken back",
        "coinone",
        [coinone(order_qty="1"), coinone(**CO_TRADE, remain_qty="0.6"), coinone(status="cancel", executed_qty="0.6")],
        ("mine", CANCELLED, D("0.4"), D(4), (Fee("KRW", D("0.1")),), True),
    ),
    (
        "its beginning was missed",
        "coinone",
        [coinone(**CO_TRADE, remain_qty="0.6")],
        ("mine", OPEN, D("0.4"), D(4), (Fee("KRW", D("0.1")),), False),
    ),
    (
        "a fill between was missed",
        "coinone",
        [coinone(order_qty="1"), coinone(**CO_TRADE, remain_qty="0.1")],
        ("mine", OPEN, D("0.4"), D(4), (Fee("KRW", D("0.1")),), False),
    ),
    (
        "fees in GT",
        "gate",
        [gate(event="finish", finish_as="ioc", filled_amount="0.1", filled_total="20", gt_fee="0.3")],
        ("mine", CANCELLED, D("0.1"), D(20), (Fee("GT", D("0.3")),), True),
    ),
    ("fields are missing", "gate", [gate(fee=None)], ("mine", OPEN, D(0), D(0), (), False)),
    ("not placed by us", "gate", [gate(text="apiv4")], ("", OPEN, D(0), D(0), (), True)),
    (
        "its own fill",
        "bitget",
        [bitget(**BG_FILL, fillFee="-0.1", fillFeeCoin="USDT")],
        ("mine", FILLED, D(2), D(10), (Fee("USDT", D("0.1")),), True),
    ),
    ("a fee in nothing", "bitget", [bitget(**BG_FILL, fillFee="-0.1")], ("mine", FILLED, D(2), D(10), (), False)),
    ("tells no fees", "kucoin", [kucoin(type="filled", filledSize="2")], ("mine", FILLED, D(2), D(0), (), False)),
    ("cancelled", "kucoin", [kucoin(type="canceled")], ("mine", CANCELLED, D(0), D(0), (), True)),
]


@pytest.mark.parametrize("why, venue, frames, expected", CASES, ids=[f"{case[1]}: {case[0]}" for case in CASES])
def test_what_a_frame_tells(why, venue, frames, expected):
    assert brief(heard(MADE[venue](), *frames)[-1]) == expected


TALK = [  # venue, frame, what follows
    ("binance", {"id": "1", "status": 200, "result": {"subscriptionId": 0}}, Ready),
    ("binance", {"id": "1", "status": 400, "error": {"code": -1022, "msg": "no"}}, Refused),
    ("binance", {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}, Refused),
    ("okx", {"event": "login", "code": "0"}, Answer),
    ("okx", {"event": "subscribe", "arg": {"channel": "orders"}}, Ready),
    ("okx", {"event": "error", "code": "60009", "msg": "Login failed."}, Refused),
    ("bybit", {"success": True, "op": "auth"}, Answer),
    ("bybit", {"success": True, "op": "subscribe"}, Ready),
    ("bybit", {"success": False, "op": "auth", "ret_msg": "error:USVC1111"}, Refused),
    ("upbit", {"error": {"name": "INVALID_AUTH", "message": "no"}}, Refused),
    ("bithumb", {"error": {"name": "WRONG_FORMAT", "message": "no"}}, Refused),
    ("coinone", {"response_type": "SUBSCRIBED", "channel": "MYORDER", "data": []}, Ready),
    ("coinone", {"response_type": "ERROR", "error_code": 160012, "message": "Invalid Topic"}, Refused),
    ("gate", {"channel": "spot.orders", "event": "subscribe", "result": {"status": "success"}}, Ready),
    ("gate", {"channel": "spot.orders", "event": "subscribe", "error": {"code": 4, "message": "no"}}, Refused),
    ("bitget", {"event": "login", "code": 0}, Answer),
    ("bitget", {"event": "subscribe", "arg": {"channel": "orders"}}, Ready),
    ("bitget", {"event": "error", "code": 30005, "msg": "error"}, Refused),
    ("kucoin", {"id": "x", "type": "welcome"}, Answer),
    ("kucoin", {"id": "orders", "type": "ack"}, Ready),
    ("kucoin", {"id": "orders", "type": "error", "code": 404, "data": "no"}, Refused),
]


@pytest.mark.parametrize("venue, frame, kind", TALK, ids=[f"{case[0]}-{case[2].__name__}" for case in TALK])
def test_what_is_said_back(venue, frame, kind):
    [said] = MADE[venue]().read(msgspec.json.encode(frame))
    assert isinstance(said, kind)


@pytest.mark.parametrize("venue", list(MADE))
@given(frame=st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["e", "event", "data", "arg", "type", "topic", "channel", "result", "error", "op", "code"]),
        inner,
        max_size=4,
    ),
    max_leaves=8,
).map(msgspec.json.encode))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_any_frame_is_read_or_is_a_bad_one(venue, frame):
    try:
        MADE[venue]().read(frame)
    except BadFrame:
        return


def test_an_order_that_was_forgotten_is_not_whole():
    sums = FillSums()
    for number in range(1_001):
        sums.add(str(number), "1", D(1), D(10), "KRW", D("0.1"))
    assert sums.of("0").qty == 0 and sums.of("1").qty == 1 and sums.of("1000").fees == (Fee("KRW", D("0.1")),)


async def test_a_stream_that_the_venue_ends_is_told_as_lost():
    """Its socket may stand on: what counts is that nothing is told any more."""
    told: list[object] = []
    line = StreamLine(MADE["binance"]())
    running = asyncio.create_task(line.run(told.append))
    await asyncio.sleep(0)
    line.on_open()
    line.on_message(msgspec.json.encode({"id": "1", "status": 200, "result": {"subscriptionId": 0}}), 1)
    assert line.health().state == "up"
    line.on_message(msgspec.json.encode({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}), 2)
    line.on_lost("given up")
    assert [state.connected for state in told if isinstance(state, OrderStreamState)] == [True, False]
    assert line.health().state == "refused" and line.health().reason == "given up"
    running.cancel()
    await asyncio.wait([running])


def test_sides_are_read():
    assert heard(MADE["okx"](), okx())[0].report.side is Side.SELL
    assert heard(MADE["coinone"](), coinone())[0].report.side is Side.BUY


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_what_is_no_number_is_no_figure(text):
    with pytest.raises(ValueError):
        figure(text)
    assert figure("") == figure(None) == 0
