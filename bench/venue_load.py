"""The other end of `bench.daemon`: ten venues' sockets on loopback, in a process of their own, at a rate asked for.

`serve` is that process's main. Over the pipe come rates in frames per second and the word `count`; a count goes back.
"""

import asyncio
import os
import re
import time
from multiprocessing.connection import Connection
from random import Random

import uvloop
from aiohttp import web
from msgspec import Struct, field
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from bench.tapes import COIN_USDT, KOREAN, KRW_PER_USDT, LEVELS_OF, VENUES, Shape, read_tape, shape, symbol_of

_FROM_REST = ("binance", "binance_usdm")
_COIN = re.compile(r"(C\d{3}|KRW-USDT|\"USDT\")", re.IGNORECASE)
_BEAT_S = 0.002
_ROUND_MS = 1_000


class _Market(Struct):
    """One symbol: where its tape stands and whom it is told to. `seq` 0: nobody has asked yet."""

    venue: str
    names: dict[bytes, int | bytes]
    shape: Shape
    seq: int = 0
    at: int = 0
    transport: WSTransport | None = None
    open: bool = False
    subscribed: set[str] = field(default_factory=set)

    def frame(self, template: bytes) -> bytes:
        self.seq += 1
        now_ms = time.time_ns() // 1_000_000
        return template % (self.names | {b"q": self.seq, b"p": self.seq - 1, b"t": now_ms, b"m": self.seq % _ROUND_MS})

    def next(self) -> bytes:
        found = self.shape.steps[self.at]
        self.at = (self.at + 1) % len(self.shape.steps)
        return self.frame(found)


class _Line(WSListener):
    """A connection of a feed. What it names is sent to it from then on; acknowledgements and pongs are not."""

    def __init__(self, load: "Load", venue: str, streams: str) -> None:
        self._load, self._venue, self._streams = load, venue, streams

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._load.subscribe(self._venue, self._streams, transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type is WSMsgType.TEXT:
            self._load.subscribe(self._venue, frame.get_payload_as_utf8_text(), transport)


class Load:
    def __init__(self, symbols: int, seed: int) -> None:
        self.sent = 0
        self._rate = 0
        self.markets: dict[tuple[str, str], _Market] = {}
        tapes = {source: read_tape(source) for source in set(LEVELS_OF.values())}
        for venue in VENUES:
            tape, krw = tapes[LEVELS_OF[venue]], KRW_PER_USDT if venue in KOREAN else 1.0
            coin, tether = shape(venue, tape, COIN_USDT * krw), shape(venue, tape, krw)
            for base in bases(venue, symbols):
                symbol = symbol_of(venue, base)
                names = {b"s": symbol.encode(), b"l": symbol.lower().encode(), b"b": base.encode()}
                self.markets[venue, base] = _Market(venue, dict(names), tether if base == "USDT" else coin)
        self.order = list(self.markets.values())
        Random(seed).shuffle(self.order)

    def subscribe(self, venue: str, text: str, transport: WSTransport) -> None:
        for name in dict.fromkeys(_COIN.findall(text)):
            market = self.markets.get((venue, name.strip('"').upper().removeprefix("KRW-")))
            if market is None or market.transport is transport:
                continue
            market.transport = transport
            if venue in _FROM_REST:
                continue  # its book begins with a REST answer; the first diff asks for it
            market.at = 0
            transport.send(WSMsgType.TEXT, market.frame(market.shape.whole))
            market.open = True

    def rest_book(self, venue: str, symbol: str) -> bytes:
        market = self.markets[venue, symbol.removesuffix("USDT")]
        market.at, market.open = 0, True
        return market.frame(market.shape.whole)

    async def play(self) -> None:
        """Each beat sends what the rate owes by now; after a pause of our own not more than 50 ms of it."""
        turn, owed, last = 0, 0.0, time.monotonic()
        while True:
            await asyncio.sleep(_BEAT_S)
            now = time.monotonic()
            owed, last = min(owed + (now - last) * self._rate, self._rate * 0.05), now
            for _ in range(int(owed)):
                market = self.order[turn]
                turn = (turn + 1) % len(self.order)
                owed -= 1
                if market.open and market.transport is not None and not market.transport.is_disconnected:
                    market.transport.send(WSMsgType.TEXT, market.next())
                    self.sent += 1

    async def obey(self, pipe: Connection) -> None:
        while True:
            await asyncio.sleep(0.01)
            while pipe.poll():
                asked = pipe.recv()
                if asked == "count":
                    pipe.send((self.sent, sum(market.open for market in self.order)))
                elif asked == "end":
                    return
                else:
                    self._rate = asked


def bases(venue: str, symbols: int) -> list[str]:
    coins = [f"C{number:03d}" for number in range(symbols)]
    return ["USDT", *coins[:-1]] if venue in KOREAN else coins


def serve(pipe: Connection, symbols: int, core: int) -> None:
    os.sched_setaffinity(0, {core})
    uvloop.run(_serve(pipe, symbols))


async def _serve(pipe: Connection, symbols: int) -> None:
    load, ports = Load(symbols, 1), {}
    for venue in VENUES:

        def listen(request: WSUpgradeRequest, venue: str = venue) -> WSListener:
            return _Line(load, venue, request.path.decode())

        server = await ws_create_server(listen, "127.0.0.1", 0)
        ports[venue] = server.sockets[0].getsockname()[1]

    async def depth(request: web.Request) -> web.Response:
        venue = "binance" if request.path.startswith("/api") else "binance_usdm"
        return web.Response(body=load.rest_book(venue, request.query["symbol"]), content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/api/v3/depth", depth), web.get("/fapi/v1/depth", depth)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pipe.send((ports, runner.addresses[0][1]))
    playing = asyncio.create_task(load.play())
    await load.obey(pipe)
    playing.cancel()
    await runner.cleanup()
