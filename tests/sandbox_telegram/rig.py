"""A Bot API server on a real socket, under a clock that only moves when told."""

import asyncio
import struct
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from sandbox.telegram import BotApiServer, BotIdentity, Budget, Clock, Person, Settings

TOKEN = "700700:AAtest-token"
MINJUN = Person(id=11, first_name="민준", language_code="ko", username="minjun")
JANE = Person(id=12, first_name="Jane", language_code="en")
STRANGER = Person(id=13, first_name="Eve", language_code="en", started=False)
GENEROUS = Budget(per_chat_per_s=1e6, burst=10_000, per_chat_per_min=10_000, overall_per_s=10_000)
DEADLINE_S = 10


class ManualClock:
    """Time stands still until `advance`; sleepers wake in order when their moment has come."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000_000
        self.wall_offset_ns = 1_760_000_000_000_000_000
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.wall_offset_ns + self.now_ns

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now_ns + int(seconds * 1e9), woken))
        await woken

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)
        for moment, woken in self._sleepers:
            if moment <= self.now_ns and not woken.done():
                woken.set_result(None)
        self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[1].done()]

    def sleepers(self) -> int:
        return sum(not woken.done() for _, woken in self._sleepers)

    def as_clock(self) -> Clock:
        return Clock(monotonic_ns=self.monotonic_ns, wall_ns=self.wall_ns, sleep=self.sleep)


class Phone:
    """The scripted users' interface over HTTP."""

    def __init__(self, base_url: str, session: aiohttp.ClientSession) -> None:
        self.base_url = base_url
        self.session = session

    async def get(self, path: str, **query: Any) -> Any:
        async with self.session.get(f"{self.base_url}/phone/api/{path}", params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def post(self, path: str, expect: int = 200, **body: Any) -> Any:
        async with self.session.post(f"{self.base_url}/phone/api/{path}", json=body) as answer:
            assert answer.status == expect, await answer.text()
            return await answer.json()

    async def chat(self, person: Person, **query: Any) -> Any:
        return await self.get(f"users/{person.id}/chat", **query)

    async def text(self, person: Person, text: str, **more: Any) -> Any:
        return await self.post(f"users/{person.id}/text", text=text, **more)

    async def press(self, person: Person, message_id: int, **more: Any) -> Any:
        return await self.post(f"users/{person.id}/press", message_id=message_id, **more)


class Rig:
    """One server with its clock, its phone and a raw client."""

    def __init__(self, server: BotApiServer, clock: ManualClock, base_url: str, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.clock = clock
        self.base_url = base_url
        self.session = session
        self.phone = Phone(base_url, session)

    async def call(self, method: str, token: str = TOKEN, **params: Any) -> tuple[int, Any]:
        """(HTTP status, the whole answer)."""
        async with self.session.post(f"{self.base_url}/bot{token}/{method}", json=params) as answer:
            return answer.status, await answer.json()

    async def refusal(self, method: str, **params: Any) -> tuple[int, str]:
        status, answer = await self.call(method, **params)
        assert answer["ok"] is False, answer
        assert answer["error_code"] == status
        return status, answer["description"]

    async def result(self, method: str, **params: Any) -> Any:
        status, answer = await self.call(method, **params)
        assert status == 200 and answer["ok"] is True, answer
        return answer["result"]


def settings(clock: ManualClock, budget: Budget = GENEROUS) -> Settings:
    bots = (BotIdentity(token=TOKEN, username="premia_test_bot", first_name="Premia"),)
    return Settings(bots=bots, people=(MINJUN, JANE, STRANGER), clock=clock.as_clock(), budget=budget)


async def until(claim: Callable[[], bool]) -> None:
    """Gives the loop its turns until the claim holds; fails at a deadline of real time."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if claim():
                return
            await asyncio.sleep(0.002)


async def fails_with(error: type[Exception], doing: Awaitable[Any]) -> Exception:
    try:
        await doing
    except error as found:
        return found
    raise AssertionError(f"{error.__name__} was not raised")


def png(width: int, height: int, grey: int = 128) -> bytes:
    """A whole grey picture of that size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\x00" + bytes([grey]) * width) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """The segments a JPEG needs for its size to be read: start, a table, the frame, end."""
    table = b"\xff\xdb" + struct.pack(">H", 67) + bytes(65)
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + table + frame + b"\xff\xd9"
