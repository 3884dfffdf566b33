"""What happens by the clock on the wall, in the trader's time zone: the nightly roll-up, snapshots, pruning."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from engine.domain.errors import ConfigError

log = logging.getLogger(__name__)

_LATE_S = (
    3_600  # a loop that was held up this long still does the night's work; a later one leaves it to the next night
)


class Schedule:
    """Life: construct → `daily` … → a task runs `run` until it is cancelled.

    A job is an async function without arguments. It never overlaps itself, and several missed runs become one. One that
    fails is logged and tried again at its next time. What was missed while the engine was down is known to nobody here:
    such a job is given `also_at_start` and must bear being done twice.
    """

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._at_start: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._scheduler = AsyncIOScheduler(
            timezone=self._zone,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": _LATE_S},
        )
        self._scheduler.add_listener(_tell, EVENT_JOB_ERROR | EVENT_JOB_MISSED)

    def daily(self, name: str, at: str, job: Callable[[], Awaitable[None]], *, also_at_start: bool = False) -> None:
        """Every day at `at` ("00:05") of the time zone. Raises ConfigError for a time that is none."""
        try:
            hour, minute = (int(part) for part in at.split(":"))
            trigger = CronTrigger(hour=hour, minute=minute, timezone=self._zone)
        except ValueError as error:
            raise ConfigError(f"schedule {name}: {at!r} is not a time like 21:00") from error
        self._scheduler.add_job(job, trigger, id=name, name=name)
        if also_at_start:
            self._at_start.append((name, job))

    def next_run_ms(self, name: str) -> int:
        """When the job is due, wall clock UTC; for people and tests. Raises KeyError for an unknown name."""
        job = self._scheduler.get_job(name)
        if job is None:
            raise KeyError(name)
        due = getattr(job, "next_run_time", None)
        return round(due.timestamp() * 1_000) if due is not None else 0

    async def run(self) -> None:
        """Serve until cancelled."""
        self._scheduler.start()
        try:
            for name, job in self._at_start:
                self._scheduler.add_job(job, id=f"{name} at start", name=name)
            await asyncio.Event().wait()
        finally:
            self._scheduler.shutdown(wait=False)


def _tell(event: JobExecutionEvent) -> None:
    if event.code == EVENT_JOB_MISSED:
        log.warning("job_missed name=%r due=%s", event.job_id, event.scheduled_run_time.isoformat())
    else:
        log.error("job_failed name=%r reason=%r", event.job_id, event.exception)
