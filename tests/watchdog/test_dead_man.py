"""The real engine against the sandbox: it is stopped by a signal while an order rests; the watchdog cancels it."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from engine.config import load
from engine.domain.view import WatchdogView
from engine.storage.beat import BEAT_FILE, Heart
from engine.storage.latch import HAND_HALT, read_latch
from engine.storage.watch_beat import WATCH_BEAT_FILE, read_watch_beat, shown
from engine.watchdog.run import Watchdog
from engine.watchdog.vigil import Sight
from sandbox.soak.run import OVERLAY, Halted, Soak
from sandbox.soak.storm import StormConfig
from sandbox.stage import Stage, StageConfig
from sandbox.tally import open_orders
from sandbox.world import WorldConfig
from tests.waiting import until

RESTING = {
    **OVERLAY["strategies"],
    "spatial": {"mode": "off"},
    "kimchi": {"mode": "off"},
    "tether_bot": {
        "mode": "auto",
        "params": OVERLAY["strategies"]["tether_bot"]["params"] | {"rest_ms": 3_600_000, "cooldown_s": 1},
    },
}
# Half of the real 15 s: a machine three times slower still beats within it.
DESK = {**OVERLAY, "record_events": False, "strategies": RESTING, "watchdog": {"missing_s": 8, "sweep_every_s": 1}}


def alerts(stage: Stage) -> list[dict[str, Any]]:
    path = stage.data_dir / "watchdog.json"
    return list(msgspec.json.decode(path.read_bytes())["alerts"]) if path.exists() else []


async def resting(soak: Soak) -> dict[str, Any] | None:
    found = open_orders(await soak.world("orders"))
    return found[0] if found else None


async def rest_an_order(stage: Stage, soak: Soak) -> dict[str, Any]:
    """The tether bot rests an order at Upbit; then the market moves away, so that nobody takes it."""

    seen: list[dict[str, Any]] = []

    async def rests() -> bool:
        assert stage.engine.exit_code is None, stage.engine.exit_code
        found = await resting(soak)
        seen.extend([found] if found else [])
        return bool(found)

    await until(rests, 90)
    [found] = seen
    bps = 120 if found["side"] in ("bid", "buy") else -120
    await soak.world("premium", {"venue": "upbit", "coin": "USDT", "bps": bps, "seconds": 120})
    return found


@pytest.mark.timeout(300)
async def test_an_engine_that_hangs_has_its_orders_cancelled_and_wakes_up_halted(tmp_path: Path):
    config = StageConfig(world=WorldConfig(seed=5, episodes=False), run_dir=tmp_path, overlay=DESK)
    async with Stage(config) as stage, aiohttp.ClientSession() as session:
        soak = Soak(stage, session, StormConfig(seconds=0, seed=1))
        await stage.watchdog.start()
        await stage.engine.start()
        order = await rest_an_order(stage, soak)
        exchange = stage.world.floors["upbit"].exchange
        assert alerts(stage) == [] and read_latch(stage.data_dir / "latch.json").level == 0

        os.kill(stage.engine.pid, signal.SIGSTOP)

        async def nothing_rests() -> bool:
            return await resting(soak) is None

        await until(nothing_rests, 60)
        rows = (await soak.world("orders"))["upbit"]
        assert next(row["end"] for row in rows if row["id"] == order["id"]) == "user", "cancelled, not filled"
        latch = read_latch(stage.data_dir / "latch.json")
        assert (latch.level, latch.actor) == (2, "watchdog")
        await until(lambda: [alert["what"] for alert in alerts(stage)][:2] == ["acting", "clean"], 60)
        placed = len(exchange.orders)

        os.kill(stage.engine.pid, signal.SIGCONT)
        await soak.door.until("/status", lambda s: s["level"] == 2 and "heartbeat" in s["level_reason"], 60, "L2")
        await until(lambda: alerts(stage)[-1]["what"] == "back", 60)
        assert len(exchange.orders) == placed, "an order left after the watchdog had latched"
        assert len([a for a in alerts(stage) if a["what"] == "acting"]) == 1

        await soak.resume(Halted(2))
        assert soak.not_resumed == []
        await rest_an_order(stage, soak)  # it trades again

        await stage.engine.stop()
        await asyncio.wait_for(_silent_for(stage, 10), 60)
        assert [a["what"] for a in alerts(stage)].count("acting") == 1, "a clean stop disarms"
        assert stage.watchdog.exit_code is None


async def _silent_for(stage: Stage, seconds: int) -> None:
    """Longer than the limit: a watchdog that were armed would have acted by now."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    await until(lambda: loop.time() > end, seconds + 30)


def test_a_disk_that_takes_no_new_file_keeps_nobody_from_watching(tmp_path: Path):
    config = msgspec.structs.replace(load(Path(__file__).parents[2] / "configs"), data_dir=str(tmp_path))
    (tmp_path / WATCH_BEAT_FILE).mkdir()  # nobody, root included, can write to it as to a file
    watchdog = Watchdog(config, dict)
    watchdog._beat(Sight.ALIVE)
    assert read_watch_beat(tmp_path / WATCH_BEAT_FILE) is None


async def test_a_halt_file_beside_a_dead_engine_becomes_a_latch_that_outlives_it(tmp_path: Path):
    """No venue is needed for it: the engine died without a word, HALT was put there and is taken away again."""
    heart = Heart(tmp_path / BEAT_FILE)
    heart.beat(0)
    heart.close()
    (tmp_path / HAND_HALT).touch()
    config = msgspec.structs.replace(load(Path(__file__).parents[2] / "configs"), data_dir=str(tmp_path))
    watchdog = Watchdog(config, dict)
    running = asyncio.create_task(watchdog.run())
    try:
        await until(lambda: (tmp_path / "latch.json").exists(), 40)

        def seen() -> WatchdogView:
            return shown(read_watch_beat(tmp_path / WATCH_BEAT_FILE), time.time_ns() // 1_000_000)

        await until(lambda: (seen().alive, seen().sight) == (True, "missing") and seen().act != "", 40)
    finally:
        running.cancel()
        await asyncio.wait([running])
    (tmp_path / HAND_HALT).unlink()
    latch = read_latch(tmp_path / "latch.json")
    assert (latch.level, latch.actor) == (2, "watchdog")
