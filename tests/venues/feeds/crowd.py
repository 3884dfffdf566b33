"""A venue on loopback that speaks Bybit's spot dialect to any number of sockets, and can misbehave towards some."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import ClientConnectionResetError, WSMsgType, web


class Crowd:
    """Every book moves in lockstep: update id n is the same everywhere, sizes tell n. Trades carry n as their id."""

    def __init__(self, every_s: float = 0.02) -> None:
        self.every_s = every_s
        self.now = 1
        self.sockets: dict[web.WebSocketResponse, set[str]] = {}
        self.peak = 0
        self.opened = 0
        self.subscribed: list[list[str]] = []  # by frame
        self.poison = ""  # a socket that subscribes it is closed at once
        self.bookless: set[str] = set()  # their trades come, their books do not
        self.unlisted = ""  # is acknowledged as the others are, and never served
        self.rest: list[bytes] = []  # what REST answers, one after the other, the last for ever
        self.rest_calls = 0
        self.deaf: set[web.WebSocketResponse] = set()  # are accepted, and get nothing
        self.deaf_from = 10**9  # the how-manieth socket on is deaf
        self.behind_ms: dict[web.WebSocketResponse, int] = {}  # its frames say they are so old

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.opened += 1
        if self.opened >= self.deaf_from:
            self.deaf.add(ws)
        self.sockets[ws] = set()
        self.peak = max(self.peak, len(self.sockets))
        try:
            async for message in ws:
                if message.type is not WSMsgType.TEXT:
                    continue
                said = json.loads(message.data)
                if said["op"] == "ping":
                    await ws.send_json({"op": "ping", "ret_msg": "pong", "success": True})
                elif said["op"] == "subscribe":
                    self.subscribed.append(said["args"])
                    if any(topic.endswith(f".{self.poison}") for topic in said["args"] if self.poison):
                        await ws.close(code=1008)
                        break
                    await self._subscribe(ws, said["args"])
        finally:
            del self.sockets[ws]
        return ws

    async def drown(self, ws: web.WebSocketResponse, frame: bytes) -> None:
        with suppress(ConnectionError):
            await ws.send_bytes(frame)

    async def orderbook(self, request: web.Request) -> web.Response:
        self.rest_calls += 1
        return web.Response(body=self.rest.pop(0) if len(self.rest) > 1 else self.rest[0])

    async def _subscribe(self, ws: web.WebSocketResponse, topics: list[str]) -> None:
        await ws.send_json({"success": True, "ret_msg": "", "op": "subscribe"})
        for topic in topics:
            kind, *_, symbol = topic.split(".")
            if kind == "orderbook" and ws not in self.deaf and symbol != self.unlisted:
                self.sockets[ws].add(symbol)
                await ws.send_bytes(self._book(ws, symbol, "snapshot"))

    def _book(self, ws: web.WebSocketResponse, symbol: str, kind: str) -> bytes:
        size = str(self.now)
        data = {"s": symbol, "b": [["100", size]], "a": [["101", size]], "u": self.now + 1, "seq": self.now}
        frame = {"topic": f"orderbook.50.{symbol}", "ts": self._ts(ws), "type": kind, "data": data, "cts": self._ts(ws)}
        return json.dumps(frame, separators=(",", ":")).encode()

    def _ts(self, ws: web.WebSocketResponse) -> int:
        return round(asyncio.get_running_loop().time() * 1e3) - self.behind_ms.get(ws, 0)

    def _trade(self, ws: web.WebSocketResponse, symbol: str) -> bytes:
        row = {"i": str(self.now), "T": self._ts(ws), "p": "100", "v": "1", "S": "Buy", "s": symbol, "BT": False}
        frame = {"topic": f"publicTrade.{symbol}", "ts": self._ts(ws), "type": "snapshot", "data": [row]}
        return json.dumps(frame, separators=(",", ":")).encode()

    async def play(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            self.now += 1
            for ws, symbols in list(self.sockets.items()):
                with suppress(ClientConnectionResetError):  # it went while we spoke
                    for symbol in list(symbols):
                        if symbol not in self.bookless:
                            await ws.send_bytes(self._book(ws, symbol, "delta"))
                        await ws.send_bytes(self._trade(ws, symbol))


@asynccontextmanager
async def crowd(**more: float) -> AsyncIterator[tuple[Crowd, str]]:
    """The venue and its address, scheme http."""
    venue = Crowd(**more)
    app = web.Application()
    app.router.add_get("/v5/public/spot", venue.websocket)
    app.router.add_get("/v5/market/orderbook", venue.orderbook)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with asyncio.TaskGroup() as tasks:
            play = tasks.create_task(venue.play())
            try:
                yield venue, f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                play.cancel()
    finally:
        await runner.cleanup()
