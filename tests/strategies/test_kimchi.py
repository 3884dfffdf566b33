import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.money import NS_PER_MS
from engine.domain.order import Policy, Side
from engine.strategies import kimchi
from tests.strategies.scene import PLENTY, book, fx, instrument, market, sight

FEES = {"upbit": "5", "bithumb": "5", "binance": "10", "okx": "10"}
PARAMS = kimchi.Params(
    coins=("BTC",), korean=("upbit", "bithumb"), global_=("binance", "okx"), depth_share=1.0, max_notional_krw=1e9
)


def test_worked_numbers():
    found = kimchi.premium(korean_price=95_000_000, global_price=68_000, fx=1_380, usdt_krw=1_395)
    assert found.fx_basis == pytest.approx(0.012361, abs=5e-7)
    assert found.tether_basis == pytest.approx(0.001476, abs=5e-7)
    assert found.tether == pytest.approx(0.010870, abs=5e-7)


rates = st.floats(500, 3_000)


@given(st.floats(0.5, 2.0), st.floats(1e-4, 1e6), rates, rates)
def test_the_two_bases_meet_in_the_tether(factor, world, fx_rate, usdt_krw):
    found = kimchi.premium(factor * world * fx_rate, world, fx_rate, usdt_krw)
    assert 1 + found.fx_basis == pytest.approx((1 + found.tether_basis) * (1 + found.tether))


def world(
    *,
    korean=(96_000_000.0, 96_010_000.0),
    binance=(67_990.0, 68_000.0),
    tether=(1_394.0, 1_395.0),
    tether_size=1e6,
    fx_rates=("1380", "1380"),
    ages_ms=(0, 0, 0, 0),
    size=2.0,
):
    """Upbit and Binance with one level of `size` BTC each side."""
    made = market(FEES)
    korean_age, binance_age, tether_age, fx_age = ages_ms
    book(made, "upbit", "KRW-BTC", [(korean[0], size)], [(korean[1], size)], korean_age)
    book(made, "upbit", "KRW-USDT", [(tether[0], tether_size)], [(tether[1], tether_size)], tether_age)
    book(made, "binance", "BTCUSDT", [(binance[0], size)], [(binance[1], size)], binance_age)
    fx(made, *fx_rates, age_ms=fx_age)
    return made


def found(made, params=PARAMS, available=None, changed=("upbit", "KRW-BTC")):
    return kimchi.evaluate(sight(made, available), params, changed)


def test_selling_in_korea_hits_bids_asks_and_the_tether_ask():
    [intent] = found(world())
    assert intent.key == "kimchi:BTC:binance>upbit"
    assert [(leg.venue, leg.side, leg.vwap_est) for leg in intent.legs] == [
        ("binance", Side.BUY, 68_000.0),
        ("upbit", Side.SELL, 96_000_000.0),
    ]
    k_usdt = 96_000_000 / (68_000 * 1_395) - 1
    assert intent.gross_est == pytest.approx(k_usdt)
    assert intent.facts["k_usdt"] == pytest.approx(k_usdt)
    assert intent.facts["k_fx"] == pytest.approx(96_000_000 / (68_000 * 1_380) - 1)
    assert intent.facts["tether_premium"] == pytest.approx(1_395 / 1_380 - 1)
    assert intent.facts["usdt_krw"] == 1_395.0
    assert intent.net_est == pytest.approx((1 + k_usdt) * 0.9995 / 1.001 - 1 - PARAMS.drift_charge)
    assert intent.hard_leg == 1
    assert intent.policy is Policy.SIMULTANEOUS


def test_profit_is_krw_at_the_executable_tether():
    [intent] = found(world())
    paid, got = intent.qty_est * 68_000 * 1_395 * 1.001, intent.qty_est * 96_000_000 * 0.9995
    assert intent.qty_est == pytest.approx(2.0)
    assert intent.profit_krw_est == pytest.approx(got - paid * (1 + PARAMS.drift_charge))
    assert intent.notional_krw_est == pytest.approx(got)


def test_the_reverse_hits_asks_bids_and_the_tether_bid():
    [intent] = found(world(korean=(93_900_000.0, 93_910_000.0)))
    assert intent.key == "kimchi:BTC:upbit>binance"
    assert [(leg.venue, leg.side, leg.vwap_est) for leg in intent.legs] == [
        ("upbit", Side.BUY, 93_910_000.0),
        ("binance", Side.SELL, 67_990.0),
    ]
    assert intent.facts["k_usdt"] == pytest.approx(93_910_000 / (67_990 * 1_394) - 1)
    assert intent.facts["k_usdt"] < 0 < intent.net_est
    assert intent.facts["usdt_krw"] == 1_394.0
    assert intent.hard_leg == 0


# 1.2361 % by FX, 0.1476 % by the tether: nothing for a trade
WORKED = {"korean": (95_000_000.0, 95_001_000.0), "binance": (67_999.0, 68_000.0)}
CASES = [  # why, world, params, available, intents
    ("a premium that pays", {}, {}, {}, ["binance>upbit"]),
    ("an FX premium alone pays nothing", WORKED, {}, {}, []),
    ("a reverse premium that pays", {"korean": (93.8e6, 93.9e6)}, {}, {}, ["upbit>binance"]),
    ("fees eat the premium", {"korean": (95.2e6, 95.3e6)}, {}, {}, []),
    ("drift eats the rest", {}, {"drift_charge": 0.012}, {}, []),
    ("stale Korean book", {"ages_ms": (2_001, 0, 2_001, 0)}, {}, {}, []),
    ("stale global book", {"ages_ms": (0, 501, 0, 0)}, {}, {}, []),
    ("old FX leaves the tether basis working", {"ages_ms": (0, 0, 0, 601_000)}, {}, {}, ["binance>upbit"]),
    ("no coin in Korea", {}, {}, {("upbit", "BTC"): 0.0}, []),
    ("no USDT abroad", {}, {}, {("binance", "USDT"): 0.0}, []),
    ("no KRW for the reverse", {"korean": (93.8e6, 93.9e6)}, {}, {("upbit", "KRW"): 0.0}, []),
    ("the tether cannot take the proceeds", {"tether_size": 1_000.0}, {}, {}, []),
    ("too little depth", {"size": 0.01}, {"min_depth_usd": 1_000.0}, {}, []),
    ("enough depth", {"size": 0.02}, {"min_depth_usd": 1_000.0}, {}, ["binance>upbit"]),
    ("anomaly is flagged", {"korean": (101e6, 101.1e6)}, {}, {}, ["binance>upbit anomaly"]),
    ("another venue pair", {}, {"global_": ("okx",)}, {}, []),
]


@pytest.mark.parametrize("why, scene, changes, funds, expected", CASES, ids=[case[0] for case in CASES])
def test_kimchi(why, scene, changes, funds, expected):
    intents = found(world(**scene), msgspec.structs.replace(PARAMS, **changes), PLENTY | funds)
    assert [" ".join((i.key.split(":")[2], *i.flags)) for i in intents] == expected


def test_without_the_tether_book_nothing_is_traded():
    made = market(FEES)
    book(made, "upbit", "KRW-BTC", [(96e6, 2.0)], [(96.01e6, 2.0)])
    book(made, "binance", "BTCUSDT", [(67_990.0, 2.0)], [(68_000.0, 2.0)])
    fx(made, "1380", "1380")
    assert found(made) == []
    # Bithumb's tether does not turn Upbit's KRW into USDT.
    book(made, "bithumb", "KRW-USDT", [(1_394.0, 1e6)], [(1_395.0, 1e6)])
    assert found(made) == []


@pytest.mark.parametrize(
    "why, fx_rates, age_ms, known",
    [
        ("two sources agree", ("1380", "1381"), 0, {"fx", "fx_age_ms", "fx_usable", "k_fx", "tether_premium"}),
        ("two sources disagree", ("1380", "1400"), 0, {"fx", "fx_age_ms", "fx_usable"}),
        ("too old", ("1380", "1380"), 601_000, {"fx", "fx_age_ms", "fx_usable"}),
        ("none at all", (), 0, set()),
    ],
)
def test_fx_basis_is_left_out_while_fx_is_unusable(why, fx_rates, age_ms, known):
    [intent] = found(world(fx_rates=fx_rates, ages_ms=(0, 0, 0, age_ms)))
    names = {"fx", "fx_age_ms", "fx_usable", "k_fx", "tether_premium"}
    assert names & set(intent.facts) == known
    assert intent.facts.get("fx_usable", 0.0) == float("k_fx" in known)
    assert {"k_usdt", "usdt_krw", "korean_price", "global_price", "depth_usd"} <= set(intent.facts)


def test_facts_hold_the_identity():
    facts = found(world())[0].facts
    assert 1 + facts["k_fx"] == pytest.approx((1 + facts["k_usdt"]) * (1 + facts["tether_premium"]))


def test_any_of_the_three_books_wakes_it():
    made = world()
    for changed in (("upbit", "KRW-BTC"), ("binance", "BTCUSDT"), ("upbit", "KRW-USDT")):
        assert [intent.key for intent in found(made, changed=changed)] == ["kimchi:BTC:binance>upbit"]
    for changed in (("okx", "BTC-USDT"), ("bithumb", "KRW-USDT"), ("bithumb", "KRW-BTC"), ("x", "y")):
        assert found(made, changed=changed) == []
    assert kimchi.reads(sight(made), PARAMS) == frozenset(made.instruments)


def many_coins(count, *, stale=(), poor=()):
    """Coins that all pay when Upbit sells them, the first one least; USDT/KRW speaks last."""
    made, available = world(korean=(94_000_000.0, 96_000_000.0)), dict(PLENTY)
    for number in range(count):
        coin, rise = f"C{number}", 1.01 + number / 1e4
        for venue, symbol, quote, price in (
            ("upbit", f"KRW-{coin}", "KRW", 139_500.0 * rise),
            ("binance", f"{coin}USDT", "USDT", 100.0),
        ):
            made.instruments[venue, symbol] = instrument(venue, symbol, coin, quote)
            age_ms = 60_000 if number in stale else 0
            book(made, venue, symbol, [(price * 0.9999, 50.0)], [(price * 1.0001, 50.0)], age_ms)
            available[venue, coin] = 0.0 if number in poor else 1_000.0
    return made, available, msgspec.structs.replace(PARAMS, coins=tuple(f"C{number}" for number in range(count)))


def coins_of(intents):
    return {int(intent.legs[1].symbol.removeprefix("KRW-C")) for intent in intents}


def test_where_the_tether_lifts_every_coin_the_best_that_can_be_traded_are_worked_out():
    made, available, params = many_coins(100, stale=(99, 98), poor=(97,))
    at_once = found(made, params, available, ("upbit", "KRW-USDT"))
    assert len(at_once) == 64
    assert coins_of(at_once) >= set(range(65, 97)), "the best of those that can be traded"
    [own] = found(made, params, available, ("upbit", "KRW-C0"))
    assert own.key == "kimchi:C0:binance>upbit"


def test_the_others_have_their_turn_while_the_tether_goes_on_lifting_them():
    made, available, params = many_coins(100)
    seen = set()
    for turn in range(4):  # 68 coins, 32 at each
        at = sight(made, available)
        at.now_ns += turn * 100 * NS_PER_MS
        seen |= coins_of(kimchi.evaluate(at, params, ("upbit", "KRW-USDT")))
    assert seen == set(range(100))


def test_a_coin_takes_one_place_however_many_pairs_of_it_pay():
    made, available, params = many_coins(40)
    for number in range(40):
        made.instruments["okx", f"C{number}-USDT"] = instrument("okx", f"C{number}-USDT", f"C{number}", "USDT")
        book(made, "okx", f"C{number}-USDT", [(99.0, 50.0)], [(99.5, 50.0)])
    intents = found(made, params, available, ("upbit", "KRW-USDT"))
    assert {intent.key for intent in intents} == {f"kimchi:C{number}:okx>upbit" for number in range(40)}


def test_a_few_coins_are_all_worked_out():
    made, available, params = many_coins(64)
    assert len(found(made, params, available, ("upbit", "KRW-USDT"))) == 64


def test_a_large_size_pays_the_tether_depth():
    made = world()
    book(made, "upbit", "KRW-USDT", [(1_394.0, 1e6)], [(1_395.0, 68_000.0), (1_399.0, 1e6)])
    [intent] = found(made)
    assert intent.facts["usdt_krw"] == pytest.approx(1_397.0)
    assert intent.net_est == pytest.approx(96e6 * 0.9995 / (68_000 * 1_397 * 1.001) - 1 - PARAMS.drift_charge)


def test_notional_cap_holds_on_the_larger_leg():
    [intent] = found(world(), msgspec.structs.replace(PARAMS, max_notional_krw=2_000_000.0))
    assert intent.notional_krw_est <= 2_000_000.0
    assert intent.qty_est == pytest.approx(2_000_000 / 96e6, rel=1e-6)


def test_figures_are_mids_and_executable_nets():
    made = world()
    numbers = kimchi.figures(sight(made), PARAMS)
    assert numbers["k_usdt.BTC.upbit.binance"] == pytest.approx(96_005_000 / (67_995 * 1_394.5) - 1)
    assert numbers["k_fx.BTC.upbit.binance"] == pytest.approx(96_005_000 / (67_995 * 1_380) - 1)
    assert numbers["net.BTC.binance>upbit"] == pytest.approx(96e6 * 0.9995 / (68_000 * 1_395 * 1.001) - 1)
    assert numbers["net.BTC.upbit>binance"] < 0
    assert numbers["premium"] == numbers["k_usdt.BTC.upbit.binance"]
    assert numbers["fx"] == 1_380.0
    assert kimchi.figures(sight(market(FEES)), PARAMS) == {}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"global": ["upbit"]}, "both korean and global"),
        ({"korean": []}, "must not be empty"),
        ({"min_net": "-0.1"}, r"min_net must lie in \[0, 1\): 0.003 means 0.3 %"),
        ({"drift_charge": 1}, "drift_charge"),
        ({"max_notional_krw": 0}, "max_notional_krw must be positive"),
        ({"venue": "upbit"}, "venue"),
    ],
)
def test_bad_parameters_are_named(changes, message):
    good = {"coins": ["BTC"], "korean": ["upbit"], "global": ["binance"], "min_net": "0.003"}
    assert msgspec.convert(good, kimchi.Params, strict=False).min_net == 0.003
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(good | changes, kimchi.Params, strict=False)
