"""getUpdates: what is kept, what is acknowledged, who is thrown out."""

import asyncio
from functools import partial

from aiogram import Bot
from aiogram.exceptions import TelegramConflictError

from tests.sandbox_telegram.rig import MINJUN, TOKEN, Rig, fails_with, until

OTHER_POLLER = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
)  # fmt: skip


def texts(updates) -> list[str]:
    return [update["message"]["text"] for update in updates]


async def say(rig: Rig, *words: str) -> list[int]:
    return [(await rig.phone.text(MINJUN, word))["update_id"] for word in words]


async def test_an_update_stays_until_a_higher_offset(rig: Rig):
    first, second, third = await say(rig, "a", "b", "c")
    assert texts(await rig.result("getUpdates")) == ["a", "b", "c"]
    assert texts(await rig.result("getUpdates", limit=2)) == ["a"]  # within half a second the same offset gets one
    rig.clock.advance(4)
    assert texts(await rig.result("getUpdates", limit=2)) == ["a", "b"]
    assert texts(await rig.result("getUpdates", offset=second)) == ["b", "c"]
    assert texts(await rig.result("getUpdates", offset=first)) == ["b", "c"]  # "a" is gone for good
    assert await rig.result("getUpdates", offset=third + 1) == []
    assert (await rig.result("getWebhookInfo"))["pending_update_count"] == 0


async def test_a_negative_offset_keeps_the_last_ones(rig: Rig):
    await say(rig, "a", "b", "c", "d")
    assert texts(await rig.result("getUpdates", offset=-2)) == ["c", "d"]
    rig.clock.advance(4)
    assert texts(await rig.result("getUpdates")) == ["c", "d"]


async def test_an_offset_far_ahead_acknowledges_nothing(rig: Rig):
    [first] = await say(rig, "a")
    assert texts(await rig.result("getUpdates", offset=first + 100)) == ["a"]


async def test_a_client_that_died_finds_everything_again(rig: Rig, bot: Bot):
    """The poll of the dead client, still open on the server, swallows nothing."""
    dead = asyncio.ensure_future(bot.get_updates(timeout=30, request_timeout=60))
    await until(lambda: rig.clock.sleepers() == 1)
    dead.cancel()
    await asyncio.wait({dead})
    update_ids = await say(rig, "/kill", "b")
    rig.clock.advance(5)
    updates = await bot.get_updates(timeout=0)
    assert [update.update_id for update in updates] == update_ids
    assert [update.message.text for update in updates if update.message] == ["/kill", "b"]


async def test_messages_wait_a_day_and_presses_150_seconds(rig: Rig):
    markup = {"inline_keyboard": [[{"text": "go", "callback_data": "c"}]]}
    card = await rig.result("sendMessage", chat_id=MINJUN.id, text="card", reply_markup=markup)
    await say(rig, "a")
    await rig.phone.press(MINJUN, card["message_id"], data="c")
    rig.clock.advance(149)
    assert [set(update) - {"update_id"} for update in await rig.result("getUpdates")] == [
        {"message"},
        {"callback_query"},
    ]
    rig.clock.advance(2)
    assert texts(await rig.result("getUpdates")) == ["a"]
    rig.clock.advance(24 * 3600 - 152)
    assert texts(await rig.result("getUpdates")) == ["a"]
    rig.clock.advance(5)
    assert await rig.result("getUpdates", offset=-1) == []


async def test_a_long_poll_ends_with_the_first_update(rig: Rig):
    poll = asyncio.ensure_future(rig.result("getUpdates", timeout=50))
    await until(lambda: rig.clock.sleepers() == 1)
    await say(rig, "a")
    assert texts(await poll) == ["a"]


async def test_a_long_poll_ends_empty_after_its_time_and_never_later_than_50_s(rig: Rig):
    poll = asyncio.ensure_future(rig.result("getUpdates", timeout=500))
    await until(lambda: rig.clock.sleepers() == 1)
    rig.clock.advance(50.1)
    assert await poll == []


async def test_the_second_poller_throws_out_the_first(rig: Rig, bot: Bot):
    first = asyncio.ensure_future(fails_with(TelegramConflictError, bot.get_updates(timeout=30, request_timeout=60)))
    await until(lambda: rig.clock.sleepers() == 1)
    second = asyncio.ensure_future(rig.result("getUpdates", timeout=30, offset=-1))
    assert OTHER_POLLER in str(await first)
    await say(rig, "a")
    assert texts(await second) == ["a"]


async def test_the_next_conflict_within_three_seconds_is_answered_late(rig: Rig):
    async def poll(offset: int):
        return await rig.call("getUpdates", timeout=30, offset=offset)

    polls = []
    for number in range(3):
        polls.append(asyncio.ensure_future(poll(-1 - number)))
        await until(partial(_begun, rig, number + 1))
    status, answer = await polls[0]
    assert (status, answer["description"]) == (409, OTHER_POLLER)
    assert not polls[1].done()
    await until(lambda: rig.clock.sleepers() == 2)  # the third poll, and the late answer to the second
    rig.clock.advance(3)
    assert (await polls[1])[0] == 409
    rig.clock.advance(30)
    assert await polls[2] == (200, {"ok": True, "result": []})


def _begun(rig: Rig, polls: int) -> bool:
    return rig.server.state(TOKEN).poller.begun == polls


async def test_a_webhook_and_a_poll_exclude_each_other(rig: Rig, bot: Bot):
    poll = asyncio.ensure_future(rig.refusal("getUpdates", timeout=30))
    await until(lambda: rig.clock.sleepers() >= 1)
    await bot.set_webhook("https://desk.example/hook")
    assert await poll == (409, "Conflict: terminated by setWebhook request")
    status, description = await rig.refusal("getUpdates")
    assert status == 409 and description.startswith("Conflict: can't use getUpdates method while webhook is active")
    await bot.delete_webhook()
    assert await rig.result("getUpdates", offset=-1) == []


async def test_allowed_updates_are_remembered_and_do_not_look_back(rig: Rig):
    [first] = await say(rig, "before")
    assert texts(await rig.result("getUpdates", allowed_updates=["callback_query"])) == ["before"]
    assert await say(rig, "unwanted") == [0]
    assert await rig.result("getUpdates", offset=first + 1) == []
    await rig.result("getUpdates", offset=first + 2, allowed_updates=[])
    assert (await say(rig, "wanted"))[0] == first + 1


async def test_edits_and_forwards_are_marked(rig: Rig):
    sent = await rig.phone.text(MINJUN, "/status")
    await rig.phone.post(f"users/{MINJUN.id}/edit", message_id=sent["message_id"], text="/kill")
    await rig.phone.text(MINJUN, "/resume", forwarded_from="somebody")
    plain, edited, forwarded = await rig.result("getUpdates")
    assert plain["message"]["text"] == "/status"
    assert (edited["edited_message"]["text"], edited["edited_message"]["edit_date"] > 0) == ("/kill", True)
    assert forwarded["message"]["forward_origin"]["sender_user_name"] == "somebody"
    assert forwarded["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 7}]


async def test_a_loud_pin_comes_back_as_an_update(rig: Rig):
    sent = await rig.result("sendMessage", chat_id=MINJUN.id, text="live")
    for silent in (False, True):
        await rig.result(
            "pinChatMessage", chat_id=MINJUN.id, message_id=sent["message_id"], disable_notification=silent
        )
    [update] = await rig.result("getUpdates")
    assert update["message"]["pinned_message"]["message_id"] == sent["message_id"]
    assert update["message"]["from"]["is_bot"] is True
