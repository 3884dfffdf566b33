"""Binance: the join of REST snapshot and diffs, and what breaks it."""

import pytest

from engine.domain.errors import BadFrame, SequenceGap
from engine.venues.binance.continuity import SequenceGuard
from engine.venues.binance.feed import BinanceDecoder
from tests.venues.feeds.ear import Ear, spell

GUARD = [  # why                                      book at  diff        outcome
    ("follows", 100, (101, 105), 105),
    ("late: wholly older", 100, (95, 99), False),
    ("duplicate: ends where the book is", 100, (96, 100), False),
    ("overlap: starts before, ends after", 100, (98, 103), 103),
    ("gap: one update missed", 100, (102, 105), SequenceGap),
    ("gap: far ahead", 100, (5_000, 5_001), SequenceGap),
    ("one update", 100, (101, 101), 101),
]


@pytest.mark.parametrize("why, held, diff, outcome", GUARD, ids=[case[0] for case in GUARD])
def test_sequence_guard(why, held, diff, outcome):
    guard = SequenceGuard(held)
    if outcome is SequenceGap:
        with pytest.raises(SequenceGap, match=f"expected {held + 1}, received {diff[0]}"):
            guard.accepts(*diff)
        assert guard.last_id == held
    else:
        assert guard.accepts(*diff) is (outcome is not False)
        assert guard.last_id == (outcome or held)


def diff(first, last, bids=(), asks=(), symbol="BTCUSDT", **more):
    data = {"e": "depthUpdate", "E": 7, "s": symbol, "U": first, "u": last, "b": bids, "a": asks} | more
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": data}


def snapshot(last, bids=(("10", "1"),), asks=(("11", "1"),)):
    return {"lastUpdateId": last, "bids": bids, "asks": asks}


def joined():
    ear = Ear("binance")
    ear.hear(diff(95, 101))
    ear.rest("BTCUSDT", snapshot(100))
    ear.take()
    return ear


def test_a_diff_waits_for_its_snapshot_and_asks_once():
    ear = Ear("binance")
    assert ear.hear(diff(1, 2), diff(3, 4)) == ["ask BTCUSDT start"]


def test_the_join_drops_what_the_snapshot_holds():
    ear = Ear("binance")
    ear.hear(diff(90, 99, [["1", "1"]]), diff(100, 102, [["2", "2"]]), diff(103, 103, [], [["3", "0"]]))
    assert ear.rest("BTCUSDT", snapshot(100)) == [
        "book BTCUSDT 10x1|11x1",
        "change BTCUSDT 2x2|",
        "change BTCUSDT |3x0",
    ]
    assert ear.decoder.counts.book == 3


def test_a_snapshot_older_than_the_first_diff_is_asked_for_again():
    ear = Ear("binance")
    ear.hear(diff(150, 151))
    assert ear.rest("BTCUSDT", snapshot(100)) == ["ask BTCUSDT snapshot_old"]
    assert ear.rest("BTCUSDT", snapshot(149)) == ["book BTCUSDT 10x1|11x1", "change BTCUSDT |"]


def test_a_quiet_symbol_joins_without_a_diff():
    ear = Ear("binance")
    assert ear.rest("BTCUSDT", snapshot(100)) == ["book BTCUSDT 10x1|11x1"]
    assert ear.hear(diff(101, 101, [["9", "1"]])) == ["change BTCUSDT 9x1|"]


def test_a_gap_loses_the_book_and_the_next_snapshot_brings_it_back():
    ear = joined()
    assert ear.hear(diff(105, 106)) == ["lost BTCUSDT gap", "ask BTCUSDT gap"]
    assert ear.hear(diff(107, 108)) == []
    assert ear.rest("BTCUSDT", snapshot(106)) == ["book BTCUSDT 10x1|11x1", "change BTCUSDT |"]
    assert (ear.decoder.counts.gaps, ear.decoder.counts.resyncs) == (1, 1)


def test_a_snapshot_beside_a_live_book_changes_nothing():
    assert joined().rest("BTCUSDT", snapshot(5_000)) == []


def test_a_counter_that_starts_over_is_a_lost_book():
    ear = joined()
    told = ear.hear(*[diff(n, n) for n in range(1, 51)])
    assert told == ["lost BTCUSDT gap", "ask BTCUSDT gap"]


def test_late_diffs_among_good_ones_are_nothing():
    ear = joined()
    for number in range(102, 202):
        assert ear.hear(diff(1, 2), diff(number, number)) == ["change BTCUSDT |"]


def test_waiting_is_bounded():
    ear = Ear("binance")
    told = ear.hear(*[diff(n, n) for n in range(1, 1_502)])
    assert told == ["ask BTCUSDT start", "ask BTCUSDT start"]


def test_reconnect_loses_every_book():
    ear = joined()
    ear.hear(diff(1, 1, symbol="ETHUSDT"))
    ear.decoder.drop("", "reconnect", 9)
    assert ear.take() == ["lost BTCUSDT reconnect", "ask BTCUSDT reconnect", "ask ETHUSDT reconnect"]


BROKEN = [
    ("not JSON", b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","s":"BTCUSDT","U":'),
    ("no number", spell(diff(102, 103, [["abc", "1"]]))),
    ("no ids", b'{"stream":"btcusdt@depth@100ms","data":{"s":"BTCUSDT","b":[],"a":[]}}'),
    ("not UTF-8", b'{"stream":"btcusdt@depth@100ms","data":{"s":"BTCUSDT","x":"\xff\xfe"}}'),
]


@pytest.mark.parametrize("why, frame", BROKEN, ids=[case[0] for case in BROKEN])
def test_a_malformed_frame_drops_its_book(why, frame):
    ear = joined()
    assert ear.hear(frame) == ["lost BTCUSDT bad_frame", "ask BTCUSDT bad_frame", "bad frame"]
    assert ear.decoder.counts.errors == 1


def test_a_malformed_frame_without_a_symbol_drops_all():
    ear = joined()
    ear.hear(diff(1, 1, symbol="ETHUSDT"))
    assert ear.hear(b"\x00\x01") == [
        "lost BTCUSDT bad_frame",
        "ask BTCUSDT bad_frame",
        "ask ETHUSDT bad_frame",
        "bad frame",
    ]


def test_a_bad_snapshot_is_refused_and_nothing_is_trusted():
    ear = Ear("binance")
    with pytest.raises(BadFrame):
        ear.decoder.on_rest_book("BTCUSDT", b'{"code":-1121,"msg":"Invalid symbol."}', 1)
    assert not ear.decoder.is_live("BTCUSDT")


TRADE = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": 77, "p": "10.5", "q": "0.25", "T": 6, "m": True, "M": True}
KINDS = [  # frame, what is told, which counter
    ({"stream": "btcusdt@trade", "data": TRADE}, ["trade BTCUSDT sell 10.5x0.25 #77"], "trade"),
    ({"stream": "btcusdt@trade", "data": TRADE | {"m": False}}, ["trade BTCUSDT buy 10.5x0.25 #77"], "trade"),
    (TRADE, ["trade BTCUSDT sell 10.5x0.25 #77"], "trade"),
    (
        {"e": "aggTrade", "E": 1, "s": "BTCUSDT", "a": 5, "p": "1", "q": "2", "f": 1, "l": 2, "T": 6, "m": True},
        ["trade BTCUSDT sell 1x2 #5"],
        "trade",
    ),
    (
        {"stream": "btcusdt@bookTicker", "data": {"u": 4, "s": "BTCUSDT", "b": "1", "B": "2", "a": "3", "A": "4"}},
        [],
        "ticker",
    ),
    ({"u": 4, "s": "BTCUSDT", "b": "1", "B": "2", "a": "3", "A": "4"}, [], "ticker"),
    ({"result": None, "id": 1}, [], "ack"),
    ({"error": {"code": 2, "msg": "Invalid request"}, "id": 1}, [], "ack"),
    ({"e": "serverShutdown", "E": 1}, ["ask  server_shutdown"], "ack"),
    ({"stream": "btcusdt@kline_1m", "data": {"e": "kline", "s": "BTCUSDT", "k": {}}}, [], "ignored"),
    (diff(1, 2, pu=0) | {"data": diff(1, 2, pu=9)["data"]}, [], "ignored"),
    ({"id": "x", "status": 200, "result": {}}, [], "ignored"),
    (
        {"stream": "ethusdt@depth5", "data": snapshot(3)},
        ["book ETHUSDT 10x1|11x1"],
        "book",
    ),
]


@pytest.mark.parametrize("frame, told, kind", KINDS)
def test_each_frame_is_one_kind(frame, told, kind):
    ear = Ear("binance")
    assert ear.hear(frame) == told
    counts = ear.decoder.counts
    assert (counts.frames, getattr(counts, kind)) == (1, 1)


def test_spacing_and_order_of_keys_do_not_matter():
    ear = Ear("binance")
    raw = (
        b'{"data": {"a": [], "b": [["1", "2"]], "u": 2, "U": 1, "s": "BTCUSDT", "e": "depthUpdate", "E": 3},'
        b'  "stream": "btcusdt@depth"}'
    )
    assert ear.hear(raw) == ["ask BTCUSDT start"]
    assert ear.rest("BTCUSDT", snapshot(1)) == ["book BTCUSDT 10x1|11x1", "change BTCUSDT 1x2|"]


def test_no_event_leaves_an_unknown_symbol_live():
    assert not BinanceDecoder(print, print).is_live("BTCUSDT")
