"""Wallets, warnings and rules as they change: what is told, what is shown, what is not traded any more."""

from decimal import Decimal as D

import msgspec
import pytest

from engine.core import boards
from engine.domain.board import LoanView, Wires
from engine.domain.event import InstrumentsLoaded, LoansReported, OrderRefused, WalletsReported, WarningsReported
from engine.domain.market import Gate, Loan, MarketWarning, Wallet
from engine.domain.money import NS_PER_S, TickBand
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

KEY = ("binance", "BTCUSDT")
BANDS = (TickBand(D(0), D(1)), TickBand(D(50_000_000), D(500)), TickBand(D(150_000_000), D(1_000)))


@pytest.fixture
def rig():
    return Rig().ready()


def alerts(rig, rule):
    bodies = [msgspec.json.decode(n.body) for n in rig.effects if getattr(n, "kind", "") == "alert"]
    return [body for body in bodies if body["rule"] == rule]


def wallets(rig, venue, deposit=Gate.OPEN, withdraw=Gate.OPEN):
    wallet = Wallet(asset="BTC", network="Bitcoin", deposit=deposit, withdraw=withdraw)
    rig.handle(WalletsReported(venue=venue, wallets=(wallet,), source="getall", seen_ns=rig.now_ns))


def warns(rig, *found, venue="binance"):
    told = tuple(MarketWarning(symbol=KEY[1], kind=kind, text=text) for kind, text in found)
    rig.handle(WarningsReported(venue=venue, warnings=told, seen_ns=rig.now_ns))


def rules(rig, **changes):
    changed = msgspec.structs.replace(rig.state.market.instruments[KEY], **changes)
    rig.handle(InstrumentsLoaded(venue=KEY[0], instruments=(changed,), seen_ns=rig.now_ns))


def test_a_way_that_closes_is_told_once_and_its_opening_too(rig):
    wallets(rig, "binance", withdraw=Gate.CLOSED)
    assert alerts(rig, "gate_closed") == []  # as it was at the start: on the board, not rung for
    wallets(rig, "binance")
    for _ in range(2):
        wallets(rig, "binance", deposit=Gate.CLOSED)
    wallets(rig, "binance", deposit=Gate.DELAYED)
    told = [
        (a["rule"], a["numbers"]["way"], a["kind"])
        for rule in ("gate_opened", "gate_closed")
        for a in alerts(rig, rule)
    ]
    assert told == [
        ("gate_opened", "withdraw", "wallet"),
        ("gate_opened", "deposit", "wallet"),
        ("gate_closed", "deposit", "wallet"),
    ]


def test_a_locked_premium_says_so_on_board_and_card(rig):
    wallets(rig, "binance", withdraw=Gate.CLOSED)
    found = rig.premium(0.01)
    row = next(r for r in boards.premiums(rig.state, "BTC", 10).rows if r.world == "binance" and r.korean == "upbit")
    assert row.locked == ("sell_korea",)
    [lock] = row.locks
    assert (lock.venue, lock.way, lock.source) == ("binance", "withdraw", "getall")
    views = [msgspec.json.decode(n.body) for n in rig.effects if getattr(n, "kind", "") == "opportunity"]
    card = next(view for view in views if view["id"] == found.id)
    buys = next(leg.venue for leg in found.intent.legs if leg.side == "buy")
    assert [(lock["venue"], lock["way"]) for lock in card["locks"]] == [("binance", "withdraw")] * (buys == "binance")
    assert buys == "binance"


def test_a_suspended_market_is_told_and_takes_no_orders(rig):
    warns(rig, ("suspended", "BREAK"), ("caution", "SMALL"))
    [told] = alerts(rig, "market_warning")  # a caution of before the start rings for nobody
    assert told["numbers"]["word"] == "BREAK"
    found = rig.premium(0.01)
    assert found.legs == () and found.reason.startswith("suspended: binance takes no orders on BTCUSDT: BREAK")
    warns(rig, ("warning", "DANGER"))
    assert [a["numbers"]["word"] for a in alerts(rig, "warning_over")] == ["BREAK", "SMALL"]
    assert [a["numbers"]["word"] for a in alerts(rig, "market_warning")] == ["BREAK", "DANGER"]
    rig.run_for(1_000)
    assert rig.state.market.wallets.suspended(*KEY) == ""


def test_changed_rules_are_told_with_old_and_new(rig):
    rules(rig)
    assert alerts(rig, "rules_changed") == []
    known = rig.state.market.instruments[KEY]
    rules(rig, min_notional=D(11), taker_fee_bps=D("7.5"), ticks=(TickBand(D(0), D("0.1")),))
    [told] = alerts(rig, "rules_changed")
    assert told["numbers"] == {
        "min_notional": f"{known.min_notional:f} → 11",
        "taker_fee_bps": f"{known.taker_fee_bps:f} → 7.5",
        "tick": f"≥ 0: {known.ticks[0].tick:f} → 0.1",
    }
    assert rig.state.market.instruments[KEY].min_notional == 11
    assert boards.venue(rig.state, rig.state.venues["binance"], Wires()).rules.taker_bps == 7.5


def test_a_price_in_another_tick_band_has_the_rules_read_again(rig):
    key = ("upbit", "KRW-BTC")
    rig.state.market.instruments[key] = msgspec.structs.replace(rig.state.market.instruments[key], ticks=BANDS)
    rig.state.wanted.bands.clear()
    rig.run_for(2_500)
    assert "upbit" not in rig.state.wanted.rules
    bid = rig.state.market.quote(*key).bid
    other = 49_000_000 if bid > 50_000_000 else 51_000_000
    rig.set_book(*key, other)
    rig.run_for(2_500)
    assert rig.state.wanted.rules["upbit"].why.startswith("KRW-BTC went from the tick band of ")


@pytest.mark.parametrize("about_rules", [True, False])
def test_an_order_that_is_refused_for_its_tick_has_the_rules_read_again(rig, about_rules):
    trade = rig.execute(Outcome(), Outcome(answer="lost", reaches=False))
    order = trade.orders[-1].request
    rig.handle(
        OrderRefused(cid=order.cid, code="-1013", text="PRICE_FILTER", about_rules=about_rules, seen_ns=rig.now_ns)
    )
    assert list(rig.state.wanted.rules) == ([order.venue] if about_rules else [])


def test_what_a_loan_costs_is_on_the_funding_board_with_its_age(rig):
    loans = (Loan(asset="BTC", hourly=D("0.000002"), limit=D(5)), Loan(asset="ETH", hourly=D("0.00001")))
    rig.handle(LoansReported(venue="binance", loans=loans, source="binance account", seen_ns=rig.now_ns))
    cheap = (Loan(asset="BTC", hourly=D("0.000001")),)
    rig.handle(LoansReported(venue="okx", loans=cheap, source="okx account", seen_ns=rig.now_ns))
    rig.run_for(3_000)
    found = boards.fundings(rig.state, "BTC").loans
    assert [(loan.venue, loan.hourly, loan.limit) for loan in found] == [("okx", 1e-6, None), ("binance", 2e-6, 5.0)]
    assert found[1].annual == pytest.approx(2e-6 * 8760) and found[0].age_ms >= 2_900
    assert {loan.coin for loan in boards.fundings(rig.state, "").loans} == {"BTC", "ETH"}
    assert isinstance(found[0], LoanView)
    rig.handle(LoansReported(venue="okx", loans=(), source="okx account", seen_ns=rig.now_ns + NS_PER_S))
    assert [loan.venue for loan in boards.fundings(rig.state, "BTC").loans] == ["binance"]
