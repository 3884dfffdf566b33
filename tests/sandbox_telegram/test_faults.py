"""What can go wrong, on request: each fault strikes whom it names, as often as it says."""

import asyncio

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramConflictError, TelegramNetworkError, TelegramRetryAfter, TelegramServerError
from aiohttp import web

from tests.sandbox_telegram.rig import JANE, MINJUN, TOKEN, Rig, fails_with, until


async def sent_texts(rig: Rig) -> list[str]:
    return [message["text"] for message in (await rig.phone.chat(MINJUN))["messages"]]


async def test_the_next_calls_are_429(bot: Bot, rig: Rig):
    await rig.phone.post("faults", kind="too_many", next=2, retry_after_s=7, methods=["sendMessage"], chat_id=MINJUN.id)
    assert await bot.send_message(JANE.id, "not meant")
    assert await bot.get_me()
    for _ in range(2):
        error = await fails_with(TelegramRetryAfter, bot.send_message(MINJUN.id, "x"))
        assert isinstance(error, TelegramRetryAfter) and error.retry_after == 7
    assert await bot.send_message(MINJUN.id, "through")
    assert await sent_texts(rig) == ["through"]


async def test_a_gateway_page_is_no_json(rig: Rig, bot: Bot):
    await rig.phone.post("faults", kind="bad_gateway", next=2)
    async with rig.session.post(f"{rig.base_url}/bot{TOKEN}/getMe") as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")
        assert "502 Bad Gateway" in await answer.text()
    await fails_with(Exception, bot.get_me())
    assert await bot.get_me()


@pytest.mark.parametrize("kind, arrived", [("drop", []), ("drop_after", ["x"])])
async def test_a_cut_connection_may_or_may_not_have_been_carried_out(rig: Rig, bot: Bot, kind, arrived):
    await rig.phone.post("faults", kind=kind, methods=["sendMessage"])
    await fails_with(TelegramNetworkError, bot.send_message(MINJUN.id, "x"))
    assert await sent_texts(rig) == arrived
    [call] = await rig.phone.get("calls", method="sendMessage")
    assert (call["status"], call["chat_id"], call["params"]["text"]) == (0, MINJUN.id, "x")


async def test_an_outage_lasts_its_time(rig: Rig):
    await rig.phone.post("faults", kind="drop", for_s=30)
    for _ in range(3):
        await fails_with(aiohttp.ServerDisconnectedError, rig.call("getMe"))
    rig.clock.advance(31)
    assert await rig.result("getMe")


async def test_a_slow_answer_comes_after_the_deed(rig: Rig):
    await rig.phone.post("faults", kind="slow", delay_s=9)
    call = asyncio.ensure_future(rig.result("sendMessage", chat_id=MINJUN.id, text="x"))
    await until(lambda: rig.clock.sleepers() == 1)
    assert await sent_texts(rig) == ["x"]
    rig.clock.advance(9)
    assert (await call)["text"] == "x"


async def test_an_acknowledged_update_comes_again(rig: Rig):
    await rig.phone.post("faults", kind="duplicate", next=1)
    first = (await rig.phone.text(MINJUN, "/kill"))["update_id"]
    second = (await rig.phone.text(MINJUN, "b"))["update_id"]
    ids = []
    for offset in (0, first + 1, second + 1, second + 2):
        ids.append([update["update_id"] for update in await rig.result("getUpdates", offset=offset)])
    assert ids == [[first, second], [first, second], [], []]


async def test_updates_come_after_the_ones_that_follow_them(rig: Rig):
    await rig.phone.post("faults", kind="reorder", next=1)
    first = (await rig.phone.text(MINJUN, "a"))["update_id"]
    assert await rig.result("getUpdates", offset=0) == []
    second = (await rig.phone.text(MINJUN, "b"))["update_id"]
    third = (await rig.phone.text(MINJUN, "c"))["update_id"]
    ids = []
    for offset, limit in ((1, 1), (second + 1, 100), (third + 1, 100)):
        got = await rig.result("getUpdates", offset=offset, limit=limit)
        ids.append([update["update_id"] for update in got])
    assert ids == [[second], [first, third], []] and first < second < third


async def test_what_is_held_back_is_let_go(rig: Rig):
    await rig.phone.post("faults", kind="reorder", next=2)
    held = [(await rig.phone.text(MINJUN, text))["update_id"] for text in ("a", "b")]
    async with rig.session.delete(f"{rig.base_url}/phone/api/faults") as answer:
        assert answer.status == 200
    assert [update["update_id"] for update in await rig.result("getUpdates")] == held


async def test_another_poller_is_said_to_be_there_as_often_as_asked(rig: Rig, bot: Bot):
    await rig.phone.post("faults", kind="conflict", next=2)
    assert await bot.get_me()
    for _ in range(2):
        error = await fails_with(TelegramConflictError, bot.get_updates())
        assert "terminated by other getUpdates request" in str(error)
    update_id = (await rig.phone.text(MINJUN, "a"))["update_id"]
    assert [update.update_id for update in await bot.get_updates()] == [update_id]
    await rig.phone.post("faults", kind="conflict", for_s=30)
    await fails_with(TelegramConflictError, bot.get_updates())
    rig.clock.advance(31)
    assert await bot.get_updates()


async def test_faults_can_be_seen_and_cleared(rig: Rig):
    await rig.phone.post("faults", kind="too_many", next=3)
    [armed] = await rig.phone.get("faults")
    assert (armed["fault"]["kind"], armed["left"]) == ("too_many", 3)
    async with rig.session.delete(f"{rig.base_url}/phone/api/faults") as answer:
        assert await answer.json() == []
    assert await rig.result("getMe")
    await rig.phone.post("faults", 400, kind="earthquake")
    await rig.phone.post("faults", 400, kind="drop", next=0)


async def test_a_webhook_gets_each_update_until_it_says_yes(rig: Rig):
    seen: list[tuple[str, str]] = []

    async def hook(request: web.Request) -> web.Response:
        seen.append((request.headers["X-Telegram-Bot-Api-Secret-Token"], (await request.json())["message"]["text"]))
        return web.Response(status=500 if len(seen) == 1 else 200)

    app = web.Application()
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    await rig.result("setWebhook", url=f"http://127.0.0.1:{port}/hook", secret_token="s3cret")
    await rig.phone.text(MINJUN, "a")
    await rig.phone.text(MINJUN, "b")
    await until(lambda: len(seen) == 1 and rig.clock.sleepers() >= 1)
    info = await rig.result("getWebhookInfo")
    assert info["last_error_message"] == "Wrong response from the webhook: 500 Internal Server Error"
    rig.clock.advance(1)
    await until(lambda: len(seen) == 3)
    assert seen == [("s3cret", "a"), ("s3cret", "a"), ("s3cret", "b")]
    await runner.cleanup()


async def test_a_server_error_is_one_for_aiogram(rig: Rig, bot: Bot):
    await rig.phone.post("faults", kind="bad_gateway")
    error = await fails_with(Exception, bot.get_me())
    assert isinstance(error, TelegramServerError) or "502" in str(error) or "decode" in str(error)
