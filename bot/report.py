"""The scheduled P&L report: at its times of day, once, and late rather than never when the bot was away."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from bot.faults import NOT_MADE
from bot.office import Office
from bot.outbox import Priority
from bot.views import reports
from bot.views.content import Content
from bot.views.reader import Reader
from engine.control.client import DoorRefused, DoorUnavailable
from engine.control.messages import PnlReport

log = logging.getLogger("premia.bot.report")

LATE_HOURS = 12  # a report missed by more than that is not sent any more


def report_content(reader: Reader, report: PnlReport, now_ms: int) -> Content:
    """The day's P&L under the report's own title."""
    content = reports.pnl(reader, report)
    title = reader.say("report.title", date=reader.moment(now_ms))
    return msgspec.structs.replace(content, text=f"{title}\n{content.text}")


def due_since(times: Sequence[str], zone: str, now: datetime) -> list[datetime]:
    """Every report time within the last LATE_HOURS, oldest first, in the desk's zone."""
    local = now.astimezone(ZoneInfo(zone))
    days = (local.date() - timedelta(days=1), local.date())
    moments = [datetime.combine(day, time.fromisoformat(text), tzinfo=ZoneInfo(zone)) for day in days for text in times]
    return sorted(moment for moment in moments if timedelta(0) <= local - moment <= timedelta(hours=LATE_HOURS))


class Reports:
    """A report stands in the outbox under its time: neither a restart nor two triggers send it twice."""

    def __init__(self, office: Office, retry_s: float) -> None:
        self._office = office
        self._retry_s = retry_s
        self._due = asyncio.Event()

    async def run(self) -> None:
        telegram, zone = self._office.config.telegram, self._office.config.time_zone
        scheduler = AsyncIOScheduler(timezone=ZoneInfo(zone))
        for text in telegram.report_times:
            moment = time.fromisoformat(text)
            trigger = CronTrigger(hour=moment.hour, minute=moment.minute, timezone=ZoneInfo(zone))
            scheduler.add_job(self._fall_due, trigger, misfire_grace_time=LATE_HOURS * 3600, coalesce=True)
        scheduler.start()
        try:
            while True:
                self._due.clear()
                if await self.send_due():
                    await self._due.wait()
                else:
                    await asyncio.sleep(self._retry_s)
        finally:
            scheduler.shutdown(wait=False)

    async def _fall_due(self) -> None:
        """A coroutine, for a plain function would be called in a thread, where an asyncio.Event wakes nobody."""
        self._due.set()

    async def send_due(self) -> bool:
        """Send what is due and was not sent. False when the engine could not give the figures: ask again."""
        now = datetime.fromtimestamp(self._office.now_ms() / 1000, UTC)
        moments = due_since(self._office.config.telegram.report_times, self._office.config.time_zone, now)
        if not moments:
            return True
        key = f"report:{moments[-1].isoformat(timespec='minutes')}"
        waiting = [
            user for user in self._office.config.telegram.users if self._office.outbox.find(user.id, key) is None
        ]
        if not waiting or self._is_first_start(key):
            return True
        try:
            report = await self._office.door.reads("bot").pnl(1)
        except (DoorUnavailable, DoorRefused) as error:
            log.warning("report_waits key=%s error=%s", key, error)
            return False
        for user in waiting:
            try:
                content = report_content(self._office.reader(user), report, self._office.now_ms())
            except NOT_MADE:
                log.exception("report_not_made key=%s user=%s", key, user.id)
                continue
            self._office.outbox.post(user.id, key, content, Priority.REPORT)
        self._office.store.remember("report.last", key)
        log.info("report_queued key=%s chats=%s", key, len(waiting))
        return True

    def _is_first_start(self, key: str) -> bool:
        """A bot that has never run missed nothing: its first report is the next one."""
        born_ms = int(self._office.store.fact("born_ms", "0"))
        due_ms = int(datetime.fromisoformat(key.removeprefix("report:")).timestamp() * 1000)
        return born_ms > due_ms
