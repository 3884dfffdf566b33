"""Binance USD-M: the join of REST snapshot and diffs, the chain of `pu`, and every other frame."""

import json
from random import Random

import pytest

from engine.domain.errors import BadFrame, SequenceGap
from engine.venues.binance_usdm.continuity import ChainGuard
from engine.venues.binance_usdm.dialect import BinanceUsdmDialect
from tests.venues.feeds.ear import Ear, spell

GUARD = [  # why                                             held  joined  (pu, u)     outcome
    ("first: reaches over the snapshot", 100, False, (95, 105), 105),
    ("first: ends where the snapshot is", 100, False, (95, 100), 100),
    ("first: starts where the snapshot is", 100, False, (100, 104), 104),
    ("first: wholly older", 100, False, (90, 99), False),
    ("first: begins after the snapshot", 100, False, (101, 104), SequenceGap),
    ("follows", 100, True, (100, 180), 180),
    ("duplicate", 100, True, (90, 100), False),
    ("late: wholly older", 100, True, (80, 90), False),
    ("gap: one missed", 100, True, (120, 130), SequenceGap),
    ("overlap: another chain", 100, True, (95, 105), SequenceGap),
]


@pytest.mark.parametrize("why, held, joined, ids, outcome", GUARD, ids=[case[0] for case in GUARD])
def test_chain_guard(why, held, joined, ids, outcome):
    guard = ChainGuard(held)
    guard.is_joined = joined
    if outcome is SequenceGap:
        with pytest.raises(SequenceGap, match=f"expected {held}, received {ids[0]}"):
            guard.accepts(*ids)
        assert guard.last_id == held
    else:
        assert guard.accepts(*ids) is (outcome is not False)
        assert guard.last_id == (outcome or held)


def diff(prev, last, bids=(), asks=(), symbol="BTCUSDT", stream="depth@100ms"):
    data = {"e": "depthUpdate", "E": 7, "T": 6, "s": symbol, "U": prev + 5, "u": last, "pu": prev}
    return {"stream": f"{symbol.lower()}@{stream}", "data": data | {"b": bids, "a": asks}}


def snapshot(last, bids=(("10", "1"),), asks=(("11", "1"),)):
    return {"lastUpdateId": last, "E": 5, "T": 4, "bids": bids, "asks": asks}


def joined():
    ear = Ear("binance_usdm")
    ear.hear(diff(90, 101))
    ear.rest("BTCUSDT", snapshot(100))
    ear.take()
    return ear


def test_diffs_wait_for_their_snapshot_and_ask_once():
    ear = Ear("binance_usdm")
    assert ear.hear(diff(80, 90, [["1", "1"]]), diff(90, 102, [["2", "2"]]), diff(102, 130, [], [["3", "0"]])) == [
        "ask BTCUSDT start"
    ]
    assert ear.rest("BTCUSDT", snapshot(100)) == [
        "book BTCUSDT 10x1|11x1",
        "change BTCUSDT 2x2|",
        "change BTCUSDT |3x0",
    ]
    assert ear.decoder.counts.book == 3


def test_a_snapshot_older_than_the_first_diff_is_asked_for_again():
    ear = Ear("binance_usdm")
    ear.hear(diff(150, 160))
    assert ear.rest("BTCUSDT", snapshot(100)) == ["ask BTCUSDT snapshot_old"]
    assert ear.rest("BTCUSDT", snapshot(155)) == ["book BTCUSDT 10x1|11x1", "change BTCUSDT |"]
    assert ear.rest("BTCUSDT", snapshot(5_000)) == []  # beside a live book it changes nothing


def test_the_chain_is_pu_alone():
    ear = joined()
    assert ear.hear(diff(101, 150, [["9", "1"]]), diff(150, 900)) == ["change BTCUSDT 9x1|", "change BTCUSDT |"]


def test_a_gap_loses_the_book_and_the_next_snapshot_brings_it_back():
    ear = joined()
    assert ear.hear(diff(120, 130)) == ["lost BTCUSDT gap", "ask BTCUSDT gap"]
    assert ear.hear(diff(130, 140)) == []
    assert ear.rest("BTCUSDT", snapshot(125)) == ["book BTCUSDT 10x1|11x1", "change BTCUSDT |", "change BTCUSDT |"]
    assert (ear.decoder.counts.gaps, ear.decoder.counts.resyncs) == (1, 1)


def test_a_counter_that_starts_over_is_a_lost_book():
    told = joined().hear(*[diff(n, n + 1) for n in range(1, 51)])
    assert told == ["lost BTCUSDT gap", "ask BTCUSDT gap"]


def test_waiting_is_bounded():
    told = Ear("binance_usdm").hear(*[diff(n, n + 1) for n in range(3_001)])
    assert told == ["ask BTCUSDT start", "ask BTCUSDT start"]


def test_a_crossed_book_is_dropped_by_its_owner():
    ear = joined()
    ear.decoder.drop("BTCUSDT", "crossed", 3)
    assert ear.take() == ["lost BTCUSDT crossed", "ask BTCUSDT crossed"]
    assert not ear.decoder.is_live("BTCUSDT")


def test_a_whole_top_is_a_book_by_itself_and_none_beside_the_diffs():
    top = diff(1, 2, [["8", "1"], ["9", "1"]], [["12", "1"]], stream="depth20@100ms")
    assert Ear("binance_usdm").hear(top) == ["book BTCUSDT 9x1,8x1|12x1"]
    ear = joined()
    assert ear.hear(top) == []
    assert ear.decoder.counts.book == 2


BROKEN = [
    ("cut off", spell(diff(101, 102))[:-9]),
    ("an empty price", spell(diff(101, 102, [["", "1"]]))),
    ("no chain", b'{"stream":"btcusdt@depth@100ms","data":{"s":"BTCUSDT","u":5,"b":[],"a":[]}}'),
    ("nothing readable", b"\xff\x00"),
]


@pytest.mark.parametrize("why, broken", BROKEN, ids=[case[0] for case in BROKEN])
def test_a_malformed_frame_drops_its_book(why, broken):
    assert joined().hear(broken) == ["lost BTCUSDT bad_frame", "ask BTCUSDT bad_frame", "bad frame"]


TRADE = {"e": "trade", "E": 6, "T": 5, "s": "BTCUSDT", "t": 9, "p": "10.5", "q": "0.2", "X": "MARKET", "m": True}


def test_trades():
    ear = Ear("binance_usdm")
    assert ear.hear({"stream": "btcusdt@trade", "data": TRADE}) == ["trade BTCUSDT sell 10.5x0.2 #9"]
    aggregate = {
        "e": "aggTrade",
        "E": 6,
        "a": 7,
        "s": "BTCUSDT",
        "p": "1",
        "q": "2",
        "f": 1,
        "l": 1,
        "T": 5,
        "m": False,
    }
    assert ear.hear({"stream": "btcusdt@aggTrade", "data": aggregate}) == ["trade BTCUSDT buy 1x2 #7"]
    assert ear.hear({"stream": "btcusdt@trade", "data": TRADE | {"X": "INSURANCE_FUND"}}) == []  # no market trade
    assert ear.decoder.counts.trade == 3


MARK = {"e": "markPriceUpdate", "E": 1, "s": "BTCUSDT", "p": "2", "i": "2", "P": "2", "r": "0.0001", "T": 9}
KINDS = [
    ({"stream": "btcusdt@markPrice@1s", "data": MARK}, "funding"),
    ({"stream": "!markPrice@arr", "data": [MARK, MARK]}, "funding"),
    ({"stream": "btcusdt@bookTicker", "data": {"e": "bookTicker", "s": "BTCUSDT"}}, "ticker"),
    ({"e": "24hrTicker", "s": "BTCUSDT"}, "ticker"),
    ({"stream": "!ticker@arr", "data": [{"e": "24hrTicker"}]}, "ticker"),
    ({"result": None, "id": 1}, "ack"),
    ({"id": "a", "status": 200, "result": {}, "rateLimits": []}, "ignored"),  # the order socket's
    ({"stream": "btcusdt@kline_1m", "data": {"e": "kline"}}, "ignored"),
    ({"stream": "btcusdt@forceOrder", "data": {"e": "forceOrder"}}, "ignored"),
]


@pytest.mark.parametrize("frame, kind", KINDS)
def test_everything_else_is_one_kind(frame, kind):
    ear = Ear("binance_usdm")
    assert [told for told in ear.hear(frame) if not told.startswith("perp")] == []
    assert (ear.decoder.counts.frames, getattr(ear.decoder.counts, kind)) == (1, 1)


def test_spacing_and_wrapper_do_not_matter():
    raw = json.dumps(diff(1, 2), indent=1).encode()
    assert Ear("binance_usdm").hear(raw, diff(2, 3)["data"]) == ["ask BTCUSDT start"]


def test_what_is_asked_of_the_venue():
    rest = "https://fapi.binance.com"
    dialect = BinanceUsdmDialect("wss://fstream.binance.com", rest, ("BTCUSDT", "ETHUSDT"), Random(1))
    assert dialect.url() == "wss://fstream.binance.com/public/stream?streams=btcusdt@depth@100ms/ethusdt@depth@100ms"
    assert dialect.subscribe() == []
    assert [json.loads(frame) for frame in dialect.resubscribe("BTCUSDT")] == [
        {"method": "UNSUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 1},
        {"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 2},
    ]
    assert dialect.book_url("BTCUSDT") == f"{rest}/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
    assert dialect.top("BTCUSDT", spell(snapshot(1))) == (10.0, 11.0)
    with pytest.raises(BadFrame):
        dialect.top("BTCUSDT", spell({"code": -1121, "msg": "Invalid symbol."}))
