"""The one way in for other processes: typed calls over a Unix socket or loopback TCP, and the event stream."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from pydantic import ValidationError

from engine.control import messages as m
from engine.control.calls import Commands, Query, Reads

__all__ = ["Commands", "Door", "DoorRefused", "DoorUnavailable", "Reads"]

__all__ = ["Commands", "Door", "DoorRefused", "DoorUnavailable", "Reads"]

_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class DoorUnavailable(Exception):
    """The engine did not answer: not running, restarting, or too slow. Nothing is known about a command's outcome."""


class DoorRefused(Exception):
    """The engine said no. `rule` names why, `text` has the numbers."""

    def __init__(self, status: int, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.status = status
        self.rule = rule
        self.text = text


class Door:
    """A connection to the engine's control door. Use as `async with Door(socket=path) as door`.

    `socket` is the path of the engine's Unix socket; else `url` is its loopback TCP address, with `token`.
    One Door serves many users: `door.reads(actor)` and `door.commands(actor)` speak for one of them.
    """

    def __init__(self, *, socket: Path | None = None, url: str = "", token: str = "", timeout_ms: int = 5_000) -> None:
        if (socket is None) == (not url):
            raise ValueError("give a socket path or a url, and only one of them")
        self._socket = socket
        self._base = url.rstrip("/") or "http://premia"
        self._token = token
        self._timeout_s = timeout_ms / 1_000
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.UnixConnector(path=str(self._socket)) if self._socket else aiohttp.TCPConnector()
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        self._session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def reads(self, actor: str) -> Reads:
        """`actor` is `telegram:<user id>`, `cli` or `bot`, as the engine's configuration names them."""
        return Reads(self, actor)

    def commands(self, actor: str) -> Commands:
        return Commands(self, actor)

    async def read(self, path: str, actor: str, query: Query) -> bytes:
        status, body = await self._exchange("GET", path, {"X-Premia-Actor": actor}, query=query)
        if status != 200:
            refusal = _refusal(status, body)
            raise DoorRefused(status, refusal.rule, refusal.text)
        return body

    async def command(self, path: str, actor: str, body: m.Message | None, request_id: str) -> m.Answer:
        """A refusal of any kind comes back as an Answer that is not `ok`; only DoorUnavailable is raised."""
        request_id = request_id or secrets.token_hex(16)
        headers = {"X-Premia-Actor": actor, "X-Request-Id": request_id, "Content-Type": "application/json"}
        data = body.model_dump_json().encode() if body is not None else b""
        status, answer = await self._exchange("POST", path, headers, data=data)
        try:
            return m.Answer.model_validate_json(answer)
        except ValidationError:
            refusal = _refusal(status, answer)
            return m.Answer(request_id=request_id, ok=False, rule=refusal.rule, text=refusal.text)

    async def _exchange(
        self, method: str, path: str, headers: dict[str, str], *, query: Query | None = None, data: bytes = b""
    ) -> tuple[int, bytes]:
        try:
            async with self._open().request(
                method, self._base + path, headers=headers, params=query or None, data=data or None
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DoorUnavailable(f"{method} {path}: {type(error).__name__} {error}") from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise DoorUnavailable("this door was never entered, or it is closed")
        return self._session

    async def events(self, actor: str, since: int = -1) -> AsyncIterator[m.Event]:
        """Every stored notice with an id above `since` (-1: from now on), then live ones, for ever; reconnects.

        Stored kinds are delivered at least once (keep the highest id and give it back after a restart); of live kinds
        only the newest per key. The first event of each (re)connection has kind `connected`: read again what is live.
        Raises DoorRefused when the engine knows this actor not.
        """
        failures = 0
        while True:
            try:
                async for event in self._stream(actor, since):
                    failures = 0
                    since = max(since, event.id, event.body.get("newest", -1) if since < 0 else -1)
                    yield event
            except DoorUnavailable:
                pass
            pause_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
            failures += 1
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def _stream(self, actor: str, since: int) -> AsyncIterator[m.Event]:
        try:
            async with self._open().ws_connect(
                f"{self._base}/ws/events?since={since}",
                headers={"X-Premia-Actor": actor},
                heartbeat=10.0,  # a dead engine behind a live socket is noticed within 15 s
                max_msg_size=4 * 1024 * 1024,
            ) as socket:
                async for frame in socket:
                    if frame.type is aiohttp.WSMsgType.TEXT:
                        yield m.Event.model_validate_json(frame.data)
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (401, 403):
                raise DoorRefused(error.status, "actor", f"the engine refused {actor}") from error
            raise DoorUnavailable(f"/ws/events: {error.status}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DoorUnavailable(f"/ws/events: {type(error).__name__} {error}") from error


def _refusal(status: int, body: bytes) -> m.Refusal:
    try:
        return m.Refusal.model_validate_json(body)
    except ValidationError:
        return m.Refusal(rule=f"http_{status}", text=body[:200].decode("utf-8", "replace"))
