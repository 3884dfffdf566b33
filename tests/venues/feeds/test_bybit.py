"""Bybit: the counter of its deltas, restarts, depths beside each other, and every other frame."""

import json
from random import Random
from typing import Any

import pytest

from engine.domain.errors import BadFrame, SequenceGap
from engine.venues.bybit.dialect import BybitDialect
from engine.venues.bybit.feed import CounterGuard
from engine.venues.feeds import build_decoder
from tests.venues.feeds.ear import Ear, spell

GUARD = [  # why, held, number, outcome
    ("follows", 10, 11, True),
    ("duplicate", 10, 10, False),
    ("gap: one missed", 10, 12, SequenceGap),
    ("gap: far ahead", 10, 900, SequenceGap),
    ("the counter went back: a restart nobody announced", 10, 9, SequenceGap),
]


@pytest.mark.parametrize("why, held, number, outcome", GUARD, ids=[case[0] for case in GUARD])
def test_counter_guard(why, held, number, outcome):
    guard = CounterGuard(held)
    if outcome is SequenceGap:
        with pytest.raises(SequenceGap, match=f"expected {held + 1}, received {number}"):
            guard.accepts(number)
        assert guard.last_id == held
    else:
        assert guard.accepts(number) is outcome
        assert guard.last_id == number


def book(kind, update_id, bids=(), asks=(), symbol="BTCUSDT", depth="50"):
    data = {"s": symbol, "b": bids, "a": asks, "u": update_id, "seq": 7}
    return {"topic": f"orderbook.{depth}.{symbol}", "type": kind, "ts": 9, "data": data, "cts": 8}


def live(venue="bybit", update_id=10):
    ear = Ear(venue)
    ear.hear(book("snapshot", update_id, [["10", "1"]], [["11", "2"]]))
    ear.take()
    return ear


def test_snapshot_then_deltas():
    ear = Ear("bybit")
    assert ear.hear(book("snapshot", 10, [["10", "1"], ["9", "0"]], [["12", "1"], ["11", "2"]])) == [
        "book BTCUSDT 10x1|11x2,12x1"
    ]
    assert ear.hear(book("delta", 11, [["9", "3"]], [["11", "0"]])) == ["change BTCUSDT 9x3|11x0"]
    assert ear.events[-1].venue_ts_ms == 8


def test_a_repeat_is_passed_over():
    ear = live()
    assert ear.hear(book("delta", 11), book("delta", 11)) == ["change BTCUSDT |"]


def test_a_gap_loses_the_book_until_the_next_snapshot():
    ear = live()
    assert ear.hear(book("delta", 12)) == ["lost BTCUSDT gap", "ask BTCUSDT gap"]
    assert ear.hear(book("delta", 13)) == []
    assert ear.hear(book("snapshot", 20, [["10", "1"]], [["11", "2"]])) == ["book BTCUSDT 10x1|11x2"]
    assert (ear.decoder.counts.gaps, ear.decoder.counts.resyncs) == (1, 1)


def test_a_later_snapshot_and_number_one_replace_the_book():
    ear = live()
    assert ear.hear(book("snapshot", 900, [["8", "1"]], [["9", "1"]])) == ["book BTCUSDT 8x1|9x1"]
    assert ear.hear(book("delta", 1, [["7", "1"]], [["8", "1"]])) == ["book BTCUSDT 7x1|8x1"]
    assert ear.hear(book("delta", 2, [["7", "2"]])) == ["change BTCUSDT 7x2|"]
    assert ear.decoder.counts.gaps == 0


def test_a_delta_before_its_snapshot_is_asked_about_once():
    ear = Ear("bybit")
    assert ear.hear(book("delta", 5), book("delta", 6)) == ["ask BTCUSDT no_snapshot"]
    assert not ear.decoder.is_live("BTCUSDT")


def test_the_owner_of_a_crossed_book_drops_it():
    ear = live()
    ear.decoder.drop("BTCUSDT", "crossed", 3)
    assert ear.take() == ["lost BTCUSDT crossed", "ask BTCUSDT crossed"]
    assert ear.decoder.counts.gaps == 1


def test_the_deepest_book_of_a_symbol_is_its_book():
    ear = Ear("bybit")
    assert ear.hear(book("snapshot", 5, [["10", "1"]], [["11", "1"]], depth="1")) == ["book BTCUSDT 10x1|11x1"]
    assert ear.hear(book("delta", 9, depth="50")) == []  # whole first
    assert ear.hear(book("snapshot", 70, [["10", "2"]], [["11", "1"]], depth="50")) == ["book BTCUSDT 10x2|11x1"]
    assert ear.hear(book("snapshot", 6, [["10", "3"]], [["11", "1"]], depth="1")) == []
    assert ear.hear(book("delta", 71, [["10", "3"]])) == ["change BTCUSDT 10x3|"]
    assert ear.decoder.counts.book == 5


def test_spot_and_linear_are_two_venues():
    told: list[Any] = []
    for venue in ("bybit", "bybit_linear"):
        decoder = build_decoder(venue, told.append, lambda symbol, reason: None)
        decoder.on_frame(spell(book("snapshot", 1, [["10", "1"]], [["11", "2"]])), 1)
    assert [(event.venue, event.symbol) for event in told] == [("bybit", "BTCUSDT"), ("bybit_linear", "BTCUSDT")]


BROKEN = [
    ("cut off", spell(book("delta", 11))[:-9], ["lost BTCUSDT bad_frame", "ask BTCUSDT bad_frame"]),
    ("an empty price", spell(book("delta", 11, [["", "1"]])), ["lost BTCUSDT bad_frame", "ask BTCUSDT bad_frame"]),
    ("no counter", spell(book("delta", None)), ["lost BTCUSDT bad_frame", "ask BTCUSDT bad_frame"]),
    ("nothing readable", b"\xff\x00", ["lost BTCUSDT bad_frame", "ask BTCUSDT bad_frame"]),
]


@pytest.mark.parametrize("why, broken, told", BROKEN, ids=[case[0] for case in BROKEN])
def test_a_malformed_frame_drops_its_book(why, broken, told):
    assert live().hear(broken) == [*told, "bad frame"]


TRADE = {"T": 5, "s": "BTCUSDT", "S": "Sell", "v": "0.2", "p": "10.5", "i": "a-9", "BT": False}


def test_each_trade_of_a_frame_is_told():
    frame = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 5, "data": [TRADE, TRADE | {"S": "Buy"}]}
    assert Ear("bybit").hear(frame) == ["trade BTCUSDT sell 10.5x0.2 #a-9", "trade BTCUSDT buy 10.5x0.2 #a-9"]


KINDS = [
    ({"success": True, "ret_msg": "subscribe", "conn_id": "a", "op": "subscribe"}, "ack"),
    ({"success": False, "ret_msg": "error:handler not found", "conn_id": "a", "op": "subscribe"}, "ack"),
    ({"success": True, "ret_msg": "pong", "conn_id": "a", "req_id": "", "op": "ping"}, "ack"),
    ({"req_id": "a", "op": "pong", "args": ["1"], "conn_id": "a"}, "ack"),
    ({"op": "auth", "success": True, "retCode": 0}, "ignored"),
    ({"topic": "kline.1.BTCUSDT", "data": []}, "ignored"),
    ({"topic": "orderbook.rpi.BTCUSDT", "data": {}}, "ignored"),
    ({"topic": "tickers.BTCUSDT", "type": "snapshot", "ts": 5, "data": {"symbol": "BTCUSDT"}}, "ticker"),
]


@pytest.mark.parametrize("frame, kind", KINDS)
def test_everything_else_is_one_kind(frame, kind):
    ear = Ear("bybit")
    assert ear.hear(frame) == []
    assert (ear.decoder.counts.frames, getattr(ear.decoder.counts, kind)) == (1, 1)


def test_spacing_does_not_matter():
    raw = json.dumps(book("snapshot", 1, [["10", "1"]]), sort_keys=True, indent=1).encode()
    assert Ear("bybit").hear(raw) == ["book BTCUSDT 10x1|"]


def test_what_is_asked_of_the_venue():
    symbols = tuple(f"S{number}USDT" for number in range(6))
    dialect = BybitDialect("wss://stream.bybit.com", "https://api.bybit.com", symbols, Random(1), category="linear")
    assert (dialect.venue, dialect.url()) == ("bybit_linear", "wss://stream.bybit.com/v5/public/linear")
    frames = [json.loads(frame) for frame in dialect.subscribe()]
    assert [len(frame["args"]) for frame in frames] == [10, 8]  # the spot socket takes ten arguments a frame
    assert frames[0]["args"][0] == "orderbook.50.S0USDT"
    assert frames[1]["args"][:3] == ["publicTrade.S4USDT", "publicTrade.S5USDT", "tickers.S0USDT"]
    assert [json.loads(frame) for frame in dialect.resubscribe("S1USDT")] == [
        {"op": op, "args": ["orderbook.50.S1USDT"]} for op in ("unsubscribe", "subscribe")
    ]
    body = {"retCode": 0, "result": {"s": "S0USDT", "b": [["10", "1"]], "a": [["11", "1"]], "ts": 5, "u": 1}}
    assert dialect.book_url("S0USDT").endswith("/v5/market/orderbook?category=linear&symbol=S0USDT&limit=1")
    assert dialect.top("S0USDT", spell(body)) == (10.0, 11.0)


@pytest.mark.parametrize(
    "body",
    [
        {"retCode": 0, "result": {"s": "S0USDT", "b": [], "a": [], "ts": 0, "u": 0}},  # a closed contract
        {"retCode": 10001, "retMsg": "params error", "result": {}},
    ],
)
def test_an_answer_without_a_book_is_a_bad_frame(body):
    with pytest.raises(BadFrame):
        BybitDialect("wss://x", "https://y", ("S0USDT",), Random(1)).top("S0USDT", spell(body))
