"""429: how much is too much, and for how long."""

import math

import aiohttp
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramRetryAfter
from hypothesis import given
from hypothesis import strategies as st

from sandbox.telegram.budget import Spending
from sandbox.telegram.failures import ApiError
from sandbox.telegram.settings import Budget
from tests.sandbox_telegram.rig import JANE, MINJUN, TOKEN, Rig, fails_with, png

S = 1_000_000_000


async def test_the_sixth_message_at_once_waits_and_edits_count(strict_rig: Rig):
    rig = strict_rig
    async with Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(rig.base_url))) as bot:
        sent = await bot.send_message(MINJUN.id, "0")
        for number in range(4):
            await bot.edit_message_text(str(number + 1), chat_id=MINJUN.id, message_id=sent.message_id)
        error = await fails_with(TelegramRetryAfter, bot.send_message(MINJUN.id, "6"))
        assert isinstance(error, TelegramRetryAfter) and error.retry_after == 1
        assert await bot.send_message(JANE.id, "another chat is not held up")
        rig.clock.advance(1)
        assert await bot.send_message(MINJUN.id, "7")


async def test_answers_and_actions_are_free_and_a_refusal_names_its_wait(strict_rig: Rig):
    rig = strict_rig
    markup = {"inline_keyboard": [[{"text": "go", "callback_data": "c"}]]}
    for _ in range(5):
        card = await rig.result("sendMessage", chat_id=MINJUN.id, text="x", reply_markup=markup)
    for _ in range(40):
        pressed = await rig.phone.press(MINJUN, card["message_id"], data="c")
        assert await rig.result("answerCallbackQuery", callback_query_id=pressed["query_id"])
        assert await rig.result("sendChatAction", chat_id=MINJUN.id, action="typing")
    url = f"{rig.base_url}/bot{TOKEN}/sendMessage"
    async with rig.session.post(url, json={"chat_id": MINJUN.id, "text": "x"}) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert await answer.json() == {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests: retry after 1",
            "parameters": {"retry_after": 1},
        }


async def test_a_refused_text_costs_nothing(strict_rig: Rig):
    for _ in range(30):
        assert (await strict_rig.refusal("sendMessage", chat_id=MINJUN.id, text=""))[0] == 400
    assert await strict_rig.result("sendMessage", chat_id=MINJUN.id, text="x")


async def test_an_album_costs_its_pictures(strict_rig: Rig):
    form = aiohttp.FormData({"chat_id": str(MINJUN.id)})
    media = [f'{{"type":"photo","media":"attach://p{number}"}}' for number in range(8)]
    form.add_field("media", f"[{','.join(media)}]")
    for number in range(8):
        form.add_field(f"p{number}", png(8, 8, grey=number), filename="p.png")
    async with strict_rig.session.post(f"{strict_rig.base_url}/bot{TOKEN}/sendMediaGroup", data=form) as answer:
        assert answer.status == 200
    status, refused = await strict_rig.call("sendMessage", chat_id=MINJUN.id, text="x")
    assert (status, refused["parameters"]["retry_after"]) == (429, 4)


def test_twenty_in_a_minute():
    spending = Spending(Budget())
    for second in range(20):
        spending.spend(1, 1, second * S)
    with pytest.raises(ApiError) as refused:
        spending.spend(1, 1, 25 * S)
    assert refused.value.retry_after_s == 35
    spending.spend(2, 1, 25 * S)
    spending.spend(1, 1, 60 * S)


def test_thirty_in_a_second_over_all_chats():
    spending = Spending(Budget())
    for chat_id in range(30):
        spending.spend(chat_id, 1, 0)
    with pytest.raises(ApiError) as refused:
        spending.spend(99, 1, S // 2)
    assert refused.value.retry_after_s == 1
    spending.spend(99, 1, 2 * S)


def test_a_penalty_closes_the_chat_for_its_whole_length():
    spending = Spending(Budget(burst=1, penalty_s=30))
    spending.spend(1, 1, 0)
    for second, wait_s in [(0, 31), (10, 21), (30, 1)]:
        with pytest.raises(ApiError) as refused:
            spending.spend(1, 1, second * S)
        assert refused.value.retry_after_s == wait_s
    spending.spend(1, 1, 31 * S)


@given(st.lists(st.integers(0, 3 * S), min_size=1, max_size=80))
def test_whoever_waits_as_told_is_served(pauses_ns):
    """And nobody gets more than the bucket and the minute allow."""
    budget = Budget(per_chat_per_s=1.0, burst=5, per_chat_per_min=20)
    spending, now_ns, served_ns = Spending(budget), 0, []
    for pause_ns in pauses_ns:
        now_ns += pause_ns
        try:
            spending.spend(1, 1, now_ns)
        except ApiError as refused:
            now_ns += refused.retry_after_s * S
            spending.spend(1, 1, now_ns)
        served_ns.append(now_ns)
    for at, start_ns in enumerate(served_ns):
        within_10_s = [moment for moment in served_ns[at:] if moment < start_ns + 10 * S]
        within_60_s = [moment for moment in served_ns[at:] if moment < start_ns + 60 * S]
        assert len(within_10_s) <= budget.burst + math.ceil(10 * budget.per_chat_per_s)
        assert len(within_60_s) <= budget.per_chat_per_min
