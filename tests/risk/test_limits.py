from decimal import Decimal

import pytest

from engine.risk.limits import PROFILES, Held, ceiling, limits_of

D = Decimal
USD, BTC = D(1_380), D(96_000_000)


def test_profiles_hold_the_sources_numbers():
    """Requirements C4, R104-R117."""
    canary, liveguard, standard = (PROFILES[name] for name in ("canary", "liveguard", "standard"))
    assert canary.max_order_btc == D("0.01")
    assert (liveguard.max_position_krw, liveguard.max_daily_loss_krw) == (D(1_000_000), D(500_000))
    for limits in PROFILES.values():
        assert limits.max_order_btc <= D("0.1") and limits.max_order_krw == D(5_000_000)
        assert (limits.max_trades_per_hour, limits.max_trades_per_day) == (100, 1_000)
        assert (limits.max_drawdown, limits.max_deviation, limits.max_spread) == (D("0.05"), D("0.10"), D("0.05"))
    assert (standard.max_daily_loss_usd, standard.max_daily_loss_ratio) == (D(500), D("0.01"))
    assert standard.max_position_coin_usd == D(10_000)
    assert standard.max_position_venue_usd == D(50_000)
    assert standard.max_position_total_usd == D(100_000)


def test_no_profile_is_looser_than_standard():
    standard = PROFILES["standard"]
    for limits in PROFILES.values():
        for name in limits.__struct_fields__:
            theirs, ours = getattr(standard, name), getattr(limits, name)
            assert theirs is None or ours <= theirs or name in ("cooldown_ms", "window_ms")


def test_overrides_replace_single_limits():
    made = limits_of("liveguard", {"max_position_krw": D(3_000_000), "max_trades_per_hour": D(50)})
    assert made.max_position_krw == D(3_000_000)
    assert made.max_trades_per_hour == 50
    assert made.max_daily_loss_krw == D(500_000)


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"max_positon_krw": D(1)}, "no limit is called `max_positon_krw`"),
        ({"max_order_krw": D(-1)}, "max_order_krw must not be negative: -1"),
        ({"max_order_krw": D("NaN")}, "max_order_krw"),
        ({"max_trades_per_hour": D("1.5")}, "max_trades_per_hour"),
    ],
)
def test_bad_overrides_are_named(overrides, message):
    with pytest.raises(ValueError, match=message):
        limits_of("canary", overrides)


CASES = [  # why, profile, held, USD/KRW, BTC/KRW, ceiling, rule
    ("LiveGuard's position", "liveguard", Held(), USD, BTC, "1000000", "position_coin"),
    ("what is left of it", "liveguard", Held(coin_krw=D(700_000)), USD, BTC, "300000", "position_coin"),
    ("nothing left", "liveguard", Held(coin_krw=D(1_700_000)), USD, BTC, "0", "position_coin"),
    ("canary: 0.01 BTC", "canary", Held(), USD, BTC, "960000", "order_size"),
    ("canary when BTC is dear", "canary", Held(), USD, D(200_000_000), "1000000", "position_coin"),
    ("standard: one order", "standard", Held(), USD, BTC, "5000000", "order_size"),
    ("standard: 0.1 BTC of a cheap BTC", "standard", Held(), USD, D(30_000_000), "3000000", "order_size"),
    ("standard: 10,000 USD per coin", "standard", Held(coin_krw=D(13_000_000)), USD, BTC, "800000", "position_coin"),
    ("standard: 50,000 USD per venue", "standard", Held(venue_krw={"upbit": D(68_000_000)}), USD, BTC, "1000000",
     "position_venue"),
    ("standard: 100,000 USD in all", "standard", Held(total_krw=D(137_500_000)), USD, BTC, "500000", "position_total"),
    ("no USD rate", "standard", Held(), None, BTC, "0", "no_rate"),
    ("no BTC rate", "standard", Held(), USD, None, "0", "no_rate"),
]  # fmt: skip


@pytest.mark.parametrize("why, profile, held, usd, btc, krw, rule", CASES, ids=[case[0] for case in CASES])
def test_the_tightest_limit_wins(why, profile, held, usd, btc, krw, rule):
    found = ceiling(PROFILES[profile], held, ("upbit", "binance"), usd, btc)
    assert (found.krw, found.rule) == (D(krw), rule)
