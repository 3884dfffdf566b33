"""Whatever the books hold: what is wished can be paid for, earns what it says, and nothing that pays is overlooked."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.domain.order import Side
from engine.market.walk import walk
from engine.strategies import kimchi, spatial
from tests.strategies.scene import book, fx, market, sight

FEES = {"upbit": "5", "bithumb": "25", "binance": "10", "okx": "10"}
STEP = Decimal("0.001")


def around(price: float, ticks: list[tuple[int, float]], sign: int) -> list[tuple[float, float]]:
    """Levels from `price` outwards, each some ten-thousandths farther than the one before."""
    levels, at = [], price
    for gap, size in ticks:
        levels.append((at, size))
        at += sign * price * gap / 10_000
    return levels


side = st.lists(st.tuples(st.integers(1, 60), st.floats(0.01, 5)), min_size=1, max_size=5)
drifts = st.floats(-0.03, 0.03)
funds = st.floats(0, 20)


@st.composite
def two_books(draw, left_price, right_price):
    """((bids, asks), (bids, asks)), each 1 bp wide at its own price."""
    made = []
    for price in (left_price, right_price):
        middle = price * (1 + draw(drifts))
        made.append((around(middle * 0.99995, draw(side), -1), around(middle * 1.00005, draw(side), 1)))
    return made


def check(intent, sought, params, available, rates):
    """`sought`: (venue, symbol) -> (bids, asks); `rates`: KRW per quote, by leg."""
    buy, sell = intent.legs
    assert (buy.side, sell.side) == (Side.BUY, Side.SELL)
    assert abs(intent.qty_est / float(STEP) - round(intent.qty_est / float(STEP))) < 1e-6
    bought = walk(sought[buy.venue][1], intent.qty_est, params.depth_share)
    sold = walk(sought[sell.venue][0], intent.qty_est, params.depth_share)
    assert bought.qty == sold.qty == intent.qty_est > 0
    assert buy.vwap_est == pytest.approx(bought.vwap) and sell.vwap_est == pytest.approx(sold.vwap)
    fee_buy, fee_sell = (float(FEES[leg.venue]) / 10_000 for leg in intent.legs)
    paid, got = bought.quote * rates[0] * (1 + fee_buy), sold.quote * rates[1] * (1 - fee_sell)
    assert intent.net_est <= got / paid - 1 + 1e-9
    assert intent.net_est >= params.min_net
    assert intent.gross_est == pytest.approx(sold.quote * rates[1] / (bought.quote * rates[0]) - 1)
    assert intent.profit_krw_est == pytest.approx(paid * intent.net_est, rel=1e-6)
    assert intent.notional_krw_est <= params.max_notional_krw * 1.06
    assert intent.qty_est <= available[sell.venue, "BTC"]
    assert bought.quote * (1 + fee_buy) <= available[buy.venue, "KRW" if rates[0] == 1 else "USDT"]
    assert 0.0 <= intent.confidence_est <= 1.0


@given(two_books(1e8, 1e8), funds, funds, st.sampled_from([0.4, 1.0]), st.sampled_from([0.0, 0.0025]))
@example(
    books=[([(99_995_000.0, 1.0)], [(100_005_000.0, 1.0)]), ([(98_432_578.125, 1.0)], [(98_442_421.875, 0.82)])],
    coins=1.0,
    cash=1.0,
    share=1.0,
    min_net=0.0,
)
def test_spatial(books, coins, cash, share, min_net):
    params = spatial.Params(
        coins=("BTC",),
        groups=(("upbit", "bithumb"),),
        min_net=min_net,
        min_depth_usd=0.0,
        depth_share=share,
        max_gross=0.99,
        max_notional_krw=3e8,
        rebalance_charge=0.0,
    )
    made = market(FEES, qty_step=STEP)
    sought = dict(zip(("upbit", "bithumb"), books, strict=True))
    for venue, (bids, asks) in sought.items():
        book(made, venue, "KRW-BTC", bids, asks)
    book(made, "upbit", "KRW-USDT", [(1_395.0, 1e9)], [(1_396.0, 1e9)])
    available = {(venue, asset): amount for venue in sought for asset, amount in (("BTC", coins), ("KRW", cash * 1e8))}
    intents = spatial.evaluate(sight(made, available), params, ("upbit", "KRW-BTC"))
    for intent in intents:
        check(intent, sought, params, available, (1.0, 1.0))
    keys = {intent.key.split(":")[2] for intent in intents}
    for buy, sell in (("upbit", "bithumb"), ("bithumb", "upbit")):
        cost = sought[buy][1][0][0] * (1 + float(FEES[buy]) / 10_000)
        pays = sought[sell][0][0][0] * (1 - float(FEES[sell]) / 10_000) / cost - 1 >= min_net + 1e-9
        # One step of the top levels can be paid for and is there.
        can = min(coins, cash * 0.95, sought[buy][1][0][1] * share, sought[sell][0][0][1] * share) > 2 * float(STEP)
        if pays and can:
            assert f"{buy}>{sell}" in keys
        if not pays:
            assert f"{buy}>{sell}" not in keys or min_net == 0.0


@given(two_books(95e6, 68_000.0), funds, st.floats(1_370, 1_420), st.sampled_from([0.4, 1.0]))
def test_kimchi(books, coins, tether, share):
    params = kimchi.Params(
        coins=("BTC",),
        korean=("upbit",),
        global_=("binance",),
        min_depth_usd=0.0,
        depth_share=share,
        max_gross=0.99,
        max_notional_krw=3e8,
        rebalance_charge=0.0,
    )
    made = market(FEES, qty_step=STEP)
    sought = dict(zip(("upbit", "binance"), books, strict=True))
    book(made, "upbit", "KRW-BTC", *sought["upbit"])
    book(made, "binance", "BTCUSDT", *sought["binance"])
    book(made, "upbit", "KRW-USDT", [(tether - 0.5, 1e9)], [(tether + 0.5, 1e9)])
    fx(made, "1380", "1380")
    available = {
        ("upbit", "BTC"): coins,
        ("upbit", "KRW"): coins * 95e6,
        ("binance", "BTC"): coins,
        ("binance", "USDT"): coins * 68_000,
    }
    seen = sight(made, available)
    intents = kimchi.evaluate(seen, params, ("binance", "BTCUSDT"))
    assert [i.key for i in kimchi.evaluate(seen, params, ("upbit", "KRW-USDT"))] == [i.key for i in intents]
    assert len(intents) <= 1
    for intent in intents:
        sells_korea = intent.legs[1].venue == "upbit"
        rates = (tether + 0.5, 1.0) if sells_korea else (1.0, tether - 0.5)
        check(intent, sought, params, available, rates)
        facts = intent.facts
        assert 1 + facts["k_fx"] == pytest.approx((1 + facts["k_usdt"]) * (1 + facts["tether_premium"]))
        assert (facts["k_usdt"] > 0) is sells_korea
