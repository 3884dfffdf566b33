"""From a wish to exact orders: sizes by lots and fees, prices by levels and ticks, minimums."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.market import FeeSide
from engine.domain.order import Intent, LegWish, Side, TimeInForce
from engine.execution.plan import (
    NotExecutable,
    PlanRules,
    Priced,
    expected_result,
    leg_sizes,
    max_quantity,
    notional_krw,
    passive_price,
    plan_legs,
    price_leg,
    too_small,
)
from tests.execution.cases import D, instrument, market, plan

BUY, SELL = Side.BUY, Side.SELL
RULES = PlanRules(band_bps=D(8), unwind_band_bps=D(50), naked_deadline_ms=1_500, max_chase=2, max_unwind=3)
UPBIT = ([(141_400_000.0, 0.5), (141_390_000.0, 0.5)], [(141_410_000.0, 0.5), (141_420_000.0, 0.5)])
BINANCE = ([(99_999.0, 0.5), (99_990.0, 1.0)], [(100_000.0, 0.5), (100_010.0, 1.0)])
BOOKS = market(upbit=UPBIT, binance=BINANCE)

SIZES = [  # why, venues and sides, wished, ordered
    ("one leg: its own step", [("binance", BUY)], "0.123456", ["0.12345"]),
    ("a fee in coin: the other leg sells less", [("binance", BUY), ("upbit", SELL)], "0.1", ["0.10000", "0.0999"]),
    ("a fee in KRW: both alike", [("upbit", BUY), ("binance", SELL)], "0.1", ["0.1", "0.1"]),
    ("the coarser step for both", [("upbit", BUY), ("binance", SELL)], "0.123456789", ["0.12345", "0.12345"]),
    (
        "what is received is rounded down again",
        [("binance", BUY), ("upbit", SELL)],
        "0.12345",
        ["0.12345", "0.12332655"],
    ),
    ("the order of the legs is no matter", [("upbit", SELL), ("binance", BUY)], "0.1", ["0.0999", "0.10000"]),
    ("less than a lot is nothing", [("binance", BUY), ("upbit", SELL)], "0.000009", ["0", "0"]),
]


@pytest.mark.parametrize("why, legs, wished, ordered", SIZES, ids=[case[0] for case in SIZES])
def test_leg_sizes(why: str, legs: list[tuple[str, Side]], wished: str, ordered: list[str]):
    found = leg_sizes([instrument(venue) for venue, _ in legs], [side for _, side in legs], D(wished))
    assert found == [D(text) for text in ordered]


@given(
    wished=st.decimals("0.00002", "50", places=8),
    fee=st.sampled_from(["0", "1", "7.5", "10", "25"]),
    steps=st.sampled_from([("0.00001", "0.00000001"), ("0.001", "0.01"), ("0.1", "0.00001"), ("1", "1")]),
)
def test_never_more_is_sold_than_is_received(wished: Decimal, fee: str, steps: tuple[str, str]):
    buys = instrument("binance", taker_fee_bps=D(fee), qty_step=D(steps[0]))
    sells = instrument("upbit", qty_step=D(steps[1]))
    bought, sold = leg_sizes([buys, sells], [BUY, SELL], wished)
    received = bought * (1 - D(fee) / 10_000)
    assert sold <= received <= wished
    assert received - sold < D(steps[1])
    assert bought % D(steps[0]) == 0 and sold % D(steps[1]) == 0


PRICES = [  # why, venue, side, qty, band bps, VWAP, limit
    ("top of the book", "upbit", BUY, "0.1", 8, "141410000", "141523000"),
    ("a purchase is limited below, on the tick", "upbit", BUY, "0.1", 0, "141410000", "141410000"),
    ("a sale is limited above, on the tick", "upbit", SELL, "0.1", 8, "141400000", "141287000"),
    ("through two levels", "binance", BUY, "1", 0, "100005", "100005"),
    ("two levels of bids", "binance", SELL, "1", 8, "99994.5", "99914.51"),
]


@pytest.mark.parametrize("why, venue, side, qty, band, vwap, limit", PRICES, ids=[case[0] for case in PRICES])
def test_price_leg(why: str, venue: str, side: Side, qty: str, band: int, vwap: str, limit: str):
    priced = price_leg(BOOKS, instrument(venue), side, D(qty), D(band))
    assert priced == Priced(D(limit), D(vwap))


def test_a_limit_reaches_the_top_of_the_book_at_least():
    """A coarse tick may round the band away: an IOC below the best ask could never fill."""
    books = market(upbit=([(141_400_000.0, 1.0)], [(141_400_999.0, 1.0)]))
    priced = price_leg(books, instrument("upbit"), BUY, D("0.1"), D(0))
    assert isinstance(priced, Priced) and priced.limit == 141_400_000
    sale = price_leg(market(upbit=([(141_400_001.0, 1.0)], [(141_500_000.0, 1.0)])), instrument(), SELL, D("0.1"), D(0))
    assert isinstance(sale, Priced) and sale.limit == 141_401_000, "rounding may cost the fill, never money"


@given(side=st.sampled_from([BUY, SELL]), qty=st.decimals("0.00001", "1", places=5), band=st.integers(0, 60))
def test_rounding_costs_a_fill_and_never_money(side: Side, qty: Decimal, band: int):
    for venue in ("upbit", "binance"):
        rules = instrument(venue)
        priced = price_leg(BOOKS, rules, side, qty, D(band))
        assert isinstance(priced, Priced)
        worst = priced.vwap * (1 + D(band) / 10_000 * (1 if side is BUY else -1))
        quote = BOOKS.quote(venue, rules.symbol)
        assert quote is not None
        top = D(str(quote.ask if side is BUY else quote.bid))
        assert priced.limit % rules.ticks[-1].tick == 0
        if side is BUY:
            assert priced.limit <= max(worst, top)
        else:
            assert priced.limit >= min(worst, top)


def test_a_book_that_ends_early_is_never_extrapolated():
    refused = price_leg(BOOKS, instrument("upbit"), BUY, D("1.1"), D(8))
    assert isinstance(refused, NotExecutable)
    assert (refused.rule, refused.numbers) == ("depth", {"needed": "1.1", "available": "1.0"})


def test_without_a_book_there_is_no_price():
    for books in (market(), market(upbit=UPBIT)):
        lost = books.book("upbit", "KRW-BTC")
        if lost is not None:
            lost.drop()
        refused = price_leg(books, instrument("upbit"), BUY, D("0.1"), D(8))
        assert isinstance(refused, NotExecutable) and refused.rule == "no_book"


def test_post_only_joins_the_queue_on_its_own_side():
    rules = instrument("upbit")
    assert passive_price(BOOKS, rules, BUY) == Priced(D(141_400_000), D(141_400_000))
    assert passive_price(BOOKS, rules, SELL) == Priced(D(141_410_000), D(141_410_000))
    none = passive_price(market(), rules, BUY)
    assert isinstance(none, NotExecutable) and none.rule == "no_book"


MINIMUMS = [  # why, qty, price, too small?
    ("above both", "0.0001", "140000000", False),
    ("exactly the minimum", "0.00005", "100000000", False),
    ("a krw below it", "0.00004999", "100000000", True),
    ("nothing at all", "0", "100000000", True),
]


@pytest.mark.parametrize("why, qty, price, is_small", MINIMUMS, ids=[case[0] for case in MINIMUMS])
def test_too_small(why: str, qty: str, price: str, is_small: bool):
    refused = too_small(instrument("upbit"), D(qty), D(price))
    assert (refused is not None) is is_small
    if refused is not None:
        assert refused.rule == "min_notional" and refused.numbers["min_notional"] == "5000"


def test_below_the_smallest_lot_is_too_small_whatever_it_is_worth():
    assert too_small(instrument("upbit", min_qty=D(1)), D("0.5"), D(100_000_000)) is not None


def intent(*wishes: tuple[str, Side], tif: TimeInForce = TimeInForce.IOC, usdt_krw: float = 1_400.0) -> Intent:
    legs = tuple(
        LegWish(venue=venue, symbol=instrument(venue).symbol, side=side, vwap_est=0.0) for venue, side in wishes
    )
    return Intent(
        key="k",
        strategy="s",
        legs=legs,
        qty_est=0.1,
        gross_est=0.01,
        net_est=0.008,
        min_net_est=0.003,
        profit_krw_est=1.0,
        notional_krw_est=1.0,
        confidence_est=1.0,
        tif=tif,
        facts={"usdt_krw": usdt_krw} if usdt_krw else {},
    )


def test_a_wish_becomes_exact_legs():
    legs = plan_legs(BOOKS, intent(("binance", BUY), ("upbit", SELL)), D("0.1"), RULES)
    assert not isinstance(legs, NotExecutable)
    buy, sell = legs
    assert (buy.qty, buy.limit_price, buy.planned_vwap) == (D("0.1"), D("100080"), D(100_000))
    assert (sell.qty, sell.limit_price, sell.planned_vwap) == (D("0.0999"), D("141287000"), D(141_400_000))
    assert (buy.fee_bps, buy.quote_krw, sell.fee_bps, sell.quote_krw) == (D(10), D(1_400), D(5), D(1))
    assert max_quantity(legs) == D("0.1")


def test_a_resting_leg_pays_the_makers_fee():
    legs = plan_legs(BOOKS, intent(("binance", BUY), tif=TimeInForce.POST_ONLY), D("0.1"), RULES)
    assert not isinstance(legs, NotExecutable)
    assert (legs[0].limit_price, legs[0].fee_bps) == (D(99_999), D(8))


REFUSALS = [  # why, wish, size, rule
    ("too little depth on one side", intent(("binance", BUY), ("upbit", SELL)), "1.2", "depth"),
    ("too small for one venue", intent(("binance", BUY), ("upbit", SELL)), "0.00003", "min_notional"),
    ("no KRW rate for the dollar", intent(("binance", BUY), ("upbit", SELL), usdt_krw=0.0), "0.1", "no_rate"),
    ("rules of a venue not loaded", intent(("okx", BUY), ("upbit", SELL)), "0.1", "no_rules"),
]


@pytest.mark.parametrize("why, wish, size, rule", REFUSALS, ids=[case[0] for case in REFUSALS])
def test_a_wish_that_cannot_be_carried_out_names_its_rule(why: str, wish: Intent, size: str, rule: str):
    refused = plan_legs(BOOKS, wish, D(size), RULES)
    assert isinstance(refused, NotExecutable)
    assert refused.rule == rule and refused.text


def test_the_expected_result_counts_every_fee_once():
    """0.1 bought at 100,000 USDT (1,400 KRW), 0.0999 received and sold at 141,400,000 KRW less 5 bp."""
    legs = plan_legs(BOOKS, intent(("binance", BUY), ("upbit", SELL)), D("0.1"), RULES)
    assert not isinstance(legs, NotExecutable)
    profit, net = expected_result(legs, BOOKS.instruments)
    paid, got = D(14_000_000), D("0.0999") * 141_400_000 * D("0.9995")
    assert (profit, net) == (got - paid, got / paid - 1)


def test_the_expected_result_pays_a_fee_in_quote_on_top():
    legs = plan_legs(BOOKS, intent(("upbit", BUY), ("binance", SELL)), D("0.1"), RULES)
    assert not isinstance(legs, NotExecutable)
    profit, _ = expected_result(legs, BOOKS.instruments)
    assert profit == D("0.1") * 99_999 * 1_400 * D("0.999") - D("0.1") * 141_410_000 * D("1.0005")
    assert instrument("upbit").fee_side is FeeSide.QUOTE


def test_notional_is_the_larger_leg():
    assert notional_krw(plan()) == D("0.01") * 141_400_000
