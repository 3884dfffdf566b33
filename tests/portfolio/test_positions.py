"""Perpetuals in the ledger: position and cost instead of delivery, results into the wallet, funding once."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.market import Product
from engine.domain.order import Side
from engine.domain.position import FundingPaid, Holding
from engine.portfolio.ledger import Ledger, funding_account, rounding_account
from tests.portfolio.made import report

D = Decimal
VENUE, SYMBOL = "binance_usdm", "BTCUSDT"
OPENING = D(10_000)


def opened(*holdings):
    ledger = Ledger()
    ledger.open(VENUE, {"USDT": OPENING}, holdings, (), 1_000)
    return ledger


def fill(ledger, side, qty, quote, *, cid, fee="0", before=None):
    said = msgspec.structs.replace(
        report(qty, quote, cid=cid, venue=VENUE, side=side, fees=[("USDT", fee)]), symbol=SYMBOL
    )
    ledger.post_fill(before, said, "BTC", "USDT", Product.PERP)
    ledger.check()


def stands(ledger):
    at = ledger.position(VENUE, SYMBOL)
    return (ledger.balance(VENUE, "USDT"), at.qty if at else D(0), at.cost if at else D(0))


BUY, SELL = Side.BUY, Side.SELL
CASES = [  # why, fills (side, qty, quote) in order, (wallet, position, cost) after
    ("a long costs nothing but its fee", [(BUY, "1", "100")], ("10000", "1", "100")),
    ("a short", [(SELL, "2", "220")], ("10000", "-2", "-220")),
    ("closed with a gain", [(BUY, "1", "100"), (SELL, "1", "130")], ("10030", "0", "0")),
    ("closed with a loss", [(SELL, "1", "100"), (BUY, "1", "130")], ("9970", "0", "0")),
    ("a part is closed at the average", [(BUY, "1", "100"), (BUY, "3", "340"), (SELL, "2", "240")],
     ("10020", "2", "220")),
    ("turned: a close and an opening", [(BUY, "1", "100"), (SELL, "3", "330")], ("10010", "-2", "-220")),
    ("a share that has no last digit stays in the cost", [(BUY, "3", "100"), (SELL, "1", "40")],
     ("10006.66666667", "2", "66.66666667")),
    ("and is out when all is closed", [(BUY, "3", "100"), (SELL, "1", "40"), (SELL, "2", "80")],
     ("10020", "0", "0")),
]  # fmt: skip


@pytest.mark.parametrize("why, fills, expected", CASES, ids=[case[0] for case in CASES])
def test_fills_move_results_alone(why, fills, expected):
    ledger = opened()
    for number, (side, qty, quote) in enumerate(fills):
        fill(ledger, side, qty, quote, cid=f"c{number}")
    assert stands(ledger) == tuple(map(D, expected))


def test_a_correction_after_the_close_reaches_the_wallet():
    ledger = opened()
    fill(ledger, BUY, "1", "100", cid="a")
    fill(ledger, SELL, "1", "130", cid="b")
    fill(ledger, SELL, "1", "130.5", cid="b")
    assert stands(ledger) == (D("10030.5"), 0, 0)


@given(
    st.lists(
        st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 50), st.integers(50_000, 150_000), st.integers(0, 500)),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.integers(-2_000, 2_000), max_size=4),
    st.booleans(),
)
@settings(deadline=None, max_examples=120)
def test_wallet_is_opening_plus_results_less_fees_plus_funding(trades, payments, closes):
    """Whatever the order: wallet less open cost is the sum of all cash, the position that of all fills."""
    ledger = opened()
    cash = qty = fees = D(0)
    for number, (side, lots, price, fee) in enumerate(trades):
        size, paid = D(lots) / 1000, D(lots) / 1000 * D(price)
        sign = 1 if side is BUY else -1
        fill(ledger, side, size, paid, cid=f"c{number}", fee=D(fee) / 100)
        fill(ledger, side, size, paid, cid=f"c{number}", fee=D(fee) / 100)  # told twice
        qty, cash, fees = qty + sign * size, cash - sign * paid, fees + D(fee) / 100
    if closes and qty:
        fill(ledger, SELL if qty > 0 else BUY, abs(qty), abs(qty) * 90_000, cid="last")
        cash, qty = cash + qty * 90_000, D(0)
    got = D(0)
    for number, cents in enumerate(payments):
        charged = FundingPaid(id=f"f{number}", symbol=SYMBOL, asset="USDT", amount=D(cents) / 100, at_ms=2_000 + number)
        assert (ledger.post_funding(VENUE, charged) is None) == (not cents)
        assert ledger.post_funding(VENUE, charged) is None
        got += charged.amount
    wallet, held, cost = stands(ledger)
    assert held == qty
    assert wallet - cost == OPENING + cash - fees + got
    assert qty or wallet == OPENING + cash - fees + got
    assert ledger.account(funding_account(VENUE, SYMBOL), "USDT") == -got
    ledger.check()
    again = Ledger()
    again.stand_at(ledger.accounts(), ledger.held(), ledger.funded())
    assert (again.positions(VENUE), stands(again)) == (ledger.positions(VENUE), stands(ledger))
    assert all(again.is_funded(VENUE, f"f{number}") for number in range(len(payments)))


def test_adopted_positions_stand_at_the_venues_word():
    ledger = opened(Holding(symbol=SYMBOL, base="BTC", quote="USDT", qty=D("-0.5"), entry=D(60_000)))
    assert stands(ledger) == (OPENING, D("-0.5"), D(-30_000))
    ledger.open(VENUE, {"USDT": D(9_000)}, (), (), 2_000)
    ledger.check()
    assert stands(ledger) == (D(9_000), 0, 0)
    assert ledger.newest_funding_ms(VENUE) == 2_000


def test_a_venues_rounding_has_a_name():
    ledger = opened()
    fill(ledger, BUY, "3", "100", cid="a")
    fill(ledger, SELL, "1", "40", cid="b")
    ledger.align(VENUE, "USDT", D("0.00000001"), {SYMBOL: D("0.00000003")})
    ledger.check()
    assert stands(ledger) == (D("10006.66666668"), D(2), D("66.66666670"))
    assert ledger.account(rounding_account(VENUE), "USDT") == D("0.00000002")
