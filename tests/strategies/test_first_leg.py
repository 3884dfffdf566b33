"""Which leg leaves first, pair by pair: the coin's word before the venues', theirs before the strategy's."""

import msgspec
import pytest

from engine.domain.order import LegWish, Policy, Side
from engine.strategies import spatial
from engine.strategies.first_leg import check, order_of
from tests.strategies.test_kimchi import PARAMS, found, world

HARD, BOTH = Policy.HARD_LEG_FIRST, Policy.SIMULTANEOUS
LEGS = (
    LegWish(venue="binance", symbol="BTCUSDT", side=Side.BUY, vwap_est=1.0),
    LegWish(venue="upbit", symbol="KRW-BTC", side=Side.SELL, vwap_est=1.0),
)
CASES = [  # what is said, the strategy's policy, and what comes of it; the strategy's own hard leg is 0
    ({}, BOTH, (BOTH, 0)),
    ({}, HARD, (HARD, 0)),
    ({"binance/upbit": "upbit"}, BOTH, (HARD, 1)),
    ({"upbit/binance": "upbit"}, BOTH, (HARD, 1)),
    ({"upbit/binance": "binance"}, BOTH, (HARD, 0)),
    ({"upbit/binance": "both"}, HARD, (BOTH, 0)),
    ({"BTC:upbit/binance": "both", "upbit/binance": "upbit"}, HARD, (BOTH, 0)),
    ({"XRP:upbit/binance": "upbit"}, BOTH, (BOTH, 0)),
    ({"upbit/okx": "upbit"}, HARD, (HARD, 0)),
]


@pytest.mark.parametrize("first, policy, expected", CASES)
def test_the_narrowest_word_counts(first: dict[str, str], policy: Policy, expected: tuple[Policy, int]) -> None:
    check(first)
    assert order_of(first, "BTC", LEGS, policy, 0) == expected


@pytest.mark.parametrize(
    "first", [{"upbit": "upbit"}, {"upbit/upbit": "upbit"}, {"upbit/": "upbit"}, {"a/b/c": "a"}, {"upbit/okx": "gate"}]
)
@pytest.mark.parametrize("params", [PARAMS, spatial.Params(coins=("BTC",), groups=(("upbit", "bithumb"),))])
def test_what_names_no_pair_is_refused_with_its_name(first: dict[str, str], params: msgspec.Struct) -> None:
    with pytest.raises(ValueError, match="first: '"):
        msgspec.structs.replace(params, first=first)


def test_a_pair_of_a_strategy_sends_the_leg_that_was_named() -> None:
    [intent] = found(world(), msgspec.structs.replace(PARAMS, first={"binance/upbit": "binance"}))
    assert (intent.policy, intent.hard_leg, intent.legs[0].venue) == (HARD, 0, "binance")
