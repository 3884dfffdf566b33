"""The queue on disk, its workers against a real Bot API server, and a clock that moves when told."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.budget import Budget
from bot.delivery import ChatWorker, Parts, is_dead, revive
from bot.outbox import Outbox, Priority
from bot.sender import plain_text
from bot.store import Store
from bot.views.content import Button, Content, html
from tests.bot.rig import OWNER, TOKEN, TRADER, House

OK = Button(text="ok", data="n:noop")


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


class Desk:
    """An outbox with one worker per chat, stepped by hand."""

    def __init__(self, directory: Path, base: str) -> None:
        self.clock = Clock()
        self.store = Store(directory / "bot.db")
        self.outbox = Outbox(self.store, self.clock, edit_every_ms=4_000)
        self.bot = Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(base)))
        self.dead: list[int] = []
        self.late: list[Content | None] = []
        self._workers: dict[int, ChatWorker] = {}

    async def _render(self, chat_id: int, key: str, shown: Content | None) -> Content | None:
        return self.late[-1]

    async def _pin(self, chat_id: int, message_id: int) -> None:
        raise AssertionError("nothing is pinned here")

    def worker(self, chat_id: int = OWNER, per_minute: int = 100_000) -> ChatWorker:
        if chat_id not in self._workers:
            parts = Parts(
                bot=self.bot,
                store=self.store,
                outbox=self.outbox,
                renderers={"card": self._render},
                now_ms=self.clock,
                pin=self._pin,
                language_of=lambda chat_id: "en",
                on_dead=lambda chat_id, reason: self.dead.append(chat_id),
            )
            burst = 3 if per_minute < 1_000 else 100_000
            self._workers[chat_id] = ChatWorker(parts, chat_id, Budget(per_minute, burst, self.clock.ms))
        return self._workers[chat_id]

    async def drain(self, chat_id: int = OWNER) -> int:
        """Send until nothing may leave; how long the worker would wait."""
        for _ in range(200):
            if wait_ms := await self.worker(chat_id).step():
                return wait_ms
        raise AssertionError("the worker never rests")

    async def close(self) -> None:
        await self.bot.session.close()
        self.store.close()


@pytest.fixture
async def desk(house: House, tmp_path: Path):
    made = Desk(tmp_path, house.base)
    yield made
    await made.close()


async def test_urgent_first_and_each_key_once(house: House, desk: Desk):
    desk.outbox.post(OWNER, "card", Content(text="card"), Priority.CARD)
    desk.outbox.post(OWNER, "reply", Content(text="reply"), Priority.REPLY)
    desk.outbox.post(OWNER, "naked", Content(text="critical"), Priority.CRITICAL)
    assert not desk.outbox.post(OWNER, "reply", Content(text="again"), Priority.REPLY)
    await desk.drain()
    assert [m.text for m in await house.phone.chat(OWNER)] == ["critical", "reply", "card"]


async def test_edits_coalesce_to_the_newest(house: House, desk: Desk):
    desk.outbox.show(OWNER, "status", Content(text="one"), Priority.REPLY)
    await desk.drain()
    for text in ("two", "three", "four"):
        desk.outbox.show(OWNER, "status", Content(text=text, rows=((OK,),)), Priority.REPLY)
    await desk.drain()
    [message] = await house.phone.chat(OWNER)
    assert message.text == "four" and message.edits == 1
    desk.outbox.show(OWNER, "status", Content(text="four", rows=((OK,),)), Priority.REPLY)
    await desk.drain()
    assert (await house.phone.chat(OWNER))[0].edits == 1, "an identical wish costs nothing"


async def test_not_modified_is_as_good_as_done(house: House, desk: Desk):
    desk.outbox.show(OWNER, "x", Content(text="same"), Priority.REPLY)
    await desk.drain()
    desk.outbox.show(OWNER, "x", Content(text="<b></b>same"), Priority.REPLY)
    await desk.drain()
    assert desk.outbox.waiting(OWNER) == []


async def test_a_live_card_is_edited_at_its_pace(house: House, desk: Desk):
    desk.late.append(Content(text="v1"))
    desk.outbox.touch(OWNER, "card:o1", "card", Priority.CARD)
    await desk.drain()
    desk.late.append(Content(text="v2"))
    desk.outbox.renew(OWNER, "card:o1", "card")
    assert await desk.drain() == 4_000
    desk.late.append(Content(text="v3"))
    desk.clock.ms += 4_000
    await desk.drain()
    [message] = await house.phone.chat(OWNER)
    assert message.text == "v3" and message.edits == 1


async def test_a_card_that_ended_before_it_left_is_taken_back(house: House, desk: Desk):
    desk.late.append(Content(text="card"))
    desk.outbox.touch(OWNER, "card:o1", "card", Priority.CARD)
    assert desk.outbox.drop_unsent(OWNER, "card:o1")
    await desk.drain()
    assert await house.phone.chat(OWNER) == []


async def test_429_closes_its_own_chat_and_no_other(house: House, desk: Desk):
    await house.phone.fault(kind="too_many", next=1, chat_id=OWNER, retry_after_s=30)
    desk.outbox.post(OWNER, "a", Content(text="for Mina"), Priority.CRITICAL)
    desk.outbox.post(TRADER, "a", Content(text="for Tae"), Priority.CARD)
    assert await desk.drain(OWNER) > 30_000
    await desk.drain(TRADER)
    assert [m.text for m in await house.phone.chat(TRADER)] == ["for Tae"]
    calls = len(await house.phone.calls("sendMessage"))
    desk.clock.ms += 29_000
    await desk.drain(OWNER)
    assert len(await house.phone.calls("sendMessage")) == calls, "nothing is tried before retry_after is over"
    desk.clock.ms += 2_000
    await desk.drain(OWNER)
    assert [m.text for m in await house.phone.chat(OWNER)] == ["for Mina"]


async def test_a_refused_markup_leaves_as_plain_text(house: House, desk: Desk):
    desk.outbox.post(OWNER, "a", Content(text="<b>half &lt; open"), Priority.REPLY)
    await desk.drain()
    assert [m.text for m in await house.phone.chat(OWNER)] == ["half < open"]


async def test_a_text_that_is_too_long_is_cut_not_lost(house: House, desk: Desk):
    desk.outbox.post(OWNER, "a", Content(text="<b>" + "가" * 5_000 + "</b>"), Priority.REPLY)
    await desk.drain()
    [message] = await house.phone.chat(OWNER)
    assert len(message.text) == 4_096 and message.text.endswith("…")


async def test_many_short_messages_become_one(house: House, desk: Desk):
    for number in range(6):
        line = f"trade <b>{number}</b>"
        desk.outbox.post(OWNER, f"t{number}", Content(text=f"{line}\nlong", brief=line), Priority.FILL)
    desk.outbox.post(OWNER, "naked", Content(text="alone"), Priority.CRITICAL)
    await desk.drain()
    alone, together = await house.phone.chat(OWNER)
    assert alone.text == "alone"
    assert together.text.startswith("📥 6 notices") and all(f"trade {n}" in together.text for n in range(6))
    assert desk.outbox.waiting(OWNER) == []


async def test_a_blocked_chat_is_dead_until_its_person_returns(house: House, desk: Desk):
    await house.phone.block(OWNER)
    desk.outbox.post(OWNER, "a", Content(text="waits"), Priority.CRITICAL)
    await desk.drain()
    assert desk.dead == [OWNER] and is_dead(desk.store, OWNER)
    await house.phone.start(OWNER)
    assert revive(desk.store, desk.outbox, OWNER)
    await desk.drain()
    assert [m.text for m in await house.phone.chat(OWNER)] == ["waits"]


async def test_a_deleted_message_is_sent_anew(house: House, desk: Desk):
    desk.outbox.show(OWNER, "x", Content(text="one"), Priority.REPLY)
    await desk.drain()
    message_id = (await house.phone.chat(OWNER))[0].id
    async with aiohttp.ClientSession() as session:
        body = {"chat_id": OWNER, "message_id": message_id}
        async with session.post(f"{house.base}/bot{TOKEN}/deleteMessage", json=body) as answer:
            assert answer.status == 200
    desk.outbox.show(OWNER, "x", Content(text="two"), Priority.REPLY)
    await desk.drain()
    assert [m.text for m in await house.phone.chat(OWNER)] == ["two"]


async def test_an_outage_delays_and_loses_nothing(house: House, desk: Desk):
    await house.phone.fault(kind="drop", next=2)
    await house.phone.fault(kind="bad_gateway", next=1)
    desk.outbox.post(OWNER, "a", Content(text="at last"), Priority.FILL)
    for _ in range(3):
        wait_ms = await desk.drain()
        desk.clock.ms += wait_ms
    await desk.drain()
    assert [m.text for m in await house.phone.chat(OWNER)] == ["at last"]


async def test_what_waited_survives_a_restart(house: House, desk: Desk, tmp_path: Path):
    desk.outbox.post(OWNER, "a", Content(text="before"), Priority.FILL)
    await desk.close()
    again = Desk(tmp_path, house.base)
    again.outbox.post(OWNER, "a", Content(text="said twice"), Priority.FILL)
    await again.drain()
    assert [m.text for m in await house.phone.chat(OWNER)] == ["before"]
    await again.close()


async def test_a_wish_made_while_another_is_under_way_is_kept(house: House, desk: Desk):
    desk.outbox.show(OWNER, "x", Content(text="one"), Priority.REPLY)
    await house.phone.fault(kind="slow", next=1, delay_s=0.2)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(desk.worker().step())
        await asyncio.sleep(0)  # the step has read its row and waits for the server
        desk.outbox.show(OWNER, "x", Content(text="two"), Priority.REPLY)
    await desk.drain()
    assert (await house.phone.chat(OWNER))[0].text == "two"


@settings(max_examples=50)
@given(st.text(max_size=300))
def test_plain_text_undoes_the_escaping(text):
    assert plain_text(f"<b>{html(text)}</b>", 4_096) == text


def test_callback_data_is_held_to_its_64_bytes():
    with pytest.raises(ValueError, match="64 bytes"):
        Button(text="x", data="가" * 22)
