"""Jobs by the trader's clock."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from engine.domain.errors import ConfigError
from engine.schedule import Schedule
from tests.waiting import until

SEOUL = ZoneInfo("Asia/Seoul")


async def test_a_daily_job_is_due_at_local_time_and_done_at_start_where_asked():
    schedule = Schedule("Asia/Seoul")
    done: list[str] = []
    told = asyncio.Event()

    async def roll_up() -> None:
        done.append("roll_up")
        told.set()

    async def prune() -> None:
        done.append("prune")

    schedule.daily("roll_up", "00:05", roll_up, also_at_start=True)
    schedule.daily("prune", "04:30", prune)
    running = asyncio.create_task(schedule.run())
    await asyncio.wait_for(told.wait(), 10)
    for name, at in (("roll_up", (0, 5)), ("prune", (4, 30))):
        due = datetime.fromtimestamp(schedule.next_run_ms(name) / 1_000, SEOUL)
        assert (due.hour, due.minute) == at
        assert 0 < (due - datetime.now(SEOUL)).total_seconds() <= 86_400
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert done == ["roll_up"]


async def test_a_failing_job_is_told_and_harms_nobody(caplog):
    schedule = Schedule("UTC")
    told = asyncio.Event()

    async def fail() -> None:
        raise ValueError("no balances yet")

    async def work() -> None:
        told.set()

    schedule.daily("fail", "00:05", fail, also_at_start=True)
    schedule.daily("work", "00:05", work, also_at_start=True)
    running = asyncio.create_task(schedule.run())
    await asyncio.wait_for(told.wait(), 10)
    await until(lambda: "job_failed" in caplog.text)
    assert not running.done()
    assert "no balances yet" in caplog.text
    running.cancel()
    await asyncio.wait([running])


@pytest.mark.parametrize("at", ["25:00", "12", "noon", "12:61", ""])
def test_a_time_that_is_none_is_refused(at):
    with pytest.raises(ConfigError, match="schedule report"):
        Schedule("Asia/Seoul").daily("report", at, asyncio.Event().wait)  # type: ignore[arg-type]
