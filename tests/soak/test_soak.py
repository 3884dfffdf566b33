"""A short storm over the real engine process: a kill, a halt, a fault every 0.6 s. The long one is a command."""

from pathlib import Path

import pytest

from sandbox.soak.__main__ import soak
from sandbox.soak.storm import StormConfig, forecast


@pytest.mark.timeout(240)  # about 35 s; a storm that does not settle is given its time to say why
async def test_a_short_storm_violates_nothing(tmp_path: Path):
    storm = StormConfig(seconds=10, seed=5, kills=1, halts=1, fault_every_s=0.6, too_late=False)
    result = await soak(storm, tmp_path)
    assert result["violations"] == []
    assert result["trades"], "a storm without a trade proves nothing"
    assert result["orders_at_venues"]
    assert " 1 lives" not in str(result["replay"])


def test_the_same_seed_is_the_same_storm():
    config = StormConfig(seconds=60, seed=11)
    assert forecast(config) == forecast(config)
    assert forecast(config) != forecast(StormConfig(seconds=60, seed=12))
    whats = [gust.what for gust in forecast(config)]
    assert whats.count("kill") + whats.count("kill_on_order") == config.kills
