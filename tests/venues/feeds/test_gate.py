"""Gate: `obu` snapshots and deltas, `order_book_update` joined from REST, both products, and every other frame."""

import json
from random import Random

import pytest

from engine.domain.errors import BadFrame, SequenceGap
from engine.venues.gate.continuity import SequenceGuard
from engine.venues.gate.dialect import GateDialect
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
        assert guard.last_id == held
    else:
        assert guard.accepts(*changes) is (outcome is not False)
        assert guard.last_id == (outcome or held)


def frame(channel, result, event="update"):
    return {"time": 1, "time_ms": 1_000, "channel": channel, "event": event, "result": result}


def obu(first, last, product="spot", **more):
    return frame(f"{product}.obu", {"t": 7, "s": "ob.BTC_USDT.400", "U": first, "u": last} | more)


def live(product="spot"):
    ear = Ear("gate" if product == "spot" else "gate_futures")
    ear.hear(obu(90, 100, product, full=True, b=[["10", "1"]], a=[["11", "2"]]))
    ear.take()
    return ear


def test_snapshot_then_deltas_in_any_order():
    ear = Ear("gate")
    assert ear.hear(obu(90, 100, full=True, b=[["9", "0"], ["8", "1"], ["10", "1"]], a=[["12", "1"], ["11", "2"]])) == [
        "book BTC_USDT 10x1,8x1|11x2,12x1"
    ]
    assert ear.hear(obu(101, 103, b=[["9", "3"]], a=[["11", "0"]])) == ["change BTC_USDT 9x3|11x0"]
    assert ear.hear(obu(104, 109)) == ["change BTC_USDT |"]  # neither side: only the id moves
    assert ear.hear(obu(104, 109)) == []  # a repeat
    assert ear.hear(obu(110, 110, a=[["13", "1"]])) == ["change BTC_USDT |13x1"]


def test_a_gap_loses_the_book_until_the_next_snapshot():
    ear = live()
    assert ear.hear(obu(102, 103)) == ["lost BTC_USDT gap", "ask BTC_USDT gap"]
    assert ear.hear(obu(104, 104)) == []
    assert ear.hear(obu(1, 5, full=True, b=[["10", "1"]])) == ["book BTC_USDT 10x1|"]
    assert ear.hear(obu(6, 6)) == ["change BTC_USDT |"]
    assert (ear.decoder.counts.gaps, ear.decoder.counts.resyncs) == (1, 1)


def test_a_delta_before_its_snapshot_is_asked_about_once():
    ear = Ear("gate")
    assert ear.hear(obu(1, 2), obu(3, 4)) == ["ask BTC_USDT no_snapshot"]
    assert not ear.decoder.is_live("BTC_USDT")
    ear.hear(obu(5, 5, full=True))
    assert ear.decoder.counts.resyncs == 0
    assert ear.decoder.is_live("BTC_USDT")


def test_contracts_are_another_venue_and_stay_contracts():
    ear = Ear("gate_futures")
    assert ear.hear(obu(1, 1, "futures", full=True, b=[["10", "0.5"]])) == ["book BTC_USDT 10x0.5|"]
    assert ear.events[0].venue == "gate_futures"
    assert ear.decoder.is_live("BTC_USDT")


def update(first, last, bids=(), asks=(), product="spot"):
    return frame(f"{product}.order_book_update", {"t": 7, "s": "BTC_USDT", "U": first, "u": last, "b": bids, "a": asks})


def base(last, bids=(("10", "1"),), asks=(("11", "1"),)):
    return {"id": last, "current": 1.5, "update": 1.4, "bids": bids, "asks": asks}


def test_changes_wait_for_their_base_and_ask_once():
    ear = Ear("gate")
    assert ear.hear(update(98, 99), update(100, 101, [["9", "1"]])) == ["ask BTC_USDT start"]
    assert ear.rest("BTC_USDT", base(100)) == ["book BTC_USDT 10x1|11x1", "change BTC_USDT 9x1|"]
    assert ear.hear(update(102, 102, [], [["11", "0"]])) == ["change BTC_USDT |11x0"]
    assert ear.decoder.counts.book == 3


def test_a_base_that_does_not_fit():
    ear = Ear("gate")
    ear.hear(update(150, 151))
    assert ear.rest("BTC_USDT", base(100)) == ["ask BTC_USDT snapshot_old"]
    assert ear.rest("BTC_USDT", base(0)) == []  # asked without with_id: nothing to join by
    assert ear.rest("BTC_USDT", base(149)) == ["book BTC_USDT 10x1|11x1", "change BTC_USDT |"]
    assert ear.rest("BTC_USDT", base(5_000)) == []  # beside a live book it changes nothing


def test_a_missed_change_is_joined_again():
    ear = Ear("gate")
    ear.rest("BTC_USDT", base(100))
    assert ear.hear(update(105, 106)) == ["lost BTC_USDT gap", "ask BTC_USDT gap"]
    assert ear.hear(update(107, 107)) == []
    assert ear.rest("BTC_USDT", base(106)) == ["book BTC_USDT 10x1|11x1", "change BTC_USDT |"]


def test_futures_rows_are_objects():
    ear = Ear("gate_futures")
    assert ear.hear(update(11, 11, [{"p": "9", "s": 4}], [], "futures")) == ["ask BTC_USDT start"]
    body = base(10, [{"p": "10", "s": 803}], [{"p": "11", "s": 5}])
    assert ear.rest("BTC_USDT", body) == ["book BTC_USDT 10x803|11x5", "change BTC_USDT 9x4|"]
    with pytest.raises(BadFrame):
        ear.rest("BTC_USDT", {"label": "CONTRACT_NOT_FOUND"})


def test_a_few_whole_levels_are_a_book_by_themselves_and_none_beside_the_changes():
    top = frame("spot.order_book", {"t": 7, "lastUpdateId": 5, "s": "BTC_USDT", "bids": [["10", "1"]], "asks": []})
    assert Ear("gate").hear(top) == ["book BTC_USDT 10x1|"]
    assert live().hear(top) == []


TRADE = {"id": 9, "create_time_ms": "1631824310261.896", "side": "sell", "currency_pair": "BTC_USDT"}
FUTURES = {"contract": "BTC_USDT", "create_time": 5, "create_time_ms": 5123, "id": 9, "price": 0.836, "size": -90}


def test_trades():
    ear = Ear("gate")
    told = ear.hear(frame("spot.trades", TRADE | {"amount": "0.2", "price": "10.5"}))
    assert told == ["trade BTC_USDT sell 10.5x0.2 #9"]
    assert ear.events[-1].venue_ts_ms == 1_631_824_310_261
    both = [FUTURES, FUTURES | {"size": 5, "id": 10}]
    assert ear.hear(frame("futures.trades", both)) == [
        "trade BTC_USDT sell 0.836x90 #9",
        "trade BTC_USDT buy 0.836x5 #10",
    ]
    assert (ear.events[-1].venue, ear.events[-1].venue_ts_ms) == ("gate_futures", 5_123)


BROKEN = [
    ("cut off", spell(obu(101, 101))[:-9]),
    ("an empty price", spell(obu(101, 101, b=[["", "1"]]))),
    ("nothing readable", b"\xff\x00"),
]


@pytest.mark.parametrize("why, broken", BROKEN, ids=[case[0] for case in BROKEN])
def test_a_malformed_frame_drops_its_book(why, broken):
    assert live().hear(broken) == ["lost BTC_USDT bad_frame", "ask BTC_USDT bad_frame", "bad frame"]


KINDS = [
    (frame("futures.obu", {}), "ignored"),
    (frame("spot.obu", {"status": "success"}, "subscribe") | {"payload": ["ob.BTC_USDT.400"]}, "ack"),
    (frame("futures.trades", {"status": "success"}, "unsubscribe"), "ack"),
    (frame("spot.tickers", None, "subscribe") | {"error": {"code": 2, "message": "unknown currency pair"}}, "ack"),
    (frame("futures.pong", None, ""), "ack"),
    (frame("spot.tickers", {"currency_pair": "BTC_USDT", "last": "1"}), "ticker"),
    (frame("futures.tickers", [{"contract": "BTC_USDT", "last": "1"}]), "ticker"),
    (frame("futures.book_ticker", {"t": 0, "u": 0, "s": "BSW_USDT", "b": "", "B": 0, "a": "", "A": 0}), "ticker"),
    (frame("futures.order_book", [{"p": "1", "s": 0, "c": "BTC_USDT", "id": 6}]), "ignored"),  # no continuity
    (frame("spot.candlesticks", {"t": "1"}), "ignored"),
    (frame("spot.balances", []), "ignored"),
]


@pytest.mark.parametrize("row, kind", KINDS)
def test_everything_else_is_one_kind(row, kind):
    ear = Ear("gate")
    assert ear.hear(row) == []
    assert (ear.decoder.counts.frames, getattr(ear.decoder.counts, kind)) == (1, 1)


def test_spacing_and_order_do_not_matter():
    row = obu(90, 100, full=True, b=[["10", "1"]])
    assert Ear("gate").hear(json.dumps(row, sort_keys=True, indent=1).encode()) == ["book BTC_USDT 10x1|"]
    late = {"padding": "x" * 200} | row
    assert Ear("gate").hear(late) == ["book BTC_USDT 10x1|"]


def test_what_is_asked_of_the_venue():
    symbols = tuple(f"S{number}_USDT" for number in range(60))
    rest = "https://api.gateio.ws"
    dialect = GateDialect("wss://fx-ws.gateio.ws", rest, symbols, Random(1), product="futures")
    assert (dialect.venue, dialect.url()) == ("gate_futures", "wss://fx-ws.gateio.ws/v4/ws/usdt")
    frames = [json.loads(row) for row in dialect.subscribe()]
    assert [(row["channel"], len(row["payload"])) for row in frames] == [
        ("futures.obu", 50),
        ("futures.obu", 10),
        ("futures.trades", 50),
        ("futures.trades", 10),
        ("futures.tickers", 50),
        ("futures.tickers", 10),
    ]
    assert frames[0]["payload"][0] == "ob.S0_USDT.400"
    assert [json.loads(row)["event"] for row in dialect.resubscribe("S1_USDT")] == ["unsubscribe", "subscribe"]
    assert dialect.book_url("S1_USDT") == f"{rest}/api/v4/futures/usdt/order_book?contract=S1_USDT&limit=1"
    assert dialect.top("S1_USDT", spell(base(0, [{"p": "10", "s": 1}], [{"p": "11", "s": 1}]))) == (10.0, 11.0)
    spot = GateDialect("wss://api.gateio.ws", rest, symbols, Random(1))
    assert (spot.venue, spot.url()) == ("gate", "wss://api.gateio.ws/ws/v4/")
    assert spot.top("S1_USDT", spell(base(0))) == (10.0, 11.0)
    with pytest.raises(BadFrame):
        spot.top("S1_USDT", spell({"label": "INVALID_CURRENCY_PAIR", "message": "Invalid"}))
