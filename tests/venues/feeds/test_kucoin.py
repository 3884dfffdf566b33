"""KuCoin: Pro increments, the classic joins of both products, and every other frame."""

import json
from random import Random

import pytest

from engine.domain.errors import BadFrame, SequenceGap
from engine.venues.kucoin.continuity import SequenceGuard
from engine.venues.kucoin.dialect import KucoinDialect
from tests.venues.feeds.ear import Ear, spell

GUARD = [  # why                                      book at  range       outcome
    ("follows", 100, (101, 105), 105),
    ("late: wholly older", 100, (95, 99), False),
    ("duplicate: ends where the book is", 100, (96, 100), False),
    ("overlap: starts before, ends after", 100, (98, 103), 103),
    ("gap: one missed", 100, (102, 105), SequenceGap),
]


@pytest.mark.parametrize("why, held, changes, outcome", GUARD, ids=[case[0] for case in GUARD])
def test_sequence_guard(why, held, changes, outcome):
    guard = SequenceGuard(held)
    if outcome is SequenceGap:
        with pytest.raises(SequenceGap, match=f"expected {held + 1}, received {changes[0]}"):
            guard.accepts(*changes)
        assert guard.last_seq == held
    else:
        assert guard.accepts(*changes) is (outcome is not False)
        assert guard.last_seq == (outcome or held)


def obu(kind, first, last, bids=(), asks=(), symbol="BTC-USDT", depth="increment@10ms"):
    data = {"s": symbol, "O": first, "C": last, "a": asks, "b": bids, "M": 1_768_217_874_986_000_001}
    product = "SPOT" if "-" in symbol else "FUTURES"
    return {"T": f"obu.{product}", "P": 1_768_217_874_990_007_701, "dp": depth, "t": kind, "d": data}


def pro(symbol="BTC-USDT"):
    ear = Ear("kucoin")
    ear.hear(obu("snapshot", 100, 100, [["10", "1"]], [["11", "2"]], symbol))
    ear.take()
    return ear


def test_pro_snapshot_then_deltas():
    ear = Ear("kucoin")
    assert ear.hear(obu("snapshot", 9, 100, [["10", "1"], ["9", "0"]], [["12", "1"], ["11", "2"]])) == [
        "book BTC-USDT 10x1|11x2,12x1"
    ]
    assert ear.events[0].venue_ts_ms == 1_768_217_874_986
    assert ear.hear(obu("delta", 101, 103, [["9", "3"]], [["11", "0"]])) == ["change BTC-USDT 9x3|11x0"]
    assert ear.hear(obu("delta", 101, 103)) == []  # a repeat


def test_a_gap_loses_the_book_until_the_next_snapshot():
    ear = pro()
    assert ear.hear(obu("delta", 102, 103)) == ["lost BTC-USDT gap", "ask BTC-USDT gap"]
    assert ear.hear(obu("delta", 104, 104)) == []
    assert ear.hear(obu("snapshot", 7, 7, [["10", "1"]], [["11", "2"]])) == ["book BTC-USDT 10x1|11x2"]
    assert ear.hear(obu("delta", 8, 8)) == ["change BTC-USDT |"]
    assert (ear.decoder.counts.gaps, ear.decoder.counts.resyncs) == (1, 1)


def test_a_delta_before_its_snapshot_is_asked_about_once():
    ear = Ear("kucoin")
    assert ear.hear(obu("delta", 1, 2), obu("delta", 3, 4)) == ["ask BTC-USDT no_snapshot"]
    assert not ear.decoder.is_live("BTC-USDT")
    ear.hear(obu("snapshot", 5, 5))
    assert ear.decoder.counts.resyncs == 0


def test_whole_depths_are_a_book_by_themselves_and_none_beside_the_increments():
    assert Ear("kucoin").hear(obu("snapshot", 1, 1, [["10", "1"]], depth="5")) == ["book BTC-USDT 10x1|"]
    ear = pro()
    assert ear.hear(obu("snapshot", 1, 1, [["9", "1"]], depth="50")) == []
    assert ear.decoder.counts.book == 2


def test_contracts_are_another_venue_and_stay_contracts():
    ear = Ear("kucoin")
    assert ear.hear(obu("snapshot", 1, 1, [["10", "103"]], symbol="XBTUSDTM")) == ["book XBTUSDTM 10x103|"]
    assert ear.events[0].venue == "kucoin_futures"


def level2(first, last, bids=(), asks=(), symbol="BTC-USDT"):
    data = {"sequenceStart": first, "sequenceEnd": last, "symbol": symbol, "changes": {"asks": asks, "bids": bids}}
    return {"type": "message", "topic": f"/market/level2:{symbol}", "subject": "trade.l2update", "data": data}


def base(seq, bids=(("10", "1"),), asks=(("11", "1"),)):
    return {"code": "200000", "data": {"time": 5, "sequence": str(seq), "bids": bids, "asks": asks}}


def test_classic_changes_wait_for_their_base_and_ask_once():
    ear = Ear("kucoin")
    assert ear.hear(level2(98, 99), level2(100, 101, [["9", "1", "100"], ["8", "1", "101"]])) == ["ask BTC-USDT start"]
    # 100 is in the base already: only the level of 101 is news.
    assert ear.rest("BTC-USDT", base(100)) == ["book BTC-USDT 10x1|11x1", "change BTC-USDT 8x1|"]
    assert ear.hear(level2(102, 102, [["0", "0", "102"]])) == ["change BTC-USDT |"]  # price 0: only the sequence
    assert ear.hear(level2(103, 103, [], [["11", "0", "103"]])) == ["change BTC-USDT |11x0"]
    assert ear.decoder.counts.book == 4


def test_a_base_older_than_the_first_change_is_asked_for_again():
    ear = Ear("kucoin")
    ear.hear(level2(150, 151))
    assert ear.rest("BTC-USDT", base(100)) == ["ask BTC-USDT snapshot_old"]
    assert ear.rest("BTC-USDT", base(149)) == ["book BTC-USDT 10x1|11x1", "change BTC-USDT |"]
    assert ear.rest("BTC-USDT", base(5_000)) == []  # beside a live book it changes nothing


def test_a_classic_gap_is_joined_again():
    ear = Ear("kucoin")
    ear.rest("BTC-USDT", base(100))
    assert ear.hear(level2(105, 106)) == ["lost BTC-USDT gap", "ask BTC-USDT gap"]
    assert ear.hear(level2(107, 107)) == []
    assert ear.rest("BTC-USDT", base(106)) == ["book BTC-USDT 10x1|11x1", "change BTC-USDT |"]


def one(seq, change):
    data = {"sequence": seq, "change": change, "timestamp": 7}
    return {"type": "message", "topic": "/contractMarket/level2:XBTUSDTM", "subject": "level2", "data": data}


def test_classic_futures_send_one_change_per_frame():
    ear = Ear("kucoin")
    assert ear.hear(one(11, "38962.0,buy,4374")) == ["ask XBTUSDTM start"]
    body = {"code": "200000", "data": {"symbol": "XBTUSDTM", "sequence": 10, "asks": [[38963.0, 5]], "bids": []}}
    assert ear.rest("XBTUSDTM", body) == ["book XBTUSDTM |38963x5", "change XBTUSDTM 38962x4374|"]
    assert ear.hear(one(12, "38963.0,sell,0")) == ["change XBTUSDTM |38963x0"]
    assert ear.hear(one(14, "38963.0,sell,1")) == ["lost XBTUSDTM gap", "ask XBTUSDTM gap"]


def test_classic_depth_is_whole():
    data = {"asks": [[11, 3]], "bids": [[10, 2]], "ts": 5, "timestamp": 5, "sequence": 9}
    frame = {"type": "message", "topic": "/contractMarket/level2Depth5:XBTUSDTM", "subject": "level2", "data": data}
    assert Ear("kucoin").hear(frame) == ["book XBTUSDTM 10x2|11x3"]


TRADES = [
    (
        {
            "topic": "/market/match:BTC-USDT",
            "data": {"symbol": "BTC-USDT", "side": "buy", "size": "0.5", "price": "9", "tradeId": "a"}
            | {"time": "1580559434436443257"},
        },
        "trade BTC-USDT buy 9x0.5 #a",
    ),
    (
        {
            "topic": "/contractMarket/execution:XBTUSDTM",
            "data": {"symbol": "XBTUSDTM", "side": "sell", "size": 16, "price": 57850, "tradeId": "b"}
            | {"ts": 1580559434436443257},
        },
        "trade XBTUSDTM sell 57850x16 #b",
    ),
    (
        {
            "T": "trade.SPOT",
            "d": {"S": "sell", "p": "92.5", "q": "0.1", "s": "BTC-USDT", "ti": "c", "M": 1580559434436443257},
        },
        "trade BTC-USDT sell 92.5x0.1 #c",
    ),
]


@pytest.mark.parametrize("frame, told", TRADES, ids=["classic spot", "classic futures", "pro"])
def test_trades(frame, told):
    ear = Ear("kucoin")
    assert ear.hear({"type": "message"} | frame) == [told]
    assert ear.events[0].venue_ts_ms == 1_580_559_434_436


BROKEN = [
    ("cut off", spell(obu("delta", 101, 101))[:-9]),
    ("an empty price", spell(obu("delta", 101, 101, [["", "1"]]))),
    ("a change of two parts", spell(one(1, "5,buy") | {"topic": "/contractMarket/level2:BTC-USDT"})),
    ("a change without a number", spell(one(1, "x,buy,1") | {"topic": "/contractMarket/level2:BTC-USDT"})),
    ("nothing readable", b"\xff\x00"),
]


@pytest.mark.parametrize("why, broken", BROKEN, ids=[case[0] for case in BROKEN])
def test_a_malformed_frame_drops_its_book(why, broken):
    assert pro().hear(broken) == ["lost BTC-USDT bad_frame", "ask BTC-USDT bad_frame", "bad frame"]


def topic(name, subject=""):
    return {"type": "message", "topic": name, "subject": subject, "data": {}}


KINDS = [
    ({"id": "a", "type": "welcome"}, "ack"),
    ({"id": "1", "type": "ack"}, "ack"),
    ({"id": "1", "type": "pong"}, "ack"),
    ({"id": "1", "result": True}, "ack"),
    ({"id": "1", "result": False, "reason": "missing `symbol`"}, "ack"),
    (topic("/market/ticker:BTC-USDT", "trade.ticker"), "ticker"),
    (topic("/contractMarket/tickerV2:XBTUSDTM", "tickerV2"), "ticker"),
    (topic("/contract/instrument:XBTUSDTM", "mark.index.price"), "ticker"),
    (topic("/contract/instrument:XBTUSDTM", "funding.rate"), "funding"),
    ({"T": "funding-fee", "d": {"s": "XBTUSDTM"}}, "funding"),
    ({"T": "mark-price", "d": {"s": "XBTUSDTM"}}, "ticker"),
    (topic("/market/candles:BTC-USDT_1min"), "ignored"),
    (topic("/spotMarket/tradeOrders", "orderChange"), "ignored"),
    ({"T": "positionAll.FUTURES", "d": {}}, "ignored"),
]


@pytest.mark.parametrize("frame, kind", KINDS)
def test_everything_else_is_one_kind(frame, kind):
    ear = Ear("kucoin")
    assert ear.hear(frame) == []
    assert (ear.decoder.counts.frames, getattr(ear.decoder.counts, kind)) == (1, 1)


def test_spacing_does_not_matter():
    raw = json.dumps(obu("snapshot", 1, 1, [["10", "1"]]), sort_keys=True, indent=1).encode()
    assert Ear("kucoin").hear(raw) == ["book BTC-USDT 10x1|"]


def test_what_is_asked_of_the_venue():
    rest = "https://api-futures.kucoin.com"
    dialect = KucoinDialect("wss://x-push-futures.kucoin.com", rest, ("XBTUSDTM",), Random(1), product="FUTURES")
    assert (dialect.venue, dialect.url()) == ("kucoin_futures", "wss://x-push-futures.kucoin.com")
    request = {"id": "1", "action": "SUBSCRIBE", "tradeType": "FUTURES", "symbol": "XBTUSDTM"}
    assert [json.loads(frame) for frame in dialect.subscribe()] == [
        request | {"channel": "obu", "depth": "increment@10ms"},
        request | {"channel": "trade"},
    ]
    assert [json.loads(frame)["action"] for frame in dialect.resubscribe("XBTUSDTM")] == ["UNSUBSCRIBE", "SUBSCRIBE"]
    assert dialect.heartbeat.idle_ms > 1_000  # more than one ping a second drops the socket
    assert dialect.book_url("XBTUSDTM") == f"{rest}/api/v1/level2/depth20?symbol=XBTUSDTM"
    body = {"code": "200000", "data": {"sequence": 5, "asks": [[11.0, 1]], "bids": [[10.0, 1]]}}
    assert dialect.top("XBTUSDTM", spell(body)) == (10.0, 11.0)
    for refused in ({"code": "200003", "msg": "symbol not exists"}, {"code": "200003", "data": body["data"]}):
        with pytest.raises(BadFrame):
            dialect.top("XBTUSDTM", spell(refused))
