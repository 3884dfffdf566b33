"""The premium board: domain.md's worked numbers, the identity of the bases, executable prices, what is stale."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.event import BookSnapshot, FxRate, WalletsReported
from engine.domain.market import FeeSide, Gate, Instrument, Product, Wallet
from engine.domain.money import NS_PER_MS, NS_PER_S, TickBand
from engine.market import premium
from engine.market.fx import FxRules
from engine.market.pairs import tables
from engine.market.premium import BUY_KOREA, SELL_KOREA, PremiumSight, bases
from engine.market.view import Market, VenueRules
from engine.market.walk import walk, walk_amount

NOW_NS = 10_000 * NS_PER_S
MONDAY_NOON_MS = 1_763_953_200_000  # 2025-11-24 03:00 UTC: a Monday, noon in Seoul
SIZES = (1e6, 1e7, 1e8)
DEEP = 1e6


def board(*args: Any, **more: Any) -> Any:
    return premium.board(*args, **more)


def instrument(venue, symbol, base, quote, **more):
    given_ = {
        "ticks": (TickBand(Decimal(0), Decimal("0.01")),),
        "qty_step": Decimal("0.0001"),
        "min_qty": Decimal(0),
        "min_notional": Decimal(0),
        "maker_fee_bps": Decimal(5),
        "taker_fee_bps": Decimal(5),
        "fee_side": FeeSide.QUOTE,
    }
    return Instrument(venue=venue, symbol=symbol, base=base, quote=quote, **{**given_, **more})


PAIRS = (
    instrument("upbit", "KRW-BTC", "BTC", "KRW"),
    instrument("upbit", "KRW-USDT", "USDT", "KRW"),
    instrument("binance", "BTCUSDT", "BTC", "USDT"),
)


def desk(*, korean=95_000_000.0, world=68_000.0, fx="1380", tether=1_395.0, half=0.0, size=DEEP, ages=None, more=()):
    venues = {
        "upbit": VenueRules(max_book_age_ms=2_000),
        "bithumb": VenueRules(max_book_age_ms=2_000),
        "binance": VenueRules(max_book_age_ms=500),
        "bybit_linear": VenueRules(max_book_age_ms=500),
    }
    made = Market(venues, FxRules())
    made.wall_ms = MONDAY_NOON_MS
    for at in (*PAIRS, *more):
        made.instruments[at.venue, at.symbol] = at
    for source in ("a", "b"):
        if fx:
            made.take(FxRate(source=source, rate=Decimal(fx), as_of_ms=0, seen_ns=NOW_NS))
    for key, price in (
        (("upbit", "KRW-BTC"), korean),
        (("upbit", "KRW-USDT"), tether),
        (("binance", "BTCUSDT"), world),
    ):
        book(made, key, [(price * (1 - half), size)], [(price * (1 + half) or 1, size)], (ages or {}).get(key[0], 0))
    return made


def book(made, key, bids, asks, age_ms=0):
    seen_ns = NOW_NS - age_ms * NS_PER_MS
    bids = [(price * (1 - 1e-12), size) for price, size in bids]  # a book whose sides meet is crossed
    made.take_book(BookSnapshot(venue=key[0], symbol=key[1], bids=bids, asks=asks, venue_ts_ms=0, seen_ns=seen_ns))


def test_the_worked_numbers_of_both_bases():
    found = bases(95_000_000, 68_000, 1_380, 1_395)
    assert found == pytest.approx((0.012361, 0.001476, 0.010870), abs=5e-7)


prices = st.floats(min_value=1e-6, max_value=1e10)


@given(korean=prices, world=prices, fx=st.floats(100, 5_000), tether=st.floats(100, 5_000))
def test_the_bases_agree_whatever_the_prices(korean, world, fx, tether):
    found = bases(korean, world, fx, tether)
    assert 1 + found.k_fx == pytest.approx((1 + found.k_usdt) * (1 + found.tether), rel=1e-9, abs=1e-12)


def test_the_board_shows_them_at_the_mids_with_every_input():
    [row] = board(desk(), NOW_NS, SIZES).rows
    assert (row.k_fx, row.k_usdt, row.tether) == pytest.approx((0.012361, 0.001476, 0.010870), abs=5e-7)
    assert row.stale == "" and [(i.what, i.why, i.age_ms) for i in row.inputs] == [
        ("korean", "", 0),
        ("world", "", 0),
        ("tether", "", 0),
        ("fx", "", 0),
    ]
    assert [(e.notional_krw, e.direction) for e in row.executable] == [
        (size, way) for size in SIZES for way in (SELL_KOREA, BUY_KOREA)
    ]


def test_a_walk_by_amount_is_the_walk_by_quantity():
    """domain.md §3: asks (100.0×1, 100.1×2, 100.3×5), q = 4 → 100.125, so 400.5 buys 4."""
    asks = [(100.0, 1.0), (100.1, 2.0), (100.3, 5.0)]
    assert walk(asks, 4).vwap == pytest.approx(100.125)
    assert walk_amount(asks, 400.5).qty == pytest.approx(4.0)
    assert walk_amount(asks, 1e9).qty == 8.0, "never extrapolated"


def test_executable_prices_take_the_side_that_is_hit():
    """Selling: Korean bids, global asks, the USDT/KRW ask. Buying: the reverse. Never better than the mid."""
    [row] = board(desk(half=0.001), NOW_NS, (1e6,)).rows
    sell, buy = row.executable
    assert sell.korean_price == pytest.approx(95_000_000 * 0.999)
    assert sell.world_price == pytest.approx(68_000 * 1.001)
    assert sell.usdt_krw == pytest.approx(1_395 * 1.001)
    assert (buy.korean_price, buy.usdt_krw) == pytest.approx((95_000_000 * 1.001, 1_395 * 0.999))
    assert sell.k_usdt < row.k_usdt < buy.k_usdt
    assert sell.net == pytest.approx((1 + sell.k_usdt) * 0.9995 / 1.0005 - 1)
    assert buy.net == pytest.approx(0.9995 / (1.0005 * (1 + buy.k_usdt)) - 1)


def test_depth_makes_the_price_and_a_book_that_ends_has_none():
    made = desk()
    book(made, ("binance", "BTCUSDT"), [(67_990, 1.0)], [(68_000, 0.05), (69_000, 0.1)])
    [row] = board(made, NOW_NS, SIZES).rows
    small, middle, large = (e for e in row.executable if e.direction == SELL_KOREA)
    assert small.world_price == pytest.approx(68_000)
    qty = 1e7 / 95_000_000
    assert middle.world_price == pytest.approx((0.05 * 68_000 + (qty - 0.05) * 69_000) / qty, rel=1e-6)
    assert (large.short, large.world_price, large.k_usdt, large.net) == ("world", None, None, None)
    assert large.qty == pytest.approx(0.15)


levels = st.lists(st.tuples(st.floats(0.9, 1.1), st.floats(0.001, 5)), min_size=1, max_size=6)


@given(bid=levels, ask=levels, tether=levels, amount=st.floats(1e4, 1e9))
def test_more_is_never_cheaper_and_never_invented(bid, ask, tether, amount):
    """A larger size sells at a worse Korean VWAP and buys at worse ones; a priced size was wholly there."""
    made = desk()
    book(made, ("upbit", "KRW-BTC"), sorted(((9.5e7 * p, q) for p, q in bid), reverse=True), [(2e8, 1)])
    book(made, ("binance", "BTCUSDT"), [(1, 1)], sorted((68_000 * p, q) for p, q in ask))
    book(made, ("upbit", "KRW-USDT"), [(1, 1)], sorted((1_395 * p, q * 1e5) for p, q in tether))
    [row] = board(made, NOW_NS, (amount, amount * 2)).rows
    one, two = (e for e in row.executable if e.direction == SELL_KOREA)
    deep = sum(p * q * 9.5e7 for p, q in bid)
    assert (one.short == "korean") == (deep < amount) or deep == pytest.approx(amount, rel=1e-6)
    assert two.qty >= one.qty * (1 - 1e-8)
    if two.k_usdt is not None:
        assert one.k_usdt is not None
        assert two.korean_price <= one.korean_price * (1 + 1e-8)
        assert two.world_price >= one.world_price * (1 - 1e-8)
        assert two.usdt_krw >= one.usdt_krw * (1 - 1e-8)
        assert 1 + two.k_fx == pytest.approx((1 + two.k_usdt) * two.usdt_krw / 1_380, rel=1e-8)


STALE = [  # why, ages or what is missing, stale, k_fx is known
    ("all fresh", {}, "", True),
    ("the Korean book", {"upbit": 2_001}, "korean: stale", True),
    ("the global book has less time", {"binance": 501}, "world: stale", True),
]


@pytest.mark.parametrize("why, ages, stale, has_fx", STALE, ids=[case[0] for case in STALE])
def test_a_stale_input_makes_the_premium_stale(why, ages, stale, has_fx):
    [row] = board(desk(ages=ages), NOW_NS, SIZES).rows
    assert row.stale == stale and (row.k_fx is not None) == has_fx


def test_without_fx_the_tether_basis_goes_on():
    found = board(desk(fx=""), NOW_NS, SIZES)
    [row] = found.rows
    assert (row.k_fx, row.tether, found.fx) == (None, None, None)
    assert row.k_usdt == pytest.approx(0.001476, abs=5e-7) and row.stale == ""
    assert row.inputs[-1].why == "none" and row.executable[0].k_fx is None
    assert found.tethers[0].premium is None and found.tethers[0].turns[0].buy == pytest.approx(1_395)


def test_the_tether_of_each_korean_book_at_every_size():
    made = desk()
    book(made, ("upbit", "KRW-USDT"), [(1_394, 1_000)], [(1_396, 1_000), (1_400, 1e6)])
    [row] = board(made, NOW_NS, SIZES).tethers
    assert row.turns[0].buy == pytest.approx(1_396) and row.turns[0].sell == pytest.approx(1_394)
    assert 1_396 < row.turns[1].buy < 1_400 and row.turns[1].sell is None
    assert row.premium == pytest.approx(1_395 / 1_380 - 1, abs=1e-9)


SHIB = (
    instrument("upbit", "KRW-SHIB", "SHIB", "KRW"),
    instrument(
        "bybit_linear",
        "SHIB1000USDT",
        "SHIB",
        "USDT",
        product=Product.PERP,
        price_per=Decimal(1000),
        contract_size=Decimal(1000),
    ),
)


def test_a_price_for_a_thousand_coins_is_compared_as_one():
    made = desk(more=SHIB)
    book(made, ("upbit", "KRW-SHIB"), [(0.0279, 1e12)], [(0.0279 + 2e-9, 1e12)])
    book(made, ("bybit_linear", "SHIB1000USDT"), [(0.02, 5e4)], [(0.02, 5e4)])
    found = {row.coin: row for row in board(made, NOW_NS, (1e6, 1e8)).rows}
    row = found["SHIB"]
    assert row.product == "perp" and row.k_usdt == pytest.approx(0.0, abs=1e-4)
    priced, beyond = (e for e in row.executable if e.direction == SELL_KOREA)
    assert priced.world_price == pytest.approx(0.00002) and priced.qty == pytest.approx(1e6 / 0.0279, rel=1e-3)
    assert beyond.short == "world" and beyond.qty == pytest.approx(5e4 * 1000)


LOCKS = [  # where, which gate, the locked direction
    ("upbit", "deposit", (SELL_KOREA,)),
    ("upbit", "withdraw", (BUY_KOREA,)),
    ("binance", "withdraw", (SELL_KOREA,)),
    ("binance", "deposit", (BUY_KOREA,)),
]


@pytest.mark.parametrize("venue, gate, locked", LOCKS)
def test_a_premium_behind_a_closed_gate_is_labelled(venue, gate, locked):
    made = desk()
    gates: dict[str, Any] = {"deposit": Gate.OPEN, "withdraw": Gate.OPEN, gate: Gate.CLOSED}
    wallet = Wallet(asset="BTC", network="Bitcoin", **gates)
    made.wallets.take(WalletsReported(venue=venue, wallets=(wallet,), source="x", seen_ns=NOW_NS))
    [row] = board(made, NOW_NS, SIZES).rows
    assert row.locked == locked


def test_what_is_quarantined_is_left_out_with_its_reason():
    found = board(desk(), NOW_NS, SIZES, quarantined={("binance", "BTCUSDT"): "implied premium 31 %"})
    assert found.rows == ()
    [out] = found.left_out
    assert (out.venue, out.symbol, out.coin, out.reason) == ("binance", "BTCUSDT", "BTC", "implied premium 31 %")


def test_the_farthest_from_zero_come_first_and_stale_ones_last():
    more = (instrument("bithumb", "KRW-BTC", "BTC", "KRW"), instrument("bithumb", "KRW-USDT", "USDT", "KRW"))
    made = desk(more=more, ages={"upbit": 5_000})
    book(made, ("bithumb", "KRW-BTC"), [(95_100_000, 1)], [(95_100_001, 1)])
    book(made, ("bithumb", "KRW-USDT"), [(1_395, 1e6)], [(1_395.1, 1e6)])
    found = board(made, NOW_NS, SIZES, limit=1)
    assert [row.korean for row in found.rows] == ["bithumb"] and found.total == 2
    assert board(made, NOW_NS, SIZES, coin="ETH").rows == ()


def test_a_pair_without_a_book_of_its_own_tether_uses_the_first():
    more = (instrument("bithumb", "KRW-BTC", "BTC", "KRW"),)
    made = desk(more=more)
    book(made, ("bithumb", "KRW-BTC"), [(95_000_000, 1)], [(95_000_001, 1)])
    rows = list(PremiumSight(made, NOW_NS, {}).rows(tables(made), "BTC"))
    assert [(row.korean.venue, row.tether.venue) for row in rows] == [("bithumb", "upbit"), ("upbit", "upbit")]


def test_the_overview_has_one_row_per_coin_without_depth():
    more = (*SHIB, instrument("bithumb", "KRW-BTC", "BTC", "KRW"), instrument("bithumb", "KRW-USDT", "USDT", "KRW"))
    made = desk(more=more)
    book(made, ("bithumb", "KRW-BTC"), [(96_000_000, 1)], [(96_000_000, 1)])
    book(made, ("bithumb", "KRW-USDT"), [(1_395, 1e6)], [(1_395, 1e6)])
    book(made, ("upbit", "KRW-SHIB"), [(0.0279, 1e12)], [(0.0279, 1e12)])
    book(made, ("bybit_linear", "SHIB1000USDT"), [(0.02, 5e4)], [(0.02, 5e4)])
    found = premium.overview(made, NOW_NS, SIZES, {})
    assert [(row.coin, row.korean, row.executable) for row in found.rows] == [
        ("BTC", "bithumb", ()),
        ("SHIB", "upbit", ()),
    ]
    told = {"BTC": (("upbit", "KRW-BTC"), ("binance", "BTCUSDT")), "SHIB": (("upbit", "GONE"), ("binance", "GONE"))}
    again = premium.overview(made, NOW_NS, SIZES, told, limit=5)
    assert {(row.coin, row.korean) for row in again.rows} == {("BTC", "upbit"), ("SHIB", "upbit")}


def test_a_book_that_is_newer_than_the_look_has_no_age():
    [row] = board(desk(ages={"upbit": -3}), NOW_NS, (1e6,)).rows
    assert [part.age_ms for part in row.inputs if part.venue == "upbit"] == [0.0, 0.0]
