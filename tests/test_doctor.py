"""`premia doctor` against the sandbox's venues: a healthy desk, a wrong key, a dead venue."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.stage import Stage, StageConfig
from sandbox.venues.opening import DESK
from sandbox.world import WorldConfig

REPOSITORY = Path(__file__).parent.parent


def doctor(stage: Stage, **changed: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **stage.secrets(), "TELEGRAM_BOT_TOKEN": "1:x", **changed}
    argv = [sys.executable, "-m", "engine", "doctor", "--config", "configs", "--overlay", str(stage.overlay_path)]
    return subprocess.run(argv, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
async def stage(tmp_path):
    traded = (*DESK, "binance_usdm")
    world = WorldConfig(episodes=False, houses=traded)
    async with Stage(StageConfig(world=world, run_dir=tmp_path, traded=traded)) as made:
        yield made


async def ask(stage: Stage, **changed: str) -> subprocess.CompletedProcess[str]:
    """The world answers from this loop, so the doctor's process is waited for in a thread."""
    import asyncio

    return await asyncio.to_thread(doctor, stage, **changed)


async def test_a_healthy_desk(stage):
    ended = await ask(stage)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for name in ("upbit clock", "bithumb account", "binance rules", "okx account", "fx dunamu", "disk", "latch"):
        assert f"ok   {name}: " in ended.stdout
    assert "?    okx key scope: " in ended.stdout
    assert "ok   binance_usdm account: the key is accepted; 1 assets held, 0 positions open" in ended.stdout


async def test_a_wrong_key_and_an_open_latch_are_named(stage):
    (stage.data_dir / "HALT").touch()
    ended = await ask(stage, BINANCE_API_SECRET="wrong")
    assert ended.returncode == 1
    assert "FAIL binance account: " in ended.stdout
    assert "FAIL latch: L2" in ended.stdout
    assert "ok   upbit account: " in ended.stdout
