"""Bad days of the machine under the real engine: a latch that cannot be written, a full disk."""

import asyncio
import os
import random
import time
from pathlib import Path

import aiohttp
import msgspec
import pytest

from engine.desk import EventLog
from engine.domain.event import BookSnapshot, Tick
from engine.venues.feeds import build_feed
from sandbox.faults import Fault
from sandbox.soak.run import OVERLAY, Halted, Soak
from sandbox.soak.storm import StormConfig
from sandbox.stage import Stage, StageConfig
from sandbox.world import World, WorldConfig
from tests.waiting import until

STORM = StormConfig(seconds=0, seed=1)


async def resume(soak: Soak) -> None:
    await soak.resume(Halted(2))
    assert soak.not_resumed == []
    assert (await soak.door.get("/status"))["level"] == 0


async def unwritable_latch(stage: Stage, soak: Soak) -> None:
    """The level in memory stands and is written as soon as the disk takes it: a restart must not forget it."""
    blocker = stage.data_dir / "latch.json.new"
    blocker.mkdir()
    await soak.door.post("/halt", "halt-without-disk", {"level": 1, "reason": "a test"})
    stuck = await soak.door.until("/status", lambda s: s["level"] == 2 and s["level_reason"], 5, "L2")
    assert "latch" in stuck
    blocker.rmdir()
    latch = stage.data_dir / "latch.json"

    def written() -> bool:
        return latch.exists() and msgspec.json.decode(latch.read_bytes())["level"] == 2

    await until(written, 10)
    await resume(soak)


async def test_a_latch_that_cannot_be_written_halts_and_a_person_resumes(tmp_path: Path):
    config = StageConfig(world=WorldConfig(seed=9, episodes=False), run_dir=tmp_path, overlay=OVERLAY)
    async with Stage(config) as stage, aiohttp.ClientSession() as session:
        soak = Soak(stage, session, STORM)
        await stage.engine.start()
        await soak.door.until("/status", lambda status: status.get("ready"), 60, "readiness")
        await unwritable_latch(stage, soak)
        assert stage.engine.exit_code is None


def test_a_full_disk_ends_the_recording_and_not_the_desk():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    log = EventLog(Path("/dev/full"))
    log.write(Tick(seen_ns=1, wall_ms=1, local_day=1), [])
    log.flush()
    log.write(Tick(seen_ns=2, wall_ms=1, local_day=1), [])
    log.close()


async def test_bad_frames_that_cannot_be_kept_do_not_end_the_feed(tmp_path: Path):
    """A malformed frame on a full disk is two bad days at once."""
    (tmp_path / "file").touch()
    books: list[BookSnapshot] = []

    def sink(event: object) -> None:
        if isinstance(event, BookSnapshot):
            books.append(event)

    async with World(WorldConfig(seed=2, episodes=False)) as world:
        feed = build_feed(
            "upbit",
            ws_base=world.urls["upbit"]["ws"].removesuffix("/websocket/v1"),
            rest_base=world.urls["upbit"]["rest"],
            symbols=("KRW-BTC",),
            sink=sink,
            clock_ns=time.monotonic_ns,
            rng=random.Random(1),
            top_of=lambda _: (1.0, 2.0),
            bad_frames=tmp_path / "file" / "upbit.jsonl",
        )
        running = asyncio.create_task(feed.run())
        await until(lambda: bool(books), 10)
        world.floors["upbit"].faults.arm(Fault(kind="ws_malformed", symbol="KRW-BTC"))
        await until(lambda: feed.counters()["errors"] > 0, 10)
        heard = len(books)
        await until(lambda: len(books) > heard + 3, 15)
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])
