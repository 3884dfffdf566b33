"""The funding board: domain.md §7's worked numbers, contracts priced by the thousand, intervals that change."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.event import DayTicker, FeedState, PerpState
from engine.domain.market import Product
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.market import funding
from engine.market.funding import HOUR_MS, Intervals, board
from engine.market.fx import FxRules
from engine.market.view import Market, VenueRules
from tests.market.test_premium import instrument

NOW_NS = 10_000 * NS_PER_S
WALL_MS = 1_763_953_200_000
H8, H4, H1 = 8 * HOUR_MS, 4 * HOUR_MS, HOUR_MS


def test_the_worked_numbers():
    assert funding.per_hour(0.0001, H8) == pytest.approx(0.0000125)
    assert funding.per_hour(0.00005, H4) == pytest.approx(0.0000125)
    assert funding.annual(0.0001, H8) == pytest.approx(0.1095)
    assert funding.annual_compounded(0.0001, H8) == pytest.approx(0.1157, abs=5e-5)
    assert funding.edge(0.0003, H8, 0.00005, H4).per_8h == pytest.approx(0.0002)
    assert funding.break_even_intervals(0.003, 0.0001) == pytest.approx(30)
    assert funding.break_even_hours(0.003, funding.per_hour(0.0001, H8)) == pytest.approx(240)


@given(rate=st.floats(-0.03, 0.03), hours=st.sampled_from([1, 2, 4, 8]))
def test_compounding_never_earns_less_than_the_simple_rate(rate, hours):
    simple, kept = (f(rate, hours * HOUR_MS) for f in (funding.annual, funding.annual_compounded))
    assert kept >= simple - 1e-9 and kept >= -1.0


@given(a=st.floats(-0.01, 0.01), b=st.floats(-0.01, 0.01), hours=st.sampled_from([1, 2, 4, 8]))
def test_an_edge_turned_round_is_its_own_negative(a, b, hours):
    there, back = funding.edge(a, hours * HOUR_MS, b, H8), funding.edge(b, H8, a, hours * HOUR_MS)
    assert there.per_8h == pytest.approx(-back.per_8h, abs=1e-15)


def perp(venue, symbol="BTCUSDT", base="BTC", **more):
    return instrument(venue, symbol, base, "USDT", product=Product.PERP, **more)


def market(*states, instruments=None):
    made = Market({}, FxRules())
    made.wall_ms = WALL_MS
    for at in instruments or (perp("bybit_linear"), perp("binance_usdm")):
        made.instruments[at.venue, at.symbol] = at
        made._venues.setdefault(at.venue, VenueRules(max_book_age_ms=500))
        made.take(FeedState(venue=at.venue, connected=True, reason="", seen_ns=NOW_NS))
    for state in states:
        made.take(state)
    return made


def told(venue, rate=0.0001, interval_ms=H8, symbol="BTCUSDT", age_ms=0, **more):
    given_ = {"mark": 68_034.0, "index": 68_000.0, "next_funding_ms": WALL_MS + HOUR_MS}
    return PerpState(
        venue=venue,
        symbol=symbol,
        funding_rate=rate,
        interval_ms=interval_ms,
        seen_ns=NOW_NS - age_ms * NS_PER_MS,
        **{**given_, **more},
    )


def test_a_row_says_everything_of_its_contract():
    made = market(told("bybit_linear", predicted_rate=0.0002))
    made.take(
        DayTicker(venue="bybit_linear", symbol="BTCUSDT", last=1, quote_volume=5e9, venue_ts_ms=0, seen_ns=NOW_NS)
    )
    [row] = board(made, NOW_NS, Intervals()).rows
    assert (row.coin, row.rate, row.predicted, row.interval_ms) == ("BTC", 0.0001, 0.0002, H8)
    assert row.annual == pytest.approx(0.1095) and row.basis == pytest.approx(0.0005)
    assert (row.quote_volume, row.next_funding_ms, row.why) == (5e9, WALL_MS + HOUR_MS, "")


def test_a_contract_of_a_thousand_coins_shows_the_price_of_one():
    shib = perp("bybit_linear", "SHIB1000USDT", "SHIB", price_per=Decimal(1000))
    made = market(told("bybit_linear", symbol="SHIB1000USDT", mark=0.0202, index=0.02), instruments=(shib,))
    [row] = board(made, NOW_NS, Intervals()).rows
    assert (row.mark, row.index) == pytest.approx((0.0000202, 0.00002))
    assert row.basis == pytest.approx(0.01)


WHY = [  # why, the state's changes, reason
    ("good", {}, ""),
    ("old", {"age_ms": 120_001}, "stale"),
    ("no rate", {"rate": None}, "no_rate"),
    ("no interval", {"interval_ms": None}, "no_interval"),
    ("its settlement is over", {"next_funding_ms": WALL_MS - 120_001}, "settled"),
]


@pytest.mark.parametrize("case, changes, why", WHY, ids=[case[0] for case in WHY])
def test_what_must_not_be_believed_says_why(case, changes, why):
    [row] = board(market(told("bybit_linear", **changes)), NOW_NS, Intervals()).rows
    assert row.why == why
    assert (row.annual is None) == (why in ("no_rate", "no_interval"))


def test_a_venue_that_is_away_is_not_believed():
    made = market(told("bybit_linear"))
    made.take(FeedState(venue="bybit_linear", connected=False, reason="cut", seen_ns=NOW_NS))
    [row] = board(made, NOW_NS, Intervals()).rows
    assert row.why == "disconnected"


def test_the_edge_is_between_the_widest_two_that_can_be_believed():
    made = market(told("bybit_linear", 0.0003, H8), told("binance_usdm", 0.00005, H4))
    [edge] = board(made, NOW_NS, Intervals()).edges
    assert (edge.short, edge.long) == ("bybit_linear", "binance_usdm")
    assert edge.per_8h == pytest.approx(0.0002) and edge.cost == pytest.approx(4 * 0.0005)
    assert edge.break_even_h == pytest.approx(0.002 / 0.000025)
    stale = market(told("bybit_linear", 0.0003, H8), told("binance_usdm", 0.00005, H4, age_ms=200_000))
    assert board(stale, NOW_NS, Intervals()).edges == ()


def test_intervals_are_remembered_with_their_changes():
    kept, key = Intervals(), ("bybit_linear", "BTCUSDT")
    assert [kept.take(key, interval, at) for at, interval in enumerate((H8, H8, H4, H4, H1))] == [0, 0, H8, 0, H4]
    assert [(c.wall_ms, c.interval_ms) for c in kept.changes()] == [(4, H1), (2, H4)]
    again = Intervals()
    again.restore(kept.kept())
    assert again.changes() == kept.changes() and again.take(key, H8, 9) == H1
