"""The event stream: what is stored is never lost, what is live is never old."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import aiohttp
import msgspec
import pytest
import uvloop

from engine.control.client import Door, DoorRefused
from engine.control.messages import Event
from engine.control.stream import LIVE_KINDS, Stream
from engine.domain.effect import Notice, Severity
from tests.control.conftest import OWNER, STRANGER, VIEWER, open_house
from tests.storage.views import opportunity, trade
from tests.waiting import until


class Listener:
    """Collects what a door's stream says, until its block ends."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    @property
    def connections(self) -> int:
        return sum(event.kind == "connected" for event in self.heard)

    @property
    def texts(self) -> list[str]:
        return [event.alert().text for event in self.heard if event.kind == "alert"]


@asynccontextmanager
async def listening(door: Door, since: int = -1) -> AsyncIterator[Listener]:
    listener = Listener()

    async def listen() -> None:
        async with aclosing(door.events(VIEWER, since)) as events:  # type: ignore[type-var]
            async for event in events:
                listener.heard.append(event)

    task = asyncio.create_task(listen())
    try:
        await until(lambda: listener.connections or task.done())
        yield listener
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_stored_ones_come_first_then_live_ones(house, door, desk):
    for number in (1, 2, 3):
        desk.alert(number)
    await until(lambda: house.writer.newest_notice == 3)
    async with listening(door, since=1) as listener:
        await until(lambda: len(listener.texts) == 2)
        desk.alert(4)
        desk.tell("trade", "t1", trade(1, "3800.25", 1_000))
        await until(lambda: len(listener.heard) == 5)
    assert listener.texts == ["alert 2", "alert 3", "alert 4"]
    assert [event.id for event in listener.heard] == [0, 2, 3, 4, 5]
    assert listener.heard[-1].trade().id == "t1"
    assert listener.heard[1].severity == "crit"


async def test_from_now_on(house, door, desk):
    desk.alert(1)
    await until(lambda: house.writer.newest_notice == 1)
    async with listening(door) as listener:
        desk.alert(2)
        await until(lambda: listener.texts)
    assert listener.texts == ["alert 2"]


async def test_live_kinds_are_not_stored(house, door, desk):
    async with listening(door) as listener:
        desk.show(opportunity(1))
        desk.alert(1)
        await until(lambda: len(listener.heard) == 3)
    assert {event.kind: event.id for event in listener.heard[1:]} == {"opportunity": 0, "alert": 1}
    assert next(e for e in listener.heard if e.kind == "opportunity").opportunity().id == "o1"
    async with listening(door, since=0) as listener:
        await until(lambda: listener.texts)
    assert [event.kind for event in listener.heard] == ["connected", "alert"]


async def test_a_restarted_engine_goes_on_where_the_reader_was(tmp_path, desk):
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(Door(socket=tmp_path / "control.sock"))
        async with open_house(tmp_path, desk) as house:
            listener = await stack.enter_async_context(listening(door, since=0))
            desk.alert(1)
            await until(lambda: listener.texts == ["alert 1"])
        desk.listeners.clear()
        async with open_house(tmp_path, desk) as house:
            desk.alert(2)  # perhaps before the reader is back
            await until(lambda: listener.connections == 2)
            desk.alert(3)
            await until(lambda: len(listener.texts) == 3)
            assert house.writer.newest_notice == 3
    assert listener.texts == ["alert 1", "alert 2", "alert 3"]


async def test_a_slow_reader_loses_nothing_that_is_stored(house, desk):
    """It does not read while 1,500 alerts and 10,500 updates of 50 cards pass: more than the stream keeps at hand."""
    connector = aiohttp.UnixConnector(str(house.socket))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.ws_connect("http://premia/ws/events?since=0", headers={"X-Premia-Actor": VIEWER}) as socket:
            for number in range(1_500):
                desk.alert(number)
                for update in range(7):
                    found = opportunity((number * 7 + update) % 50)
                    desk.show(msgspec.structs.replace(found, updated_ms=number * 7 + update))
                if number % 100 == 0:
                    await asyncio.sleep(0)
            await until(lambda: house.writer.newest_notice == 1_500, 60)
            alerts: list[str] = []
            cards: dict[str, int] = {}
            updates = 0
            while len(alerts) < 1_500 or cards.get("o49", 0) < 10_450:
                event = Event.model_validate_json(await asyncio.wait_for(socket.receive_str(), 30))
                if event.kind == "alert":
                    alerts.append(event.alert().text)
                elif event.kind == "opportunity":
                    cards[event.key] = event.opportunity().updated_ms
                    updates += 1
    assert alerts == [f"alert {number}" for number in range(1_500)]
    assert len(cards) == 50
    assert updates < 10_500


async def test_an_alert_that_cannot_be_stored_still_rings(tmp_path, desk):
    async with open_house(tmp_path, desk) as house, Door(socket=house.socket) as door, listening(door) as listener:
        foreign = sqlite3.connect(tmp_path / "desk.db", isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        desk.alert(1)
        await until(lambda: listener.texts == ["alert 1"])
        assert listener.heard[-1].id == 0
        foreign.execute("ROLLBACK")
        foreign.close()
        await until(lambda: house.writer.newest_notice == 1)
        await until(lambda: not house.writer.problem)
        desk.alert(2)
        await until(lambda: len(listener.texts) == 2)
        assert listener.texts == ["alert 1", "alert 2"]  # the first is not rung again here
        assert (listener.heard[-1].id, house.writer.newest_notice) == (2, 2)


async def test_a_stranger_hears_nothing(door):
    with pytest.raises(DoorRefused) as refused:
        async for _ in door.events(STRANGER):
            raise AssertionError("nothing should come")
    assert refused.value.status == 403


@pytest.mark.parametrize("path, shown", [("/ws/metrics", "loop_lag_us"), ("/ws/signals", "profit_krw")])
async def test_r173(house, desk, path, shown):
    connector = aiohttp.UnixConnector(str(house.socket))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.ws_connect("http://premia" + path, headers={"X-Premia-Actor": VIEWER}) as socket:
            desk.tell("refusal", "r1", {"id": "r1"})
            desk.show(opportunity(1))
            for _ in range(2 if path == "/ws/metrics" else 1):
                assert shown in msgspec.json.decode(await asyncio.wait_for(socket.receive_str(), 10))


async def test_readers_are_let_go(house, desk):
    stream = desk.listeners[0].__self__
    assert isinstance(stream, Stream)
    async with Door(socket=house.socket) as door:
        async with listening(door), listening(door):
            await until(lambda: len(stream._readers) == 2)
        await until(lambda: not stream._readers)


def test_it_works_on_the_engines_own_loop(tmp_path, desk):
    """uvloop opens sockets and wakes threads in its own way."""

    async def scene() -> None:
        async with open_house(tmp_path, desk) as house, Door(socket=house.socket) as door, listening(door) as listener:
            assert stat.S_IMODE(house.socket.stat().st_mode) == 0o660
            assert (await door.commands(OWNER).halt(2, "drill")).ok
            desk.alert(1)
            await until(lambda: listener.texts)
        assert not house.socket.exists()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())


def test_only_what_may_be_lost_is_live():
    assert {"opportunity", "parent", "refusal"} == LIVE_KINDS
    assert Notice(kind="alert", key="", severity=Severity.INFO, wall_ms=0, body=b"").kind not in LIVE_KINDS
