"""A bot with aiogram's dispatcher and a scripted trader, on the machine's own clock: card, tap, receipt, a restart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest_asyncio
from aiogram import Bot, Dispatcher, F, Router
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.filters import Command
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

from sandbox.telegram import BotApiServer, BotIdentity, Person, Settings
from tests.sandbox_telegram.rig import TOKEN, Phone

TRADER = Person(id=11, first_name="민준", language_code="ko", started=False)
DEADLINE_MS = 20_000


def desk() -> Dispatcher:
    router = Router()

    @router.message(Command("opps"))
    async def card(message: Message) -> None:
        execute = InlineKeyboardButton(text="실행", callback_data="x:1")
        await message.answer("김프 +1.2 %", reply_markup=InlineKeyboardMarkup(inline_keyboard=[[execute]]))

    @router.message()
    async def echo(message: Message) -> None:
        await message.reply(f"? {message.text}")

    @router.callback_query(F.data == "x:1")
    async def receipt(query: CallbackQuery) -> None:
        await query.answer("보냈습니다")
        assert isinstance(query.message, Message)
        await query.message.edit_text("체결 <b>0.1 BTC</b>", parse_mode="HTML")

    dispatcher = Dispatcher()
    dispatcher.include_router(router)
    return dispatcher


@asynccontextmanager
async def running_bot(base_url: str) -> AsyncIterator[None]:
    """One life of the bot process: it acknowledges an update only after it is handled."""
    async with Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(base_url))) as bot:
        dispatcher = desk()

        async def poll() -> None:
            offset = 0
            while True:
                for update in await bot.get_updates(offset=offset, timeout=30, request_timeout=60):
                    await dispatcher.feed_update(bot, update)
                    offset = update.update_id + 1

        task = asyncio.create_task(poll())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest_asyncio.fixture
async def phone() -> AsyncIterator[Phone]:
    server = BotApiServer(Settings(bots=(BotIdentity(token=TOKEN),), people=(TRADER,)))
    base_url = await server.start()
    async with aiohttp.ClientSession() as session:
        yield Phone(base_url, session)
    await server.stop()


async def shown(phone: Phone, text: str):
    """The message with that text, waited for as a page waits."""
    since = 0
    async with asyncio.timeout(DEADLINE_MS / 1000):
        while True:
            view = await phone.chat(TRADER, since=since, timeout_ms=DEADLINE_MS)
            since = view["revision"]
            for message in view["messages"]:
                if message["text"] == text:
                    return message


async def test_card_tap_receipt_and_a_restart(phone: Phone):
    async with running_bot(phone.base_url):
        await phone.post(f"users/{TRADER.id}/start")
        await shown(phone, "? /start")
        await phone.text(TRADER, "/opps")
        card = await shown(phone, "김프 +1.2 %")
        tap = await phone.press(TRADER, card["id"], button="실행")
        path = f"users/{TRADER.id}/presses/{tap['query_id']}"
        press = await phone.get(path, timeout_ms=DEADLINE_MS)
        assert (press["state"], press["text"]) == ("answered", "보냈습니다")
        receipt = await shown(phone, "체결 0.1 BTC")
        assert (receipt["id"], receipt["buttons"], receipt["edited"]) == (card["id"], [], True)
        assert card["sent_ns"] < press["pressed_ns"] < press["answered_ns"] <= receipt["edited_ns"]
    await phone.text(TRADER, "while you were away")
    async with running_bot(phone.base_url):
        await shown(phone, "? while you were away")
    calls = await phone.get("calls")
    answered = [call["method"] for call in calls if call["method"] != "getUpdates"]
    assert answered == ["sendMessage", "sendMessage", "answerCallbackQuery", "editMessageText", "sendMessage"]
