"""A quiet pair is still right: a small venue of our own that repeats one pair and leaves the other alone."""

import asyncio
import json
from contextlib import asynccontextmanager

from aiohttp import web

from tests.venues.feeds.rig import running
from tests.waiting import until

UNITS = {"ask_price": 101.0, "bid_price": 100.0, "ask_size": 1.0, "bid_size": 2.0}


class SmallVenue:
    """Upbit's dialect: one book of A, then B every 30 ms; REST tells A as `units` say."""

    def __init__(self):
        self.units = dict(UNITS)
        self.subscribed: list[list[dict[str, object]]] = []
        self.sockets = 0
        self.rest_calls = 0
        self.delivers = True

    async def orderbook(self, request):
        self.rest_calls += 1
        return web.json_response(
            [{"market": request.query["markets"], "timestamp": 5, "orderbook_units": [self.units]}]
        )

    async def websocket(self, request):
        assert "Origin" not in request.headers
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.sockets += 1
        async with asyncio.TaskGroup() as tasks:
            talk = tasks.create_task(self._talk(ws))
            async for message in ws:
                self.subscribed.append(json.loads(message.data))
                if self.delivers:
                    await ws.send_bytes(_frame("KRW-A", 1))
            talk.cancel()
        return ws

    async def _talk(self, ws):
        for ts in range(1, 100_000):
            await ws.send_bytes(_frame("KRW-B", ts))
            await asyncio.sleep(0.03)


def _frame(code, ts):
    return json.dumps({"type": "orderbook", "code": code, "timestamp": ts, "orderbook_units": [UNITS]}).encode()


@asynccontextmanager
async def desk():
    venue = SmallVenue()
    app = web.Application()
    app.router.add_get("/websocket/v1", venue.websocket)
    app.router.add_get("/v1/orderbook", venue.orderbook)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with running("upbit", base.replace("http", "ws"), base, ("KRW-A", "KRW-B")) as (feed, listener):
            await until(lambda: listener.all_synced(("KRW-A", "KRW-B")))
            yield venue, feed, listener
    finally:
        await runner.cleanup()


async def test_a_quiet_pair_that_equals_rest_is_confirmed_and_keeps_its_book():
    async with desk() as (venue, feed, listener):
        await until(lambda: listener.told.count("confirmed KRW-A") >= 2)
        assert not [line for line in listener.told if line.startswith("lost")]
        assert listener.top("KRW-A") == (100.0, 101.0)
        assert (len(venue.subscribed), feed.counters()["reconnects"]) == (1, 0)


async def test_a_pair_that_differs_from_rest_twice_is_lost_and_subscribed_anew():
    async with desk() as (venue, _feed, listener):
        venue.units["bid_price"] = 99.0
        await until(lambda: "lost KRW-A silent" in listener.told)
        assert venue.rest_calls >= 2
        await until(lambda: len(venue.subscribed) == 2 and listener.top("KRW-A") == (100.0, 101.0))
        first, second = venue.subscribed
        assert first[1:] == second[1:]  # the whole list again: a second frame replaces the first
        assert first[1]["codes"] == ["KRW-A", "KRW-B"]
