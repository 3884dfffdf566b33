import msgspec
import pytest

from engine.config import load
from engine.domain.order import Side
from engine.strategies import spatial
from engine.strategies.registry import REGISTRY
from tests.strategies.scene import PLENTY, book, market, sight

FEES = {"upbit": "5", "bithumb": "10", "binance": "10", "okx": "10"}
KOREAN = spatial.Params(
    coins=("BTC",), groups=(("upbit", "bithumb"), ("binance", "okx")), min_depth_usd=0.1, depth_share=1.0
)

# domain.md §3: buy at bithumb's asks, sell at upbit's bids
ASKS = [(100.0, 1.0), (100.1, 2.0), (100.3, 5.0)]
BIDS = [(100.9, 1.5), (100.8, 1.0), (100.5, 10.0)]


def world(*, asks=ASKS, bids=BIDS, buy_age_ms=0, sell_age_ms=0, fees=FEES, **changes):
    made = market(fees, **changes)
    book(made, "bithumb", "KRW-BTC", [(99.0, 5.0)], asks, buy_age_ms)
    book(made, "upbit", "KRW-BTC", bids, [(bids[0][0] + 0.5, 5.0)], sell_age_ms)
    # Of the same age: any frame of a venue's socket proves its other quiet books current.
    book(made, "upbit", "KRW-USDT", [(1395.0, 1e6)], [(1396.0, 1e6)], sell_age_ms)
    return made


def found(made, params=KOREAN, available=None, changed=("upbit", "KRW-BTC")):
    return spatial.evaluate(sight(made, available), params, changed)


def test_worked_numbers_at_four_coins():
    """gross 0.5993 %, net 0.4485 % at q = 4 with 0.1 % to buy and 0.05 % to sell."""
    params = msgspec.structs.replace(KOREAN, max_notional_krw=100.0 * 1.001 * 4)
    [intent] = found(world(), params)
    assert intent.qty_est == pytest.approx(4.0)
    assert [leg.vwap_est for leg in intent.legs] == pytest.approx([100.125, 100.725])
    assert intent.gross_est == pytest.approx(0.005993, abs=5e-7)
    assert intent.net_est == pytest.approx(0.004485, abs=5e-7)
    assert intent.profit_krw_est == pytest.approx(4 * (100.725 * 0.9995 - 100.125 * 1.001))


def test_shape_of_the_wish():
    [intent] = found(world())
    assert intent.key == "spatial:BTC:bithumb>upbit"
    assert [(leg.venue, leg.symbol, leg.side) for leg in intent.legs] == [
        ("bithumb", "KRW-BTC", Side.BUY),
        ("upbit", "KRW-BTC", Side.SELL),
    ]
    assert intent.flags == ()
    assert 0 < intent.confidence_est <= 1
    assert intent.notional_krw_est == pytest.approx(intent.qty_est * intent.legs[1].vwap_est * 0.9995)


THIN = [(100.9, 0.001)]
CASES = [  # why, world, params, available, intents
    ("edge pays both fees", {}, {}, {}, ["bithumb>upbit"]),
    ("fees eat the edge", {"bids": [(100.1, 9.0)]}, {}, {}, []),
    ("edge below min_net", {"bids": [(100.39, 9.0)]}, {}, {}, []),
    ("edge just above min_net", {"bids": [(100.402, 9.0)]}, {}, {}, ["bithumb>upbit"]),
    ("a stale book is mute", {"buy_age_ms": 2_001}, {}, {}, []),
    ("books too far apart in time", {"buy_age_ms": 501}, {}, {}, []),
    ("both old alike is no skew", {"buy_age_ms": 1_500, "sell_age_ms": 1_400}, {}, {}, ["bithumb>upbit"]),
    ("too little depth", {"bids": THIN}, {"min_depth_usd": 1.0}, {}, []),
    ("no coin to sell", {}, {}, {("upbit", "BTC"): 0.0}, []),
    ("no cash to buy", {}, {}, {("bithumb", "KRW"): 0.0}, []),
    ("below a venue's minimum", {"min_notional": 10_000}, {}, {}, []),
    ("anomaly is flagged, not hidden", {"bids": [(106.0, 9.0)]}, {}, {}, ["bithumb>upbit anomaly"]),
    ("another coin", {}, {"coins": ("ETH",)}, {}, []),
    ("venues of two groups never meet", {}, {"groups": (("upbit", "binance"), ("bithumb", "okx"))}, {}, []),
]


@pytest.mark.parametrize("why, scene, changes, funds, expected", CASES, ids=[case[0] for case in CASES])
def test_spatial(why, scene, changes, funds, expected):
    params = msgspec.structs.replace(KOREAN, **changes)
    intents = found(world(**scene), params, PLENTY | funds)
    assert [" ".join((i.key.split(":")[2], *i.flags)) for i in intents] == expected


def test_either_side_wakes_it_and_strangers_do_not():
    made = world()
    assert len(found(made, changed=("bithumb", "KRW-BTC"))) == 1
    assert found(made, changed=("upbit", "KRW-USDT")) == []
    assert found(made, changed=("nowhere", "KRW-BTC")) == []
    assert spatial.reads(sight(made), KOREAN) == {
        ("upbit", "KRW-BTC"),
        ("bithumb", "KRW-BTC"),
        ("binance", "BTCUSDT"),
        ("okx", "BTC-USDT"),
    }


def test_a_group_in_usdt_is_valued_at_the_tether():
    made = world()
    book(made, "binance", "BTCUSDT", [(67_990.0, 5.0)], [(68_000.0, 1.0)])
    book(made, "okx", "BTC-USDT", [(68_600.0, 1.0)], [(68_610.0, 1.0)])
    [intent] = found(made, changed=("okx", "BTC-USDT"))
    assert intent.key == "spatial:BTC:binance>okx"
    profit_usdt = intent.qty_est * (68_600 * 0.999 - 68_000 * 1.001)
    assert intent.profit_krw_est == pytest.approx(profit_usdt * 1395)
    assert intent.notional_krw_est <= KOREAN.max_notional_krw * 1.01


def test_without_a_tether_price_a_usdt_pair_cannot_be_sized():
    made = market(FEES)
    book(made, "binance", "BTCUSDT", [(67_990.0, 5.0)], [(68_000.0, 1.0)])
    book(made, "okx", "BTC-USDT", [(68_600.0, 1.0)], [(68_610.0, 1.0)])
    assert found(made, changed=("okx", "BTC-USDT")) == []


def test_a_price_far_from_its_minute_is_mute():
    made = market(FEES)
    book(made, "upbit", "KRW-USDT", [(1395.0, 1e6)], [(1396.0, 1e6)])
    for age_ms in range(30_000, 1_000, -1_000):
        book(made, "upbit", "KRW-BTC", [(85.0, 1.0)], [(85.5, 1.0)], age_ms)
    book(made, "upbit", "KRW-BTC", BIDS, [(101.4, 5.0)])
    book(made, "bithumb", "KRW-BTC", [(99.0, 5.0)], ASKS)
    assert found(made) == []
    assert len(found(made, msgspec.structs.replace(KOREAN, max_deviation=0.2))) == 1


def test_depth_haircut_and_the_rule_of_greatest_profit():
    """All of the bids above cost are worth taking; with 40 % of each level usable, 40 % as much is."""
    params = msgspec.structs.replace(KOREAN, min_net=0.002)
    whole = found(world(), params)[0].qty_est
    haircut = found(world(), msgspec.structs.replace(params, depth_share=0.4))[0].qty_est
    assert whole == pytest.approx(8.0)
    assert haircut == pytest.approx(0.4 * 8.0)


def test_where_the_greatest_profit_earns_too_little_the_size_shrinks():
    """Units beyond the first level earn 0.05 % each: the profit grows, the average falls below min_net."""
    made = world(asks=[(100.0, 1.0), (100.7, 50.0)], bids=[(100.9, 100.0)])
    [intent] = found(made)
    assert intent.qty_est == pytest.approx(1.0)
    assert intent.net_est >= KOREAN.min_net


def test_size_stays_within_the_cash_at_hand():
    [intent] = found(world(), available=PLENTY | {("bithumb", "KRW"): 250.0})
    assert intent.qty_est * intent.legs[0].vwap_est * 1.001 <= 250.0
    assert intent.qty_est > 2.4


def test_one_way_inventory_is_charged():
    """All coin at the buying venue: the full rebalance charge stands between net and what the books pay."""
    even = found(world())[0]
    skewed = found(world(), available=PLENTY | {("upbit", "BTC"): 8.0, ("bithumb", "BTC"): 1e9})[0]
    assert even.net_est - skewed.net_est == pytest.approx(KOREAN.rebalance_charge, rel=1e-3)


def test_absent_instrument_means_no_fee_and_no_wish():
    made = world()
    del made.instruments["bithumb", "KRW-BTC"]
    assert found(made) == []


def test_figures_hold_both_directions():
    numbers = spatial.figures(sight(world()), KOREAN)
    assert numbers["net.BTC.bithumb>upbit"] == pytest.approx(100.9 * 0.9995 / (100.0 * 1.001) - 1)
    assert numbers["net.BTC.upbit>bithumb"] < 0
    assert numbers["premium"] == numbers["net.BTC.bithumb>upbit"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"min_net": 2}, r"min_net must lie in \[0, 1\): 0.0025 means 0.25 %"),
        ({"depth_share": 0}, "depth_share"),
        ({"groups": [["upbit"]]}, "two or more different venues"),
        ({"coins": []}, "coins must not be empty"),
        ({"min_nett": 0.1}, "min_nett"),
    ],
)
def test_bad_parameters_are_named(changes, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"coins": ["BTC"], "groups": [["a", "b"]]} | changes, spatial.Params, strict=False)


def test_shipped_parameters_fit_every_strategy(pytestconfig):
    config = load(pytestconfig.rootpath / "configs")
    assert set(config.strategies) == set(REGISTRY)
    for name, strategy in REGISTRY.items():
        params = msgspec.convert(config.strategies[name].params, strategy.params, strict=False)
        again = msgspec.convert(msgspec.json.decode(msgspec.json.encode(params)), strategy.params, strict=False)
        assert again == params
        assert strategy.curve in ("", "curve")
