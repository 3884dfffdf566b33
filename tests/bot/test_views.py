"""Cards, receipts and boards as pure functions of what the engine says."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bot.views import boards, dead_letters, panels, reports
from bot.views.card import Extras, Quote, card
from bot.views.content import Content
from bot.views.curve import nudged, with_point
from bot.views.notices import alert
from bot.views.reader import Reader
from bot.views.receipt import receipt
from bot.views.refusals import reason, reason_short, why
from engine.control.messages import AlertView, Answer, OpportunityView, RefusalView, StatusView, StrategyView, TradeView
from tests.bot import desk as desks
from tests.bot.figures import busy_report

KO = Reader(user_id=3, role="owner", language="ko", zone="Asia/Seoul")
EN = Reader(user_id=2, role="trader", language="en", zone="Asia/Seoul")


def opportunity(**changes: object) -> OpportunityView:
    made = msgspec.to_builtins(desks.opportunity(1, **changes))
    return OpportunityView.model_validate(made)


def trade(**changes: Any) -> TradeView:
    made = desks.trade(desks.opportunity(1), "telegram:2")
    of_each_leg = changes.pop("leg", {})
    legs = tuple(msgspec.structs.replace(leg, **of_each_leg) for leg in made.legs)
    return TradeView.model_validate(msgspec.to_builtins(msgspec.structs.replace(made, legs=legs, **changes)))


def test_a_tether_card_shows_weights_and_cost_not_profit():
    leg = desks.opportunity(1).legs[0]
    usdt = msgspec.structs.replace(leg, symbol="KRW-USDT", base="USDT", side="buy", qty="500", price="1396")
    facts = {
        "tether_premium": 0.0078,
        "weight_now": 0.31,
        "weight_target": 0.45,
        "target_krw": 4_500_000.0,
        "fx": 1385.2,
        "usdt_krw": 1396.0,
        "book_age_ms": 80.0,
    }
    view = opportunity(
        strategy="tether_bot", coin="USDT", legs=(usdt,), facts=facts, net=-0.0011, profit_krw="-768", gross=-0.0006
    )
    text = card(KO, view, None, None, Extras()).text
    assert "USDT 비중 31.0 % → 목표 <b>45.0 %</b> (₩450만)" in text
    assert "예상 비용 0.11 % (₩768)" in text
    assert "예상 이익" not in text


def test_a_card_without_fx_says_so():
    facts = {"k_usdt": 0.0124, "usdt_krw": 1396.0, "book_age_ms": 1.0}
    assert "환율 기준 없음" in card(KO, opportunity(facts=facts), None, None, Extras()).text


def test_a_card_warns_of_flags_and_of_what_stands_in_the_way():
    text = card(KO, opportunity(flags=("anomaly",), reason="balance: upbit needs 1 BTC"), None, None, Extras()).text
    assert "비정상적으로 큽니다" in text and "잔고 부족: upbit needs 1 BTC" in text


def test_small_moves_are_not_worth_an_edit_and_large_ones_are():
    base = card(EN, opportunity(), None, None, Extras())
    assert card(EN, opportunity(net=0.00621, profit_krw="7300"), None, None, Extras()).core == base.core
    assert card(EN, opportunity(net=0.0075), None, None, Extras()).core != base.core
    assert card(EN, opportunity(reason="halted: L2"), None, None, Extras()).core != base.core


def test_buttons_carry_tokens_of_at_most_64_bytes():
    quote = Quote(
        full="x:" + "t" * 22,
        full_krw=Decimal(2_000_000),
        half="x:" + "u" * 22,
        half_krw=Decimal(1_000_000),
        expires_ms=10,
    )
    made = card(EN, opportunity(), None, quote, Extras(skip="p:abc", mute="p:def"))
    assert [[b.text for b in row] for row in made.rows] == [
        ["✅ Execute ₩2M", "½ Half ₩1M"],
        ["Skip", "🔕 Mute 1 h"],
    ]


def test_text_from_elsewhere_is_escaped():
    text = card(EN, opportunity(coin="<b>&", reason="rule: <script>"), None, None, Extras()).text
    assert "<script>" not in text and "&lt;b&gt;&amp;" in text


def test_receipts_of_every_ending():
    endings = {
        ("closed", "balanced"): "✅",
        ("closed", "unwound"): "↩️",
        ("closed", "nothing_filled"): "⚪",
        ("naked", ""): "🔴",
        ("dead_letter", "dead_letter"): "🆘",
        ("working", ""): "⏳",
    }
    for (state, outcome), mark in endings.items():
        for reader in (KO, EN):
            made = receipt(reader, trade(state=state, outcome=outcome, naked_qty="0.0123"), coin="BTC")
            assert made.text.startswith(mark)
            assert ("6,980" in made.text) == (state in ("closed", "dead_letter")), "money is told when it is settled"


def test_a_receipt_tells_what_was_looked_up_turned_back_and_paid():
    leg = {"unknowns": 1, "unwound_qty": "0.0023", "fees": {"KRW": "585", "BNB": "0.0001"}, "slippage_bps": 3.2}
    text = receipt(EN, trade(leg=leg, reason="leg 1: rejected"), coin="BTC").text
    assert "2 order(s) without an answer were settled by look-up" in text
    assert "turned back 0.0023 BTC" in text and "₩585 + 0.0001 BNB" in text and "slippage +3.2 bp" in text
    assert "leg 1: rejected" in text


def test_a_refusal_is_translated_with_its_numbers():
    numbers = {"net": "0.002100", "floor": "0.003000"}
    assert reason(KO, "price_moved", "net is now 0.21 %", numbers) == (
        "⛔ <b>가격이 움직임</b>\n<i>순이익 0.21 % · 하한 0.30 %</i>"
    )
    assert "net is now" in reason(EN, "price_moved", "net is now 0.21 %", numbers)
    assert len(reason_short(EN, "price_moved", "x" * 500)) == 200


def test_why_lists_rules_with_numbers():
    row = RefusalView(
        id="r1",
        wall_ms=1_800_000_000_000,
        strategy="kimchi",
        key="kimchi:BTC:binance>upbit",
        opportunity_id="o1",
        rule="order_size",
        text="too large",
        numbers={"notional_krw": "2500000", "limit_krw": "2000000", "venue": "upbit"},
    )
    text = why(KO, [row] * 12, "").text
    assert "1회 주문 한도" in text and "₩2,500,000 · 한도 ₩2,000,000 · 거래소 업비트" in text
    assert text.endswith("… 외 2건")


def test_the_self_check_is_shown_line_by_line():
    checks = [{"name": "journal", "ok": True, "text": "fine"}, {"name": "venue okx", "ok": False, "text": "down"}]
    refused = Answer(request_id="", ok=False, rule="self_check", text="failed", body={"checks": checks})
    lines = panels.resume_check(EN, refused, "").text.splitlines()
    assert lines[1:] == ["❌ venue okx: down", "✅ journal: fine"]


def test_boards_fit_one_message_however_much_there_is():
    views = [opportunity(id=f"o{n}", key="k" * 60) for n in range(80)]
    for content in (
        boards.opportunities(EN, views),
        boards.positions(EN, [trade()] * 40),
        dead_letters.board(EN, [trade(state="dead_letter")] * 40, [], 1_400.0, {}),
    ):
        assert len(content.text) < 4_096


def test_the_pinned_status_changes_only_when_something_did():
    status = StatusView.model_validate(msgspec.to_builtins(desks.TestDesk().status()))
    one, two = (
        boards.status(KO, status),
        boards.status(KO, status.model_copy(update={"wall_ms": status.wall_ms + 5_000})),
    )
    assert one.core == two.core and one.text != two.text
    assert boards.status(KO, status.model_copy(update={"level": 2, "level_reason": "Telegram"})).core != one.core


def test_an_alert_names_the_venue_and_a_critical_one_stands_alone():
    made = alert(KO, AlertView(rule="venue_down", venue="upbit", text="no frame for 30 s"), "warn")
    assert made.text.startswith("⚠️ <b>거래소 연결 끊김</b> · 업비트") and made.brief
    critical = alert(KO, AlertView(rule="naked", text="0.1 BTC"), "crit")
    assert not critical.brief and "/kill" in critical.text


@pytest.mark.parametrize("language", ["ko", "en"])
def test_strategy_panel_has_one_row_of_modes_per_strategy(language):
    reader = Reader(user_id=1, role="trader", language=language, zone="UTC")
    views = [StrategyView.model_validate(msgspec.to_builtins(view)) for view in desks.TestDesk().strategies()]
    data = {(view.name, mode): f"p:{view.name}:{mode}" for view in views for mode in panels.MODES}
    made = panels.strategies(reader, views, data)
    assert [len(row) for row in made.rows] == [1, 4, 1, 4]
    assert not panels.strategies(reader, views, {}).rows


def test_curve_points_move_within_their_bounds():
    points = ((Decimal(0), Decimal("0.98")), (Decimal(1), Decimal("0.02")))
    assert nudged(points, Decimal(0), Decimal("0.05"))[0][1] == 1
    assert nudged(points, Decimal(1), Decimal("-0.05"))[1][1] == 0
    added = with_point(points, Decimal("0.5"), Decimal("0.5"))
    assert [x for x, _ in added] == [0, Decimal("0.5"), 1]


def test_a_report_caption_fits_under_its_picture():
    for reader in (KO, EN):
        made: Content = reports.pnl(reader, busy_report())
        assert made.picture is not None
        assert len(made.text) < 1_024 - 60, "the daily report puts its title above"
