"""Numbers as traders read them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.views import money

CASES = [  # what                     made                                          expected
    ("won", money.won(Decimal("1234567.4")), "₩1,234,567"),
    ("won below zero", money.won(Decimal(-12300)), "−₩12,300"),
    ("no minus zero", money.won(Decimal("-0.4")), "₩0"),
    ("half even", money.won(Decimal("2.5")), "₩2"),
    ("a gain", money.won_signed(Decimal(12300)), "+₩12,300"),
    ("a loss", money.won_signed(Decimal(-12300)), "−₩12,300"),
    ("nothing", money.won_signed(Decimal("0.3")), "₩0"),
    ("man", money.won_short(Decimal(1_230_000), "ko"), "₩123만"),
    ("small man", money.won_short(Decimal(12_340), "ko"), "₩1.2만"),
    ("eok", money.won_short(Decimal(123_000_000), "ko"), "₩1.23억"),
    ("man that rounds to eok", money.won_short(Decimal(99_999_500), "ko"), "₩1억"),
    ("below man", money.won_short(Decimal(9_999), "ko"), "₩9,999"),
    ("million", money.won_short(Decimal(1_230_000), "en"), "₩1.23M"),
    ("short loss", money.won_short(Decimal(-1_230_000), "ko"), "−₩123만"),
    ("percent", money.percent_signed(0.0124), "+1.24 %"),
    ("percent below zero", money.percent_signed(-0.003), "−0.30 %"),
    ("percent of nothing", money.percent_signed(0.000001), "0.00 %"),
    ("bps", money.bps(3.21), "+3.2 bp"),
    ("qty", money.amount(Decimal("0.01230000")), "0.0123"),
    ("grouped qty", money.amount(Decimal("1240.50")), "1,240.5"),
    ("krw price", money.price(Decimal(95_120_000), "KRW"), "₩95,120,000"),
    ("small krw price", money.price(Decimal("0.01234"), "KRW"), "₩0.01234"),
    ("usdt price", money.price(Decimal("64210.50"), "USDT"), "64,210.5 USDT"),
    ("krw price below a thousand", money.price(Decimal("842.50"), "KRW"), "₩842.5"),
    ("round krw price", money.price(Decimal(1_500), "KRW"), "₩1,500"),
    ("small usdt price", money.price(Decimal("2.20341"), "USDT"), "2.20341 USDT"),
    ("usdt", money.money(Decimal("12.345"), "USDT"), "12.34 USDT"),
    ("coin", money.money(Decimal("0.00012000"), "BTC"), "0.00012 BTC"),
    ("time", money.duration(93_784_000, "ko"), "1일 2시간"),
    ("short time", money.duration(65_000, "en"), "1m 5s"),
    ("no time", money.duration(10, "en"), "0s"),
]


@pytest.mark.parametrize("what, made, expected", CASES, ids=[case[0] for case in CASES])
def test_numbers_read_well(what, made, expected):
    assert made == expected


@given(st.decimals(min_value="-1e12", max_value="1e12", places=2))
def test_won_never_loses_a_won(value):
    text = money.won(value)
    shown = Decimal(text.replace("₩", "").replace(",", "").replace("−", "-"))
    assert abs(shown - value) <= Decimal("0.5")
    assert text != "−₩0"


@given(st.decimals(min_value="10000", max_value="1e12", places=0))
def test_short_won_is_within_half_a_percent_or_five_hundred(value):
    text = money.won_short(value, "ko").removeprefix("₩")
    unit = Decimal(10_000) if text.endswith("만") else Decimal(100_000_000)
    shown = Decimal(text[:-1].replace(",", "")) * unit
    assert abs(shown - value) <= max(value / 200, Decimal(500))
