from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.order import Side
from engine.portfolio.ledger import ADJUSTED, OPENING, TRADING, Ledger, fees_account
from tests.portfolio.made import report

D = Decimal
SELL = Side.SELL


def opened():
    ledger = Ledger()
    ledger.open("upbit", {"KRW": D("1000000"), "BTC": D("2")})
    return ledger


def fill(ledger, made, before=None):
    return ledger.post_fill(before, made, "BTC", "KRW")


def held(ledger):
    return {asset: str(amount.normalize() + 0) for asset, amount in ledger.assets("upbit").items()}


CASES = [  # why, reports in order of arrival, balances after
    ("a purchase, fee in KRW", [report("1", "100", fees=[("KRW", "0.05")])], {"BTC": D(3), "KRW": D("999899.95")}),
    ("a sale, fee in KRW", [report("1", "100", side=SELL, fees=[("KRW", "0.05")])],
     {"BTC": D(1), "KRW": D("1000099.95")}),
    ("a purchase, fee in base: received = q(1 - f)", [report("1", "100", fees=[("BTC", "0.001")])],
     {"BTC": D("2.999"), "KRW": D("999900")}),
    ("cumulative reports post differences", [report("0.4", "40"), report("1", "101")],
     {"BTC": D(3), "KRW": D("999899")}),
    ("a repeat changes nothing", [report("1", "100"), report("1", "100"), report("1", "100")],
     {"BTC": D(3), "KRW": D("999900")}),
    ("an older word changes nothing", [report("1", "100", fees=[("KRW", "5")]), report("0.4", "40")],
     {"BTC": D(3), "KRW": D("999895")}),
    ("an unfilled order", [report("0", "0")], {"BTC": D(2), "KRW": D(1_000_000)}),
    ("the fee comes later than the fill", [report("1", "100"), report("1", "100", fees=[("KRW", "0.05")])],
     {"BTC": D(3), "KRW": D("999899.95")}),
    ("a fee that is not named again stays", [report("1", "100", fees=[("KRW", "1")]), report("1", "100")],
     {"BTC": D(3), "KRW": D("999899")}),
    ("a smaller fee at the same fill is old news",
     [report("1", "100", fees=[("KRW", "2")]), report("1", "100", fees=[("KRW", "1")])],
     {"BTC": D(3), "KRW": D("999898")}),
    ("the quote amount is corrected", [report("1", "100"), report("1", "100.5")], {"BTC": D(3), "KRW": D("999899.5")}),
    ("two orders are two", [report("1", "100"), report("1", "100", cid="c2")], {"BTC": D(4), "KRW": D("999800")}),
    ("a fee in a third asset", [report("1", "100", fees=[("BNB", "0.01")])],
     {"BTC": D(3), "KRW": D("999900"), "BNB": D("-0.01")}),
    ("a maker rebate", [report("1", "100", fees=[("KRW", "-0.1")])], {"BTC": D(3), "KRW": D("999900.1")}),
]  # fmt: skip


@pytest.mark.parametrize("why, reports, balances", CASES, ids=[case[0] for case in CASES])
def test_fills(why, reports, balances):
    ledger = opened()
    for made in reports:
        fill(ledger, made)
    assert ledger.assets("upbit") == balances
    ledger.check()


def test_entries_name_their_accounts():
    ledger = Ledger()
    opening = ledger.open("upbit", {"KRW": D(1_000)})
    assert opening is not None and opening.reason == "open:upbit"
    assert [(p.account, p.amount) for p in opening.postings] == [(OPENING, D(-1_000)), ("assets:upbit:KRW", D(1_000))]
    entry = fill(ledger, report("1", "100", fees=[("KRW", "0.05")]))
    assert entry is not None and entry.reason == "fill:c1"
    assert [(p.account, p.asset, p.amount) for p in entry.postings] == [
        (TRADING, "BTC", D(-1)),
        ("assets:upbit:BTC", "BTC", D(1)),
        ("assets:upbit:KRW", "KRW", D(-100)),
        (TRADING, "KRW", D(100)),
        ("assets:upbit:KRW", "KRW", D("-0.05")),
        (fees_account("upbit", "KRW"), "KRW", D("0.05")),
    ]
    assert ledger.fees("upbit") == {"KRW": D("0.05")}
    assert fill(ledger, report("1", "100", fees=[("KRW", "0.05")])) is None


def test_an_unknown_order_starts_from_the_report_before():
    """Only the difference is posted where the earlier part was adopted with the opening balances."""
    ledger = opened()
    fill(ledger, report("1", "100"), before=report("0.4", "40"))
    assert ledger.balance("upbit", "BTC") == D("2.6")


def test_an_accepted_difference_is_an_adjustment():
    ledger = opened()
    entry = ledger.open("upbit", {"KRW": D("1500000"), "ETH": D(1)})
    assert entry is not None and entry.reason == "adjust:upbit"
    assert ledger.assets("upbit") == {"KRW": D("1500000"), "ETH": D(1), "BTC": D(0)}
    assert ledger.account(ADJUSTED, "KRW") == D("-500000")
    assert ledger.account(ADJUSTED, "BTC") == D(2)
    assert ledger.open("upbit", {"KRW": D("1500000"), "ETH": D(1)}) is None
    ledger.check()


def test_venues_are_apart():
    ledger = opened()
    ledger.open("binance", {"BTC": D(5)})
    fill(ledger, report("1", "100", venue="binance", cid="c9"))
    assert ledger.balance("upbit", "BTC") == D(2)
    assert ledger.balance("binance", "BTC") == D(6)
    assert ledger.balance("binance", "KRW") == D(-100)


DIFFERENCES = [  # why, the venue's balances, differences
    ("all agree", {"KRW": "1000000", "BTC": "2"}, {}),
    ("within dust", {"KRW": "1000000.9", "BTC": "2.00000001"}, {}),
    ("a missing coin", {"KRW": "1000000", "BTC": "1.5"}, {"BTC": D("-0.5")}),
    ("an unnamed asset is zero there", {"KRW": "1000000"}, {"BTC": D(-2)}),
    ("a coin we do not know of", {"KRW": "1000000", "BTC": "2", "ETH": "1"}, {"ETH": D(1)}),
]


@pytest.mark.parametrize("why, venue, expected", DIFFERENCES, ids=[case[0] for case in DIFFERENCES])
def test_difference(why, venue, expected):
    dust = {"KRW": D(1), "BTC": D("0.00000001")}
    assert opened().difference("upbit", {asset: D(amount) for asset, amount in venue.items()}, dust) == expected


amounts = st.decimals("0", "1e12", places=8)


@given(amounts, amounts, st.decimals("0", "1e6", places=16), st.decimals("0", "1e6", places=16))
def test_nothing_is_ever_rounded(krw, quote, fee, qty):
    """28 digits would lose the last won's decimals here."""
    ledger = Ledger()
    ledger.open("upbit", {"KRW": krw})
    fill(ledger, report(qty, quote, fees=[("KRW", fee)]))
    ledger.check()
    assert ledger.difference("upbit", {"KRW": ledger.balance("upbit", "KRW"), "BTC": qty}, {}) == {}


steps = st.lists(
    st.tuples(
        st.decimals("0.00000001", "10", places=8), st.decimals("1", "1e9", places=4), st.decimals("0", "99", places=6)
    ),
    min_size=1,
    max_size=6,
)


@given(steps, st.sampled_from(Side), st.sampled_from(["BTC", "KRW", "BNB"]), st.data())
def test_any_delivery_of_cumulative_reports_ends_the_same(parts, side, fee_asset, data):
    """Repeated and shuffled: as long as the last word arrives, the books are those of the last word."""
    reports, qty, quote, fee = [], D(0), D(0), D(0)
    for more_qty, more_quote, more_fee in parts:
        qty, quote, fee = qty + more_qty, quote + more_quote, fee + more_fee
        reports.append(report(qty, quote, side=side, fees=[(fee_asset, fee)]))
    deliveries = [*data.draw(st.lists(st.sampled_from(reports), max_size=12)), reports[-1]]
    deliveries += data.draw(st.lists(st.sampled_from(reports), max_size=4))
    many, once = opened(), opened()
    for made in deliveries:
        fill(many, made)
        many.check()
    fill(once, reports[-1])
    assert held(many) == held(once)
    sign = 1 if side is Side.BUY else -1
    expected = {"BTC": D(2) + sign * qty, "KRW": D(1_000_000) - sign * quote, "BNB": D(0)}
    expected[fee_asset] -= fee
    for asset, amount in expected.items():
        assert many.balance("upbit", asset) == amount
