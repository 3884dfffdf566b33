"""Which markets are compared and traded: not the unmapped, not those priced as something else, not the watched."""

import msgspec
import pytest

from engine.domain.command import ReleaseMarket
from engine.domain.event import InstrumentsLoaded, WalletsReported
from engine.domain.market import Gate, Wallet
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

KEY = ("okx", "BTC-USDT")


@pytest.fixture
def rig():
    return Rig().ready()


def alerts(rig, rule):
    return [n for n in rig.effects if getattr(n, "kind", "") == "alert" and f'"rule":"{rule}"'.encode() in n.body]


def loaded(rig, venue, doubtful):
    rig.handle(InstrumentsLoaded(venue=venue, instruments=(), doubtful=doubtful, seen_ns=rig.now_ns))


def keep(rig, seconds):
    """Books stay fresh."""
    for _ in range(seconds // 10):
        rig.show_all()
        rig.run_for(10_000)


def test_an_unmapped_market_is_told_once_and_is_no_market(rig):
    for _ in range(2):
        loaded(rig, "okx", {"BTC-USDT": "FOO is not mapped in instruments.yaml"})
    assert rig.state.quarantined[KEY].startswith("unmapped: FOO")
    assert KEY not in rig.state.market.instruments
    assert len(alerts(rig, "unmapped")) == 1


def test_a_mapping_that_comes_later_lets_it_in(rig):
    rules = rig.state.market.instruments[KEY]
    loaded(rig, "okx", {"BTC-USDT": "no entry of instruments.yaml holds today"})
    rig.handle(InstrumentsLoaded(venue="okx", instruments=(rules,), seen_ns=rig.now_ns))
    assert KEY not in rig.state.quarantined and KEY in rig.state.market.instruments


@pytest.mark.parametrize("off, is_out", [(1.0, False), (1.19, False), (1.25, True), (0.75, True)])
def test_a_price_far_from_the_others_is_another_coin(rig, off, is_out):
    rig.set_book("okx", "BTC-USDT", 100_000 * off)
    rig.run_for(2_000)
    assert (KEY in rig.state.quarantined) == is_out
    assert len(alerts(rig, "quarantined")) == is_out


def test_it_comes_back_after_ten_minutes_near_the_others(rig):
    rig.set_book("okx", "BTC-USDT", 130_000)
    rig.run_for(2_000)
    rig.set_book("okx", "BTC-USDT", 118_000)  # inside the limit, but not calm
    keep(rig, 700)
    assert KEY in rig.state.quarantined
    rig.set_book("okx", "BTC-USDT", 100_000)
    keep(rig, 590)
    assert KEY in rig.state.quarantined
    keep(rig, 30)
    assert KEY not in rig.state.quarantined
    assert len(alerts(rig, "quarantined")) == 2


def released(rig, key=KEY, actor="telegram:3"):
    return rig.ask(ReleaseMarket(venue=key[0], symbol=key[1], evidence="same contract"), actor=actor)


def test_a_persons_word_holds_for_a_day_and_for_that_price_alone(rig):
    rig.set_book("okx", "BTC-USDT", 130_000)
    rig.run_for(2_000)
    assert released(rig).ok and KEY not in rig.state.quarantined
    assert len(alerts(rig, "released")) == 1
    rig.set_book("okx", "BTC-USDT", 136_000)
    keep(rig, 60)
    assert KEY not in rig.state.quarantined
    rig.set_book("okx", "BTC-USDT", 145_000)  # 45 %: not what that person has looked at
    rig.run_for(2_000)
    assert KEY in rig.state.quarantined
    assert released(rig).ok
    rig.state.doubts.released[KEY] = msgspec.structs.replace(rig.state.doubts.released[KEY], until_ms=rig.wall_ms - 1)
    rig.run_for(2_000)
    assert KEY in rig.state.quarantined


def test_a_persons_word_outlives_a_restart(rig):
    rig.set_book("okx", "BTC-USDT", 130_000)
    rig.run_for(2_000)
    assert released(rig).ok
    rig.restart()
    rig.run_until(lambda: all(held.ready for held in rig.state.venues.values()), 20_000)
    keep(rig, 20)
    assert KEY not in rig.state.quarantined and KEY in rig.state.doubts.released


@pytest.mark.parametrize("doubtful, rule", [({}, "not_quarantined"), ({"BTC-USDT": "FOO is not mapped"}, "unmapped")])
def test_a_persons_word_is_no_mapping(rig, doubtful, rule):
    loaded(rig, "okx", doubtful)
    answer = released(rig)
    assert (answer.ok, answer.rule) == (False, rule)
    assert (KEY in rig.state.quarantined) == bool(doubtful)


def test_a_market_that_vanishes_under_a_trade_keeps_its_rules_until_it_ends(rig):
    trade = rig.execute(Outcome(), Outcome(answer="lost", reaches=False))
    keys = [(leg.venue, leg.symbol) for leg in trade.plan.legs]
    for venue, symbol in keys:
        loaded(rig, venue, {symbol: "the venue does not list it"})
    assert all(key in rig.state.quarantined and key in rig.state.market.instruments for key in keys)
    rig.settle()
    for venue, symbol in keys:
        loaded(rig, venue, {symbol: "the venue does not list it"})
    assert all(key not in rig.state.market.instruments for key in keys)


def test_nothing_is_planned_in_a_quarantined_market(rig):
    rig.state.quarantined["binance", "BTCUSDT"] = "priced +25.0% from BTC elsewhere"
    found = rig.premium(0.01)
    assert found.legs == () and found.reason.startswith("quarantined")
    assert rig.sent == []


def test_nothing_is_planned_at_a_venue_without_an_account(rig):
    held = rig.state.venues["binance"]
    held.settings = msgspec.structs.replace(held.settings, trades=False)
    found = rig.premium(0.01)
    assert found.legs == () and found.reason.startswith("watched")
    assert rig.sent == []


def test_a_watched_venue_is_asked_for_no_balances_and_holds_nothing_up(rig):
    held = rig.state.venues["okx"]
    held.settings = msgspec.structs.replace(held.settings, trades=False)
    held.agreed = held.opened = held.swept = False
    before = held.balances_ns
    rig.run_for(60_000)
    assert held.ready and held.balances_ns == before


def test_wallets_lock_only_where_every_network_is_closed(rig):
    def told(venue, *found):
        wallets = tuple(Wallet(asset="BTC", network=name, deposit=Gate.OPEN, withdraw=gate) for name, gate in found)
        rig.handle(WalletsReported(venue=venue, wallets=wallets, source="test", seen_ns=rig.now_ns))

    wallets = rig.state.market.wallets
    told("binance", ("BTC", Gate.CLOSED), ("LN", Gate.OPEN))
    assert wallets.locks("binance", "upbit", "BTC") == ()
    told("binance", ("BTC", Gate.CLOSED), ("LN", Gate.CLOSED))
    [lock] = wallets.locks("binance", "upbit", "BTC")
    assert (lock.venue, lock.direction, lock.source) == ("binance", "withdraw", "test")
    assert wallets.gate("upbit", "BTC", "deposit").gate is Gate.UNKNOWN
    told("binance", ("BTC", Gate.DELAYED))
    assert wallets.locks("binance", "upbit", "BTC") == ()
