from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.order import LegRole, Side
from engine.portfolio.pnl import net_krw, realised, slippage_bps
from tests.portfolio.made import done, leg, plan

D = Decimal
# Buy at 100, sell at 101, both in KRW; and the same with the purchase in USDT at 1,400 KRW.
DOMESTIC = plan(leg(Side.BUY, "10", "100", venue="bithumb"), leg(Side.SELL, "10", "101", venue="upbit"), expected="9")
KIMCHI = plan(
    leg(Side.BUY, "10", "100", venue="binance", quote="USDT", quote_krw="1400", fee_bps="10"),
    leg(Side.SELL, "10", "141400", venue="upbit"),
)
TETHER = plan(leg(Side.BUY, "1000", "1400", venue="upbit", base="USDT"))


def both(made, buy, sell, **more):
    return [done(made, 0, *buy, **more), done(made, 1, *sell, **more)]


UNWIND, CHASE = LegRole.UNWIND, LegRole.CHASE
CASES = [  # why, plan, orders, (spread, slippage, fees, unwind, net)
    ("as planned", DOMESTIC, both(DOMESTIC, ("10", "1000"), ("10", "1010")), (10, 0, 0, 0, 10)),
    ("nothing filled", DOMESTIC, [done(DOMESTIC, 0, "0", "0"), done(DOMESTIC, 1, None, None)], (0, 0, 0, 0, 0)),
    ("both slipped", DOMESTIC, both(DOMESTIC, ("10", "1002"), ("10", "1007")), (10, 5, 0, 0, 5)),
    ("better than planned", DOMESTIC, both(DOMESTIC, ("10", "999"), ("10", "1012")), (10, -3, 0, 0, 13)),
    ("fees in KRW", DOMESTIC, both(DOMESTIC, ("10", "1000"), ("10", "1010"), fees=[("KRW", "0.5")]),
     (10, 0, 1, 0, 9)),
    ("half of each", DOMESTIC, both(DOMESTIC, ("5", "500"), ("5", "505")), (5, 0, 0, 0, 5)),
    ("a leg that failed and was unwound", DOMESTIC,
     [done(DOMESTIC, 0, "10", "1000"), done(DOMESTIC, 0, "10", "997", role=UNWIND, side=Side.SELL)],
     (0, 0, 0, -3, -3)),
    ("a sale that was bought back", DOMESTIC,
     [done(DOMESTIC, 1, "10", "1010"), done(DOMESTIC, 1, "10", "1012", role=UNWIND, side=Side.BUY)],
     (0, 0, 0, -2, -2)),
    ("a chase completes it: what it costs is slippage", DOMESTIC,
     [*both(DOMESTIC, ("10", "1000"), ("6", "606")), done(DOMESTIC, 1, "4", "402", role=CHASE)], (10, 2, 0, 0, 8)),
    ("part matched, part unwound", DOMESTIC,
     [*both(DOMESTIC, ("10", "1000"), ("6", "606")), done(DOMESTIC, 0, "4", "398", role=UNWIND, side=Side.SELL)],
     (6, 0, 0, -2, 4)),
    ("still naked: the rest is marked at its cost", DOMESTIC, both(DOMESTIC, ("10", "1000"), ("6", "606")),
     (6, 0, 0, 0, 6)),
    ("USDT at the plan's rate", KIMCHI, both(KIMCHI, ("10", "1000"), ("10", "1414000")), (14_000, 0, 0, 0, 14_000)),
    ("slippage in USDT", KIMCHI, both(KIMCHI, ("10", "1001"), ("10", "1414000")), (14_000, 1_400, 0, 0, 12_600)),
    ("fee in base: less is sold, the fee is what it cost", KIMCHI,
     [done(KIMCHI, 0, "10", "1000", fees=[("BTC", "0.01")]), done(KIMCHI, 1, "9.99", "1412586")],
     (13_986, 0, 1_400, 0, 12_586)),
    ("fee in an asset without a rate counts as planned", KIMCHI,
     [done(KIMCHI, 0, "10", "1000", fees=[("BNB", "0.002")]), done(KIMCHI, 1, "10", "1414000")],
     (14_000, 0, 1_400, 0, 12_600)),
    ("one leg: it holds what it wanted", TETHER, [done(TETHER, 0, "1000", "1400500", fees=[("KRW", "700")])],
     (0, 500, 700, 0, -1_200)),
]  # fmt: skip


@pytest.mark.parametrize("why, made, orders, expected", CASES, ids=[case[0] for case in CASES])
def test_decomposition(why, made, orders, expected):
    found = realised(made, orders)
    parts = (found.spread_krw, found.slippage_krw, found.fees_krw, found.unwind_krw, found.net_krw)
    assert parts == tuple(D(part) for part in expected)
    assert found.expected_krw == made.expected_profit_krw


def test_a_fee_in_a_third_asset_at_its_rate():
    orders = [done(KIMCHI, 0, "10", "1000", fees=[("BNB", "0.002")]), done(KIMCHI, 1, "10", "1414000")]
    assert realised(KIMCHI, orders, {"BNB": D(900_000)}).fees_krw == D(1_800)


quantities = st.decimals("0", "10", places=4)
quotes = st.decimals("0", "2000", places=2)
fee_rows = st.lists(
    st.tuples(st.sampled_from(["BTC", "KRW", "USDT", "BNB"]), st.decimals("0", "5", places=4)), max_size=2
)
orders_of = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from(LegRole), st.sampled_from(Side), quantities, quotes, fee_rows),
    max_size=8,
)


@given(orders_of, st.sampled_from([DOMESTIC, KIMCHI]))
def test_the_parts_add_up_to_plain_valuation(rows, made):
    """net = spread - slippage - fees + unwind, whatever was filled, and equal to cash flows plus the marked rest."""
    orders = []
    for index, role, side, qty, quote, fees in rows:
        planned = made.legs[index].side
        as_planned = role in (LegRole.ENTRY, LegRole.CHASE)
        orders.append(done(made, index, qty, quote, role=role, side=planned if as_planned else side, fees=fees))
    found = realised(made, orders)
    assert found.net_krw == found.spread_krw - found.slippage_krw - found.fees_krw + found.unwind_krw
    assert found.net_krw == net_krw(made, orders)


@given(quantities.filter(bool), quotes.filter(bool), quotes.filter(bool))
def test_without_base_fees_a_balanced_trade_is_its_cash(qty, paid, got):
    orders = both(DOMESTIC, (qty, paid), (qty, got), fees=[("KRW", "0.25")])
    assert realised(DOMESTIC, orders).net_krw == got - paid - D("0.5")


@pytest.mark.parametrize(
    "side, planned, filled, bps",
    [(Side.BUY, "100", "100.1", 10.0), (Side.SELL, "100", "100.1", -10.0), (Side.SELL, "100", "99.9", 10.0),
     (Side.BUY, "100", "0", 0.0), (Side.BUY, "0", "100", 0.0)],
)  # fmt: skip
def test_slippage_is_signed_against_us(side, planned, filled, bps):
    assert slippage_bps(side, D(planned), D(filled)) == pytest.approx(bps)
