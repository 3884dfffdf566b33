"""The new feeds on real sockets: a server that plays a recording to whoever subscribes, and the books at the end."""

import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from engine.recordings import read_lines
from engine.venues.stream import Patience
from tests.venues.feeds.plain_replay import Plain
from tests.venues.feeds.rig import running
from tests.waiting import until

CALM = Patience(silence_ms=60_000, dead_ms=60_000)  # the tape ends, and nobody plays on


class Tape:
    """Frames of one recorded connection, and REST bodies by the symbol in their query."""

    def __init__(self, file, conn, serves):
        self.serves = serves
        lines = [line for line in read_lines(file) if line.dir == "in"]
        self.frames = [line.data for line in lines if line.conn == conn]
        self.bodies = {line.req.split("symbol=")[1].split("&")[0]: line.data for line in lines if "symbol=" in line.req}
        self.paths: list[str] = []
        self.heard: list[str] = []

    async def answer(self, request):
        if request.headers.get("Upgrade", "").lower() != "websocket":
            body = self.bodies.get(request.query.get("symbol", ""))
            return web.Response(status=200 if body else 404, text=body, content_type="application/json")
        self.paths.append(str(request.rel_url))
        if self.serves not in str(request.rel_url):
            raise web.HTTPNotFound
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if "streams=" not in request.query_string:
            self.heard.append((await socket.receive()).data)
        for frame in self.frames:
            await socket.send_str(frame)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.heard.append(message.data)
        return socket


@asynccontextmanager
async def playing(tape):
    app = web.Application()
    app.router.add_get("/{path:.*}", tape.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


CASES = [  # feed, folder, file, connection, symbols (there, here), address, first word
    (
        "bybit_linear",
        "bybit",
        "ws-v5-20260809-btc-sol-44s",
        "ws-linear",
        {"bybit_linear:BTCUSDT": "BTCUSDT", "SOLUSDT": "SOLUSDT"},
        "/v5/public/linear",
        {"op": "subscribe"},
    ),
    (
        "bybit",
        "bybit",
        "ws-v5-20260809-btc-sol-44s",
        "ws-spot",
        {"BTCUSDT": "BTCUSDT"},
        "/v5/public/spot",
        {"op": "subscribe"},
    ),
    (
        "bitget_futures",
        "bitget",
        "ws-v1-20220407-spot-mix-31s",
        "ws-mix",
        {"UNIUSDT": "UNIUSDT", "DASHUSDT": "DASHUSDT"},
        "/v2/ws/public",
        {"op": "subscribe"},
    ),
    (
        "binance_usdm",
        "binance_usdm",
        "ws-20210722-4sym-31s",
        "ws1",
        {symbol: symbol for symbol in ("SUSHIUSDT", "CTKUSDT", "AKROUSDT", "KEEPUSDT")},
        "/public/stream?streams=",
        None,
    ),
]


@pytest.mark.parametrize("venue, folder, name, conn, symbols, address, first", CASES, ids=[case[0] for case in CASES])
async def test_a_feed_on_a_socket_ends_in_the_books_of_a_plain_replay(
    shared, venue, folder, name, conn, symbols, address, first
):
    file = shared / "venues" / folder / f"{name}.jsonl.gz"
    tape, expected = Tape(file, conn, address), getattr(Plain(), folder)(file)
    books = {
        here: [[(float(price), float(size)) for price, size in side] for side in expected.books[there].levels()]
        for there, here in symbols.items()
    }
    async with playing(tape) as port:
        ws_base, rest_base = f"ws://127.0.0.1:{port}", f"http://127.0.0.1:{port}"
        async with running(venue, ws_base, rest_base, tuple(symbols.values()), patience=CALM) as (feed, listener):
            await until(lambda: listener.all_synced(tuple(symbols.values())))
            for symbol, sides in books.items():

                def stands(symbol: str = symbol, sides: object = sides) -> bool:
                    return [list(side) for side in listener.levels(symbol, 9_999)] == sides

                await until(stands)
            counters = feed.counters()
    assert any(path.startswith(address) for path in tape.paths)
    assert (counters["errors"], counters["gaps"], counters["reconnects"]) == (0, 0, 0)
    if first is not None:
        assert first.items() <= json.loads(tape.heard[0]).items()
