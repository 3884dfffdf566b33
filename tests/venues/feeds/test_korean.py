"""Upbit and Bithumb: whole books, their order in time, padding, repeats, and everything else they send."""

import pytest

from engine.domain.event import BookSnapshot
from tests.venues.feeds.ear import Ear, spell

UNITS = [{"ask_price": 101, "bid_price": 100, "ask_size": 1, "bid_size": 2}]


def upbit(ts=10, units=UNITS, code="KRW-BTC", **more):
    return {"type": "orderbook", "code": code, "timestamp": ts, "orderbook_units": units} | more


def upbit_simple(ts=10):
    return {"ty": "orderbook", "cd": "KRW-BTC", "tms": ts, "obu": [{"ap": 101, "bp": 100, "as": 1, "bs": 2}]}


def bithumb(ts=10_000, units=UNITS, code="KRW-BTC"):
    return {"type": "orderbook", "code": code, "orderbook_units": units, "timestamp": ts}


def unit(ask, ask_size, bid, bid_size):
    return {"ask_price": ask, "ask_size": ask_size, "bid_price": bid, "bid_size": bid_size}


@pytest.mark.parametrize("frame", [upbit(), upbit_simple(), {"stream_type": "SNAPSHOT"} | upbit(), [upbit()]])
def test_upbit_formats_say_the_same(frame):
    assert Ear("upbit").hear(frame) == ["book KRW-BTC 100x2|101x1"]


def test_upbit_exponents_and_trailing_zeros():
    raw = (
        b'{"type":"orderbook","code":"KRW-BTC","timestamp":1,"orderbook_units":[{"ask_price":1.16539E8,'
        b'"bid_price":1.16538E8,"ask_size":7.9276E-4,"bid_size":0.00077720}]}'
    )
    ear = Ear("upbit")
    ear.hear(raw)
    event = ear.events[0]
    assert (event.bids, event.asks) == ([(116538000.0, 0.0007772)], [(116539000.0, 0.00079276)])


def test_upbit_binary_and_text_are_the_same_bytes():
    ear = Ear("upbit")
    assert ear.hear(spell(upbit())) == ["book KRW-BTC 100x2|101x1"]


TIMES = [  # why, first, second, is the second applied
    ("newer", 10, 11, True),
    ("equal times may carry changes", 10, 10, True),
    ("older is dropped", 10, 9, False),
]


@pytest.mark.parametrize("venue, frame, scale", [("upbit", upbit, 1), ("bithumb", bithumb, 1_000)])
@pytest.mark.parametrize("why, first, second, applied", TIMES, ids=[case[0] for case in TIMES])
def test_order_in_time(venue, frame, scale, why, first, second, applied):
    ear = Ear(venue)
    ear.hear(frame(first * scale))
    told = ear.hear(frame(second * scale, [unit(103, 1, 102, 1)]))
    assert told == (["book KRW-BTC 102x1|103x1"] if applied else [])
    assert ear.decoder.counts.book == 2


def test_after_a_reconnect_time_starts_anew():
    ear = Ear("upbit")
    ear.hear(upbit(10))
    ear.decoder.drop("", "reconnect", 5)
    assert ear.take() == ["lost KRW-BTC reconnect"]
    assert ear.hear(upbit(9)) == ["book KRW-BTC 100x2|101x1"]
    assert ear.decoder.counts.resyncs == 1


@pytest.mark.parametrize("venue, frame", [("upbit", upbit), ("bithumb", bithumb)])
def test_padding_is_no_level_and_sides_are_sorted(venue, frame):
    units = [unit(102, 1, 99, 1), unit(101, 1, 100, 1), unit(0, 0, 98, 3), unit(103, 0, 0, 5)]
    assert Ear(venue).hear(frame(1_000, units)) == ["book KRW-BTC 100x1,99x1,98x3|101x1,102x1"]


@pytest.mark.parametrize("venue, frame", [("upbit", upbit), ("bithumb", bithumb)])
def test_a_crossed_book_is_lost_until_the_next_good_one(venue, frame):
    ear = Ear(venue)
    ear.hear(frame(1_000))
    assert ear.hear(frame(2_000, [unit(100, 1, 100, 1)])) == ["lost KRW-BTC crossed"]
    assert not ear.decoder.is_live("KRW-BTC")
    assert ear.hear(frame(3_000)) == ["book KRW-BTC 100x2|101x1"]
    assert (ear.decoder.counts.gaps, ear.decoder.counts.resyncs) == (1, 1)


@pytest.mark.parametrize("venue, frame", [("upbit", upbit), ("bithumb", bithumb)])
def test_a_one_sided_book_is_told_as_it_is(venue, frame):
    assert Ear(venue).hear(frame(1_000, [unit(0, 0, 99, 1)])) == ["book KRW-BTC 99x1|"]


def test_upbit_grouped_prices_are_not_the_book():
    ear = Ear("upbit")
    assert ear.hear(upbit(level=1_000_000)) == []
    assert ear.decoder.counts.ignored == 1


def test_bithumb_times_are_microseconds():
    ear = Ear("bithumb")
    ear.hear(bithumb(1_790_133_914_965_948))
    assert ear.events[0].venue_ts_ms == 1_790_133_914_965


def test_bithumb_dust_at_the_best_price_is_skipped():
    told = Ear("bithumb").hear(bithumb(1, [unit(101, 0.0, 100, 0.0), unit(102, 1, 99, 1)]))
    assert told == ["book KRW-BTC 99x1|102x1"]


def test_bithumb_repeats_are_passed_over_and_confirmed_once_a_second():
    ear = Ear("bithumb")
    assert ear.hear(bithumb(1_000), seen_ns=1) == ["book KRW-BTC 100x2|101x1"]
    assert ear.hear(bithumb(2_000), seen_ns=500_000_000) == []
    assert ear.hear(bithumb(3_000), seen_ns=1_000_000_001) == ["change KRW-BTC |"]
    assert ear.hear(bithumb(4_000, [unit(101, 5, 100, 2)])) == ["book KRW-BTC 100x2|101x5"]
    assert ear.decoder.counts.book == 4


def test_bithumb_a_lost_book_comes_back_even_as_a_repeat():
    ear = Ear("bithumb")
    ear.hear(bithumb(1_000))
    ear.decoder.drop("KRW-BTC", "crossed", 1)
    ear.take()
    assert ear.hear(bithumb(2_000)) == ["book KRW-BTC 100x2|101x1"]


@pytest.mark.parametrize("venue", ["upbit", "bithumb"])
def test_trades(venue):
    trade = {"type": "trade", "code": "KRW-BTC", "trade_price": 5.0, "trade_volume": 0.5, "ask_bid": "ASK"}
    trade |= {"trade_timestamp": 3, "sequential_id": 17853950437790001}
    ear = Ear(venue)
    assert ear.hear(trade, trade) == ["trade KRW-BTC sell 5x0.5 #17853950437790001"]  # the second repeats it
    assert ear.hear(trade | {"ask_bid": "BID", "sequential_id": 2}) == ["trade KRW-BTC buy 5x0.5 #2"]
    assert ear.decoder.counts.trade == 3


@pytest.mark.parametrize("venue", ["upbit", "bithumb"])
@pytest.mark.parametrize(
    "frame, kind",
    [
        ({"status": "UP"}, "ack"),
        ({"error": {"name": "NO_TICKET", "message": "티켓이 존재하지 않거나, 유효하지 않습니다."}}, "ack"),
        ({"type": "ticker", "code": "KRW-BTC", "trade_price": 1}, "ticker"),
        ({"type": "candle.1m", "code": "KRW-BTC"}, "ignored"),
        ({"type": "myOrder", "code": "KRW-BTC"}, "ignored"),
    ],
)
def test_everything_else_is_one_kind(venue, frame, kind):
    ear = Ear(venue)
    assert ear.hear(frame) == []
    assert getattr(ear.decoder.counts, kind) == 1


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "orderbookdepth", "content": {"list": [], "datetime": "1"}},
        {"type": "orderbooksnapshot", "content": {"symbol": "BTC_KRW"}},
        {"type": "transaction", "content": {"list": []}},
        {"type": "ticker", "content": {"symbol": "BTC_KRW"}},
        {"status": "0000", "resmsg": "Connected Successfully"},
    ],
)
def test_bithumb_the_retired_socket_is_ignored(frame):
    ear = Ear("bithumb")
    assert ear.hear(frame) == []
    assert (ear.decoder.counts.ignored, ear.decoder.counts.errors) == (1, 0)


BROKEN = [
    ("cut off", spell(upbit())[:-5], "KRW-BTC"),
    ("a word for a price", spell(upbit(units=[unit("x", 1, 1, 1)])), "KRW-BTC"),
    ("no units", b'{"type":"orderbook","code":"KRW-BTC","timestamp":1}', "KRW-BTC"),
    ("nothing readable", b"\xff\x00\xfe", None),
    ("empty", b"", None),
]


@pytest.mark.parametrize("venue, frame", [("upbit", upbit), ("bithumb", bithumb)])
@pytest.mark.parametrize("why, broken, symbol", BROKEN, ids=[case[0] for case in BROKEN])
def test_a_malformed_frame_drops_what_it_may_have_touched(venue, frame, why, broken, symbol):
    ear = Ear(venue)
    ear.hear(frame(1_000), frame(1_000, code="KRW-ETH"))
    lost = [f"lost {symbol} bad_frame"] if symbol else ["lost KRW-BTC bad_frame", "lost KRW-ETH bad_frame"]
    assert ear.hear(broken) == [*lost, "bad frame"]
    assert ear.hear(frame(500)) == ["book KRW-BTC 100x2|101x1"]  # whole again, whatever its time says
    assert isinstance(ear.events[-1], BookSnapshot)
