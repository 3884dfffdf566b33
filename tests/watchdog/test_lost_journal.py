"""A disk that fails takes the engine and its journal at once: what was ours before is still ours, and is cancelled."""

import asyncio
import logging
import os
import signal
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.config import Config, Credential, load
from engine.domain.errors import JournalFailed
from engine.storage.beat import BEAT_FILE, Heart
from engine.storage.latch import read_latch
from engine.storage.watch_beat import WATCH_BEAT_FILE, read_watch_beat
from engine.venues.protocol import Orders
from engine.venues.registry import build_orders
from engine.watchdog.aside import Aside
from engine.watchdog.run import Watchdog
from sandbox.stage import Stage, StageConfig
from sandbox.venues.orders import End, Order, State
from sandbox.world import WorldConfig
from tests.waiting import until
from tests.watchdog.test_every_venue import Desk, market, ours, overlay, rest_by_hand
from tests.watchdog.test_sweep import Account, at, journaled, request

CONFIGS = Path(__file__).parents[2] / "configs"
JOURNAL = "journal.db"


class Closable(Account):
    async def close(self) -> None:
        """Nothing is open."""


def forget(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def fill_with_garbage(path: Path) -> None:
    forget(path)
    path.write_bytes(b"\xff no journal " * 1_000)


def hang(path: Path) -> None:
    """Whoever opens a pipe that nobody writes to waits, as on a disk that no longer answers."""
    forget(path)
    os.mkfifo(path)


def let_go(path: Path) -> None:
    """Whoever waits for the pipe goes on."""
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def configured(data: Path) -> Config:
    made = load(CONFIGS)
    watchdog = msgspec.structs.replace(made.watchdog, missing_s=3, sweep_every_s=1)
    return msgspec.structs.replace(made, data_dir=str(data), watchdog=watchdog)


def beat_once(data: Path) -> None:
    with closing(Heart(data / BEAT_FILE)) as heart:
        heart.beat(0)


@asynccontextmanager
async def watching(
    config: Config, build: Callable[[], Mapping[str, Orders]], mono_ns: Callable[[], int] = time.monotonic_ns
) -> AsyncIterator[Watchdog]:
    watchdog = Watchdog(config, build, mono_ns)
    running = asyncio.create_task(watchdog.run())
    try:
        yield watchdog
        assert not running.done(), "the watch has ended"
    finally:
        running.cancel()
        await asyncio.wait([running])
        let_go(Path(config.data_dir) / JOURNAL)


def news(data: Path) -> list[dict[str, Any]]:
    path = data / "watchdog.json"
    return list(msgspec.json.decode(path.read_bytes())["alerts"]) if path.exists() else []


LOST = [  # how, what the problem says
    (fill_with_garbage, "not a database"),
    (forget, "unable to open"),
    (hang, "no answer within 3 s"),
]


@pytest.mark.parametrize("lose, says", LOST, ids=[case[0].__name__ for case in LOST])
async def test_what_was_ours_is_cancelled_without_a_journal_and_a_persons_own_rests(
    tmp_path: Path, lose: Callable[[Path], None], says: str
):
    journal = tmp_path / JOURNAL
    await journaled(journal, request("a1", "upbit"), request("b1", "okx"))
    upbit, okx = Closable("upbit", "a1", "", "by-hand"), Closable("okx", "a1", "b1")
    beat_once(tmp_path)

    def build() -> Mapping[str, Orders]:
        return {"upbit": at(upbit), "okx": at(okx)}

    # Four times as fast, and still short of what counts as a sleep between two looks.
    async with watching(configured(tmp_path), build, lambda: 4 * time.monotonic_ns()) as watchdog:
        await until(lambda: watchdog._own.holds("upbit", "a1") and watchdog._own.holds("okx", "b1"))
        assert not upbit.cancelled and not okx.cancelled
        lose(journal)
        await until(lambda: upbit.cancelled and okx.cancelled, 30)
        await until(lambda: [alert["what"] for alert in news(tmp_path)][-1:] == ["trouble"], 30)
        seen = read_watch_beat(tmp_path / WATCH_BEAT_FILE)
        assert seen is not None and time.time_ns() // 1_000_000 - seen.wall_ms < 5_000, "it no longer watches"
    assert [cid for cid, _ in upbit.open] == ["", "by-hand"]
    assert [cid for cid, _ in okx.open] == ["a1"], "an id of ours at another venue"
    problem = news(tmp_path)[-1]["problem"]
    assert "the journal cannot be read" in problem and says in problem


async def test_a_journal_that_cannot_be_read_is_said_once_and_read_when_it_can_be(tmp_path: Path, caplog):
    journal = tmp_path / JOURNAL
    fill_with_garbage(journal)
    with closing(Heart(tmp_path / BEAT_FILE)) as heart:
        async with watching(configured(tmp_path), dict) as watchdog:

            def beats_until(condition: Callable[[], object]) -> bool:
                heart.beat(0)
                return bool(condition())

            def unreadable() -> list[str]:
                return [message for message in caplog.messages if message.startswith("journal_unreadable")]

            await until(partial(beats_until, unreadable), 30)
            for _ in range(3):
                await watchdog._read_journal()
            assert len(unreadable()) == 1, "the same failure is said once"
            forget(journal)
            await watchdog._read_journal()
            await watchdog._read_journal()
            assert len(unreadable()) == 2, "another failure is said too"
            await journaled(journal, request("a1", "upbit"))
            await until(partial(beats_until, lambda: watchdog._own.holds("upbit", "a1")), 30)
            assert news(tmp_path) == []


async def test_where_no_engine_ever_beat_a_journal_is_not_missed(tmp_path: Path, caplog):
    caplog.set_level(logging.WARNING)
    async with watching(configured(tmp_path), dict):
        looks: set[int] = set()

        def looked_twice() -> bool:
            seen = read_watch_beat(tmp_path / WATCH_BEAT_FILE)
            looks.update([seen.wall_ms] if seen is not None else [])
            return len(looks) > 1

        await until(looked_twice, 30)
    assert [message for message in caplog.messages if "journal" in message] == []


async def test_disk_work_is_done_one_job_at_a_time_and_each_job_after_it_was_asked_for():
    """The first one hangs; who lost patience with it is followed by a job of its own only when that one has ended."""
    go_on = threading.Event()
    under_way: list[int] = []
    begun: list[int] = []

    def read() -> str:
        under_way.append(1)
        begun.append(len(under_way))
        go_on.wait(30)
        under_way.pop()
        return "read"

    aside = Aside()
    assert await aside.do(read, 0.05) == "no answer within 0.05 s"
    waiting = [asyncio.create_task(aside.do(read, 30)) for _ in range(3)]
    await asyncio.wait(waiting, timeout=0.05)
    assert begun == [1]
    go_on.set()
    done, _ = await asyncio.wait(waiting)
    assert [task.result() for task in done] == ["read"] * 3
    assert begun == [1, 1, 1, 1]


async def test_a_disk_that_hangs_on_the_latch_holds_up_no_cancel(tmp_path: Path):
    await journaled(tmp_path / JOURNAL, request("a1", "upbit"))
    upbit = Closable("upbit", "a1")
    beat_once(tmp_path)
    fresh = tmp_path / "latch.json.new"
    hang(fresh)
    async with watching(configured(tmp_path), lambda: {"upbit": at(upbit)}, lambda: 4 * time.monotonic_ns()):
        await until(lambda: upbit.cancelled, 30)
        seen = read_watch_beat(tmp_path / WATCH_BEAT_FILE)
        reader = os.open(fresh, os.O_RDONLY | os.O_NONBLOCK)  # who waits to write goes on
        fresh.unlink()
        await until(lambda: read_latch(tmp_path / "latch.json").level == 2, 30)
        os.close(reader)
        assert seen is not None and time.time_ns() // 1_000_000 - seen.wall_ms < 5_000, "it no longer watches"


async def test_a_journal_begun_anew_is_read_from_its_start_and_ids_of_the_former_stay_ours(tmp_path: Path):
    journal = tmp_path / JOURNAL
    own = await journaled(journal, request("a1", "upbit"), request("a2", "upbit"))
    await journaled(journal, request("a3", "upbit"))
    own.refresh()
    forget(journal)
    await journaled(journal, request("b1", "upbit"))
    own.refresh()
    assert [own.holds("upbit", cid) for cid in ("a1", "a2", "a3", "b1")] == [True] * 4


async def test_a_damaged_entry_is_a_failed_journal(tmp_path: Path):
    """Text that is no UTF-8 does not end the process that remembers what is ours."""
    journal = tmp_path / JOURNAL
    own = await journaled(journal, request("a1", "upbit"))
    await journaled(journal, request("a2", "upbit"))
    with closing(sqlite3.connect(journal)) as sql:
        damaged = b'{"orders":[{"cid":"\xff"}]}'
        sql.execute("UPDATE entries SET payload = ? WHERE seq = 2", (damaged,))
        sql.commit()
    with pytest.raises(JournalFailed):
        own.refresh()
    assert own.holds("upbit", "a1") and not own.holds("upbit", "a2")


@pytest.mark.timeout(300)
async def test_an_engine_that_dies_with_its_disk_has_its_orders_cancelled(tmp_path: Path):
    """The real engine at sandbox venues: killed, and its journal overwritten."""
    traded = ("upbit", "binance")
    world = WorldConfig(seed=5, episodes=False, houses=traded, step_s=0.05)
    async with Stage(StageConfig(world=world, run_dir=tmp_path, overlay=overlay(traded), traded=traded)) as stage:
        config = load(CONFIGS, (stage.overlay_path,))

        def build() -> Mapping[str, Orders]:
            keys = {name: stage.world.credentials[name] for name in traded}
            return {
                name: build_orders(name, config.venues[name], Credential(key=key.key, secret=key.secret))
                for name, key in keys.items()
            }

        floors = {name: stage.world.floors[name] for name in traded}
        await until(lambda: all(floor.exchange.book(market(floor).symbol)[0] for floor in floors.values()), 30)
        foreign = {name: rest_by_hand(floor) for name, floor in floors.items()}
        async with watching(config, build) as watchdog:
            await stage.engine.start()
            desk = Desk(stage, traded)
            await until(desk.ready, 240)

            def rests(name: str) -> list[Order]:
                return [order for order in ours(floors[name], foreign[name]) if order.state is State.OPEN]

            for name in traded:
                await desk.rest_at(name)
                await until(partial(rests, name), 60)
                [order] = rests(name)
                await until(partial(watchdog._own.holds, name, order.client_id), 60)

            os.kill(stage.engine.pid, signal.SIGKILL)
            fill_with_garbage(stage.data_dir / JOURNAL)

            await until(lambda: not any(rests(name) for name in traded), 60)
            for name, floor in floors.items():
                assert [order.end for order in ours(floor, foreign[name])] == [End.USER], name
                assert foreign[name].state is State.OPEN, f"the order of a person at {name} is {foreign[name].end}"
            await until(lambda: news(stage.data_dir)[-1]["what"] == "trouble", 60)
            assert "the journal cannot be read" in news(stage.data_dir)[-1]["problem"]
