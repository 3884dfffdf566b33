"""Start after a crash and start fresh are one path: the journal, then the venues, then trading."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.core import receipts
from engine.domain.command import Mute
from engine.domain.effect import Notice, Record, Submit
from engine.domain.order import OrderStatus, TradeState
from engine.domain.view import OpportunityView, RefusalView
from engine.execution import trade as life
from tests.core.harness import Rig
from tests.core.test_laws import check_laws
from tests.core.venue_model import Outcome

FILLS = Outcome()
NOTHING = Outcome(fill=Decimal(0))
REFUSED = Outcome(answer="refused")
LOST = Outcome(answer="lost")
NEVER_CAME = Outcome(answer="lost", reaches=False)
ACKED = Outcome(answer="ack", open_ms=700)

MOMENTS: list[tuple[str, list[Outcome], float]] = [  # why, outcomes, run so long (ms)
    ("after the intent, before the send", [], 0.5),
    ("sent, not yet at the venues", [], 3),
    ("filled there, not yet heard here", [], 8),
    ("one leg's answer lost", [FILLS, LOST], 100),
    ("acknowledged, still open", [FILLS, ACKED], 100),
    ("the second leg never came", [FILLS, NEVER_CAME], 300),
    ("the second leg refused, chase under way", [FILLS, REFUSED, LOST], 60),
    ("unwinding", [FILLS, NOTHING, NOTHING, NOTHING, LOST], 120),
    ("all done", [], 500),
]


@pytest.mark.parametrize("loses_tail", [False, True], ids=["tail kept", "tail lost"])
@pytest.mark.parametrize("why, outcomes, ms", MOMENTS, ids=[case[0] for case in MOMENTS])
def test_a_crash_in_any_state_is_reconciled(why: str, outcomes: list[Outcome], ms: float, loses_tail: bool):
    rig = Rig().ready()
    rig.loses_tail = loses_tail
    trade_id = rig.execute(*outcomes).plan.trade_id
    rig.run_for(ms)
    rig.restart()
    rig.settle()
    rig.run_for(10_000)
    check_laws(rig)
    assert rig.trade(trade_id).outcome in ("balanced", "unwound", "nothing_filled")


def picture(rig: Rig) -> dict[str, Any]:
    """What must be the same after any number of restarts."""
    state = rig.state
    return {
        "ledger": {name: state.ledger.assets(name) for name in rig.venues},
        "orders": {cid: (order.status, order.report) for cid, (_, order) in state.orders.items()},
        "trades": {key: (trade.state, trade.outcome, receipts.pnl(trade)) for key, trade in state.trades.items()},
        "pnl": (state.pnl_today_krw, state.pnl_total_krw, state.pnl_peak_krw),
        "counts": (state.trades_today, len(state.traded_ns), len(state.submitted)),
        "blocked": dict(state.blocked_keys),
        "modes": {name: (held.mode, held.params, held.version) for name, held in state.strategies.items()},
        "level": state.level,
    }


def test_restarting_twice_is_restarting_once():
    rig = Rig().ready()
    rig.execute()
    rig.settle()
    rig.execute(FILLS, *[NOTHING] * 6, ratio=0.011)
    rig.settle()
    before = picture(rig)
    rig.restart()
    rig.run_for(5_000)
    once = picture(rig)
    rig.restart()
    rig.restart()
    rig.run_for(5_000)
    assert picture(rig) == once == before


def test_a_start_repeats_no_alarm_and_no_refusal_of_before():
    rig = Rig().ready()
    rig.execute(FILLS, REFUSED, LOST)
    rig.settle()
    assert {"order_unknown", "unknown_resolved"} <= {rule for rule, _ in rig.alerts()}
    rig.restart()
    rig.run_for(5_000)
    assert {rule for rule, _ in rig.alerts()} <= {"venue_ready"}
    assert [row for row in rig.of(Record) if row.table == "refusals"] == []
    assert rig.of(Submit) == []


def unknown_told(rig: Rig) -> list[str]:
    """Client ids of the alerts that an order has no answer, since the last start."""
    views = [msgspec.json.decode(notice.body) for notice in rig.of(Notice) if notice.kind == "alert"]
    assert {severity for rule, severity in rig.alerts() if rule == "order_unknown"} <= {"warn"}
    return [view["numbers"]["cid"] for view in views if view["rule"] == "order_unknown"]


@pytest.mark.parametrize("ms", [0.5, 5], ids=["planned", "sent"])
def test_an_order_without_an_answer_since_a_start_is_told_within_five_seconds(ms: float):
    rig = Rig().ready()
    trade_id = rig.execute(NEVER_CAME, NEVER_CAME).plan.trade_id
    rig.run_for(ms)
    rig.restart()
    orders = rig.orders(trade_id)
    rig.run_for(4_000)
    assert {order.status for order in orders} == {OrderStatus.UNKNOWN}
    assert unknown_told(rig) == [], "most are found by the first look-ups"
    rig.run_for(1_000)
    assert unknown_told(rig) == [order.request.cid for order in orders]
    rig.settle()
    rig.run_for(60_000)
    assert len(unknown_told(rig)) == len(orders)


@pytest.mark.parametrize("first_ms", [2_000, 8_000], ids=["before it was told", "after it was told"])
def test_the_next_start_tells_what_is_still_without_an_answer(first_ms: int):
    """No journal line says that a person was told: who restarts hears again of what nobody has found since."""
    rig = Rig().ready()
    trade_id = rig.execute(NEVER_CAME, NEVER_CAME).plan.trade_id
    rig.run_for(5)
    rig.restart()
    rig.run_for(first_ms)
    rig.restart(down_ms=1)
    rig.run_for(4_000)
    assert unknown_told(rig) == []
    rig.run_for(1_000)
    assert unknown_told(rig) == [order.request.cid for order in rig.orders(trade_id)]
    rig.settle()
    assert len(unknown_told(rig)) == 2


def test_what_the_first_look_ups_find_after_a_start_is_told_to_nobody():
    rig = Rig().ready()
    rig.execute()
    rig.run_for(5)
    rig.restart()
    rig.run_for(20_000)
    assert not rig.state.live_trades and unknown_told(rig) == []


def test_an_answer_that_a_living_desk_has_missed_is_not_told_again():
    rig = Rig().ready()
    trade = rig.execute(FILLS, NEVER_CAME)
    rig.run_for(1_000)
    assert unknown_told(rig) == [trade.orders[1].request.cid]
    rig.restart(down_ms=1)
    rig.run_for(6_000)
    assert rig.orders(trade.plan.trade_id)[1].status is OrderStatus.UNKNOWN
    assert unknown_told(rig) == []


def test_nothing_is_sized_before_the_rules_are_known():
    rig = Rig().ready()
    trade_id = rig.execute(FILLS, REFUSED).plan.trade_id
    rig.run_until(lambda: rig.venues["binance"].orders != {})
    rig.restart()
    rig.run_for(30)
    assert not rig.state.venues["upbit"].rules_known
    assert rig.trade(trade_id).state is TradeState.WORKING
    rig.settle()
    assert rig.trade(trade_id).outcome in ("balanced", "unwound")


def one_legged(rig: Rig) -> str:
    """A trade before its kill: its Binance leg filled, its Upbit leg and the chase refused, all journaled."""
    rig.loses_tail = False
    trade_id = rig.execute(FILLS, REFUSED, REFUSED).plan.trade_id
    rig.run_until(lambda: len(rig.orders(trade_id)) == 3 and all(each.is_terminal for each in rig.orders(trade_id)))
    return trade_id


@pytest.mark.parametrize("mute, outcome", [("upbit", "unwound"), ("binance", "balanced")])
def test_a_leg_without_its_partner_is_mended_by_the_venue_that_tells_its_rules(mute: str, outcome: str):
    rig = Rig().ready()
    trade_id = one_legged(rig)
    rig.mute.add(mute)
    rig.restart()
    rig.run_for(25_000)
    assert not rig.state.venues[mute].rules_known
    assert abs(life.exposure(rig.trade(trade_id))) < Decimal("0.0001")
    rig.mute.clear()
    rig._connect(mute)
    rig.settle()
    assert rig.trade(trade_id).outcome == outcome


def test_a_leg_without_its_partner_rings_though_the_other_has_no_answer_and_its_venue_no_rules():
    rig = Rig().ready()
    trade_id = rig.execute(FILLS, NEVER_CAME).plan.trade_id
    rig.run_for(5_000)
    rig.mute.add("upbit")
    rig.restart()
    rig.run_for(20_000)
    assert rig.orders(trade_id)[1].status is OrderStatus.UNKNOWN
    assert ("naked", "crit") in rig.alerts()


def test_a_leg_without_its_partner_is_a_persons_where_neither_venue_tells_rules():
    rig = Rig().ready()
    trade_id = one_legged(rig)
    rig.mute |= {"binance", "upbit"}
    rig.restart()
    rig.run_for(60_000)
    assert rig.trade(trade_id).state is TradeState.DEAD_LETTER
    assert {("naked", "crit"), ("dead_letter", "crit")} <= set(rig.alerts())


def test_what_the_journal_knows_of_an_expiry_stands():
    rig = Rig().ready()
    trade_id = rig.execute(FILLS, NEVER_CAME).plan.trade_id
    rig.run_for(5_000)
    was_ns = rig.orders(trade_id)[1].final_after_ns - rig.now_ns
    rig.restart(down_ms=1)
    order = rig.orders(trade_id)[1]
    assert order.status is OrderStatus.UNKNOWN and order.was_unknown
    left_ns = order.final_after_ns - rig.now_ns
    assert was_ns <= left_ns < was_ns + 4_000_000_000, "too late, never too early"
    rig.settle()
    assert rig.orders(trade_id)[1].status is OrderStatus.NOT_PLACED


@pytest.mark.parametrize("expires", [False, True])
def test_an_order_that_nobody_answered_is_waited_for_as_long_as_its_venue_may_take_it(expires: bool):
    rig = Rig()
    rig.expiring = ("binance", "upbit") if expires else ()
    rig.ready()
    trade_id = rig.execute(NEVER_CAME, NEVER_CAME).plan.trade_id
    rig.run_for(5)
    rig.restart(down_ms=1)
    for order in rig.orders(trade_id):
        config = rig.config.venues[order.request.venue]
        bound_ms = config.order_timeout_ms + config.settle_margin_ms
        bound_ms += 0 if expires else config.late_acceptance_ms
        assert order.status is OrderStatus.UNKNOWN
        assert order.final_after_ns - rig.state.now_ns == pytest.approx(bound_ms * 1_000_000, abs=50_000_000)
    rig.settle()
    assert all(order.status is OrderStatus.NOT_PLACED for order in rig.orders(trade_id))


def test_what_may_still_arrive_is_counted_from_the_lease_on():
    """Whoever held the journal before is dead when it is ours: reading it is time that has passed."""
    rig = Rig().ready()
    trade_id = rig.execute(NEVER_CAME, NEVER_CAME).plan.trade_id
    rig.run_for(5)
    rig.reads_ms = 2_000
    rig.restart(down_ms=1)
    order = rig.orders(trade_id)[0]
    late_ms = (order.final_after_ns - rig.state.now_ns) / 1_000_000
    assert late_ms == pytest.approx(order.request.late_ms - 2_000, abs=50)


def test_the_proof_of_an_absence_is_the_comparison_as_well():
    """Balances that prove an order absent agree with the ledger: no second question is needed to say so."""
    rig = Rig().ready()
    trade_id = rig.execute(NEVER_CAME, NEVER_CAME).plan.trade_id
    rig.run_for(5)
    rig.restart(down_ms=1)
    orders = rig.orders(trade_id)
    rig.run_until(lambda: all(order.is_terminal for order in orders))
    assert {order.request.venue for order in orders if rig.state.venues[order.request.venue].ready} == {
        order.request.venue for order in orders
    }


def test_an_order_is_bound_by_the_rules_that_it_was_made_under():
    rig = Rig()
    rig.expiring = ("binance", "upbit")
    rig.ready()
    trade_id = rig.execute(NEVER_CAME, NEVER_CAME).plan.trade_id
    rig.run_for(5)
    shorter = {name: msgspec.structs.replace(at, order_timeout_ms=500) for name, at in rig.config.venues.items()}
    before = rig.config
    rig.config = msgspec.structs.replace(rig.config, venues=shorter)
    rig.restart(down_ms=1)
    for order in rig.orders(trade_id):
        at = before.venues[order.request.venue]
        left_ms = (order.final_after_ns - rig.state.now_ns) / 1_000_000
        assert left_ms == pytest.approx(at.order_timeout_ms + at.settle_margin_ms, abs=50)


def test_the_card_of_an_unfinished_trade_hears_of_its_end():
    rig = Rig().ready()
    trade = rig.execute(FILLS, LOST)
    rig.run_for(100)
    rig.restart()
    rig.settle()
    cards = [msgspec.json.decode(n.body, type=OpportunityView) for n in rig.of(Notice) if n.kind == "opportunity"]
    last = [card for card in cards if card.id == trade.plan.opportunity_id][-1]
    assert (last.state, last.trade_id) == ("executed", trade.plan.trade_id)
    rows = [row.key for row in rig.of(Record) if row.table == "signals"]
    assert trade.plan.opportunity_id in rows


def test_frequency_limits_remember_by_the_wall_clock():
    rig = Rig().ready()
    trade = rig.execute()
    rig.settle()
    rig.run_for(120_000)
    rig.restart(down_ms=240_000)
    last = rig.state.last[trade.plan.key]
    age_ms = (rig.now_ns - last.wall_ns) // 1_000_000
    assert age_ms == rig.wall_ms - trade.plan.created_ms
    assert len(rig.state.traded_ns) == 1


def test_the_day_of_a_loss_is_the_local_day():
    rig = Rig().ready()
    rig.execute()
    rig.settle()
    today = rig.state.pnl_today_krw
    assert today > 0
    rig.restart()
    assert rig.state.pnl_today_krw == today
    to_midnight_ms = 86_400_000 - (rig.wall_ms + 9 * 3_600_000) % 86_400_000
    rig.run_for(to_midnight_ms - 1_000)
    assert rig.state.pnl_today_krw == today
    rig.run_for(1_200)
    assert (rig.state.pnl_today_krw, rig.state.trades_today) == (Decimal(0), 0)
    assert rig.state.pnl_total_krw == today
    rig.restart()
    assert (rig.state.pnl_today_krw, rig.state.pnl_total_krw) == (Decimal(0), today)


def test_a_strategy_that_is_gone_does_not_stop_the_start():
    rig = Rig().ready()
    rig.execute()
    rig.settle()
    strategies = {name: held for name, held in rig.config.strategies.items() if name != "kimchi"}
    rig.config = msgspec.structs.replace(rig.config, strategies=strategies)
    rig.restart()
    rig.run_for(5_000)
    assert all(held.ready for held in rig.state.venues.values())


def test_a_venue_that_is_gone_does_not_stop_the_start():
    rig = Rig().ready()
    rig.execute()
    rig.settle()
    rig.config = msgspec.structs.replace(
        rig.config, venues={name: held for name, held in rig.config.venues.items() if name != "binance"}
    )
    del rig.venues["binance"]
    rig.restart()
    rig.run_for(5_000)
    assert all(held.ready for held in rig.state.venues.values())


def test_a_refusal_is_kept_with_its_numbers():
    rig = Rig().ready()
    token = rig.token(rig.premium(0.01))
    rig.set_book("upbit", "KRW-BTC", 140_100_000)
    rig.tap(token)
    rows = [msgspec.json.decode(row.row, type=RefusalView) for row in rig.of(Record) if row.table == "refusals"]
    assert rows[-1].rule == "price_moved"
    assert rows[-1].numbers["floor"] == "0.003000"
    assert rows[-1].text


def test_the_rows_written_again_at_a_start_are_the_same_rows():
    rig = Rig().ready()
    rig.execute()
    rig.settle()
    rig.execute(FILLS, REFUSED, LOST, ratio=0.011)
    rig.settle()
    rig.run_for(600_000)
    tables = ("trades", "orders")
    before = {(row.table, row.key): row.row for row in rig.of(Record) if row.table in tables}
    for down_ms in (3_600_000, 50):
        rig.restart(down_ms=down_ms)
        again = {(row.table, row.key): row.row for row in rig.of(Record) if row.table in tables}
        assert again == before


def test_a_restart_closes_no_breaker():
    rig = Rig().ready()
    for turn in range(5):
        rig.execute(REFUSED, NOTHING, ratio=0.01 + turn / 1_000)
        rig.settle()
    assert rig.state.breakers.states(rig.now_ns)["order_failures:binance"] == "open"
    rig.run_for(60_000)
    rig.restart(down_ms=60_000)
    rig.run_for(3_000)
    assert rig.state.breakers.states(rig.now_ns)["order_failures:binance"] == "open"
    assert {rule for rule, _ in rig.alerts()} <= {"venue_ready"}
    refused = rig.tap(rig.token(rig.premium(0.02)))
    assert refused.rule == "breaker"
    rig.run_for(190_000)
    assert rig.state.breakers.states(rig.now_ns)["order_failures:binance"] == "half_open"


def test_failures_of_other_days_open_no_breaker_at_a_start():
    rig = Rig().ready()
    for turn in range(12):
        rig.execute(REFUSED, NOTHING, ratio=0.01 + turn / 1_000)
        rig.settle()
        rig.execute(ratio=0.01 + turn / 1_000)
        rig.settle()
        rig.restart(down_ms=900_000)
        rig.run_for(3_000)
    assert set(rig.state.breakers.states(rig.now_ns).values()) == {"closed"}


def test_a_mute_outlives_the_process():
    rig = Rig().ready()
    key = "kimchi:BTC:binance>upbit"
    rig.ask(Mute(key=key, minutes=10))
    rig.restart(down_ms=240_000)
    rig.run_for(3_000)
    rig.set_book("upbit", "KRW-BTC", 141_400_000)
    assert rig.state.by_key == {}
    rig.run_for(360_000)
    rig.show_all()
    assert key in rig.state.by_key


def test_the_end_of_a_trade_whose_intent_the_disk_did_not_take_is_read_over():
    rig = Rig().ready()
    rig.journal_reason = "disk full"
    trade_id = rig.execute().plan.trade_id
    rig.journal_reason = ""  # room again, just before it ends
    rig.run_for(500)
    assert rig.state.trades[trade_id].outcome == "nothing_filled" and not rig.sent
    rig.restart()
    rig.settle()
    check_laws(rig)
    assert trade_id not in rig.state.trades
