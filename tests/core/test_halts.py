"""Stopping is one step and outranks everything; resuming takes two and a passed self-check."""

from decimal import Decimal

import msgspec
import pytest

from engine.core.trades import is_surely_dust
from engine.domain.command import AcceptBalances, Halt, Mode, ResumeConfirm, ResumeRequest, SetMode
from engine.domain.effect import Cancel, LatchChanged, Submit
from engine.domain.order import LegRole, OrderStatus, Side, TradeState
from engine.execution import trade as life
from engine.execution.trade import Trade
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

FILLS = Outcome()
NOTHING = Outcome(fill=Decimal(0))
REFUSED = Outcome(answer="refused")


def halt(rig: Rig, level: int) -> None:
    reply = rig.ask(Halt(level=level, reason="a tap"))
    assert reply.ok, reply.text


def flat(rig: Rig, trade: Trade) -> bool:
    return is_surely_dust(rig.state, trade, life.exposure(trade))


def submits_after(rig: Rig, level: int) -> list[Submit]:
    """What the core asked to send after the latch stood at `level` or higher."""
    at = next(i for i, effect in enumerate(rig.effects) if isinstance(effect, LatchChanged) and effect.level >= level)
    return [effect for effect in rig.effects[at:] if isinstance(effect, Submit)]


def test_l1_lets_a_running_cycle_finish_and_opens_nothing():
    rig = Rig().ready()
    trade = rig.execute(FILLS, REFUSED)
    rig.run_until(lambda: rig.sent != [])
    halt(rig, 1)
    rig.settle()
    assert [order.request.role for order in trade.orders][2:] == [LegRole.CHASE]
    assert trade.outcome == "balanced"
    rig.run_for(2_000)
    rig.show_all()
    assert rig.tap(rig.token(rig.found())).rule == "halted"
    assert rig.state.refusals[0].numbers["level"] == "1"


def test_l2_before_the_send_stops_the_order_at_the_socket():
    rig = Rig().ready()
    trade = rig.execute()
    halt(rig, 2)
    rig.settle()
    assert rig.sent == []
    assert {order.status for order in trade.orders} == {OrderStatus.NOT_PLACED}
    assert trade.outcome == "nothing_filled"


def test_l2_sends_nothing_more_and_leaves_a_remainder_to_a_person():
    rig = Rig().ready()
    trade = rig.execute(FILLS, Outcome(answer="ack", fill=Decimal(0), open_ms=500))
    rig.run_for(50)
    halt(rig, 2)
    rig.settle()
    assert submits_after(rig, 2) == []
    assert trade.state is TradeState.DEAD_LETTER
    assert [effect.cid for effect in rig.of(Cancel)] == [trade.orders[1].request.cid]
    assert rig.ledger_difference() == {}


def told_naked(rig: Rig, level: int) -> list[dict[str, object]]:
    reply = rig.ask(Halt(level=level, reason="a tap"))
    return list(msgspec.json.decode(reply.body)["naked"])


def test_a_halt_that_stops_repairs_names_the_leg_that_it_leaves_open():
    """Without it, whoever kills during a trade believes that all is closed."""
    rig = Rig().ready()
    trade = rig.execute(FILLS, Outcome(answer="ack", fill=Decimal(0), open_ms=500))
    rig.run_for(50)
    bought = trade.orders[0].report
    assert bought is not None
    (leg,) = told_naked(rig, 2)
    fees = sum(fee.amount for fee in bought.fees if fee.asset == "BTC")
    assert (leg["trade_id"], leg["venue"], leg["side"]) == (trade.plan.trade_id, "binance", "buy")
    assert Decimal(str(leg["qty"])) == bought.filled_qty - fees and leg["is_letter"] is False
    assert Decimal(str(leg["krw"])) > 900_000
    rig.settle()
    assert trade.state is TradeState.DEAD_LETTER
    (leg,) = told_naked(rig, 1)
    assert leg["is_letter"] is True, "still at L2: it waits for a person"


@pytest.mark.parametrize("level", [1, 3])
def test_a_halt_that_lets_repairs_pass_names_none(level: int):
    rig = Rig().ready()
    rig.execute(FILLS, Outcome(answer="ack", fill=Decimal(0), open_ms=500))
    rig.run_for(50)
    assert told_naked(rig, level) == []


def test_a_halt_with_nothing_open_names_none():
    rig = Rig().ready()
    rig.execute()
    rig.settle()
    assert told_naked(rig, 2) == []


def test_l2_cancels_what_rests(tether_rig):
    rig = tether_rig
    rig.ask(SetMode(strategy="tether_bot", mode=Mode.AUTO))
    rig.show_book("upbit", "KRW-USDT")
    (trade,) = rig.state.trades.values()
    rig.run_for(100)
    assert rig.venues["upbit"].orders[trade.orders[0].request.cid].status is OrderStatus.OPEN
    halt(rig, 2)
    rig.run_for(1_000)
    assert rig.venues["upbit"].orders[trade.orders[0].request.cid].status is OrderStatus.CANCELLED
    assert trade.state is TradeState.CLOSED


def test_l2_asks_again_when_a_cancel_was_lost(tether_rig):
    rig = tether_rig
    rig.ask(SetMode(strategy="tether_bot", mode=Mode.AUTO))
    rig.show_book("upbit", "KRW-USDT")
    rig.run_for(100)
    rig.venues["upbit"].cancels_to_lose = 1
    halt(rig, 2)
    rig.run_for(1_500)
    assert [order.status for order in rig.venues["upbit"].orders.values()] == [OrderStatus.CANCELLED]


def test_l3_flattens_what_is_naked():
    rig = Rig().ready()
    trade = rig.execute(FILLS, Outcome(answer="ack", fill=Decimal(0), open_ms=500))
    rig.run_for(50)
    halt(rig, 3)
    rig.settle()
    assert [order.request.role for order in trade.orders][2:] == [LegRole.FLATTEN]
    assert (trade.outcome, rig.ledger_difference()) == ("unwound", {})


def test_a_flatten_that_fails_is_tried_so_often_and_then_told():
    rig = Rig().ready()
    trade = rig.execute(FILLS, Outcome(answer="ack", fill=Decimal(0), open_ms=500), *[REFUSED] * 99)
    rig.run_for(50)
    halt(rig, 3)
    rig.run_for(60_000)
    assert [order.request.role for order in trade.orders][2:] == [LegRole.FLATTEN] * 5
    assert trade.state is TradeState.DEAD_LETTER
    assert [name for name, _ in rig.alerts() if name.startswith("flatten")] == ["flattening", "flatten_stuck"]


@pytest.mark.parametrize("apart_ms", [0, 200, 8_000])
def test_l3_after_l2_closes_what_l2_has_cut_open(apart_ms: int):
    """The chat offers L3 behind L2 alone: by then the exposure is a dead letter."""
    rig = Rig().ready()
    trade = rig.execute(FILLS, Outcome(answer="lost", reaches=False))
    rig.run_for(50)
    halt(rig, 2)
    rig.run_for(apart_ms)
    halt(rig, 3)
    rig.run_for(40_000)
    assert trade.orders[-1].request.role is LegRole.FLATTEN
    assert (trade.outcome, flat(rig, trade), rig.ledger_difference()) == ("unwound", True, {})
    assert rig.state.letters == {} and rig.alerts()[-1] == ("flattening", "info")


def test_l3_closes_a_dead_letter_of_before_and_a_restart_in_between_goes_on_with_it():
    rig = Rig().ready()
    trade = rig.execute(FILLS, *[REFUSED] * 9)
    rig.set_book("upbit", "KRW-BTC", 120_000_000)
    rig.settle()
    assert trade.state is TradeState.DEAD_LETTER
    rig.outcomes.clear()  # the venue takes orders again
    halt(rig, 3)
    rig.restart()
    rig.run_for(40_000)
    trade = rig.trade(trade.plan.trade_id)
    assert (trade.outcome, flat(rig, trade), rig.ledger_difference()) == ("unwound", True, {})


def left_to_a_person(rig: Rig) -> tuple[Trade, str]:
    """A dead letter, and the venue that holds what was bought."""
    trade = rig.execute(FILLS, *[REFUSED] * 9)
    rig.set_book("upbit", "KRW-BTC", 120_000_000)
    rig.settle()
    assert trade.state is TradeState.DEAD_LETTER
    rig.outcomes.clear()  # the venue takes orders again
    rig.run_for(31_000)
    return trade, next(leg.venue for leg in trade.plan.legs if leg.side is Side.BUY)


def seen_by_the_desk(rig: Rig, venue: str) -> None:
    rig.run_for(40_000)
    assert ("ledger_mismatch", "crit") in rig.alerts()


def accepted(rig: Rig, venue: str) -> None:
    seen_by_the_desk(rig, venue)
    assert rig.ask(AcceptBalances(venue=venue)).ok
    rig.run_for(5_000)


def unread(rig: Rig, venue: str) -> None:
    rig.venues[venue].failing = ("balances", "open_orders")
    rig.run_for(200_000)


def at_once(rig: Rig, venue: str) -> None:
    """Before any comparison."""


HOW = [at_once, seen_by_the_desk, accepted, unread]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["there", "at another venue"])
@pytest.mark.parametrize("how", HOW)
def test_l3_sells_nothing_that_a_person_has_closed_by_hand_and_not_said_so(how, elsewhere: bool):
    rig = Rig().ready()
    trade, venue = left_to_a_person(rig)
    if elsewhere:
        venue = next(name for name in rig.venues if name not in {leg.venue for leg in trade.plan.legs})
        rig.venues[venue].totals.setdefault("BTC", Decimal(0))
    before = len(trade.orders)
    rig.venues[venue].totals["BTC"] -= life.exposure(trade)
    if elsewhere and how in (at_once, unread):
        pytest.skip("what nobody has seen at a venue that is none of the trade's cannot be known")
    how(rig, venue)
    halt(rig, 3)
    rig.run_for(40_000)
    assert len(trade.orders) == before and trade.state is TradeState.DEAD_LETTER
    assert ("flatten_stuck", "crit") in rig.alerts()


def test_a_halt_never_lowers():
    rig = Rig().ready()
    halt(rig, 3)
    halt(rig, 1)
    assert rig.state.level == 3
    assert rig.ask(Halt(level=0, reason="")).rule == "bad_parameter"
    assert rig.ask(Halt(level=4, reason="")).rule == "bad_parameter"


def test_resume_takes_a_passed_check_and_its_token():
    rig = Rig().ready()
    assert rig.ask(ResumeRequest(token="a")).rule == "not_halted"
    halt(rig, 1)
    assert rig.ask(ResumeConfirm(token="a")).rule == "stale_confirm"
    reply = rig.ask(ResumeRequest(token="a"))
    assert reply.ok
    assert {check["name"] for check in msgspec.json.decode(reply.body)["checks"]} >= {
        "journal",
        "venue upbit",
        "orders",
    }
    assert rig.ask(ResumeConfirm(token="b")).rule == "stale_confirm"
    assert rig.ask(ResumeConfirm(token="a")).ok
    assert (rig.state.level, rig.latch.level) == (0, 0)
    assert rig.ask(ResumeConfirm(token="a")).rule == "stale_confirm"
    assert rig.execute().plan.legs


def test_resume_ends_after_a_minute():
    rig = Rig().ready()
    halt(rig, 1)
    assert rig.ask(ResumeRequest(token="a")).ok
    rig.run_for(60_500)
    assert rig.ask(ResumeConfirm(token="a")).rule == "stale_confirm"
    assert rig.state.level == 1


def test_a_new_halt_voids_a_prepared_resume():
    rig = Rig().ready()
    halt(rig, 1)
    assert rig.ask(ResumeRequest(token="a")).ok
    halt(rig, 3)
    assert rig.ask(ResumeConfirm(token="a")).rule == "stale_confirm"
    assert rig.state.level == 3


def test_resume_is_refused_while_an_order_has_no_answer():
    rig = Rig().ready()
    rig.execute(FILLS, Outcome(answer="lost", reaches=False))
    rig.run_for(300)
    halt(rig, 1)
    reply = rig.ask(ResumeRequest(token="a"))
    assert reply.rule == "self_check" and "1 orders without an answer" in reply.text


def test_resume_is_checked_again_at_its_second_step():
    rig = Rig().ready()
    halt(rig, 1)
    assert rig.ask(ResumeRequest(token="a")).ok
    rig.venues["upbit"].totals["KRW"] += 1_000_000
    rig.run_until(lambda: rig.state.venues["upbit"].blocked != "")
    assert rig.ask(ResumeConfirm(token="a")).rule in ("self_check", "stale_confirm")
    assert rig.state.level == 1


def test_the_level_outlives_the_process():
    rig = Rig().ready()
    halt(rig, 2)
    rig.restart()
    assert rig.state.level == 2
    rig.settings.clear()  # the store is gone, the latch file stands
    rig.restart()
    rig.run_for(3_000)
    assert rig.state.level == 2
    rig.show_all()
    rig.premium(0.01)
    assert rig.tap(rig.token(rig.found())).rule == "halted"


def test_without_a_journal_nothing_is_sent():
    rig = Rig().ready()
    rig.journal_reason = "disk full"
    trade = rig.execute()
    rig.settle()
    assert rig.sent == []
    assert rig.state.level == 2
    assert trade.outcome == "nothing_filled"
    assert ("journal", "crit") in rig.alerts()
    halted = rig.tap(rig.token(rig.premium(0.011)))
    assert halted.rule == "halted"
    assert rig.ask(ResumeRequest(token="a")).rule == "self_check"
    rig.mend_journal()
    assert rig.ask(ResumeRequest(token="a")).ok
    assert rig.ask(ResumeConfirm(token="a")).ok
    rig.run_for(2_000)
    rig.show_all()
    assert rig.tap(rig.token(rig.found())).ok
