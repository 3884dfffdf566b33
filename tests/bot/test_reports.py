"""The daily report: at its time in the desk's zone, once, and late rather than never."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bot.app import wall_ms
from bot.report import due_since
from tests.bot.rig import OWNER, House

SEOUL = ZoneInfo("Asia/Seoul")
CASES = [  # why                              times                 now                 due
    ("not yet", ("21:00",), "2026-11-20 20:59", []),
    ("on the minute", ("21:00",), "2026-11-20 21:00", ["11-20 21:00"]),
    ("eleven hours late", ("21:00",), "2026-11-21 08:00", ["11-20 21:00"]),
    ("too late", ("21:00",), "2026-11-21 09:01", []),
    ("two a day", ("09:00", "21:00"), "2026-11-20 21:30", ["11-20 21:00"]),
    ("two are due, oldest first", ("20:00", "21:00"), "2026-11-20 21:30", ["11-20 20:00", "11-20 21:00"]),
]


@pytest.mark.parametrize("why, times, now, due", CASES, ids=[case[0] for case in CASES])
def test_due(why, times, now, due):
    moment = datetime.fromisoformat(now).replace(tzinfo=SEOUL)
    assert [found.strftime("%m-%d %H:%M") for found in due_since(times, "Asia/Seoul", moment)] == due


def test_the_zone_decides_and_not_the_machine():
    noon_utc = datetime.fromisoformat("2026-11-20 12:00+00:00")
    assert [due.hour for due in due_since(("21:00",), "Asia/Seoul", noon_utc)] == [21]
    assert due_since(("21:00",), "Europe/Berlin", noon_utc) == []


def minutes_from_now(minutes: int) -> str:
    local = datetime.fromtimestamp(wall_ms() / 1000, SEOUL)
    return datetime.fromtimestamp(local.timestamp() + 60 * minutes, SEOUL).strftime("%H:%M")


async def test_a_report_missed_while_the_bot_was_away_comes_once(house: House):
    """First run: nothing was missed. Then the time passes with no bot running; the next start sends it, one time."""
    phone, times = house.phone, (minutes_from_now(5),)
    async with house.engine():
        async with house.bot(report_times=times):
            await phone.finds(OWNER, "시작되었습니다")
        assert not [m for m in await phone.chat(OWNER) if m.photo]
        for _ in range(2):
            async with house.bot(ahead_ms=10 * 60_000, report_times=times):
                report = await phone.finds(OWNER, "일일 보고서")
                assert report.photo
    assert sum("일일 보고서" in m.text for m in await phone.chat(OWNER)) == 1


async def test_a_report_waits_for_the_engine(house: House):
    phone, times = house.phone, (minutes_from_now(5),)
    async with house.engine(), house.bot(report_times=times):
        await phone.finds(OWNER, "시작되었습니다")
    async with house.bot(ahead_ms=10 * 60_000, report_times=times):
        await phone.finds(OWNER, "엔진에 연결할 수 없습니다")
        async with house.engine():
            assert (await phone.finds(OWNER, "일일 보고서")).photo


async def test_the_first_start_missed_nothing(house: House):
    phone = house.phone
    async with house.engine(), house.bot(report_times=(minutes_from_now(-5),)):
        await phone.says(OWNER, "/status")
        await phone.finds(OWNER, "정상 가동")
        assert not [m for m in await phone.chat(OWNER) if m.photo]
