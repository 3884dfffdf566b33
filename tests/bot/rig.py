"""The real bot between a real Bot API server and a real control door, all on loopback in one process."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from msgspec import Struct

from bot.app import App, Pace, wall_ms
from bot.config import BotConfig, Telegram, User
from engine.control.door import Turnover
from engine.control.server import ControlServer
from engine.storage import database
from engine.storage.queries import Queries
from engine.storage.writer import Writer
from engine.strategies import curve
from sandbox.telegram import BotApiServer, BotIdentity, Budget, Person, Settings
from tests.bot.desk import TestDesk
from tests.waiting import until

TOKEN = "700700:AAcanary-token-that-no-log-may-hold"
VIEWER, TRADER, OWNER, STRANGER = 1, 2, 3, 666
PEOPLE = (
    Person(id=VIEWER, first_name="Vera"),
    Person(id=TRADER, first_name="Tae"),
    Person(id=OWNER, first_name="Mina", language_code="ko"),
    Person(id=STRANGER, first_name="Eve"),
)
USERS = (
    User(id=VIEWER, role="viewer", language="en", name="Vera"),
    User(id=TRADER, role="trader", language="en", name="Tae"),
    User(id=OWNER, role="owner", language="ko", name="Mina"),
)
PACE = Pace(warm_up=False, watch_every_s=0.1, report_retry_s=0.1)
GENEROUS = Budget(per_chat_per_s=1e6, burst=10_000, per_chat_per_min=10_000, overall_per_s=10_000)


class Message(Struct, frozen=True, kw_only=True):
    id: int
    text: str
    buttons: tuple[str, ...]  # their texts
    photo: bool
    silent: bool
    edits: int


class Phone:
    """What a person sees and does, over the sandbox's own interface."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self._base = base
        self._session = session

    async def _get(self, path: str, **query: Any) -> Any:
        async with self._session.get(f"{self._base}/phone/api/{path}", params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def _post(self, path: str, **body: Any) -> Any:
        async with self._session.post(f"{self._base}/phone/api/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def says(self, person: int, text: str, **more: Any) -> int:
        return int((await self._post(f"users/{person}/text", text=text, **more))["update_id"])

    async def edits(self, person: int, message_id: int, text: str) -> None:
        await self._post(f"users/{person}/edit", message_id=message_id, text=text)

    async def sent_id(self, person: int, text: str) -> int:
        return int((await self._post(f"users/{person}/text", text=text))["message_id"])

    async def presses(self, person: int, message: Message, button: str) -> dict[str, Any]:
        """Press the button whose text begins so; the bot's answer to it."""
        full = next(text for text in message.buttons if text.startswith(button))
        made = await self._post(f"users/{person}/press", message_id=message.id, button=full)
        return await self.answer(person, made["query_id"])

    async def press_data(self, person: int, message_id: int, data: str) -> dict[str, Any]:
        """A forged or repeated press: any data, whatever the message shows."""
        made = await self._post(f"users/{person}/press", message_id=message_id, data=data, forced=True)
        return await self.answer(person, made["query_id"])

    async def answer(self, person: int, query_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._get(f"users/{person}/presses/{query_id}", timeout_ms=8_000)
        return found

    async def data_of(self, person: int, message_id: int, button: str) -> str:
        chat = await self._get(f"users/{person}/chat")
        rows = next(m["buttons"] for m in chat["messages"] if m["id"] == message_id)
        return next(str(b["callback_data"]) for row in rows for b in row if b["text"].startswith(button))

    async def chat(self, person: int) -> list[Message]:
        """The bot's messages, oldest first."""
        chat = await self._get(f"users/{person}/chat")
        return [
            Message(
                id=m["id"],
                text=m["text"],
                buttons=tuple(b["text"] for row in m["buttons"] for b in row),
                photo=m["photo"] is not None,
                silent=m["silent"],
                edits=m["edits"],
            )
            for m in chat["messages"]
            if not m["mine"]
        ]

    async def finds(self, person: int, pattern: str, *, button: str = "", deadline_s: float = 20) -> Message:
        """Wait for a message whose text matches, with a button whose text begins so."""
        found: list[Message] = []

        async def there() -> bool:
            found[:] = [
                m
                for m in await self.chat(person)
                if re.search(pattern, m.text) and (not button or any(b.startswith(button) for b in m.buttons))
            ]
            return bool(found)

        try:
            await until(there, deadline_s)
        except TimeoutError:
            raise AssertionError(f"no {pattern!r} with {button!r} in {await self.chat(person)}") from None
        return found[-1]

    async def pinned(self, person: int) -> list[int]:
        return list((await self._get(f"users/{person}/chat"))["pinned"])

    async def calls(self, method: str) -> list[dict[str, Any]]:
        return list(await self._get("calls", method=method))

    async def fault(self, **fault: Any) -> None:
        await self._post("faults", **fault)

    async def heal(self) -> None:
        async with self._session.delete(f"{self._base}/phone/api/faults") as answer:
            assert answer.status == 200, await answer.text()

    async def start(self, person: int) -> None:
        await self._post(f"users/{person}/start")

    async def block(self, person: int) -> None:
        await self._post(f"users/{person}/block")

    async def commands(self, person: int) -> list[str]:
        return [c["command"] for c in await self._get(f"users/{person}/commands")]


class House:
    """Everything around the bot. The engine and the bot can be stopped and started again over the same files."""

    def __init__(self, directory: Path, desk: TestDesk, server: BotApiServer, base: str, phone: Phone) -> None:
        self.directory = directory
        self.desk = desk
        self.server = server
        self.base = base
        self.phone = phone

    async def call(self, url: str, /, **values: Any) -> None:
        """A call to the Bot API by somebody else who has the token."""
        async with aiohttp.ClientSession() as session, session.post(url, json=values) as answer:
            assert answer.status == 200, await answer.text()

    def config(self, **telegram: Any) -> BotConfig:
        values: dict[str, Any] = {
            "api_base": self.base,
            "users": USERS,
            "messages_per_minute": 100_000,
            "burst": 100_000,
            "card_edit_every_s": 0,
        }
        return BotConfig(
            instance="premia-test", data_dir=str(self.directory), telegram=Telegram(**{**values, **telegram})
        )

    @asynccontextmanager
    async def engine(self, turnover: Turnover | None = None) -> AsyncIterator[None]:
        store = database.create(database.sqlite_url(self.directory / "desk.db"))
        writer = Writer(store, on_problem=lambda problem: None)
        await writer.open()
        users = {f"telegram:{user.id}": user.role for user in USERS} | {"bot": "viewer"}
        server = ControlServer(self.desk, writer, Queries(store, "Asia/Seoul"), users, curve, turnover)
        writing = asyncio.create_task(writer.run())
        serving = asyncio.create_task(server.serve(self.directory / "control.sock"))
        try:
            await until(lambda: serving.done() or _accepts(self.directory / "control.sock"))
            yield
        finally:
            for task in (serving, writing):
                task.cancel()
                await asyncio.wait([task])
            await store.dispose()

    @asynccontextmanager
    async def bot(
        self, ahead_ms: int = 0, now_s: Callable[[], float] = time.monotonic, **telegram: Any
    ) -> AsyncIterator[App]:
        """A bot that runs until the block ends, stopped as SIGTERM would; its clock may run ahead of the world's."""
        config = self.config(**telegram)
        async with App(config, TOKEN, lambda: wall_ms() + ahead_ms, PACE, now_s) as app:
            running = asyncio.create_task(app.run())
            try:
                yield app
            finally:
                app.stop()
                await asyncio.wait([running])
                running.result()


async def _accepts(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def open_house(directory: Path, budget: Budget = GENEROUS) -> AsyncIterator[House]:
    settings = Settings(bots=(BotIdentity(token=TOKEN),), people=PEOPLE, budget=budget)
    server = BotApiServer(settings)
    async with AsyncExitStack() as stack:
        base = await server.start()
        stack.push_async_callback(server.stop)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield House(directory, TestDesk(), server, base, Phone(base, session))


Claim = Callable[[], Awaitable[bool]]
