"""Restarts, outages and rivals: no update is lost, no action is doubled, stops come first."""

import asyncio

import aiohttp
import msgspec
from aiogram.types import Update

from bot.poll import Poller
from engine.domain import command as given
from tests.bot.desk import opportunity
from tests.bot.rig import OWNER, TOKEN, TRADER, VIEWER, House
from tests.waiting import until


async def test_what_was_typed_while_the_bot_was_away_is_answered(house: House):
    phone = house.phone
    async with house.engine():
        async with house.bot():
            await phone.says(VIEWER, "/status")
            await phone.finds(VIEWER, "Running")
        for command in ("/opps", "/positions", "/why"):
            await phone.says(VIEWER, command)
        async with house.bot():
            await phone.finds(VIEWER, "No opportunity")
            await phone.finds(VIEWER, "No trade is under way")
            await phone.finds(VIEWER, "Nothing was refused")
            assert sum("Running" in m.text for m in await phone.chat(VIEWER)) == 1


async def test_old_commands_stop_at_any_age_and_never_add_risk(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine():
        await phone.says(OWNER, "/resume")
        await phone.says(OWNER, "/kill")
        async with house.bot(ahead_ms=60_000):
            await phone.finds(OWNER, r"60초 전에 보낸 명령|6\d초 전에 보낸 명령")
            await phone.finds(OWNER, "L2 정지")
    assert desk.level == 2
    assert not desk.commands(given.ResumeRequest)


async def test_stops_of_a_batch_come_first(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine():
        await phone.says(OWNER, "/resume")
        await phone.says(TRADER, "🛑 KILL")
        async with house.bot():
            await until(lambda: desk.commands(given.ResumeRequest) and desk.commands(given.Halt))
    asked = [command for _, _, command in desk.asked if isinstance(command, given.Halt | given.ResumeRequest)]
    assert [type(command) for command in asked] == [given.Halt, given.ResumeRequest]


async def test_an_update_that_is_handled_again_acts_once_and_answers_once(house: House):
    """Killed after the action and before its update was marked: Telegram delivers it again."""
    raw = {
        "update_id": 900,
        "message": {
            "message_id": 5,
            "date": 1_700_000_000,
            "chat": {"id": TRADER, "type": "private"},
            "from": {"id": TRADER, "is_bot": False, "first_name": "Tae"},
            "text": "/kill",
            "entities": [{"type": "bot_command", "offset": 0, "length": 5}],
        },
    }
    async with house.engine(), house.bot() as app:
        for _ in range(2):
            await app.handle(Update.model_validate(raw, context={"bot": app.bot}))
        await house.phone.finds(TRADER, "L2 stopped")
        app.outbox.ring()
        assert app.outbox.waiting(TRADER) == []
        assert sum("L2 stopped" in m.text for m in await house.phone.chat(TRADER)) == 1
    assert len(house.desk.commands(given.Halt)) == 1


async def test_updates_delivered_twice_are_handled_once(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.fault(kind="duplicate", next=3)
        for _ in range(3):
            await phone.says(TRADER, "/halt")
        await until(lambda: len(house.desk.commands(given.Halt)) >= 3)
        await phone.says(TRADER, "/venues")
        await phone.finds(TRADER, "Venues")
    assert len(house.desk.commands(given.Halt)) == 3


async def test_updates_in_another_order_are_each_handled_once(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        await phone.finds(OWNER, "시작되었습니다")
        await phone.fault(kind="reorder", next=1)
        await phone.says(OWNER, "/resume")
        await phone.says(TRADER, "/halt")
        await until(lambda: desk.commands(given.Halt) and desk.commands(given.ResumeRequest))
        await phone.says(TRADER, "/venues")
        await phone.finds(TRADER, "Venues")
    asked = [type(command) for _, _, command in desk.asked if isinstance(command, given.Halt | given.ResumeRequest)]
    assert asked == [given.Halt, given.ResumeRequest]


async def test_a_conflict_that_passes_is_an_alarm_once_and_loses_nothing(house: House):
    phone = house.phone
    async with house.engine(), house.bot():
        await phone.finds(OWNER, "시작되었습니다")
        await phone.fault(kind="conflict", next=2)
        await phone.says(VIEWER, "/status")
        await phone.finds(OWNER, "다른 봇 프로세스가 같은 토큰을")
        await phone.finds(VIEWER, "Running")
        assert sum("다른 봇 프로세스가" in m.text for m in await phone.chat(OWNER)) == 1


async def test_a_second_poller_is_an_alarm_and_no_end(house: House):
    phone = house.phone
    async with house.engine(), house.bot(), aiohttp.ClientSession() as session:
        await phone.finds(OWNER, "시작되었습니다")
        async with session.post(f"{house.base}/bot{TOKEN}/getUpdates", json={"timeout": 0}) as answer:
            assert answer.status == 200
        alarm = await phone.finds(OWNER, "다른 봇 프로세스가 같은 토큰을")
        assert not alarm.silent
        await phone.says(VIEWER, "/status")
        await phone.finds(VIEWER, "Running")


async def test_an_update_that_cannot_be_read_hides_no_neighbour(house: House):
    broken = {"update_id": 901, "message": {"message_id": "not a number"}}
    good = {
        "update_id": 902,
        "message": {
            "message_id": 6,
            "date": 1_700_000_000,
            "chat": {"id": VIEWER, "type": "private"},
            "from": {"id": VIEWER, "is_bot": False, "first_name": "Vera"},
            "text": "/opps",
            "entities": [{"type": "bot_command", "offset": 0, "length": 5}],
        },
    }
    async with house.engine(), house.bot() as app:
        poller = Poller(
            app.bot,
            app.store,
            app.handle,
            is_urgent=lambda update: False,
            on_conflict=lambda: None,
            answered=lambda: None,
            progress=lambda: None,
            now_ms=lambda: 0,
        )
        await poller.take([broken, good])
        await house.phone.finds(VIEWER, "No opportunity")


async def test_telegram_away_at_the_start_and_in_between(house: House):
    phone = house.phone
    await phone.fault(kind="drop", for_s=1.0)
    async with house.engine(), house.bot():
        await phone.says(VIEWER, "/opps")
        await phone.finds(VIEWER, "No opportunity")
        await phone.fault(kind="bad_gateway", next=3)
        await phone.says(VIEWER, "/positions")
        await phone.finds(VIEWER, "No trade is under way")


async def test_the_engine_away_at_the_start_then_back(house: House):
    phone = house.phone
    async with house.bot():
        lost = await phone.finds(OWNER, "엔진에 연결할 수 없습니다")
        assert not lost.silent
        await phone.says(VIEWER, "/status")
        await phone.finds(VIEWER, "cannot be reached.* try again")
        async with house.engine():
            await phone.finds(OWNER, "시작되었습니다|다시 연결되었습니다")
            house.desk.show(opportunity(1))
            await phone.finds(TRADER, "tether basis", button="✅ Execute")


async def test_a_kill_outlives_an_engine_that_is_away(house: House):
    phone, desk = house.phone, house.desk
    async with house.bot():
        await phone.says(TRADER, "/kill")
        await phone.finds(TRADER, "The moment it can, it is stopped")
    async with house.bot(), house.engine():
        await phone.finds(TRADER, "L2 stopped")
    assert desk.level == 2
    assert len(desk.commands(given.Halt)) == 1


async def test_a_card_loses_its_buttons_with_the_engine_and_gets_them_back(house: House):
    phone, desk = house.phone, house.desk
    async with house.bot():
        async with house.engine():
            desk.show(opportunity(1))
            card = await phone.finds(TRADER, "tether basis", button="✅ Execute")
        waiting = await phone.finds(TRADER, r"(?s)tether basis.*cannot be reached")
        assert waiting.id == card.id and not waiting.buttons
        async with house.engine():
            back = await phone.finds(TRADER, "tether basis", button="✅ Execute")
            assert back.id == card.id


async def test_a_card_that_ended_while_the_bot_was_away_is_closed(house: House):
    phone, desk = house.phone, house.desk
    async with house.engine():
        async with house.bot():
            desk.show(opportunity(1))
            desk.show(opportunity(2))
            await until(lambda: _cards(phone, 2))
            one = await phone.finds(TRADER, "tether basis", button="✅ Execute")
        del desk.known["o1"]
        desk.known["o2"] = opportunity(2, state="executing")
        desk.finish("o2")
        async with house.bot():
            gone = await phone.finds(TRADER, "The opportunity is gone")
            done = await phone.finds(TRADER, "Realised")
            assert {gone.id, done.id} >= {one.id}
            assert not gone.buttons and not done.buttons


async def _cards(phone, count: int) -> bool:
    return sum("tether basis" in m.text and bool(m.buttons) for m in await phone.chat(TRADER)) == count


async def test_a_notice_that_cannot_be_shown_takes_nobody_with_it(house: House, caplog):
    phone, desk = house.phone, house.desk
    async with house.engine(), house.bot():
        await phone.finds(OWNER, "시작되었습니다")
        desk.tell("alert", "odd", {"numbers": "not a mapping"})
        [sell, buy] = opportunity(1).legs
        desk.show(opportunity(1, legs=(msgspec.structs.replace(sell, side="sideways"), buy)))
        desk.show(opportunity(2))
        await phone.finds(OWNER, "테더 기준", button="✅ 체결")
        await phone.says(OWNER, "/kill")
        await phone.finds(OWNER, "L2 정지")
    assert any(m.startswith("event_not_shown") for m in caplog.messages)
    assert any(m.startswith("message_not_made") for m in caplog.messages)


async def test_one_summary_after_a_restart(house: House):
    phone = house.phone
    async with house.engine():
        async with house.bot():
            await phone.finds(OWNER, "엔진과 봇이 시작되었습니다")
        async with house.bot():
            await phone.finds(OWNER, "봇이 다시 시작되었습니다")
    assert len(await phone.chat(OWNER)) == 2


async def test_a_hanging_engine_does_not_keep_the_button_spinning(house: House):
    phone, desk = house.phone, house.desk
    async with house.bot():
        async with house.engine():
            desk.show(opportunity(1))
            card = await phone.finds(TRADER, "tether basis", button="✅ Execute")
            data = await phone.data_of(TRADER, card.id, "✅ Execute")

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async with await asyncio.start_unix_server(hang, house.directory / "control.sock"):
            answer = await phone.press_data(TRADER, card.id, data)
            took_ms = answer["answered_wall_ms"] - answer["pressed_wall_ms"]
        assert answer["text"] == "Working on it…"
        assert took_ms < 10_000
    assert not desk.commands(given.Confirm)
