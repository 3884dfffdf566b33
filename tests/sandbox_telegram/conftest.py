"""Servers and clients for every test here; each test has its own server on its own port."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from telegram import Bot as PtbBot
from telegram.request import HTTPXRequest

from sandbox.telegram import BotApiServer, Budget
from tests.sandbox_telegram.rig import TOKEN, ManualClock, Rig, settings


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def rig(clock: ManualClock) -> AsyncIterator[Rig]:
    async for built in _rig(BotApiServer(settings(clock)), clock):
        yield built


@pytest_asyncio.fixture
async def strict_rig(clock: ManualClock) -> AsyncIterator[Rig]:
    """With Telegram's budget instead of a generous one."""
    async for built in _rig(BotApiServer(settings(clock, Budget())), clock):
        yield built


@pytest_asyncio.fixture
async def bot(rig: Rig) -> AsyncIterator[Bot]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(rig.base_url))
    async with Bot(TOKEN, session=session) as client:
        yield client


@pytest_asyncio.fixture
async def ptb(rig: Rig) -> AsyncIterator[PtbBot]:
    async with PtbBot(
        TOKEN,
        base_url=f"{rig.base_url}/bot",
        base_file_url=f"{rig.base_url}/file/bot",
        request=HTTPXRequest(),
        get_updates_request=HTTPXRequest(),
    ) as client:
        yield client


async def _rig(server: BotApiServer, clock: ManualClock) -> AsyncIterator[Rig]:
    base_url = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Rig(server, clock, base_url, session)
    finally:
        await server.stop()
