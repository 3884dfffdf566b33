"""A real uvicorn on a Unix socket, a real store in a file, the real client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.control.client import Door
from engine.control.door import Turnover
from engine.control.server import ControlServer
from engine.storage import database
from engine.storage.queries import Queries
from engine.storage.writer import Writer
from engine.strategies import curve
from tests.control.desk import MemoryDesk
from tests.waiting import until

USERS = {
    "telegram:1": "viewer",
    "telegram:2": "trader",
    "telegram:3": "owner",
    "bot": "viewer",
}
VIEWER, TRADER, OWNER, STRANGER = "telegram:1", "telegram:2", "telegram:3", "telegram:666"


class House:
    """One engine's door with what stands behind it; can be shut and opened again over the same files."""

    def __init__(self, directory: Path, engine: AsyncEngine, writer: Writer, desk: MemoryDesk) -> None:
        self.socket = directory / "control.sock"
        self.engine = engine
        self.writer = writer
        self.queries = Queries(engine, "Asia/Seoul")
        self.desk = desk


@asynccontextmanager
async def open_house(
    directory: Path, desk: MemoryDesk, tcp_port: int = 0, token: str = "", turnover: Turnover | None = None
) -> AsyncIterator[House]:
    engine = database.create(database.sqlite_url(directory / "desk.db"))
    writer = Writer(engine, on_problem=lambda problem: None)
    await writer.open()
    house = House(directory, engine, writer, desk)
    server = ControlServer(desk, writer, house.queries, USERS, curve, turnover)
    writing = asyncio.create_task(writer.run())
    serving = asyncio.create_task(server.serve(house.socket, tcp_port, token))
    try:
        await until(lambda: serving.done() or accepts(house.socket))
        yield house
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        writing.cancel()
        await asyncio.wait([writing])
        await engine.dispose()


async def accepts(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    writer.close()
    return True


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
async def house(tmp_path: Path, desk: MemoryDesk) -> AsyncIterator[House]:
    async with open_house(tmp_path, desk) as opened:
        yield opened


@pytest.fixture
async def door(house: House) -> AsyncIterator[Door]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(Door(socket=house.socket))
