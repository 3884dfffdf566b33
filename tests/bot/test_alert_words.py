"""Everything that the engine alerts, refuses or pauses with is said in the reader's own words, in both languages."""

import re
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from bot.texts import TEXTS, en_rules, ko_rules
from bot.views import notices, rings
from bot.views.reader import Reader
from bot.views.refusals import reason_of
from engine.control import messages as m
from engine.domain.command import Halt
from engine.domain.effect import Notice
from engine.domain.event import OrderReported
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.domain.stream_event import ForeignOrder
from engine.execution.trade import exposure
from engine.risk.breakers import Breakers
from tests.bot import engine_words
from tests.bot.engine_words import Said
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

EN = Reader(user_id=1, role="trader", language="en", zone="Asia/Seoul")
KO = Reader(user_id=1, role="trader", language="ko", zone="Asia/Seoul")
ENGINES = "the engine's own sentence"
ALERTS = engine_words.alerts()
BOTS = {"bot_conflict", "chat_dead"}  # told by the bot itself, in the reader's words from the start
# Figures that a variable brings, by kind of alert.
BROUGHT = {
    "ledger_mismatch": {"KRW": "-123456789", "BTC": "0.0123"},
    "rules_changed": {"min_qty": "0.001 → 0.002", "tick": "≥ 0: 1 → 2"},
}
SAMPLES = {
    "value": "0.0123", "level": "0.01", "side": "above", "figure": "funding", "before_h": "8", "interval_h": "4",
    "away_s": "60", "used_pct": "85", "budget": "market", "count": "3", "owner": "desk", "foreign": "3",
    "why": "timed out", "seconds": "30", "took_ms": "120", "usual_ms": "40", "path": "native", "stage": "wire_ack",
    "way": "deposit", "gate": "closed", "kind": "caution", "word": "CAUTION", "at_ms": "1", "left": "0.01 BTCUSDT okx",
    "usage": "72%", "liquidation": "BTCUSDT 92475 (4.0%)", "off": "0.2345", "reason": "disk full", "rule": "balance",
    "order": "p7", "breaker": "order_failures:upbit", "name": "strategy.kimchi", "version": "7", "user": "1",
    "naked": "0.0123", "base": "BTC", "krw": "1722000", "at": "upbit", "symbol": "KRW-BTC", "halt": "2",
    "below": "USDT -1.50", "cid": "a1", "qty": "0.0123", "filled": "0.01", "was": "not_placed", "status": "filled",
    "price": "140000000", "worth": "1722000", "by": "telegram:1",
    "stop": "139500000", "unfilled": "0.005", "limit": "139081500", "quote": "KRW",
    "orders": "3", "stops": "1", "named": "yes", "offset_ms": "600000", "uncertain_ms": "20", "limit_ms": "2000",
}  # fmt: skip


def figures(names: tuple[str, ...]) -> dict[str, str]:
    """A threshold lies above or below; an order buys or sells."""
    return {name: "buy" if name == "side" and "level" not in names else SAMPLES[name] for name in names}


def said(reader: Reader, rule: str, numbers: dict[str, str], venue: str = "upbit") -> list[str]:
    """Title and sentence, without markup."""
    view = m.AlertView(rule=rule, venue=venue, text=ENGINES, trade_id="t7", coin="BTC", numbers=numbers)
    return re.sub(r"<[^>]+>", "", notices.alert(reader, view, "warn").text).splitlines()


@pytest.mark.parametrize("place", ALERTS, ids=str)
def test_every_alert_of_the_engine_has_a_title_and_a_sentence(place: Said):
    numbers = BROUGHT[place.rule] if place.numbers is None else figures(place.numbers)
    for reader in (EN, KO):
        assert f"alert.{place.rule}" in TEXTS[reader.language], f"no title in {reader.language}"
        lines = said(reader, place.rule, numbers)
        assert len(lines) == 2, "a title and one sentence"
        assert ENGINES not in lines[1], f"the engine's sentence in {reader.language}"
        assert bool(re.search("[가-힣]", lines[1])) == (reader is KO), lines[1]
        assert "{" not in lines[1]


def test_no_title_or_sentence_is_of_an_alert_that_nobody_makes():
    kinds = {place.rule for place in ALERTS} | BOTS
    shape = {"alert.head", "alert.head_at", "alert.text", "alert.kill_hint"}
    assert {key for key in TEXTS["en"] if key.startswith("alert.")} - shape == {f"alert.{kind}" for kind in kinds}
    assert rings.SENTENCES.keys() | BOTS == kinds


def test_the_source_is_read_to_its_end():
    source = "".join(path.read_text(encoding="utf-8") for path in engine_words.ENGINE.rglob("*.py"))
    assert len({place.where for place in ALERTS}) == len(re.findall(r"\bstate\.alert\(|\bRing\(\n", source)) - 1
    assert len(engine_words.refusals()) > 85
    spread = {"stale_confirm", "unknown_trade", "position_perp", "last_orders", "halted", "no_curve", "venue_refused"}
    assert spread <= engine_words.refusals().keys()


@pytest.mark.parametrize("rule", sorted(engine_words.refusals()))
def test_every_rule_that_refuses_has_a_title(rule: str):
    assert rule in ko_rules.RULES and rule in en_rules.RULES, engine_words.refusals()[rule]
    assert re.search("[가-힣]", ko_rules.RULES[rule])


def test_why_a_trade_waits_for_a_person_has_a_title():
    found = engine_words.letters()
    assert len(found) == 7, found
    for rule, where in found.items():
        assert rule in ko_rules.RULES and rule in en_rules.RULES, f"{rule}@{where}"


def test_a_dead_letter_says_why_in_the_readers_words():
    rig = Rig().ready()
    trade = rig.execute(Outcome(), *[Outcome(answer="refused")] * 9)
    rig.set_book("upbit", "KRW-BTC", 120_000_000)
    rig.settle()
    said = reason_of(KO, trade.reason)
    assert said.startswith("닫으려는 시도를 모두 씀: ") and said.partition(": ")[2] == trade.reason.partition(": ")[2]
    assert reason_of(KO, f"open_hedge: {trade.reason}") == f"헤지를 닫지 못함: {said}"
    assert reason_of(KO, "a sentence: of nobody's") == "a sentence: of nobody's"


def test_every_breaker_has_a_name():
    held = Breakers()
    held.order_failures("upbit")
    names = held.states(0)
    assert "order_failures:upbit" in names
    for name in names:
        assert re.search("[가-힣]", rings.breaker(KO, name)) and "_" not in rings.breaker(EN, name)


FILLS, NOTHING, SILENT = Outcome(), Outcome(fill=Decimal(0)), Outcome(answer="lost", late_ms=45_000)


def told(rig: Rig, rule: str) -> list[tuple[str, str]]:
    """Each alert of this kind as both readers read it, its title left out."""
    notices_ = [effect for effect in rig.of(Notice) if effect.kind == "alert"]
    views = [m.AlertView.model_validate_json(notice.body) for notice in notices_]
    found = [view for view in views if view.rule == rule]
    assert found, f"nothing was told of {rule}"
    return [(rings.sentence(EN, view), rings.sentence(KO, view)) for view in found]


@pytest.mark.parametrize("level", [0, 2])
def test_a_naked_leg_is_named_with_its_amount_and_worth(level: int):
    rig = Rig().ready()
    rig.execute(FILLS, Outcome(answer="lost", reaches=False))
    rig.run_for(100)
    if level:
        rig.ask(Halt(level=level, reason="a tap"))
    rig.run_for(20_000)
    ((english, korean),) = told(rig, "naked")
    assert english.startswith("Binance buy 0.00704295 BTC (≈ ₩986,407): its partner has not filled")
    assert korean.startswith("바이낸스 매수 0.00704295 BTC (≈ ₩98.6만)")
    assert ("/dlq" in english, "/dlq" in korean) == (level == 2, level == 2)


@pytest.mark.parametrize("level", [0, 2])
def test_a_dead_letter_names_what_is_open_and_at_l2_why_nothing_repairs_it(level: int):
    rig = Rig().ready()
    trade = rig.execute(FILLS, *[NOTHING] * 6)
    if level:
        rig.run_until(lambda: trade.orders[0].is_terminal)
        rig.ask(Halt(level=level, reason="a tap"))
    rig.settle()
    size = f"{abs(exposure(trade)).normalize():f} BTC (≈ ₩"
    ((english, korean),) = told(rig, "dead_letter")
    assert english.startswith(f"Binance buy {size}") and korean.startswith(f"바이낸스 매수 {size}")
    for text in (english, korean):
        assert "/dlq" in text and ("L2" in text) == (level == 2)


def test_an_order_without_an_answer_and_its_late_result_are_told_with_size_and_worth():
    rig = Rig().ready()
    order = rig.execute(SILENT, FILLS).orders[0]
    rig.run_until(lambda: order.status is OrderStatus.FILLED, 120_000)
    size = f"{order.request.qty.normalize():f} BTC (≈ ₩"
    ((english, korean),) = told(rig, "order_unknown")
    assert f"BTCUSDT buy {size}" in english and f"BTCUSDT 매수 {size}" in korean
    ((english, korean),) = told(rig, "late_order")
    assert "believed not placed, in fact filled" in english and "‘접수 안 됨’" in korean and "‘체결’" in korean


FILL = OrderReport(
    cid="a2b3c4d5e6f7g2h3i4j5k6l7mn",
    venue="upbit",
    symbol="KRW-BTC",
    side=Side.SELL,
    status=OrderStatus.FILLED,
    venue_order_id="1",
    filled_qty=Decimal("0.0100"),
    filled_quote=Decimal("953127.5"),
    fees=(),
)
THERE = {"venue": "binance", "symbol": "BTCUSDT", "filled_quote": Decimal("933.333333")}
UNPRICED = {"filled_quote": Decimal(0)}
FILLS_TOLD = [  # the order's id, what else is different, how both readers read its beginning
    (
        FILL.cid,
        {},
        "KRW-BTC sell 0.01 BTC at ₩95,312,750 (₩953,128) filled",
        "KRW-BTC 매도 0.01 BTC, 가격 ₩95,312,750 (합계 ₩953,128) 체결",
    ),
    (
        "web_77",
        THERE,
        "BTCUSDT sell 0.01 BTC at 93,333.33 USDT (933.33 USDT) filled",
        "BTCUSDT 매도 0.01 BTC, 가격 93,333.33 USDT (합계 933.33 USDT) 체결",
    ),
    ("", UNPRICED, "KRW-BTC sell 0.01 BTC filled", "KRW-BTC 매도 0.01 BTC 체결"),
]


@pytest.mark.parametrize("cid, other, english, korean", FILLS_TOLD)
def test_a_fill_that_is_not_ours_is_told_with_its_price_and_sum(cid: str, other: Any, english: str, korean: str):
    rig = Rig().ready()
    rig.handle(OrderReported(report=structs.replace(FILL, cid=cid, **other), seen_ns=rig.now_ns))
    ((in_english, in_korean),) = told(rig, "stray_fill" if cid == FILL.cid else "foreign_fill")
    assert in_english.startswith(english) and in_korean.startswith(korean)
    assert "did not send it" in in_english and "보낸 주문이 아니" in in_korean
    assert ("our own form" in in_english, "우리 형식" in in_korean) == (cid == FILL.cid,) * 2
    assert ("/balance" in in_english, "/balance" in in_korean) == (cid != FILL.cid,) * 2


@pytest.mark.parametrize("cid", [FILL.cid, "web_77"])
def test_a_resting_order_that_is_not_ours_is_told_by_whose_it_looks(cid: str):
    rig = Rig().ready()
    rig.handle(ForeignOrder(venue="upbit", venue_order_id="7", is_open=True, seen_ns=rig.now_ns, cid=cid))
    ((in_english, in_korean),) = told(rig, "stray_orders" if cid == FILL.cid else "foreign_orders")
    assert in_english.startswith("1 open orders") and "1건" in in_korean
    assert (cid in in_english, cid in in_korean) == (cid == FILL.cid,) * 2


def test_a_mismatch_is_told_asset_by_asset():
    rig = Rig().ready()
    rig.venues["upbit"].totals["KRW"] += 123_456_789
    rig.run_for(70_000)
    ((english, korean),) = told(rig, "ledger_mismatch")
    assert "KRW +₩123.46M" in english and "KRW +₩1.23억" in korean
