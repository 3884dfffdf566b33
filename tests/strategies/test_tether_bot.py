from decimal import Decimal

import msgspec
import pytest

from engine.domain.money import NS_PER_S
from engine.domain.order import Side, TimeInForce
from engine.strategies import tether_bot
from engine.strategies.sight import LastAction
from tests.strategies.scene import NOW_NS, book, fx, market, sight

CURVE = tuple(
    (Decimal(premium), Decimal(weight))
    for premium, weight in (("-5", "1"), ("-2", "0.7"), ("-1", "0.5"), ("0", "0.2"), ("1", "0.05"), ("3", "0"))
)
PARAMS = tether_bot.Params(venue="upbit", symbol="KRW-USDT", curve=CURVE)
KEY = "tether_bot:USDT:upbit"
MARKET = ("upbit", "KRW-USDT")
MILLION = 1_000_000.0


def world(usdt_krw=1_380.0, *, spread=0.0001, rates=("1380", "1380"), fx_age_ms=0, book_age_ms=0, size=1e6, **rules):
    """One level each side, `spread` KRW apart around `usdt_krw`."""
    made = market({"upbit": "5"}, **rules)
    half = spread / 2
    book(made, *MARKET, [(usdt_krw - half, size)], [(usdt_krw + half, size)], book_age_ms)
    fx(made, *rates, age_ms=fx_age_ms)
    return made


def account(krw, usdt):
    return {("upbit", "KRW"): krw, ("upbit", "USDT"): usdt}


def done(premium, age_s=3_600, recent=()):
    ages = [age_s, *recent]
    return {
        KEY: LastAction(
            wall_ns=NOW_NS - age_s * NS_PER_S, premium=premium, recent_ns=tuple(NOW_NS - s * NS_PER_S for s in ages)
        )
    }


def act(made, funds, last=None, params=PARAMS):
    return tether_bot.evaluate(sight(made, funds, last), params, MARKET)


@pytest.mark.parametrize(
    "premium_pct, weight",
    [("-6", 1.0), ("-3.5", 0.85), ("-1.5", 0.60), ("-0.4", 0.32), ("0.5", 0.125), ("2", 0.025), ("4", 0.0)],
)
def test_target_weight_follows_the_curve(premium_pct, weight):
    """domain.md §6: the premium of T over X picks the share of E."""
    made = world(1_380 * (1 + float(premium_pct) / 100))
    numbers = tether_bot.figures(sight(made, account(10 * MILLION, 0.0)), PARAMS)
    assert numbers["weight_target"] == pytest.approx(weight, abs=1e-4)
    assert numbers["target_krw"] == pytest.approx(weight * 10 * MILLION, rel=1e-3, abs=1_000)


def test_a_step_towards_the_target():
    """At par the curve wants 20 %; from nothing, one step is a tenth of E."""
    [intent] = act(world(), account(10 * MILLION, 0.0))
    [leg] = intent.legs
    assert (intent.key, leg.venue, leg.symbol, leg.side) == (KEY, "upbit", "KRW-USDT", Side.BUY)
    assert intent.notional_krw_est == pytest.approx(MILLION)
    assert intent.qty_est == pytest.approx(MILLION / 1_380, rel=1e-6)
    facts = intent.facts
    assert facts["weight_target"] == pytest.approx(0.2, abs=1e-4)
    assert facts["weight_now"] == 0.0
    assert facts["delta_krw"] == pytest.approx(2 * MILLION, rel=1e-3)
    assert facts["bias"] == 1.0
    assert facts["fx"] == 1_380.0
    assert facts["expected_cost"] == pytest.approx(0.0005, abs=1e-6)
    assert intent.net_est == pytest.approx(-0.0005, abs=1e-6)
    assert intent.profit_krw_est == pytest.approx(-500, rel=1e-2)
    assert intent.min_net_est == -PARAMS.max_cost


HALF = account(5 * MILLION, 5 * MILLION / 1_380)
CASES = [  # why, price, account, last action, wish
    ("cheap: buys", 1_352.4, HALF, None, "buy 990000"),  # -2 % wants 70 %
    ("dear: sells", 1_393.8, HALF, None, "sell 1000000"),  # +1 % wants 5 %
    ("on the curve: rests", 1_380.0, account(8 * MILLION, 2 * MILLION / 1_380), None, "within_spread within_band"),
    ("inside the band", 1_380.0, account(8.19 * MILLION, 1.81 * MILLION / 1_380), None, "within_band"),
    ("just outside the band", 1_380.0, account(8.21 * MILLION, 1.79 * MILLION / 1_380), None, "buy 210000"),
    ("premium has not moved", 1_380.0, account(10 * MILLION, 0.0), done(0.0014), "hysteresis"),
    ("premium moved just enough", 1_380.0, account(10 * MILLION, 0.0), done(0.00151), "buy 1000000"),
    ("moved down just enough", 1_380.0, account(10 * MILLION, 0.0), done(-0.00151), "buy 1000000"),
    ("cooling down", 1_380.0, account(10 * MILLION, 0.0), done(0.01, age_s=59), "cooldown"),
    ("cooled down", 1_380.0, account(10 * MILLION, 0.0), done(0.01, age_s=60), "buy 1000000"),
    ("window is full", 1_380.0, account(10 * MILLION, 0.0), done(0.01, 100, range(101, 120)), "window_cap"),
    ("the oldest left the window", 1_380.0, account(10 * MILLION, 0.0), done(0.01, 100, [*range(101, 119), 3_600]),
     "buy 1000000"),
    ("no KRW left to buy with", 1_200.0, account(9_000.0, 1_000.0), None, "within_band"),
    ("a tiny account", 1_380.0, account(60_000.0, 0.0), None, "step_too_small"),
    ("nothing there", 1_380.0, account(0.0, 0.0), None, "empty_account"),
]  # fmt: skip


@pytest.mark.parametrize("why, price, funds, last, expected", CASES, ids=[case[0] for case in CASES])
def test_tether_bot(why, price, funds, last, expected):
    made = world(price)
    intents = act(made, funds, last)
    reasons = tether_bot.why(sight(made, funds, last), PARAMS)
    if intents:
        [intent] = intents
        assert reasons == ()
        wish = f"{intent.legs[0].side} {round(intent.notional_krw_est, -4):.0f}"
    else:
        wish = " ".join(reasons)
    assert wish == expected


UNUSABLE = [
    ("one FX source is enough", {"rates": ("1380",)}, ()),
    ("no FX", {"rates": ()}, ("fx:none",)),
    ("FX too old", {"fx_age_ms": 601_000}, ("fx:stale",)),
    ("FX sources disagree", {"rates": ("1380", "1390")}, ("fx:disagreement",)),
    ("stale book", {"book_age_ms": 2_001}, ("book:stale",)),
    ("thin book", {"size": 1.0}, ("step_too_small",)),
    ("gap below the venue's minimum", {"min_notional": 5 * 10**6}, ("within_band",)),
    ("step below the venue's minimum", {"min_notional": 1_500_000}, ("step_too_small",)),
    ("a spread wider than any gain", {"spread": 20.0}, ("too_costly",)),
]


@pytest.mark.parametrize("why, scene, reasons", UNUSABLE, ids=[case[0] for case in UNUSABLE])
def test_why_it_rests(why, scene, reasons):
    made = world(**scene)
    funds = account(10 * MILLION, 0.0)
    assert tether_bot.why(sight(made, funds), PARAMS) == reasons
    assert bool(act(made, funds)) is (reasons == ())
    numbers = tether_bot.figures(sight(made, funds), PARAMS)
    assert {name for name in numbers if name.startswith("hold.")} == {f"hold.{reason}" for reason in reasons}


def test_no_instrument_no_fee_no_wish():
    made = world()
    del made.instruments[MARKET]
    assert act(made, account(10 * MILLION, 0.0)) == []
    assert tether_bot.why(sight(made), PARAMS) == ("no_instrument",)


def test_the_half_spread_around_the_target_is_left_alone():
    """The mid asks for a purchase, the ask no longer does."""
    made = world(1_380.0, spread=4.0)
    funds = account(7.95 * MILLION, 1.95 * MILLION / 1_380)
    assert "within_spread" in tether_bot.why(sight(made, funds), PARAMS)


def test_never_buys_and_sells_at_once_and_converges():
    """Repeated steps at one price end within the band of the target, from either side."""
    params = msgspec.structs.replace(PARAMS, hysteresis=0.0, cooldown_s=0.0, window_cap=64)
    for krw, usdt in ((10 * MILLION, 0.0), (0.0, 10 * MILLION / 1_380)):
        steps = 0
        while steps < 20:
            steps += 1
            intents = act(world(1_380.0, spread=1.0), account(krw, usdt), None, params)
            if not intents:
                break
            [intent] = intents
            sign = 1 if intent.legs[0].side is Side.BUY else -1
            usdt += sign * intent.qty_est
            krw -= sign * intent.qty_est * intent.legs[0].vwap_est * (1 + sign * 0.0005)
        assert 2 < steps < 20
        assert usdt * 1_380 / (krw + usdt * 1_380) == pytest.approx(0.2, abs=PARAMS.band)


def test_resting_joins_its_own_side_at_the_maker_fee():
    params = msgspec.structs.replace(PARAMS, tif=TimeInForce.POST_ONLY)
    [intent] = act(world(1_380.0, spread=2.0, maker_fee_bps=Decimal(4)), account(10 * MILLION, 0.0), None, params)
    assert intent.legs[0].vwap_est == 1_379.0
    assert (intent.tif, intent.rest_ms) == (TimeInForce.POST_ONLY, params.rest_ms)
    assert intent.net_est == pytest.approx(-(0.0004 - 1 / 1_380), abs=1e-6)


def test_other_markets_do_not_wake_it():
    made = world()
    funds = account(10 * MILLION, 0.0)
    assert tether_bot.reads(sight(made, funds), PARAMS) == {MARKET}
    assert tether_bot.evaluate(sight(made, funds), PARAMS, ("bithumb", "KRW-USDT")) == []


def test_round_trip_of_the_domain_page():
    """Bought at 1,380 and sold at 1,395 at 0.05 % each: 0.9859 %; break-even move 0.1001 %."""
    assert tether_bot.round_trip(1_380.0, 1_395.0, 0.0005) == pytest.approx(0.009859, abs=5e-7)
    assert tether_bot.break_even(0.0005) == pytest.approx(0.001001, abs=5e-7)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"curve": [[0, 1]]}, "curve: a curve needs at least two points"),
        ({"curve": [[0, 1], [-1, 0]]}, "curve: premiums must rise strictly: 0 is followed by -1"),
        ({"band": 0}, "band must lie"),
        ({"hysteresis": 1.5}, "0.0015 means 0.15 percentage points"),
        ({"window_cap": 65}, "window_cap must lie in 1..64"),
        ({"step_cap": 0}, "step_cap"),
        ({"tif": "fok"}, "tif must be ioc or post_only"),
        ({"bandd": 1}, "bandd"),
    ],
)
def test_bad_parameters_are_named(changes, message):
    good = {"venue": "upbit", "symbol": "KRW-USDT", "curve": [["-1", "0.5"], ["1", "0"]], "band": "0.02"}
    assert msgspec.convert(good, tether_bot.Params, strict=False).band == 0.02
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(good | changes, tether_bot.Params, strict=False)
