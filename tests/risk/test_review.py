from pathlib import Path

import pytest
from msgspec import structs

from engine.domain.errors import InvariantBroken
from engine.domain.market import Product
from engine.risk.limits import PROFILES, Held
from engine.risk.review import Approved, Refused, review
from engine.risk.rules import MEANINGS
from engine.risk.situation import Margin
from tests.risk.made import BUY, GOOD, SELL, D, held, situation

LIMITS = PROFILES["liveguard"]
LEGS = (BUY, SELL)

CASES = [  # why, what is seen, changed limits, rule ("" = approved)
    ("all is well", {}, {}, ""),
    ("latch at L1", {"level": 1, "level_reason": "by hand"}, {}, "halted"),
    ("journal cannot be written", {"journal_writable": False}, {}, "journal"),
    ("a breaker", {"breaker": "loss_streak", "breaker_reason": "open for 900 s more"}, {}, "breaker"),
    ("a venue differs from the ledger", {"sell_blocked": "ledger_mismatch: BTC +1"}, {}, "venue_blocked"),
    ("a venue is not reconciled", {"buy_ready": False}, {}, "venue_not_ready"),
    ("a venue whose clock is off", {"buy_clock_off": "its clock is 600.0 s ahead of ours"}, {}, "clock_off"),
    ("an account that does not answer", {"sell_unread": "its account was last read 131 s ago"}, {}, "account_unread"),
    ("a symbol nobody listed", {"buy_allowed": False}, {}, "symbol_not_allowed"),
    ("a remainder waits", {"dead_letter": "t9"}, {}, "dead_letter"),
    ("executed already", {"opportunity_trade": "t9"}, {}, "duplicate"),
    ("another leg is naked", {"naked_trades": 1}, {}, "naked"),
    ("this pair is working", {"open_trades": 1}, {}, "already_working"),
    ("an order without an answer", {"sell_unknown_orders": 1}, {}, "order_unknown"),
    ("an anomaly, automatic", {"is_auto": True, "flags": ("anomaly",)}, {}, "anomaly"),
    ("an anomaly that a person confirmed", {"flags": ("anomaly",)}, {}, ""),
    ("automatic without anomaly", {"is_auto": True}, {}, ""),
    # 1 % of 100 M equity is 1,000,000; 500 USD are 690,000; LiveGuard's own is 500,000: the tightest wins
    ("just below the daily loss", {"pnl_today_krw": D(-499_999)}, {}, ""),
    ("at the daily loss", {"pnl_today_krw": D(-500_000)}, {}, "daily_loss"),
    ("500 USD where KRW has no limit", {"pnl_today_krw": D(-690_000)}, {"max_daily_loss_krw": None}, "daily_loss"),
    ("1 % of a small equity", {"pnl_today_krw": D(-100_000), "equity_krw": D(10_000_000)}, {}, "daily_loss"),
    ("a profit is no loss", {"pnl_today_krw": D(5_000_000)}, {}, ""),
    ("total loss", {"pnl_total_krw": D(-1_500_000)}, {}, "total_loss"),
    ("drawdown of 5 %", {"drawdown_krw": D(5_000_000), "equity_krw": D(95_000_000)}, {}, "drawdown"),
    ("drawdown of less", {"drawdown_krw": D(4_900_000), "equity_krw": D(95_000_000)}, {}, ""),
    ("no equity known", {"equity_krw": None}, {}, "no_rate"),
    ("no USD rate", {"usd_krw": None}, {}, "no_rate"),
    ("no BTC rate", {"btc_krw": None}, {}, "no_rate"),
    ("still cooling down", {"since_last_ms": 999}, {}, "cooldown"),
    ("cooled down", {"since_last_ms": 1_000}, {}, ""),
    ("window is full", {"trades_in_window": 20}, {}, "trades_in_window"),
    ("100 trades this hour", {"trades_last_hour": 100}, {}, "trades_per_hour"),
    ("99 trades this hour", {"trades_last_hour": 99}, {}, ""),
    ("1,000 trades today", {"trades_today": 1_000}, {}, "trades_per_day"),
    ("119 orders this minute and two more", {"orders_last_minute": 119}, {}, "orders_per_minute"),
    ("118 orders this minute and two more", {"orders_last_minute": 118}, {}, ""),
    ("a loop in money", {"notional_last_minute_krw": D(19_600_000)}, {}, "notional_per_minute"),
    ("a stale book", {"sell_unusable": "stale"}, {}, "book_unusable"),
    ("a crossed book", {"sell_best_ask": 95e6}, {}, "book_unusable"),
    ("an empty side", {"sell_best_bid": 0.0}, {}, "book_unusable"),
    ("a spread of 5.1 %", {"buy_best_bid": 64_600.0}, {}, "spread"),
    ("10 % from the median", {"buy_median_mid": 61_000.0}, {}, "deviation"),
    ("no median at all", {"sell_median_mid": 0.0}, {}, "deviation"),
    ("planned fills far from the top", {"buy_best_ask": 67_795.0, "buy_best_bid": 67_790.0}, {}, "slippage"),
    ("a sale planned far below the bid", {"sell_best_bid": 96.3e6, "sell_best_ask": 96.31e6}, {}, "slippage"),
    ("a better price than the top is no slippage", {"buy_best_ask": 68_200.0}, {}, ""),
    ("a limit outside the collar", {}, {"max_collar": D("0.0005")}, "collar"),
    # the sell leg is worth 480,000 KRW
    ("position room is used up", {"held": held(coin="520001")}, {}, "position_coin"),
    ("position room just suffices", {"held": held(coin="520000")}, {}, ""),
    ("venue room is used up", {"held": held(upbit="68520001")}, {"max_position_krw": None}, "position_venue"),
    ("the other venue's positions do not matter", {"held": held(okx="690000000")}, {}, ""),
    ("total room is used up", {"held": held(total="137520001")}, {"max_position_krw": None}, "position_total"),
    ("larger than one order may be", {}, {"max_order_krw": D(479_999)}, "order_size"),
    ("larger than 0.0049 BTC", {}, {"max_order_btc": D("0.0049")}, "order_size"),
    ("not enough USDT", {"buy_available": D("340.5")}, {}, "balance"),
    ("not enough coin", {"sell_available": D("0.004")}, {}, "balance"),
    ("exactly enough", {"buy_available": D("340.6"), "sell_available": D("0.005")}, {}, ""),
    ("a need left out counts as the order itself", {"buy_needed": D(0), "buy_available": D(340)}, {}, "balance"),
    ("perpetuals there are large already", {"held": Held(perp_krw={"binance": D("27120001")})}, {}, "position_perp"),
    ("another venue's perpetuals do not matter", {"held": Held(perp_krw={"okx": D("99999999")})}, {}, ""),
    ("69 % of the equity is margin", {"buy_margin": Margin(usage=D("0.69"), usage_after=D("0.79"))}, {}, ""),
    ("70 % of it", {"buy_margin": Margin(usage=D("0.7"), usage_after=D("0.71"))}, {}, "margin_usage"),
    ("it would lead to 80 %", {"buy_margin": Margin(usage=D("0.6"), usage_after=D("0.8"))}, {}, "margin_usage"),
    ("nothing is left of it", {"buy_margin": Margin(usage=None, usage_after=None)}, {}, "margin_usage"),
    ("a liquidation 9 % away", {"buy_margin": Margin(usage=D(0), usage_after=D(0), liquidation_off=D("0.09"))}, {},
     "liquidation_near"),
    ("and 10 % away", {"buy_margin": Margin(usage=D(0), usage_after=D(0), liquidation_off=D("0.1"))}, {}, ""),
]  # fmt: skip


@pytest.mark.parametrize("why, seen, limits, rule", CASES, ids=[case[0] for case in CASES])
def test_review(why, seen, limits, rule):
    found = review(LEGS, situation(**seen), structs.replace(LIMITS, **limits))
    assert (found.rule if isinstance(found, Refused) else "") == rule
    if isinstance(found, Refused):
        assert found.text and found.text.isascii()
        assert all(isinstance(value, str) and "E" not in value for value in found.numbers.values())
    else:
        assert found.legs == LEGS


def test_a_refusal_carries_its_numbers():
    found = review(LEGS, situation(pnl_today_krw=D("-512345.678")), LIMITS)
    assert isinstance(found, Refused)
    assert found.text == "today's loss is 512,346 KRW, the limit is 500,000 KRW"
    assert found.numbers == {"loss_krw": "512345.678", "limit_krw": "500000"}


def test_an_approval_cannot_be_forged():
    with pytest.raises(InvariantBroken, match=r"only risk\.review approves"):
        Approved(LEGS, GOOD, object())
    with pytest.raises(AttributeError):
        review(LEGS, GOOD, LIMITS).level = 0  # type: ignore[union-attr]


def test_two_legs_on_one_account_are_added_up():
    """0.6 and 0.6 of 1.0 BTC: each fits, both do not."""
    legs = (structs.replace(SELL, qty=D("0.003")), structs.replace(SELL, qty=D("0.003")))
    seen = structs.replace(GOOD.seen[1], needed=D("0.003"), available=D("0.005"))
    found = review(legs, structs.replace(GOOD, seen=(seen, seen)), LIMITS)
    assert isinstance(found, Refused) and found.rule == "balance"
    assert found.numbers["needed"] == "0.006"


def test_a_perpetual_pays_margin_and_what_closes_one_has_no_size_limit():
    perp = structs.replace(SELL, venue="binance_usdm", symbol="BTCUSDT", quote="USDT", product=Product.PERP)
    perp = structs.replace(perp, limit_price=D(68_000), planned_vwap=D(68_000), quote_krw=D(1_395))
    seen = structs.replace(GOOD.seen[0], pays="USDT", needed=D(170), available=D(171))
    full = structs.replace(GOOD, seen=(seen,), held=Held(coin_krw=D(10**9), total_krw=D(10**9)))
    assert isinstance(review((perp,), full, LIMITS), Refused)
    assert isinstance(review((structs.replace(perp, reduce_only=True),), full, LIMITS), Approved)
    poor = structs.replace(full, held=Held(), seen=(structs.replace(seen, available=D(169)),))
    found = review((perp,), poor, LIMITS)
    assert isinstance(found, Refused) and found.rule == "balance"


def test_a_leg_without_a_rate_counts_as_breached():
    legs = (structs.replace(BUY, quote_krw=D(0)), SELL)
    found = review(legs, GOOD, LIMITS)
    assert isinstance(found, Refused) and found.rule == "no_rate"


def test_stopping_outranks_every_other_reason():
    everything = situation(level=2, journal_writable=False, sell_unusable="stale", pnl_today_krw=D(-9_999_999))
    found = review(LEGS, everything, LIMITS)
    assert isinstance(found, Refused) and found.rule == "halted"


def test_the_situation_must_describe_these_legs():
    with pytest.raises(InvariantBroken, match="1 legs, 2 of them seen"):
        review((BUY,), GOOD, LIMITS)
    with pytest.raises(InvariantBroken, match="0 legs"):
        review((), structs.replace(GOOD, seen=()), LIMITS)


def test_every_rule_is_documented_and_tested(pytestconfig):
    page = (Path(pytestconfig.rootpath) / "docs" / "refusals.md").read_text(encoding="utf-8")
    for rule, meaning in MEANINGS.items():
        assert f"| `{rule}` | {meaning} |" in page
    assert {case[3] for case in CASES} - {""} == set(MEANINGS)
