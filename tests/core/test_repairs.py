"""A repair that never left the house is no attempt; what a dead letter was for survives a restart."""

from decimal import Decimal

from engine.domain.command import ResumeConfirm, ResumeRequest
from engine.domain.order import LegRole, TradeState
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

REFUSED, UNSENT = Outcome(answer="refused"), Outcome(answer="unavailable")


def test_an_empty_rate_budget_uses_up_no_unwind():
    """Found by a soak: HTTP 429 on the first unwind, then two more within the same second, then the dead letter."""
    rig = Rig().ready()
    trade = rig.execute(Outcome(), REFUSED, *[UNSENT] * 8)
    rig.set_book("upbit", "KRW-BTC", 120_000_000)  # chasing would not pay
    rig.settle()
    assert trade.outcome == "unwound"
    assert trade.tries(LegRole.UNWIND) == 1
    assert rig.ledger_difference() == {}


def test_a_venue_that_takes_no_order_leads_to_a_dead_letter_in_the_end():
    rig = Rig().ready()
    trade = rig.execute(Outcome(), REFUSED, *[UNSENT] * 200)
    rig.set_book("upbit", "KRW-BTC", 120_000_000)
    rig.settle(120_000)
    assert trade.state is TradeState.DEAD_LETTER
    assert trade.reason.startswith("open_tried: ")
    assert len(trade.orders) < 70


def test_a_dead_letter_keeps_its_reason_over_a_restart():
    rig = Rig().ready()
    trade = rig.execute(Outcome(), *[REFUSED] * 9)
    rig.set_book("upbit", "KRW-BTC", 120_000_000)
    rig.settle()
    assert trade.state is TradeState.DEAD_LETTER and trade.reason
    rig.restart()
    assert rig.trade(trade.plan.trade_id).reason == trade.reason


def test_a_journal_that_fails_trips_no_breaker_of_the_venues():
    """Found with a locked journal: ten orders that never left kept every venue closed for 300 s after the resume."""
    rig = Rig().ready()
    for ratio in (0.01, 0.012, 0.014, 0.016, 0.018, 0.02):
        rig.journal_reason = "disk full"
        rig.execute(ratio=ratio)
        rig.settle()
        rig.mend_journal()
        rig.run_for(1_000)
        rig.show_all()
        assert rig.ask(ResumeRequest(token="again")).ok
        assert rig.ask(ResumeConfirm(token="again")).ok
    assert set(rig.state.breakers.states(rig.now_ns).values()) == {"closed"}


def test_what_the_unwinding_venue_will_not_take_is_closed_at_the_other():
    """Found by a soak: 0.00002 BTC, below Bithumb's minimum and above OKX's, closed a pair for a person to look at."""
    size = Rig().ready().execute().plan.legs[0].qty
    rest = Decimal("0.00004")  # 5,600 KRW: Upbit takes 5,000, Binance 5 USDT
    rig = Rig().ready()
    trade = rig.execute(Outcome(), Outcome(fill=1 - rest / size), REFUSED, REFUSED)
    rig.settle()
    last = trade.orders[-1].request
    assert (last.venue, last.role, last.qty) == ("upbit", LegRole.UNWIND, rest)
    assert trade.outcome == "unwound"
    assert rig.ledger_difference() == {}


def test_a_venue_that_no_order_can_leave_for_rests_before_the_next_trade():
    """Found by a soak: after one HTTP 429 five more pairs went out within 0.3 s, one leg of each stayed here."""
    rig = Rig().ready()
    rig.execute(UNSENT, Outcome())
    rig.run_for(100)
    refused = rig.tap(rig.token(rig.premium(0.015)))
    assert (refused.rule, "rest" in refused.text) == ("venue_blocked", True)
    rig.settle()
    rig.run_for(2_000)
    rig.show_all()
    assert rig.tap(rig.token(rig.premium(0.02))).ok
