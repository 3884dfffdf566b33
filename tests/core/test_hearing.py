"""A private stream hurries: folded like any report, it spares look-ups while it can be trusted, and is never needed."""

from decimal import Decimal

import msgspec

from engine.domain import event as ev
from engine.domain.effect import Cancel, FetchOpenOrders, LookUp, Notice, RenewStream
from engine.domain.order import OrderReport
from engine.domain.stream_event import ForeignOrder, OrderStirred, OrderStreamState
from engine.execution.trade import Trade
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

ACKED = Outcome(answer="ack")
VENUE = "binance"  # of a trade's first order


def stands(rig: Rig, connected: bool = True) -> None:
    reason = "" if connected else "cut"
    rig.handle(OrderStreamState(venue=VENUE, connected=connected, reason=reason, seen_ns=rig.now_ns))


def word(rig: Rig, trade: Trade) -> OrderReport:
    """What the venue itself knows of the trade's first order."""
    order = trade.orders[0].request
    return rig.venues[VENUE].report(rig.venues[VENUE].orders[order.cid])


def tells(rig: Rig, report: OrderReport) -> None:
    rig.tell(ev.OrderReported(report=report, seen_ns=rig.now_ns, by_stream=True))


def looks(rig: Rig, trade: Trade) -> list[LookUp]:
    return [each for each in rig.of(LookUp) if each.cid == trade.orders[0].request.cid]


def acknowledged(rig: Rig) -> Trade:
    trade = rig.execute(ACKED)
    rig.run_until(lambda: trade.orders[0].status == "open")
    return trade


def test_a_fill_is_known_by_the_stream_before_the_first_look_up_is_due():
    rig = Rig().ready()
    stands(rig)
    trade = acknowledged(rig)
    rig.run_for(250)
    assert not looks(rig, trade) and trade.orders[0].status == "open"
    tells(rig, word(rig, trade))
    assert trade.orders[0].status == "filled"
    rig.settle()
    assert (trade.state, trade.outcome) == ("closed", "balanced")
    assert not looks(rig, trade) and not rig.of(RenewStream)
    assert rig.ledger_difference() == {}


def test_without_a_stream_the_look_up_follows_the_acknowledgement_at_once():
    rig = Rig().ready()
    trade = acknowledged(rig)
    rig.run_for(250)
    assert looks(rig, trade) and trade.orders[0].status == "filled"


def test_a_silent_stream_costs_half_a_second_once_and_is_renewed():
    rig = Rig().ready()
    stands(rig)
    trade = acknowledged(rig)
    rig.run_for(450)
    assert trade.orders[0].status == "open"
    rig.settle()
    assert (trade.state, trade.outcome) == ("closed", "balanced")
    assert len(looks(rig, trade)) == 1
    assert [effect.venue for effect in rig.of(RenewStream)] == [VENUE]
    assert not rig.state.venues[VENUE].hearing.is_trusted
    assert rig.ledger_difference() == {}


def test_after_its_silence_look_ups_go_at_full_pace_until_it_speaks():
    rig = Rig().ready()
    stands(rig)
    held = rig.state.venues[VENUE].hearing
    held.is_deaf = True
    trade = acknowledged(rig)
    rig.run_for(250)
    assert looks(rig, trade) and trade.orders[0].status == "filled"
    tells(rig, word(rig, trade))
    assert held.is_trusted


def test_a_stir_without_fees_books_nothing_and_is_looked_up():
    rig = Rig().ready()
    stands(rig)
    trade = acknowledged(rig)
    rig.handle(OrderStirred(cid=trade.orders[0].request.cid, seen_ns=rig.now_ns))
    assert trade.orders[0].status == "open" and not looks(rig, trade)
    rig.run_for(250)
    assert len(looks(rig, trade)) == 1 and trade.orders[0].status == "filled"
    assert trade.orders[0].report is not None and trade.orders[0].report.fees
    rig.settle()
    assert not rig.of(RenewStream) and rig.ledger_difference() == {}


def test_repeats_and_late_words_change_nothing():
    rig = Rig().ready()
    stands(rig)
    trade = acknowledged(rig)
    whole = word(rig, trade)
    half = msgspec.structs.replace(
        whole,
        status="open",
        filled_qty=whole.filled_qty / 2,
        filled_quote=whole.filled_quote / 2,
        fees=tuple(msgspec.structs.replace(fee, amount=fee.amount / 2) for fee in whole.fees),
    )
    tells(rig, half)
    tells(rig, whole)
    rig.settle()
    fills = rig.state.counts["fills"]
    ledger = dict(rig.state.ledger.assets(VENUE))
    for report in (half, whole, half, whole):
        tells(rig, report)
    rig.settle()
    assert rig.state.counts["fills"] == fills and rig.state.ledger.assets(VENUE) == ledger
    assert rig.ledger_difference() == {}


def test_the_end_may_come_before_the_acknowledgement():
    rig = Rig().ready()
    stands(rig)
    trade = rig.execute(ACKED)
    cid = trade.orders[0].request.cid
    rig.run_until(lambda: cid in rig.venues[VENUE].orders)
    assert trade.orders[0].status == "sent"
    tells(rig, word(rig, trade))
    rig.settle()
    assert (trade.state, trade.outcome) == ("closed", "balanced")
    assert not looks(rig, trade) and rig.ledger_difference() == {}


def test_a_stream_that_is_lost_hands_over_to_look_ups_and_reconciles_when_it_is_back():
    rig = Rig().ready()
    stands(rig)
    rig.outcomes.append(Outcome(answer="ack", open_ms=800))
    trade = acknowledged(rig)
    stands(rig, connected=False)
    rig.run_for(150)
    assert looks(rig, trade)
    sweeps = len([each for each in rig.of(FetchOpenOrders) if each.venue == VENUE])
    stands(rig)
    rig.run_for(150)
    assert len([each for each in rig.of(FetchOpenOrders) if each.venue == VENUE]) == sweeps + 1
    rig.settle()
    assert (trade.state, trade.outcome) == ("closed", "balanced")


def test_an_order_that_is_not_ours_is_shown_and_left_alone():
    rig = Rig().ready()
    stands(rig)
    kept = len(rig.recall(rig.now_ns))
    for is_open in (True, True, False):
        rig.handle(ForeignOrder(venue=VENUE, venue_order_id="77", is_open=is_open, seen_ns=rig.now_ns))
        assert rig.state.venues[VENUE].foreign == (["77"] if is_open else [])
    told = [n for n in rig.of(Notice) if n.kind == "alert" and b"not ours" in n.body]
    assert len(told) == 1 and len(rig.recall(rig.now_ns)) == kept


def test_an_order_of_our_own_form_that_nobody_planned_rings_from_the_stream_too():
    rig = Rig().ready()
    stands(rig)
    cid = "a2b3c4d5e6f7g2h3i4j5k6l7mn"
    rig.handle(ForeignOrder(venue=VENUE, venue_order_id="77", is_open=True, seen_ns=rig.now_ns, cid=cid))
    assert ("stray_orders", "warn") in rig.alerts() and rig.of(Cancel) == []


def test_a_restart_hears_again_what_the_stream_told():
    rig = Rig().ready()
    stands(rig)
    trade = acknowledged(rig)
    tells(rig, word(rig, trade))
    rig.settle()
    before = {venue: dict(rig.state.ledger.assets(venue)) for venue in rig.venues}
    rig.restart()
    rig.run_until(lambda: all(held.ready for held in rig.state.venues.values()), 10_000)
    assert {venue: dict(rig.state.ledger.assets(venue)) for venue in rig.venues} == before
    again = rig.trade(trade.plan.trade_id).orders[0]
    assert again.status == "filled" and again.report is not None and again.report.filled_qty > Decimal(0)


def test_look_ups_of_a_resting_order_take_twice_as_long_while_the_stream_lives():
    def asked(with_stream: bool) -> int:
        rig = Rig().ready()
        if with_stream:
            stands(rig)
        trade = rig.execute(Outcome(answer="ack", open_ms=20_000))
        rig.run_until(lambda: trade.orders[0].status == "open")
        rig.handle(OrderStirred(cid="nobody's", seen_ns=rig.now_ns))  # speaks of nothing that we know
        rig.run_for(1_400)
        return len(looks(rig, trade))

    assert asked(with_stream=True) < asked(with_stream=False)
