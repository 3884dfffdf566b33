"""From a card to a trade: quotes, taps, refusals."""

from decimal import Decimal

import msgspec

from engine.domain.command import Confirm, IssueToken, Mode, Mute, SetMode, Skip
from engine.domain.effect import Notice, Record, Submit
from engine.domain.order import LegRole, OrderStatus
from engine.domain.view import OpportunityView, TokenView, TradeView
from tests.core.harness import USER, Rig


def test_a_tap_becomes_a_reconciled_trade():
    rig = Rig().ready()
    found = rig.premium(0.01)
    trade = rig.execute()
    assert found.state == "executing"
    rig.settle()
    assert (trade.state, trade.outcome) == ("closed", "balanced")
    assert [order.status for order in trade.orders] == [OrderStatus.FILLED, OrderStatus.FILLED]
    assert {order.request.role for order in trade.orders} == {LegRole.ENTRY}
    assert rig.state.opportunities[found.id].state == "executed"
    assert rig.ledger_difference() == {}
    assert rig.state.pnl_today_krw > 0
    receipts = [msgspec.json.decode(n.body, type=TradeView) for n in rig.of(Notice) if n.kind == "trade"]
    assert (receipts[0].state, receipts[-1].state) == ("working", "closed")
    assert receipts[-1].pnl.net_krw == rig.state.pnl_today_krw
    assert {row.table for row in rig.of(Record)} >= {"signals", "trades", "orders"}


def test_both_legs_and_the_plan_are_one_record_before_anything_is_sent():
    rig = Rig().ready()
    rig.execute()
    (submit,) = rig.of(Submit)
    assert submit.plan is not None and len(submit.orders) == 2
    assert rig.sent == []
    rig.run_for(2)
    assert [order.cid for order in rig.sent] == [order.cid for order in submit.orders]


def test_the_selling_leg_sells_what_is_received():
    rig = Rig().ready()
    trade = rig.execute()
    buy, sell = trade.plan.legs
    assert buy.venue == "binance"
    assert buy.qty * Decimal("0.999") - sell.qty < Decimal("0.00001")
    assert buy.qty > sell.qty


def test_a_token_is_bound_to_user_and_chat():
    rig = Rig().ready()
    token = rig.token(rig.premium(0.01))
    assert rig.tap(token, user_id=USER + 1).rule == "not_yours"
    assert rig.tap(token, chat_id=USER + 1).rule == "not_yours"
    assert ("token_misuse", "warn") in rig.alerts()
    assert rig.tap(token).ok, "a stranger's press does not use it up"


def test_an_unknown_token_is_refused():
    rig = Rig().ready()
    assert rig.ask(Confirm(token="never", user_id=USER, chat_id=USER)).rule == "unknown_token"


def test_a_late_tap_is_refused_with_its_numbers():
    rig = Rig().ready()
    token = rig.token(rig.premium(0.01))
    for _ in range(25):
        rig.run_for(1_000)
        rig.show_book("upbit", "KRW-BTC")
    assert rig.found().state == "live"
    reply = rig.tap(token)
    assert reply.rule == "stale_confirm"
    assert msgspec.json.decode(reply.body)["ttl_s"] == "20"
    newest = rig.state.refusals[0]
    assert (newest.rule, newest.numbers["ttl_s"]) == ("stale_confirm", "20")


def test_a_late_tap_is_stale_even_when_the_opportunity_is_over():
    rig = Rig().ready()
    found = rig.premium(0.01)
    token = rig.token(found)
    rig.run_for(60_000)
    assert found.state == "expired"
    assert rig.tap(token).rule == "stale_confirm"
    assert rig.state.refusals[0].opportunity_id == found.id


def test_a_tap_in_time_on_what_is_over_says_so():
    rig = Rig().ready()
    found = rig.premium(0.01)
    token = rig.token(found)
    rig.ask(Skip(opportunity_id=found.id))
    reply = rig.tap(token)
    assert reply.rule == "gone" and "skipped" in reply.text


def test_the_second_tap_gets_the_first_answer():
    rig = Rig().ready()
    token = rig.token(rig.premium(0.01))
    first = rig.tap(token)
    again = rig.tap(token)
    rig.settle()
    later = rig.tap(token)
    assert first.ok
    assert (again.text, again.body) == (later.text, later.body) == (first.text, first.body)
    assert len(rig.state.trades) == 1


def test_a_moved_price_is_refused_and_the_refusal_stands():
    rig = Rig().ready()
    token = rig.token(rig.premium(0.01))
    rig.set_book("upbit", "KRW-BTC", 140_100_000)
    refused = rig.tap(token)
    assert refused.rule == "price_moved"
    assert rig.state.refusals[0].numbers["floor"] == "0.003000"
    rig.set_book("upbit", "KRW-BTC", 141_400_000)
    assert rig.tap(token).rule == "price_moved", "the same button cannot come back to life"
    assert rig.of(Submit) == []


def test_half_is_half():
    rig = Rig().ready()
    whole = rig.premium(0.01).legs[0].qty
    trade = rig.execute(fraction="0.5")
    assert abs(trade.plan.legs[0].qty - whole / 2) <= Decimal("0.00001")


def test_the_token_tells_what_it_promises():
    rig = Rig().ready()
    found = rig.premium(0.01)
    command = IssueToken(token="t", opportunity_id=found.id, user_id=USER, chat_id=USER, fraction=Decimal("0.5"))
    view = msgspec.json.decode(rig.ask(command).body, type=TokenView)
    assert view.net_floor == 0.003
    assert view.expires_ms - rig.wall_ms == 20_000
    assert view.profit_krw == found.profit_krw / 2


def test_a_size_that_grew_since_the_quote_is_not_taken():
    rig = Rig().ready()
    rig.set_book("binance", "BTCUSDT", 100_000, size=0.005)
    token = rig.token(rig.premium(0.01))
    rig.set_book("binance", "BTCUSDT", 100_000, size=0.5)
    shown = rig.state.tokens[token].max_qty
    assert rig.tap(token).ok
    (trade,) = rig.state.trades.values()
    assert trade.plan.legs[0].qty <= shown


def test_skip_rests_and_mute_silences():
    rig = Rig().ready()
    key = "kimchi:BTC:binance>upbit"
    found = rig.premium(0.01)
    rig.ask(Skip(opportunity_id=found.id))
    rig.show_book("upbit", "KRW-BTC")
    assert found.state == "skipped" and key not in rig.state.by_key
    rig.run_for(61_000)
    rig.show_all()
    assert key in rig.state.by_key
    rig.ask(Mute(key=key, minutes=30))
    rig.run_for(29 * 60_000)
    rig.show_all()
    assert key not in rig.state.by_key
    rig.ask(Mute(key=key, minutes=0))
    rig.show_book("upbit", "KRW-BTC")
    assert key in rig.state.by_key


def test_a_card_dies_by_age():
    rig = Rig().ready()
    found = rig.premium(0.01)
    rig.run_for(16_000)
    assert found.state == "expired"
    cards = [msgspec.json.decode(n.body, type=OpportunityView) for n in rig.of(Notice) if n.kind == "opportunity"]
    assert cards[-1].state == "expired"


def test_auto_trades_by_itself_and_cools_down():
    rig = Rig().ready()
    rig.ask(SetMode(strategy="kimchi", mode=Mode.AUTO))
    rig.set_book("upbit", "KRW-BTC", 141_400_000)
    (first,) = rig.state.trades.values()
    assert first.plan.actor == "auto"
    for _ in range(4):
        rig.run_for(100)
        rig.show_book("upbit", "KRW-BTC")
    assert len(rig.state.trades) == 1
    assert "cooldown" in {refusal.rule for refusal in rig.state.refusals}
    attempts = len(rig.state.refusals)
    rig.run_for(1_000)
    rig.show_book("upbit", "KRW-BTC")
    assert len(rig.state.refusals) == attempts, "tried again only after the cool-down of automatic attempts"
    rig.run_for(5_000)
    rig.show_book("upbit", "KRW-BTC")
    assert len(rig.state.trades) == 2


def test_an_anomaly_waits_for_a_person_in_auto_mode():
    rig = Rig().ready()
    rig.ask(SetMode(strategy="kimchi", mode=Mode.AUTO))
    rig.set_book("upbit", "KRW-BTC", 149_800_000)
    assert rig.state.trades == {}
    assert "anomaly" in rig.found().intent.flags


def test_alert_mode_tells_and_does_not_trade():
    rig = Rig().ready()
    rig.ask(SetMode(strategy="kimchi", mode=Mode.ALERT))
    found = rig.premium(0.01)
    command = IssueToken(token="t", opportunity_id=found.id, user_id=USER, chat_id=USER, fraction=Decimal(1))
    assert rig.ask(command).rule == "mode"


def test_no_new_card_while_its_trade_is_under_way():
    rig = Rig().ready()
    rig.execute()
    rig.run_for(5)
    rig.show_all()
    assert rig.state.by_key == {}
    rig.settle()
    rig.show_all()
    assert rig.found().state == "live"


def test_a_wish_that_waits_for_a_person_is_not_worked_out_with_every_frame():
    rig = Rig().ready()
    found = rig.premium(0.01)
    seen = found.net_est
    rig.run_for(1)
    rig.set_book("upbit", "KRW-BTC", 141_600_000)
    assert found.net_est == seen
    rig.run_for(30)
    rig.show_book("upbit", "KRW-BTC")
    assert found.net_est > seen


def test_off_ends_what_lives():
    rig = Rig().ready()
    found = rig.premium(0.01)
    rig.ask(SetMode(strategy="kimchi", mode=Mode.OFF))
    assert found.state == "expired"
    rig.show_book("upbit", "KRW-BTC")
    assert rig.state.by_key == {}


def test_a_request_id_is_answered_once():
    rig = Rig().ready()
    token = rig.token(rig.premium(0.01))
    first = rig.tap(token, request_id="same")
    again = rig.tap("another", request_id="same")
    assert again == first
    assert len(rig.state.trades) == 1


def test_the_quote_does_not_follow_a_strategy_to_the_other_side(tether_rig):
    rig = tether_rig
    rig.ask(SetMode(strategy="tether_bot", mode=Mode.CONFIRM))
    rig.show_book("upbit", "KRW-USDT")
    found = rig.found("tether_bot:USDT:upbit")
    side = found.intent.legs[0].side
    token = rig.token(found)
    rig.run_for(30)
    for venue in ("upbit", "bithumb"):
        rig.set_book(venue, "KRW-USDT", 1_300, size=50_000, half=0.0004)
    assert rig.found("tether_bot:USDT:upbit").intent.legs[0].side is not side
    assert rig.tap(token).rule == "price_moved"
    assert rig.of(Submit) == []
