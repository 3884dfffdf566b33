from decimal import Decimal

import pytest

from engine.domain.event import BookDelta, BookLost, BookSnapshot, FeedAlive, FeedState
from engine.domain.market import FeeSide, Instrument
from engine.domain.money import NS_PER_MS, NS_PER_S, TickBand
from engine.market.fx import FxRules
from engine.market.view import Market, VenueRules

NOW_NS = 10_000 * NS_PER_S
KEY = ("upbit", "KRW-BTC")
USDT = (("upbit", "KRW-USDT"), ("bithumb", "KRW-USDT"))


def market():
    rules = {name: VenueRules(max_book_age_ms=2_000) for name in ("upbit", "bithumb")}
    return Market(rules, FxRules())


def snapshot(made, bid=100.0, ask=101.0, *, key=KEY, age_ms=0.0, bids=None, asks=None):
    made.take_book(
        BookSnapshot(
            venue=key[0],
            symbol=key[1],
            bids=[(bid, 1.0)] if bids is None else bids,
            asks=[(ask, 1.0)] if asks is None else asks,
            venue_ts_ms=0,
            seen_ns=NOW_NS - int(age_ms * NS_PER_MS),
        )
    )


def delta(made, bids, asks, *, key=KEY, age_ms=0):
    made.take_book(
        BookDelta(venue=key[0], symbol=key[1], bids=bids, asks=asks, venue_ts_ms=0, seen_ns=NOW_NS - age_ms * NS_PER_MS)
    )


def lost(made):
    made.take(BookLost(venue="upbit", symbol="KRW-BTC", reason="gap", seen_ns=NOW_NS))


def alive(made, age_ms):
    made.take(FeedAlive(venue="upbit", seen_ns=NOW_NS - age_ms * NS_PER_MS))


def cut(made):
    made.take(FeedState(venue="upbit", connected=False, reason="cut", seen_ns=NOW_NS))


CASES = [  # why, what happened, reason
    ("nothing yet", [], "no_book"),
    ("a fresh book", [snapshot], ""),
    ("as old as allowed", [lambda m: snapshot(m, age_ms=2_000)], ""),
    ("older", [lambda m: snapshot(m, age_ms=2_001)], "stale"),
    ("quiet, but its socket lives", [lambda m: snapshot(m, age_ms=60_000), lambda m: alive(m, 500)], ""),
    ("quiet, and its socket silent", [lambda m: snapshot(m, age_ms=60_000), lambda m: alive(m, 2_500)], "stale"),
    ("quiet for longer than any pair", [lambda m: snapshot(m, age_ms=120_001), lambda m: alive(m, 0)], "quiet"),
    ("another book of the socket proves it", [lambda m: snapshot(m, age_ms=9_000),
     lambda m: snapshot(m, key=("upbit", "KRW-ETH"))], ""),
    ("deltas before a snapshot", [lambda m: delta(m, [(1.0, 1.0)], [(2.0, 1.0)])], "not_synced:start"),
    ("lost", [snapshot, lost], "not_synced:gap"),
    ("lost and found", [snapshot, lost, snapshot], ""),
    ("deltas after a loss do not heal", [snapshot, lost, lambda m: delta(m, [(1.0, 1.0)], [(2.0, 1.0)])],
     "not_synced:gap"),
    ("crossed", [lambda m: snapshot(m, 101.0, 100.0)], "not_synced:crossed"),
    ("locked is crossed", [lambda m: snapshot(m, 100.0, 100.0)], "not_synced:crossed"),
    ("crossed by a delta", [snapshot, lambda m: delta(m, [(101.5, 1.0)], [])], "not_synced:crossed"),
    ("one side empty", [lambda m: snapshot(m, asks=[])], "one_sided"),
    ("connection cut", [snapshot, cut], "not_synced:reconnect"),
]  # fmt: skip


@pytest.mark.parametrize("why, happenings, reason", CASES, ids=[case[0] for case in CASES])
def test_why_unusable(why, happenings, reason):
    made = market()
    for happening in happenings:
        happening(made)
    assert made.why_unusable(*KEY, NOW_NS) == reason
    assert (made.quote(*KEY) is None) is (reason == "no_book" or reason.startswith(("not_synced", "one_sided")))


def test_median_of_the_last_minute():
    made = market()
    for age_s in range(90, -1, -1):
        snapshot(made, 99.0 if age_s > 60 else 199.0, 101.0 if age_s > 60 else 201.0, age_ms=age_s * 1_000)
    assert made.median_mid(*KEY) == 200.0
    assert made.median_mid("bithumb", "KRW-BTC") == 0.0


def test_median_takes_one_sample_per_second():
    made = market()
    snapshot(made, 99.0, 101.0, age_ms=5_000)
    snapshot(made, 99.0, 101.0, age_ms=3_000)
    for age_ms in range(1_000, 0, -10):
        snapshot(made, 199.0, 201.0, age_ms=age_ms)
    assert made.median_mid(*KEY) == 100.0


def test_what_is_not_synced_is_no_price():
    """Levels that arrive before their snapshot are a fragment; their middle says nothing."""
    made = market()
    delta(made, [(1.0, 1.0)], [(500.0, 1.0)], age_ms=10_000)
    assert made.median_mid(*KEY) == 0.0
    snapshot(made)
    assert made.median_mid(*KEY) == 100.5


def test_krw_rates():
    made = market()
    assert made.krw_per("KRW", NOW_NS, USDT) == 1.0
    assert made.krw_per("USDT", NOW_NS, USDT) == 0.0
    snapshot(made, 1_390.0, 1_391.0, key=USDT[0])
    assert made.krw_per("USDT", NOW_NS, USDT) == 1_390.0
    snapshot(made, 1_394.0, 1_395.0, key=USDT[1])
    assert made.krw_per("USDT", NOW_NS, USDT) == 1_392.0
    snapshot(made, 1_394.0, 1_395.0, key=USDT[1], age_ms=3_000)
    assert made.krw_per("USDT", NOW_NS, USDT) == 1_390.0
    assert made.krw_per("EUR", NOW_NS, USDT) == 0.0


def rules(fee_bps):
    return Instrument(
        venue="upbit",
        symbol="KRW-BTC",
        base="BTC",
        quote="KRW",
        ticks=(TickBand(Decimal(0), Decimal(1)),),
        qty_step=Decimal("0.0001"),
        min_qty=Decimal(0),
        min_notional=Decimal(5_000),
        maker_fee_bps=Decimal(fee_bps),
        taker_fee_bps=Decimal(fee_bps),
        fee_side=FeeSide.QUOTE,
    )


def test_a_seat_needs_rules_and_a_book_and_follows_new_rules():
    made = market()
    assert made.seat(KEY) is None
    made.instruments[KEY] = rules(5)
    assert made.seat(KEY) is None
    snapshot(made)
    first = made.seat(KEY)
    assert first is not None and first.fee == 0.0005
    assert made.seat(KEY) is first
    assert made.seat_of("upbit", "BTC", "KRW") is first
    made.instruments[KEY] = rules(25)
    later = made.seat(KEY)
    assert later is not None and later.fee == 0.0025 and later.book is first.book
    del made.instruments[KEY]
    assert made.seat(KEY) is None


def test_a_pair_is_found_by_its_coin():
    made = market()
    assert made.symbol("upbit", "BTC", "KRW") == ""
    made.instruments[KEY] = rules(5)
    assert made.symbol("upbit", "BTC", "KRW") == "KRW-BTC"
    assert made.symbol("upbit", "BTC", "USDT") == ""
    assert made.symbol("bithumb", "BTC", "KRW") == ""


def test_a_books_proof_of_life_is_its_own_connections():
    made = market()
    for symbol in ("KRW-BTC", "KRW-ETH"):
        bids, asks = [(100.0, 1.0)], [(101.0, 1.0)]
        made.take_book(
            BookSnapshot(
                venue="upbit", symbol=symbol, bids=bids, asks=asks, venue_ts_ms=0, seen_ns=NOW_NS - 60_000 * NS_PER_MS
            )
        )
        line = f"upbit-{symbol}"
        made.take(FeedState(venue="upbit", connected=True, reason="up", seen_ns=0, line=line, symbols=(symbol,)))
    made.take(FeedAlive(venue="upbit", seen_ns=NOW_NS, line="upbit-KRW-ETH"))
    assert made.why_unusable("upbit", "KRW-ETH", NOW_NS) == ""
    assert made.why_unusable("upbit", "KRW-BTC", NOW_NS) == "stale"
