"""A market that stands still is not worked out again every second; what comes after any silence counts at once."""

from decimal import Decimal

from engine.core.state import encode
from engine.domain import event as ev
from engine.domain.alerting import DESK, AlertSettings, Threshold
from engine.domain.command import SetAlerts
from engine.domain.effect import Notice
from engine.domain.market import Balance
from engine.domain.money import NS_PER_S
from tests.core.harness import Rig


def cut(rig: Rig, ms: float = 5_000) -> None:
    """No venue speaks."""
    for venue in rig.venues:
        rig.handle(ev.FeedState(venue=venue, connected=False, reason="cut", seen_ns=rig.now_ns))
    rig.run_for(ms)


def back(rig: Rig) -> None:
    for venue in rig.venues:
        rig.handle(ev.FeedState(venue=venue, connected=True, reason="", seen_ns=rig.now_ns))


def ring_above(rig: Rig, level: str) -> None:
    made = encode(AlertSettings(thresholds=(Threshold(id="t1", figure="k_usdt", side="above", level=Decimal(level)),)))
    version = rig.state.audience.owner(DESK).version
    assert rig.ask(SetAlerts(owner=DESK, version=version, settings=made), actor="telegram:1001").ok


def rung(rig: Rig, rule: str) -> int:
    return sum(1 for notice in rig.of(Notice) if notice.kind == "alert" and notice.key.startswith(f"{rule}:"))


def balances(held: dict[str, Decimal], asset: str, more: int) -> tuple[Balance, ...]:
    grown = held | {asset: held[asset] + more}
    return tuple(Balance(name, amount, amount) for name, amount in grown.items())


def show(rig: Rig, upbit: float, wait_ms: int = 2_300) -> None:
    rig.set_book("upbit", "KRW-BTC", upbit)
    for _ in range(wait_ms // 100):
        rig.show_all()
        rig.run_for(100)


def test_a_premium_after_a_silence_rings():
    rig = Rig().ready()
    ring_above(rig, "0.01")
    cut(rig)
    assert rig.state.watch.asleep["BTC"] == rig.state.market.changes
    back(rig)
    assert rung(rig, "k_usdt") == 0
    show(rig, 143_000_000)
    assert rung(rig, "k_usdt") > 0


def test_rates_follow_the_first_book_after_a_silence():
    rig = Rig().ready()
    show(rig, 140_000_000)
    before = rig.state.krw_rates["BTC"]
    cut(rig)
    assert rig.state.krw_rates["USDT"] == 0, "no fresh book tells what a tether costs"
    back(rig)
    rig.set_book("binance", "BTCUSDT", 50_000)
    show(rig, 70_000_000)
    assert rig.state.krw_rates["USDT"] > 0
    assert abs(rig.state.krw_rates["BTC"] * 2 / before - 1) < Decimal("0.01")


def test_what_the_ledger_holds_counts_while_no_market_speaks():
    rig = Rig().ready()
    before = rig.state.equity_krw
    assert before is not None
    held = rig.state.ledger.assets("upbit")
    rig.handle(ev.LedgerOpened(venue="upbit", balances=balances(held, "KRW", 2_000_000), seen_ns=rig.now_ns))
    quiet = rig.state.market.changes
    rig.handle(ev.Tick(seen_ns=rig.now_ns + NS_PER_S, wall_ms=rig.wall_ms, local_day=rig.state.local_day))
    assert rig.state.market.changes == quiet
    assert rig.state.equity_krw == before + 2_000_000


def test_a_wrong_price_after_a_silence_is_doubted():
    rig = Rig().ready()
    cut(rig)
    assert rig.state.doubts.asleep["BTC"] == rig.state.market.changes
    back(rig)
    show(rig, 14_000_000)
    assert rung(rig, "quarantined") > 0
