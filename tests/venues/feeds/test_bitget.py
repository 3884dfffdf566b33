"""Bitget: the chain of sequence ids, recorded checksums, both products on one address, three generations of frames."""

import json
from binascii import crc32
from random import Random

import pytest

from engine.domain.errors import BadFrame, SequenceGap
from engine.venues.bitget.continuity import SequenceGuard
from engine.venues.bitget.dialect import BitgetDialect
from tests.venues.feeds.ear import Ear, spell

GUARD = [  # why                                     held  (prev, seq)  outcome
    ("follows", 10, (10, 15), 15),
    ("duplicate", 10, (8, 10), False),
    ("gap: one missed", 10, (12, 15), SequenceGap),
    ("late: wholly older", 10, (3, 5), SequenceGap),
    ("the venue starts over", 10, (0, 20), SequenceGap),
    ("ids past 2^53", 1304314508780744705, (1304314508780744705, 1304314508780744707), 1304314508780744707),
    ("recordings without ids", 10, (-1, -1), -1),
]


@pytest.mark.parametrize("why, held, ids, outcome", GUARD, ids=[case[0] for case in GUARD])
def test_sequence_guard(why, held, ids, outcome):
    guard = SequenceGuard(held)
    if outcome is SequenceGap:
        with pytest.raises(SequenceGap, match=f"expected {held}, received {ids[0]}"):
            guard.accepts(*ids)
        assert guard.last_seq == held
    else:
        assert guard.accepts(*ids) is (outcome is not False)
        assert guard.last_seq == (held if outcome is False else outcome)


def books(action, prev, seq, bids=(), asks=(), symbol="BTCUSDT", product="SPOT", channel="books", **more):
    data = {"asks": asks, "bids": bids, "ts": "7"} | ({} if seq is None else {"seq": seq, "pseq": prev}) | more
    return {"action": action, "arg": {"instType": product, "channel": channel, "instId": symbol}, "data": [data]}


def v3(action, prev, seq, bids=(), asks=(), topic="books", **more):
    data = {"a": asks, "b": bids, "ts": "7", "seq": seq, "pseq": prev} | more
    return {"action": action, "arg": {"instType": "usdt-futures", "topic": topic, "symbol": "BTCUSDT"}, "data": [data]}


def live(product="SPOT"):
    ear = Ear("bitget")
    ear.hear(books("snapshot", 0, 10, [["10", "1"]], [["11", "2"]], product=product))
    ear.take()
    return ear


def test_snapshot_then_chain():
    ear = Ear("bitget")
    snapshot = books("snapshot", 0, 10, [["10", "1"], ["9", "0"]], [["11", "2"]])
    assert ear.hear(snapshot) == ["book BTCUSDT 10x1|11x2"]
    assert ear.hear(books("update", 10, 12, [["9", "3"]], [["11", "0"]])) == ["change BTCUSDT 9x3|11x0"]
    assert ear.hear(books("update", 10, 12, [["9", "3"]])) == []  # a repeat
    assert ear.hear(books("update", 12, 13)) == ["change BTCUSDT |"]


@pytest.mark.parametrize("prev", [11, 0])
def test_a_gap_loses_the_book_until_the_next_snapshot(prev):
    ear = live()
    assert ear.hear(books("update", prev, 14)) == ["lost BTCUSDT gap", "ask BTCUSDT gap"]
    assert ear.hear(books("update", 14, 15)) == []
    assert ear.hear(books("snapshot", 0, 20, [["10", "1"]], [["11", "2"]])) == ["book BTCUSDT 10x1|11x2"]
    assert (ear.decoder.counts.gaps, ear.decoder.counts.resyncs) == (1, 1)


def test_an_update_before_its_snapshot_is_asked_about_once():
    ear = Ear("bitget")
    assert ear.hear(books("update", 1, 2), books("update", 2, 3)) == ["ask BTCUSDT no_snapshot"]
    assert not ear.decoder.is_live("BTCUSDT")
    assert ear.hear(books("snapshot", 0, 3, [["10", "1"]])) == ["book BTCUSDT 10x1|"]
    assert ear.decoder.counts.resyncs == 0  # nothing had been lost


def signed(text):
    value = crc32(text)
    return value - (1 << 32) if value >= 1 << 31 else value


def test_a_recorded_checksum_is_verified_and_a_wrong_one_loses_the_book():
    ear = Ear("bitget")
    bids, asks = [["10", "1"], ["9.50", "3"]], [["11", "2"]]
    good = signed(b"10:1:11:2:9.50:3")  # as spelled, bid and ask in turn, the longer side alone at the end
    assert ear.hear(books("snapshot", 0, None, bids, asks, checksum=good)) == ["book BTCUSDT 10x1,9.5x3|11x2"]
    second = signed(b"10:1:12:1:9.50:3")
    update = books("update", 0, None, [], [["11", "0"], ["12", "1"]], checksum=second)
    assert ear.hear(update) == ["change BTCUSDT |11x0,12x1"]
    wrong = books("update", 0, None, [], [], checksum=second + 1)
    assert ear.hear(wrong) == ["lost BTCUSDT gap", "ask BTCUSDT gap"]


def test_a_snapshot_with_a_wrong_checksum_is_no_book():
    ear = Ear("bitget")
    ear.hear(books("snapshot", 0, None, [["10", "1"]], [["11", "2"]], checksum=5))
    assert not ear.decoder.is_live("BTCUSDT")
    assert not any(told.startswith("book") for told in ear.told)


def test_a_zero_checksum_is_never_verified():
    assert live().hear(books("update", 10, 11, [["9", "1"]], checksum=0)) == ["change BTCUSDT 9x1|"]


def test_spot_and_futures_of_one_spelling_are_two_markets():
    ear = live()
    ear.hear(books("snapshot", 0, 700, [["8", "1"]], [["9", "1"]], product="USDT-FUTURES"))
    assert ear.events[-1].venue == "bitget_futures"
    ear.hear(books("update", 10, 11, [["10", "5"]]), books("update", 700, 701, [["8", "5"]], product="USDT-FUTURES"))
    assert [(event.venue, event.bids[0][0]) for event in ear.events[-2:]] == [("bitget", 10), ("bitget_futures", 8)]
    assert ear.decoder.counts.gaps == 0


@pytest.mark.parametrize("product", ["SUSDT-FUTURES", "SCOIN-FUTURES", "MARGIN"])
def test_simulated_markets_are_ignored(product):
    ear = Ear("bitget")
    assert ear.hear(books("snapshot", 0, 10, [["10", "1"]], product=product)) == []
    assert ear.decoder.counts.ignored == 1


def test_a_book_of_fixed_depth_is_a_book_by_itself_and_none_beside_books():
    five = books("snapshot", 0, 3, [["8", "1"]], [["12", "1"]], channel="books5")
    assert Ear("bitget").hear(five) == ["book BTCUSDT 8x1|12x1"]
    ear = live()
    assert ear.hear(five) == []
    ear.hear(books("update", 99, 100))
    assert ear.hear(five) == []  # lost: only `books` brings it back
    assert ear.decoder.counts.book == 4


def test_v3_says_the_same_under_other_names():
    ear = Ear("bitget")
    assert ear.hear(v3("snapshot", 0, 10, [["10", "1"]], [["11", "2"]])) == ["book BTCUSDT 10x1|11x2"]
    assert ear.hear(v3("update", 10, 11, [["10", "0"]])) == ["change BTCUSDT 10x0|"]
    assert ear.hear(v3("update", 12, 13)) == ["lost BTCUSDT gap", "ask BTCUSDT gap"]
    assert Ear("bitget").hear(v3("snapshot", 0, 1, [["10", "1"]], topic="books1")) == ["book BTCUSDT 10x1|"]
    good = signed(b"10:1:11:2")
    assert Ear("bitget").hear(v3("snapshot", 0, 1, [["10", "1"]], [["11", "2"]], checksum=good))[0].startswith("book")


def trades(action, rows, channel="channel", name="trade", product="SPOT"):
    return {"action": action, "arg": {"instType": product, channel: name, "instId": "BTCUSDT"}, "data": rows}


NEW = {"ts": "6", "price": "10.5", "size": "0.2", "side": "sell", "tradeId": "9"}
OLD = {"ts": "5", "price": "10.4", "size": "0.1", "side": "buy", "tradeId": "8"}


def test_trades_are_told_oldest_first():
    assert Ear("bitget").hear(trades("update", [NEW, OLD])) == [
        "trade BTCUSDT buy 10.4x0.1 #8",
        "trade BTCUSDT sell 10.5x0.2 #9",
    ]


def test_the_snapshot_after_a_reconnect_tells_only_what_is_new():
    ear = Ear("bitget")
    assert ear.hear(trades("snapshot", [OLD | {"tradeId": "7"}, OLD])) == [  # of one millisecond, both
        "trade BTCUSDT buy 10.4x0.1 #8",
        "trade BTCUSDT buy 10.4x0.1 #7",
    ]
    assert ear.hear(trades("snapshot", [NEW, OLD])) == ["trade BTCUSDT sell 10.5x0.2 #9"]
    assert ear.decoder.counts.trade == 4


def test_trades_of_the_other_generations():
    assert Ear("bitget").hear(trades("update", [["5", "10.5", "0.2", "buy"]], product="mc")) == [
        "trade BTCUSDT buy 10.5x0.2 #"
    ]
    row = {"i": "9", "p": "10.5", "v": "0.2", "S": "sell", "T": "5", "L": "1", "isRPI": "no"}
    assert Ear("bitget").hear(trades("update", [row], "topic", "publicTrade", "spot")) == [
        "trade BTCUSDT sell 10.5x0.2 #9"
    ]


BROKEN = [
    ("cut off", spell(books("update", 10, 11))[:-9], ["lost BTCUSDT bad_frame", "ask BTCUSDT bad_frame"]),
    (
        "an empty price",
        spell(books("update", 10, 11, [["", "1"]])),
        ["lost BTCUSDT bad_frame", "ask BTCUSDT bad_frame"],
    ),
    ("nothing readable", b"\xff\x00", ["lost BTCUSDT bad_frame", "ask BTCUSDT bad_frame"]),
]


@pytest.mark.parametrize("why, broken, told", BROKEN, ids=[case[0] for case in BROKEN])
def test_a_malformed_frame_drops_its_book(why, broken, told):
    assert live().hear(broken) == [*told, "bad frame"]


ARG = {"instType": "SPOT", "channel": "books", "instId": "BTCUSDT"}
KINDS = [
    (b"pong", "ack"),
    (spell({"event": "subscribe", "arg": ARG}), "ack"),
    (spell({"event": "error", "arg": ARG, "code": 30001, "msg": "doesn't exist", "op": "subscribe"}), "ack"),
    (spell({"event": "login", "code": 0}), "ignored"),
    (spell({"action": "snapshot", "arg": ARG | {"channel": "ticker"}, "data": [{"lastPr": "1"}]}), "ticker"),
    (spell({"action": "update", "arg": ARG | {"channel": "candle1m"}, "data": [["1", "2"]]}), "ignored"),
    (spell({"op": "unsubscribe", "args": [ARG]}), "ignored"),
]


@pytest.mark.parametrize("frame, kind", KINDS)
def test_everything_else_is_one_kind(frame, kind):
    ear = Ear("bitget")
    assert ear.hear(frame) == []
    assert (ear.decoder.counts.frames, getattr(ear.decoder.counts, kind)) == (1, 1)


def test_spacing_does_not_matter():
    raw = json.dumps(books("snapshot", 0, 1, [["10", "1"]]), sort_keys=True, indent=1).encode()
    assert Ear("bitget").hear(raw) == ["book BTCUSDT 10x1|"]


def test_what_is_asked_of_the_venue():
    symbols = tuple(f"S{number:03}USDT" for number in range(50))
    dialect = BitgetDialect("wss://ws.bitget.com", "https://api.bitget.com", symbols, Random(1), "USDT-FUTURES")
    assert (dialect.venue, dialect.url()) == ("bitget_futures", "wss://ws.bitget.com/v2/ws/public")
    frames = dialect.subscribe()
    assert max(map(len, frames)) <= 4_096
    args = [arg for frame in frames for arg in json.loads(frame)["args"]]
    assert (len(args), args[0]) == (150, {"instType": "USDT-FUTURES", "channel": "books", "instId": "S000USDT"})
    assert [json.loads(frame)["op"] for frame in dialect.resubscribe("S000USDT")] == ["unsubscribe", "subscribe"]
    body = {"code": "00000", "data": {"asks": [[11.0, 1.0]], "bids": [[10.0, 1.0]], "ts": "5"}}
    assert "productType=usdt-futures&symbol=S000USDT" in dialect.book_url("S000USDT")
    assert dialect.top("S000USDT", spell(body)) == (10.0, 11.0)
    with pytest.raises(BadFrame):
        dialect.top("S000USDT", spell({"code": "40034", "msg": "Parameter does not exist", "data": None}))
