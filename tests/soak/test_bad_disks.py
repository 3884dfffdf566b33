"""A journal that takes nothing any more, whether the disk or another program keeps it from it: L2 with its reason, a
critical alert for whoever listens, what rests is cancelled all the same, and nothing leaves before a person resumes.
"""

import asyncio
import resource
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest

from crash.__main__ import build_shim
from engine.control.client import Door
from engine.control.messages import Event
from sandbox.soak.run import OVERLAY, Halted, Soak
from sandbox.soak.storm import StormConfig
from sandbox.stage import OWNER, Stage, StageConfig
from sandbox.venues.orders import Order, State
from sandbox.world import WorldConfig
from tests.waiting import until

_MB = 1 << 20
# One order that rests until somebody cancels it; nothing else trades before the disk is bad.
_RESTS = {
    "mode": "auto",
    "params": {**OVERLAY["strategies"]["tether_bot"]["params"], "rest_ms": 600_000},
}
_TIMES = {"order_timeout_ms": 15_000, "late_acceptance_ms": 15_000, "also_watch": []}  # however busy the machine is
_QUIET = {
    **OVERLAY,
    "record_events": False,
    "venues": dict.fromkeys(OVERLAY["venues"], _TIMES),
    "strategies": {**OVERLAY["strategies"], "tether_bot": _RESTS, "spatial": {"mode": "off"}},
}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no file system may be mounted here: {made.stderr.strip()[:200]}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def full(stage: Stage) -> Callable[[], None]:
    """Not a byte more in any file of the engine's; gives back how it ends."""
    pid = stage.engine.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))

    def mend() -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    return mend


def no_space(stage: Stage) -> Callable[[], None]:
    """Another program's file takes the last page."""
    filler = stage.config.run_dir / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (_MB, 4_096):
            try:
                while file.write(bytes(size)) == size:
                    continue
            except OSError:
                continue
    return filler.unlink


def read_only(stage: Stage) -> Callable[[], None]:
    """As a file system turns that has met an error; a polite remount is refused while files are open for writing."""
    switch = stage.config.run_dir / "read-only"
    switch.touch()
    return switch.unlink


def locked(stage: Stage) -> Callable[[], None]:
    """Another program holds the journal."""
    holder = sqlite3.connect(stage.data_dir / "journal.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    def mend() -> None:
        holder.execute("ROLLBACK")
        holder.close()

    return mend


def placed(stage: Stage) -> int:
    return sum(len(floor.exchange.orders) for floor in stage.world.floors.values())


def resting(stage: Stage) -> list[Order]:
    floors = stage.world.floors.values()
    return [order for floor in floors for order in floor.exchange.orders.values() if order.state is State.OPEN]


@asynccontextmanager
async def listening(stage: Stage) -> AsyncIterator[list[Event]]:
    """What the control door tells from now on, as the bot hears it: whether it could be stored or not."""
    heard: list[Event] = []

    async def listen(door: Door) -> None:
        async for event in door.events(f"telegram:{OWNER.id}"):
            heard.append(event)

    async with Door(socket=stage.control_socket) as door:
        task = asyncio.create_task(listen(door))
        try:
            await until(lambda: heard, 30)
            yield heard
        finally:
            task.cancel()
            await asyncio.wait([task])


def alarmed(heard: list[Event], reason: str) -> bool:
    """Whether a critical alert told of this reason, and a critical notice of the halt."""
    crit = [event for event in heard if event.severity == "crit"]
    alerts = [event.alert() for event in crit if event.kind == "alert"]
    told = [alert for alert in alerts if alert.rule == "journal" and alert.numbers["reason"] in reason]
    return bool(told) and any(event.kind == "halt" and event.body["level"] == 2 for event in crit)


async def bad_day(
    run_dir: Path, spoil: Callable[[Stage], Callable[[], None]], shim: Path | None = None, *, trades: bool = True
) -> None:
    """`trades`: an order is about to leave when the disk turns bad; else notes and the heartbeat alone meet it."""
    config = StageConfig(world=WorldConfig(seed=9, episodes=False, step_s=0.1), run_dir=run_dir, overlay=_QUIET)
    async with Stage(config) as stage, aiohttp.ClientSession() as session:
        soak = Soak(stage, session, StormConfig(seconds=0, seed=1))
        if shim is not None:
            stage.engine.env |= {"LD_PRELOAD": str(shim), "CRASH_DIR": str(stage.data_dir)}
            stage.engine.env["CRASH_RO"] = str(run_dir / "read-only")
        await stage.engine.start()
        await soak.door.until("/status", lambda status: status.get("ready"), 180, "readiness")
        await soak.world("premium", {"venue": "upbit", "coin": "USDT", "bps": 150, "seconds": 600})
        await until(lambda: resting(stage), 60)
        async with listening(stage) as heard:
            mend = spoil(stage)
            try:
                if trades:
                    await soak.world("premium", {"venue": "bithumb", "coin": "BTC", "bps": 150, "seconds": 60})
                reason = await soak.door.until("/status", lambda s: s["level"] == 2 and s["level_reason"], 60, "L2")
                assert "journal" in reason or "store" in reason
                await until(lambda: alarmed(heard, reason), 30)
                await until(lambda: not resting(stage), 60)
                assert (await soak.door.get("/status"))["level"] == 2
                assert stage.engine.exit_code is None
                before = placed(stage)
            finally:
                mend()
        await asyncio.sleep(2)
        assert placed(stage) == before, "the journal is back, the desk is not"
        await soak.world("premium", {"venue": "bithumb", "coin": "BTC", "bps": 0, "seconds": 0.1})
        await soak.resume(Halted(2))
        assert soak.not_resumed == []
        assert stage.engine.exit_code is None


@pytest.mark.timeout(400)
async def test_another_program_holds_the_journal(tmp_path: Path):
    await bad_day(tmp_path, locked)


@pytest.mark.timeout(400)
async def test_no_file_may_grow(tmp_path: Path):
    await bad_day(tmp_path, full)


@pytest.mark.timeout(400)
async def test_the_last_page_is_taken(small_disk: Path):
    await bad_day(small_disk, no_space)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("trades", [True, False])
async def test_a_file_system_turns_read_only(tmp_path: Path, trades: bool):
    shim = build_shim(tmp_path)
    if shim is None:
        pytest.skip("no C compiler, or not Linux")
    await bad_day(tmp_path, read_only, shim, trades=trades)


def stored(stage: Stage, query: str) -> list[str]:
    with closing(sqlite3.connect(f"file:{stage.data_dir / 'premia.db'}?mode=ro", uri=True)) as sql:
        return [str(value) for (value,) in sql.execute(query)]


def working(stage: Stage) -> set[str]:
    return set(stored(stage, "SELECT id FROM trades WHERE state = 'working'"))


@pytest.mark.timeout(400)
async def test_a_card_of_a_trade_that_the_journal_never_had_is_ended_by_the_next_life(tmp_path: Path):
    """The store is quicker than a journal that waits for its file; a kill in between left `working` for ever."""
    config = StageConfig(world=WorldConfig(seed=9, episodes=False, step_s=0.1), run_dir=tmp_path, overlay=_QUIET)
    async with Stage(config) as stage, aiohttp.ClientSession() as session:
        soak = Soak(stage, session, StormConfig(seconds=0, seed=1))
        await stage.engine.start()
        await soak.door.until("/status", lambda status: status.get("ready"), 180, "readiness")
        before = working(stage)
        release = locked(stage)
        try:
            await soak.world("premium", {"venue": "upbit", "coin": "USDT", "bps": 150, "seconds": 600})
            await until(lambda: working(stage) - before, 60)
            await stage.engine.kill()
        finally:
            release()
        never = sorted(working(stage) - before)
        assert never, "killed too late: the engine had time to find that its journal fails"
        await stage.engine.start()
        row = f"SELECT state || ' ' || outcome FROM trades WHERE id = '{never[0]}'"
        await until(lambda: stored(stage, row) == ["closed nothing_filled"], 60)
        card = f"SELECT json_extract(body, '$.reason') FROM notices WHERE kind = 'trade' AND key = '{never[0]}'"
        await until(lambda: stored(stage, card)[-1] == "never_journaled", 30)
