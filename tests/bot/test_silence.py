"""Telegram away for ten minutes: one critical line, a halt where the desk asks for it, and word once it is back."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.app import App, serve
from bot.outbox import Priority
from bot.poll import Poller
from bot.views.content import Content
from engine.domain import command as given
from tests.bot.rig import OWNER, PACE, TOKEN, TRADER, VIEWER, House
from tests.waiting import until

EVENING_MS = 1_763_640_180_000  # 11-20 21:03 in Seoul


class Clock:
    """Seconds that pass between two readings: ten minutes of looks take no time at all."""

    def __init__(self, step_s: float = 0) -> None:
        self.step_s, self.at_s, self.readings = step_s, 1_000.0, 0

    def __call__(self) -> float:
        self.at_s += self.step_s
        self.readings += 1
        return self.at_s


def critical(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.CRITICAL]


@asynccontextmanager
async def bot_by_hand(house: House, clock: Clock, wall_ms: int = EVENING_MS, **telegram: Any) -> AsyncIterator[App]:
    """A bot that looks only when the test says so and polls nothing."""
    async with App(house.config(**telegram), TOKEN, lambda: wall_ms, PACE, clock) as app:
        yield app


async def looks(app: App, clock: Clock, seconds: int) -> None:
    clock.step_s = 10
    for _ in range(seconds // 10):
        await app.silence.look()
    clock.step_s = 0


def halts(house: House) -> list[tuple[str, int, str]]:
    """(actor, level, reason) of each."""
    return [(actor, asked.level, asked.reason) for _, actor, asked in house.desk.asked if isinstance(asked, given.Halt)]


def waiting(app: App, person: int) -> list[str]:
    return [row.content.text for row in app.outbox.waiting(person)]


async def test_one_critical_line_each_time_it_is_lost_and_word_when_it_is_back(house: House, caplog):
    phone, clock = house.phone, Clock(step_s=20)
    await phone.fault(kind="drop", for_s=300)
    async with house.engine(), house.bot(now_s=clock, silent_minutes=2):
        await until(lambda: critical(caplog))
        await until(lambda: clock.readings > 20)
        assert len(critical(caplog)) == 1, "one line, however long it lasts"
        clock.step_s = 0
        await phone.heal()
        await phone.says(VIEWER, "/opps")
        back = await phone.finds(VIEWER, "Telegram is connected again")
        assert not back.silent and "/resume" not in back.text, "nothing was halted"
        await phone.finds(OWNER, "텔레그램에 다시 연결되었습니다")
        await phone.fault(kind="drop", for_s=300)
        caplog.clear()
        await phone.says(VIEWER, "/positions")  # ends the long poll; the next one is dropped
        await until(lambda: any(m.startswith("poll_failed") for m in caplog.messages))
        clock.step_s = 20
        await until(lambda: critical(caplog))
        clock.step_s = 0
    assert critical(caplog)[0].startswith("telegram_silent reason='Telegram has not answered for 2 min'")
    assert not halts(house), "only where the configuration asks for it"


async def test_where_asked_for_the_engine_is_halted_and_everybody_is_told_how_to_resume(house: House, caplog):
    phone, clock, desk = house.phone, Clock(step_s=20), house.desk
    await phone.fault(kind="drop", for_s=300)
    async with house.engine(), house.bot(now_s=clock, silent_halts=True):
        await until(lambda: desk.level == 1)
        clock.step_s = 0
        await phone.heal()
        await phone.says(OWNER, "/opps")
        await phone.finds(OWNER, r"(?s)텔레그램에 다시 연결.*L1 신규 진입 중지.*/resume")
        await phone.finds(TRADER, r"(?s)Telegram is connected again.*L1 no new entries.*/resume")
        await phone.finds(TRADER, r"(?s)L1 no new entries · bot.*10 min.*nobody can be asked or warned")
    reason = "Telegram has not answered for 10 min: nobody can be asked or warned"
    assert halts(house) == [("bot", 1, reason)]
    assert len(critical(caplog)) == 1


async def test_a_second_poller_is_silence_though_messages_get_out(house: House, caplog):
    """409: another process takes the taps. Nobody can answer, and nobody can stop."""
    clock = Clock()
    async with house.engine(), house.bot(now_s=clock, silent_minutes=2) as app, aiohttp.ClientSession() as session:
        await house.phone.finds(OWNER, "시작되었습니다")
        await until(lambda: house.server.state(TOKEN).poller.begun)
        rival = asyncio.create_task(session.post(f"{house.base}/bot{TOKEN}/getUpdates", json={"timeout": 25}))
        await house.phone.finds(OWNER, "다른 봇 프로세스가 같은 토큰을")
        clock.step_s = 20

        def speaking() -> list[str]:
            app.outbox.post(VIEWER, f"word:{clock.readings}", Content(text="a word"), Priority.CRITICAL)
            return critical(caplog)

        await until(speaking)
        assert sum(m.text == "a word" for m in await house.phone.chat(VIEWER)) > 2
        rival.cancel()
        await asyncio.wait([rival])


async def test_a_quiet_long_poll_is_an_answer(house: House):
    answers: list[float] = []
    async with bot_by_hand(house, Clock()) as app:
        poller = Poller(
            app.bot,
            app.store,
            app.handle,
            is_urgent=lambda update: False,
            on_conflict=lambda: None,
            answered=lambda: answers.append(time.monotonic()),
            progress=lambda: None,
            now_ms=lambda: 0,
            long_poll_s=1,
        )
        polling = asyncio.create_task(poller.run(app.stopping))
        await until(lambda: answers)
        app.stop()
        await polling


async def test_it_counts_from_the_start_of_the_bot_and_from_each_answer(house: House, caplog):
    clock = Clock()
    async with bot_by_hand(house, clock) as app:
        await looks(app, clock, 590)
        app.silence.answered()
        await looks(app, clock, 590)
        assert not critical(caplog)
        await looks(app, clock, 10)
    assert len(critical(caplog)) == 1


async def test_a_bot_that_stood_still_itself_has_not_heard_ten_minutes_of_silence(house: House, caplog):
    """A laptop's lid, a stopped process: the clock leaps, and Telegram had nobody to answer to."""
    clock = Clock()
    async with bot_by_hand(house, clock) as app:
        await looks(app, clock, 500)
        clock.at_s += 8 * 3_600
        await app.silence.look()
        assert not critical(caplog)
        await looks(app, clock, 100)
    assert len(critical(caplog)) == 1


async def test_a_refused_token_halts_before_the_process_ends(house: House, caplog):
    """401: it ends with 2 and is not started again, so that nobody would count ten minutes."""
    async with house.engine():
        with pytest.raises(ExceptionGroup):
            await serve(house.config(silent_halts=True), "1:revoked")
        async with bot_by_hand(house, Clock()) as app:
            app.silence.answered()
            await app.silence.look()
            assert "L1 no new entries" in waiting(app, TRADER)[0], "the right token was set"
    [(actor, level, reason)] = halts(house)
    assert (actor, level) == ("bot", 1) and "refuses the bot's token" in reason
    assert len(critical(caplog)) == 1 and "revoked" not in caplog.text


async def test_a_higher_level_is_not_lowered(house: House):
    clock = Clock()
    house.desk.level = 2
    async with house.engine(), bot_by_hand(house, clock, silent_halts=True) as app:
        await looks(app, clock, 620)
        app.silence.answered()
        await app.silence.look()
        assert "L2 stopped" in waiting(app, TRADER)[0]
    assert house.desk.level == 2
    assert [level for _, level, _ in halts(house)] == [1]


async def test_the_door_is_knocked_at_until_it_opens(house: House, caplog):
    clock = Clock()
    async with bot_by_hand(house, clock, silent_halts=True) as app:
        await looks(app, clock, 700)
        async with house.engine():
            await looks(app, clock, 30)
    assert house.desk.level == 1 and len(halts(house)) == 1
    assert sum(m.startswith("silence_not_halted") for m in caplog.messages) == 1, "not a line per knock"


async def test_nothing_is_halted_once_people_can_be_asked_again(house: House):
    clock = Clock()
    async with bot_by_hand(house, clock, silent_halts=True) as app:
        await looks(app, clock, 700)
        app.silence.answered()
        async with house.engine():
            await looks(app, clock, 100)
        assert "/resume" not in waiting(app, OWNER)[0]
    assert not halts(house)


async def test_a_bot_started_anew_tells_of_the_outage_and_does_not_halt_twice(house: House):
    """A person may have resumed by the door meanwhile: what was halted once for this outage is not halted again."""
    clock = Clock()
    async with house.engine():
        async with bot_by_hand(house, clock, silent_halts=True) as app:
            await looks(app, clock, 620)
        house.desk.level = 0
        async with bot_by_hand(house, clock, EVENING_MS + 1_800_000, silent_halts=True) as app:
            await app.silence.look()
            assert waiting(app, OWNER) == [], "started is not connected"
            await looks(app, clock, 620)
            app.silence.answered()
            await looks(app, clock, 50)
            [told] = waiting(app, TRADER)
    assert "11-20 21:03" in told and "11-20 21:33" in told and "L1 no new entries" in told
    assert len(halts(house)) == 1 and house.desk.level == 0
