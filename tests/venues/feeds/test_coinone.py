"""Coinone: whole books in the order of their ids, and everything else it sends."""

import json
from random import Random

import pytest

from engine.domain.errors import BadFrame
from engine.venues.coinone.feed import CoinoneDialect, IdGuard
from tests.venues.feeds.ear import Ear, spell

GUARD = [  # why, ids in their order, which are taken
    ("rising, not consecutive", [5, 6, 90], [5, 6, 90]),
    ("duplicate", [5, 5], [5]),
    ("late", [5, 4, 6], [5, 6]),
]


@pytest.mark.parametrize("why, ids, taken", GUARD, ids=[case[0] for case in GUARD])
def test_id_guard(why, ids, taken):
    guard = IdGuard()
    assert [number for number in ids if guard.accepts(number)] == taken


def rows(*levels):
    return [{"price": price, "qty": qty} for price, qty in levels]


def book(number=1_790_134_177_435_001, bids=(("100", "2"),), asks=(("101", "1"),), base="BTC", **more):
    data = {"quote_currency": "KRW", "target_currency": base, "timestamp": 7, "id": str(number)}
    data |= {"asks": rows(*asks), "bids": rows(*bids)} | more
    return {"response_type": "DATA", "channel": "ORDERBOOK", "data": data}


def test_asks_arrive_worst_first_and_the_id_dates_the_book():
    ear = Ear("coinone")
    assert ear.hear(book(asks=[("103", "1"), ("102", "2"), ("101", "3")])) == ["book KRW-BTC 100x2|101x3,102x2,103x1"]
    assert ear.events[0].venue_ts_ms == 1_790_134_177_435  # not the `timestamp`, which is ten seconds off at first


def test_an_old_or_repeated_id_is_passed_over():
    ear = Ear("coinone")
    ear.hear(book(20))
    assert ear.hear(book(20, [("99", "9")]), book(19, [("98", "9")])) == []
    assert ear.hear(book(22, [("99", "9")])) == ["book KRW-BTC 99x9|101x1"]
    assert (ear.decoder.counts.book, ear.decoder.counts.gaps) == (4, 0)


def test_zero_levels_are_no_levels():
    told = Ear("coinone").hear(book(bids=[("100", "0"), ("99", "1"), ("0", "5")]))
    assert told == ["book KRW-BTC 99x1|101x1"]


def test_a_crossed_book_is_lost_until_the_next_good_one():
    ear = Ear("coinone")
    ear.hear(book(1))
    assert ear.hear(book(2, [("101", "1")])) == ["lost KRW-BTC crossed"]
    assert not ear.decoder.is_live("KRW-BTC")
    assert ear.hear(book(3)) == ["book KRW-BTC 100x2|101x1"]
    assert (ear.decoder.counts.gaps, ear.decoder.counts.resyncs) == (1, 1)


def test_after_a_reconnect_ids_start_anew():
    ear = Ear("coinone")
    ear.hear(book(20))
    ear.decoder.drop("", "reconnect", 5)
    assert ear.take() == ["lost KRW-BTC reconnect"]
    assert ear.hear(book(9)) == ["book KRW-BTC 100x2|101x1"]
    assert ear.decoder.counts.resyncs == 1


def test_rest_and_socket_share_their_ids():
    ear = Ear("coinone")
    ear.hear(book(20))
    body = book(19)["data"] | {"result": "success", "error_code": "0"}
    assert ear.rest("KRW-BTC", body) == []
    assert ear.rest("KRW-BTC", body | {"id": "21"}) == ["book KRW-BTC 100x2|101x1"]


REFUSED = [
    b"<html><body>404</body></html>",
    b'{"result":"error","error_code":"108","error_msg":"Unknown CryptoCurrency"}',
]


@pytest.mark.parametrize("body", REFUSED)
def test_an_answer_without_a_book_is_a_bad_frame(body):
    dialect = CoinoneDialect("wss://x", "https://y", ("KRW-BTC",), Random(1))
    with pytest.raises(BadFrame):
        dialect.top("KRW-BTC", body)
    with pytest.raises(BadFrame):
        Ear("coinone").decoder.on_rest_book("KRW-BTC", body, 1)


BROKEN = [
    ("cut off", spell(book())[:-5], ["lost KRW-BTC bad_frame"]),
    ("no number", spell(book(bids=[("x", "1")])), ["lost KRW-BTC bad_frame"]),
    ("an empty price", spell(book(bids=[("", "1")])), ["lost KRW-BTC bad_frame"]),
    ("no id", spell(book(id=None)), ["lost KRW-BTC bad_frame"]),
    ("nothing readable", b"\xff\x00\xfe", ["lost KRW-BTC bad_frame", "lost KRW-ETH bad_frame"]),
]


@pytest.mark.parametrize("why, broken, lost", BROKEN, ids=[case[0] for case in BROKEN])
def test_a_malformed_frame_drops_what_it_may_have_touched(why, broken, lost):
    ear = Ear("coinone")
    ear.hear(book(5), book(5, base="ETH"))
    assert ear.hear(broken) == [*lost, "bad frame"]
    assert ear.hear(book(3)) == ["book KRW-BTC 100x2|101x1"]


def test_a_seller_who_is_the_maker_means_that_the_taker_bought():
    trade = {"quote_currency": "KRW", "target_currency": "BTC", "id": "1790134177835001", "timestamp": 3}
    trade |= {"price": "5", "qty": "0.5", "is_seller_maker": True}
    frame = {"response_type": "DATA", "channel": "TRADE", "data": trade}
    assert Ear("coinone").hear(frame) == ["trade KRW-BTC buy 5x0.5 #1790134177835001"]
    frame["data"] = trade | {"is_seller_maker": False}
    assert Ear("coinone").hear(frame) == ["trade KRW-BTC sell 5x0.5 #1790134177835001"]


PAIR = {"quote_currency": "KRW", "target_currency": "BTC"}
KINDS = [
    ({"response_type": "CONNECTED", "data": {"session_id": "a"}}, "ack"),
    ({"response_type": "SUBSCRIBED", "channel": "ORDERBOOK", "data": {"quote_currency": "KRW"}}, "ack"),
    ({"response_type": "PONG"}, "ack"),
    ({"response_type": "ERROR", "error_code": 160012, "message": "Invalid Topic"}, "ack"),
    ({"response_type": "DATA", "channel": "TICKER", "data": PAIR}, "ticker"),
    ({"response_type": "DATA", "channel": "CHART", "data": {}}, "ignored"),
    ({"r": "DATA", "c": "ORDERBOOK", "d": {}}, "ignored"),  # the SHORT format, which is never asked for
]


@pytest.mark.parametrize("frame, kind", KINDS)
def test_everything_else_is_one_kind(frame, kind):
    ear = Ear("coinone")
    assert ear.hear(frame) == []
    assert (ear.decoder.counts.frames, getattr(ear.decoder.counts, kind)) == (1, 1)


def test_spacing_does_not_matter():
    raw = json.dumps(book(), sort_keys=True, indent=1).encode()
    assert Ear("coinone").hear(raw) == ["book KRW-BTC 100x2|101x1"]


def test_what_is_asked_of_the_venue():
    dialect = CoinoneDialect("wss://stream.coinone.co.kr", "https://api.coinone.co.kr", ("KRW-BTC",), Random(1))
    assert dialect.url() == "wss://stream.coinone.co.kr"
    topic = {"quote_currency": "KRW", "target_currency": "BTC"}
    assert [json.loads(frame) for frame in dialect.subscribe()] == [
        {"request_type": "SUBSCRIBE", "channel": channel, "topic": topic, "format": "DEFAULT"}
        for channel in ("ORDERBOOK", "TRADE", "TICKER")
    ]
    assert [json.loads(frame)["request_type"] for frame in dialect.resubscribe("KRW-BTC")] == [
        "UNSUBSCRIBE",
        "SUBSCRIBE",
    ]
    assert dialect.book_url("KRW-BTC") == "https://api.coinone.co.kr/public/v2/orderbook/KRW/BTC?size=5"
    assert dialect.top("KRW-BTC", spell(book(asks=[("103", "1"), ("101", "3")])["data"])) == (100.0, 101.0)
