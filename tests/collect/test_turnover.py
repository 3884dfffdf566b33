"""The hours of a VWAP: out of what is collected, else refused with the reason. From a venue: tests/watchdog."""

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.collect.store import Series
from engine.collect.turnover import DAY_MS, HOUR_MS, by_hour
from engine.domain.errors import NoHistory
from engine.turnover import Turnover
from sandbox.world import World, WorldConfig
from tests.core.harness import Rig

MIDNIGHT_MS = 20_000 * DAY_MS
DAY = [float(10 + hour) for hour in range(24)]


def days(count: int, pattern: list[float], end_ms: int = MIDNIGHT_MS) -> list[tuple[int, float]]:
    first = end_ms - count * DAY_MS
    return [(first + day * DAY_MS + hour * HOUR_MS, pattern[hour]) for day in range(count) for hour in range(24)]


def test_the_same_day_over_and_over_is_its_own_average():
    assert by_hour(days(5, DAY), MIDNIGHT_MS) == pytest.approx(DAY)


SHORT = [  # why, candles
    ("nothing", []),
    ("a day and a half", days(2, DAY)[12:]),
    ("days without a trade", days(5, [0.0] * 24)),
    ("of the future", days(5, DAY, MIDNIGHT_MS + 6 * DAY_MS)),
]


@pytest.mark.parametrize("why, candles", SHORT, ids=[case[0] for case in SHORT])
def test_too_little_is_no_curve(why, candles):
    assert by_hour(candles, MIDNIGHT_MS) == ()


def test_the_hour_under_way_and_quiet_hours_are_not_taken_for_more_than_they_are():
    candles = [(at_ms, volume) for at_ms, volume in days(4, DAY) if at_ms // HOUR_MS % 24 != 3]
    under_way = (MIDNIGHT_MS, 1_000_000.0)
    curve = by_hour([*candles, under_way], MIDNIGHT_MS + HOUR_MS // 2)
    assert curve[3] == 0.0 and curve[0] == pytest.approx(10.0)


MINUTES = st.lists(st.tuples(st.integers(0, 7 * 24 * 60 - 1), st.floats(0.01, 1e6)), min_size=1, max_size=60)


@given(MINUTES, st.integers(0, 23))
def test_all_that_was_traded_is_in_it_once(minutes, hour):
    to_ms = MIDNIGHT_MS + hour * HOUR_MS
    candles = [(to_ms - (minute + 1) * 60_000, volume) for minute, volume in minutes]
    curve = by_hour(candles, to_ms)
    first, last = min(at_ms for at_ms, _ in candles) // HOUR_MS, to_ms // HOUR_MS
    if not curve:
        assert last - first < 48
        return
    counts = [sum(each % 24 == at for each in range(first, last)) for at in range(24)]
    total = sum(mean * count for mean, count in zip(curve, counts, strict=True))
    assert total == pytest.approx(sum(volume for _, volume in candles)) and min(curve) >= 0


async def asked(tmp_path: Path, rest: str, base: str = "BTC", symbol: str = "KRW-BTC") -> tuple[float, ...]:
    """As the door asks: again while it is being read."""
    rig = Rig().ready()
    market, held = rig.state.market, rig.state.venues["upbit"]
    market.instruments["upbit", symbol] = replace(market.instruments["upbit", "KRW-BTC"], symbol=symbol, base="BTC")
    held.settings = replace(held.settings, symbols=(symbol,))
    upbit = replace(rig.config.venues["upbit"], rest_base=rest, ws_base=rest)
    config = replace(rig.config, venues={"upbit": upbit}, history_dir=str(tmp_path / "history"))
    refused: NoHistory | None = None
    async with asyncio.TaskGroup() as tasks:
        turnover = Turnover(config, rig.desk, tasks)
        for _ in range(20):
            try:
                return await turnover.curve("upbit", base)
            except NoHistory as error:
                refused = error
            if refused.rule != "curve_pending":
                break
    assert refused is not None
    raise refused


@pytest.mark.timeout(120)
async def test_what_is_collected_is_used_and_no_venue_asked(tmp_path):
    series = Series(tmp_path / "history", "upbit", "candles-1h", "KRW-BTC")
    now_ms = time.time_ns() // 1_000_000
    to_ms = now_ms // HOUR_MS * HOUR_MS
    series.add((to_ms - hours * HOUR_MS, 1.0, 1.0, 1.0, 1.0, float(hours % 24 + 1)) for hours in range(1, 97))
    curve = await asked(tmp_path, "http://127.0.0.1:9")  # nobody listens there
    assert sorted(curve) == pytest.approx([float(hour) for hour in range(1, 25)])


@pytest.mark.timeout(120)
async def test_a_venue_that_knows_nothing_is_the_reason_of_the_refusal(tmp_path):
    async with World(WorldConfig(seed=7, episodes=False, houses=("upbit",))) as world:
        with pytest.raises(NoHistory, match=r"no usable history .*lists no KRW-NOPE; use twap") as refused:
            await asked(tmp_path, world.urls["upbit"]["rest"], symbol="KRW-NOPE")
    assert refused.value.rule == "no_curve"


async def test_a_coin_that_nobody_trades_is_left_to_the_core(tmp_path):
    assert await asked(tmp_path, "http://127.0.0.1:9", "NOBODY") == ()
