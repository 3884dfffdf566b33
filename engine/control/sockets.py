"""The paths that push (R173): /ws/metrics, /ws/signals, /ws/events."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from engine.control.door import Desk
from engine.control.gate import Refused, reader
from engine.control.stream import Stream, frame, greeting

_METRICS_EVERY_S = 1.0
_CLOSE_POLICY = 1008


class Sockets:
    """A refused handshake is answered with 403, as on the other paths."""

    def __init__(self, desk: Desk, stream: Stream) -> None:
        self._desk = desk
        self._stream = stream

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_websocket_route("/ws/metrics", self.metrics)
        router.add_api_websocket_route("/ws/signals", self.signals)
        router.add_api_websocket_route("/ws/events", self.events)
        return router

    async def metrics(self, socket: WebSocket) -> None:
        """One JSON object per second."""

        async def push() -> None:
            while True:
                await socket.send_text(msgspec.json.encode(self._desk.metrics()).decode())
                await asyncio.sleep(_METRICS_EVERY_S)

        await _serve(socket, push)

    async def signals(self, socket: WebSocket) -> None:
        """Opportunities as they change, newest per opportunity."""
        place = self._stream.join(since=-1)

        async def push() -> None:
            while True:
                await place.wake.wait()
                place.wake.clear()
                for notice in place.unstored():
                    if notice.kind == "opportunity":
                        await socket.send_text(notice.body.decode())

        try:
            await _serve(socket, push)
        finally:
            self._stream.leave(place)

    async def events(self, socket: WebSocket, since: Annotated[int, Query()] = -1) -> None:
        """Stored notices above `since` in order, then everything as it comes. `since` -1: from now on."""
        place = self._stream.join(since)

        async def push() -> None:
            await socket.send_text(greeting(place.last_id, time.time_ns() // 1_000_000).decode())
            while True:
                await place.wake.wait()
                place.wake.clear()
                while stored := await self._stream.stored_after(place.last_id):
                    for notice in stored:
                        if not place.heard(notice):
                            await socket.send_text(frame(notice).decode())
                        place.last_id = notice.id
                for unstored in place.unstored():
                    await socket.send_text(frame(unstored).decode())

        try:
            await _serve(socket, push)
        finally:
            self._stream.leave(place)


async def _serve(socket: WebSocket, push: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `push` until the other side goes. What it says is not listened to."""
    try:
        await reader(socket)
    except Refused as refused:
        await socket.close(_CLOSE_POLICY, f"{refused.rule}: {refused.text}"[:120])
        return
    await socket.accept()

    async def listen() -> None:
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
        raise WebSocketDisconnect

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen())
            tasks.create_task(push())
    except* WebSocketDisconnect:
        pass
