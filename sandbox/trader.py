"""A scripted trader: reads the chat as a phone shows it, types, presses; asks the control door what is so."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

Message = dict[str, Any]


class SceneFailed(Exception):
    """A step of the scene did not hold: its name and what was seen."""


class Phone:
    """One person's chat with the bot, over the phone's own script interface."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, user_id: int) -> None:
        self._session = session
        self._root = f"{base_url}/phone/api/users/{user_id}"
        self._files = base_url
        self._revision = 0
        self.messages: dict[int, Message] = {}
        self.presses: dict[str, dict[str, Any]] = {}

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._session.post(f"{self._root}/{path}", json=body) as answer:
            made: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise SceneFailed(f"phone {path} {body}: {made}")
            return made

    async def refresh(self, timeout_ms: int = 0) -> None:
        """Read what changed; with a time-out, wait for a change."""
        query = {"since": self._revision, "timeout_ms": timeout_ms}
        async with self._session.get(f"{self._root}/chat", params=query) as answer:
            view = await answer.json()
        self._revision = view["revision"]
        for message in view["messages"]:
            self.messages[message["id"]] = message
        for deleted in view["deleted"]:
            self.messages.pop(deleted, None)
        for press in view["presses"]:
            self.presses[press["id"]] = press

    async def say(self, text: str) -> int:
        """Type a message: its id."""
        return int((await self._post("text", {"text": text}))["message_id"])

    async def press(self, message: Message, data: str, forced: bool = False) -> str:
        """Press a button by its data: the query id. `forced` presses data that the message no longer shows."""
        body = {"message_id": message["id"], "data": data, "forced": forced}
        return str((await self._post("press", body))["query_id"])

    async def answer_of(self, query_id: str, timeout_s: float = 20) -> str:
        """The text the bot answered a press with."""
        await self.until(
            lambda: self.presses.get(query_id, {}).get("state") != "waiting", timeout_s, "an answer to a press"
        )
        return str(self.presses[query_id]["text"])

    async def until(self, holds: Callable[[], Any], timeout_s: float, what: str) -> Any:
        """Wait until `holds` gives something true. Raises SceneFailed naming `what`."""
        deadline = time.monotonic() + timeout_s
        while True:
            await self.refresh()
            found = holds()
            if found:
                return found
            left_ms = int((deadline - time.monotonic()) * 1000)
            if left_ms <= 0:
                tail = [m["text"][:120] for m in sorted(self.messages.values(), key=lambda m: m["id"])[-6:]]
                raise SceneFailed(f"no {what} within {timeout_s:g} s; the chat ends with {tail}")
            await self.refresh(min(left_ms, 500))

    def newest(self, pattern: str, after: int = 0, buttons: str = "") -> Message | None:
        """The bot's newest message above id `after` whose text matches, and (if given) one of whose buttons does."""
        for message in sorted(self.messages.values(), key=lambda item: -item["id"]):
            if message["mine"] or message["id"] <= after or not re.search(pattern, message["text"]):
                continue
            if not buttons or button(message, buttons):
                return message
        return None

    async def download(self, message: Message) -> bytes:
        """The bytes of a picture in the chat."""
        async with self._session.get(f"{self._files}{message['photo']['url']}") as answer:
            return await answer.read()


def button(message: Message, pattern: str) -> str:
    """Callback data of the first button whose label matches; "" where there is none."""
    for row in message["buttons"]:
        for item in row:
            if re.search(pattern, item["text"]) and item.get("callback_data"):
                return str(item["callback_data"])
    return ""


class Door:
    """The control door as any client sees it: HTTP on a Unix socket."""

    def __init__(self, socket: Path, actor: str) -> None:
        self._socket = socket
        self._headers = {"X-Premia-Actor": actor}

    async def get(self, path: str) -> Any:
        """The JSON of a path. Raises aiohttp.ClientError while nobody listens."""
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._socket)), headers=self._headers) as session,
            session.get(f"http://premia{path}") as answer,
        ):
            return await answer.json()

    async def post(self, path: str, request_id: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A command's answer, whether it was obeyed or not. Raises aiohttp.ClientError while nobody listens."""
        headers = {**self._headers, "X-Request-Id": request_id}
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._socket)), headers=headers) as session,
            session.post(f"http://premia{path}", json=body) as answer,
        ):
            made: dict[str, Any] = await answer.json()
            return made

    async def until(self, path: str, holds: Callable[[Any], Any], timeout_s: float, what: str) -> Any:
        """Poll a path until `holds` gives something true. Raises SceneFailed naming `what`."""
        deadline = time.monotonic() + timeout_s
        seen: Any = None
        while time.monotonic() < deadline:
            try:
                seen = await self.get(path)
                found = holds(seen)
                if found:
                    return found
            except aiohttp.ClientError as error:
                seen = str(error)
            await asyncio.sleep(0.1)
        raise SceneFailed(f"no {what} within {timeout_s:g} s; {path} says {str(seen)[:600]}")
