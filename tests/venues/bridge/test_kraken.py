"""Kraken through ccxt, against a local server of its dialect: our events, ccxt.pro alone, and the venue's own word."""

import asyncio
import json
import random
import time
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import aiohttp
import ccxt.pro  # type: ignore[import-untyped]
import pytest

from engine.domain.errors import ConfigError
from engine.domain.event import DayTicker
from engine.domain.market import FeeSide
from engine.venues.ccxt_bridge import CcxtBridge
from engine.venues.ccxt_client import Bridged, Fallback, make_client
from engine.venues.feeds import build_feed
from engine.venues.stream import Patience
from sandbox.faults import Fault
from sandbox.venues.kraken.feed import checksum
from sandbox.world import World, WorldConfig
from tests.venues.feeds.rig import Listener
from tests.waiting import until

SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT")
PATIENT = Patience(silence_ms=700, second_look_ms=200, dead_ms=1_500)


class Ear(Listener):
    """Also every book that was ever told, by symbol."""

    def __init__(self):
        super().__init__()
        self.history: dict[str, list[Any]] = {symbol: [] for symbol in SYMBOLS}
        self.tickers: list[DayTicker] = []

    def take(self, event):
        super().take(event)
        if isinstance(event, DayTicker):
            self.tickers.append(event)
        if type(event).__name__ == "BookSnapshot":
            self.history[event.symbol].append((event.bids, event.asks))


@asynccontextmanager
async def desk(symbols=SYMBOLS, levels=0, patience=PATIENT):
    """A world of one venue, and a bridge in it."""
    async with World(WorldConfig(seed=11, episodes=False, houses=("kraken",))) as world:
        rest = world.urls["kraken"]["rest"]
        ear = Ear()
        feed = build_feed(
            "kraken",
            ws_base=rest.replace("http", "ws"),
            rest_base=rest,
            symbols=symbols,
            sink=ear.take,
            clock_ns=time.monotonic_ns,
            rng=random.Random(3),
            top_of=ear.top,
            patience=patience,
            ccxt_id="kraken",
            levels=levels,
        )
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(feed.run())
            try:
                yield world, feed, ear
            finally:
                task.cancel()


def standing(world, symbol, depth):
    bids, asks = world.floors["kraken"].exchange.book(symbol)
    return [[(float(price), float(qty)) for price, qty in side[:depth]] for side in (bids, asks)]


def agrees(world, ear, symbol):
    return list(ear.levels(symbol, 10)) == standing(world, symbol, 10)


class Truth:
    """Every book that the venue ever showed: a Listener of its floor."""

    def __init__(self, world, depth):
        self.books: dict[str, list[Any]] = {symbol: [] for symbol in SYMBOLS}
        self._world, self._depth = world, depth
        world.floors["kraken"].listen(self)

    def book(self, symbol, at_ms):
        self.books[symbol].append(tuple(standing(self._world, symbol, self._depth)))

    def trade(self, trade): ...
    def raw(self, frame): ...
    def depth(self, symbol, update_id, bids, asks): ...


async def test_the_bridge_ccxt_alone_and_the_venue_agree_level_by_level():
    async with desk(levels=25) as (world, feed, ear):
        truth = Truth(world, 25)
        rest = world.urls["kraken"]["rest"]
        there = {"rest_base": rest, "ws_base": rest.replace("http", "ws")}
        theirs = make_client(Bridged(venue="kraken", ccxt_id="kraken", symbols=SYMBOLS, **there))
        seen: dict[str, list[Any]] = {symbol: [] for symbol in SYMBOLS}

        async def follow(symbol):
            while True:
                book = await theirs.watch_order_book(symbol, 25)
                seen[symbol].append(([tuple(row) for row in book["bids"]], [tuple(row) for row in book["asks"]]))

        try:
            async with asyncio.TaskGroup() as tasks:
                started = [tasks.create_task(follow(symbol)) for symbol in SYMBOLS]
                await until(lambda: all(len(ear.history[s]) > 40 and len(seen[s]) > 40 for s in SYMBOLS), 30)
                for task in started:
                    task.cancel()
        finally:
            await theirs.close()
        for symbol in SYMBOLS:  # neither showed a book that the venue did not have; one mixed level would be one
            assert [book for book in ear.history[symbol] if book not in truth.books[symbol]] == []
            assert [book for book in seen[symbol] if book not in truth.books[symbol]] == []
            assert len([book for book in seen[symbol] if book in ear.history[symbol]]) > 20
        assert ear.tickers and len({trade.symbol for trade in ear.trades}) == len(SYMBOLS)
        assert feed.counters()["gaps"] == feed.counters()["errors"] == feed.counters()["reconnects"] == 0
        assert len({(each.symbol, each.trade_id) for each in ear.trades}) == len(ear.trades)
        (line,) = feed.health()
        assert (line.state, line.symbols) == ("up", SYMBOLS)
        assert line.frames_per_s > 10
        assert abs(line.connected_since_ms / 1e3 - time.time()) < 60


async def test_the_catalogue_is_the_venues_word():
    async with World(WorldConfig(seed=11, episodes=False, houses=("kraken",))) as world:
        rest = world.urls["kraken"]["rest"]
        bridged = Bridged(venue="kraken", ccxt_id="kraken", rest_base=rest, ws_base=rest, symbols=(*SYMBOLS, "NO/USDT"))
        feed = CcxtBridge(bridged, lambda event: None, time.monotonic_ns, random.Random(3), lambda symbol: None)
        fallback = Fallback(maker_fee_bps=Decimal(1), taker_fee_bps=Decimal(2), fee_side=FeeSide.RECEIVED)
        found = {each.symbol: each for each in await feed.instruments(fallback)}
        await feed._client.close()
    assert set(found) == set(SYMBOLS)
    btc = found["BTC/USDT"]
    assert (btc.base, btc.quote, btc.ticks[0].tick, btc.qty_step) == ("BTC", "USDT", Decimal("0.1"), Decimal("1E-8"))
    assert (btc.min_qty, btc.min_notional) == (Decimal("0.00005"), Decimal("0.5"))
    assert (btc.maker_fee_bps, btc.taker_fee_bps, btc.source) == (Decimal(25), Decimal(40), "venue")


BREAKS = [  # why, fault, what the desk is told
    ("a crossed book", Fault(kind="ws_crossed", symbol="BTC/USDT"), "lost BTC/USDT crossed"),
    ("a broken frame", Fault(kind="ws_malformed", symbol="BTC/USDT"), "lost BTC/USDT "),
    ("the connection is cut", Fault(kind="ws_disconnect"), "lost ETH/USDT reconnect"),
]


@pytest.mark.parametrize("why, fault, told", BREAKS, ids=[case[0] for case in BREAKS])
async def test_what_breaks_is_lost_and_comes_back_whole(why, fault, told):
    async with desk() as (world, feed, ear):
        await until(lambda: ear.all_synced(SYMBOLS), 20)
        world.floors["kraken"].faults.arm(fault)
        await until(lambda: any(each.startswith(told) for each in ear.told), 20)
        await until(lambda: ear.all_synced(SYMBOLS), 20)
        for symbol in SYMBOLS:
            await until(partial(agrees, world, ear, symbol))
        assert feed.counters()["reconnects"] >= 1
        assert feed.counters()["resyncs"] >= 1


async def test_one_silent_pair_is_compared_with_rest_and_given_up():
    async with desk() as (world, _, ear):
        await until(lambda: ear.all_synced(SYMBOLS), 20)
        world.floors["kraken"].faults.arm(Fault(kind="ws_silence", symbol="BTC/USDT", ms=6_000))
        await until(lambda: any(each == "lost BTC/USDT silent" for each in ear.told), 20)
        await until(partial(agrees, world, ear, "BTC/USDT"), 20)


async def test_a_dead_socket_is_told_from_a_quiet_one():
    async with desk() as (world, _, ear):
        await until(lambda: ear.all_synced(SYMBOLS), 20)
        world.floors["kraken"].faults.arm(Fault(kind="ws_half_open"))
        await until(lambda: "down" in ear.told, 30)
        await until(lambda: ear.all_synced(SYMBOLS), 30)


async def test_a_symbol_that_the_venue_does_not_list_costs_the_others_nothing(caplog):
    async with desk(symbols=("BTC/USDT", "NO/USDT")) as (_, feed, ear):
        await until(lambda: ear.top("BTC/USDT") is not None, 20)
        assert "feed_symbol_unlisted venue=kraken symbol=NO/USDT" in caplog.text
        assert feed.counters()["reconnects"] == 0


@pytest.mark.parametrize("ccxt_id, says", [("nowhere", "ccxt streams no venue `nowhere`"), ("bitflyer", "bitflyer")])
def test_what_ccxt_cannot_stream_is_refused_before_the_start(ccxt_id, says):
    bridged = Bridged(venue="x", ccxt_id=ccxt_id, symbols=("BTC/USDT",))
    with pytest.raises(ConfigError, match=says):
        make_client(bridged)


async def test_the_local_server_signs_its_books_as_kraken_does():
    """The worked example of Kraken's guide to the v2 checksum, and every book of a second of traffic."""
    asks = ["45285.2 0.00100000", "45286.4 1.54571953", "45286.6 1.54571109", "45289.6 1.54560911"]
    asks += ["45290.2 0.15890660", "45291.8 1.54553491", "45294.7 0.04454749", "45296.1 0.35380000"]
    asks += ["45297.5 0.09945542", "45299.5 0.18772827"]
    bids = ["45283.5 0.10000000", "45283.4 1.54582015", "45282.1 0.10000000", "45281.0 0.10000000"]
    bids += ["45280.3 1.54592586", "45279.0 0.07990000", "45277.6 0.03310103", "45277.5 0.30000000"]
    bids += ["45277.3 1.54602737", "45276.6 0.15445238"]
    sides: list[Any] = [tuple(tuple(map(Decimal, row.split())) for row in side) for side in (bids, asks)]
    assert checksum(sides[0], sides[1], 1) == 3310070434
    async with World(WorldConfig(seed=11, episodes=False, houses=("kraken",))) as world, aiohttp.ClientSession() as web:
        checked = 0
        async with web.ws_connect(world.urls["kraken"]["ws"]) as socket:
            params = {"channel": "book", "symbol": ["BTC/USDT"], "depth": 10}
            await socket.send_json({"method": "subscribe", "params": params, "req_id": 7})
            book: dict[str, dict[Any, Any]] = {"bids": {}, "asks": {}}
            async with asyncio.timeout(10):
                while checked < 20:
                    frame = json.loads(await socket.receive_str(), parse_float=Decimal, parse_int=Decimal)
                    if frame.get("channel") != "book":
                        continue
                    row = frame["data"][0]
                    for side, best_last in (("bids", True), ("asks", False)):
                        if frame["type"] == "snapshot":
                            book[side] = {}
                        for level in row[side]:
                            book[side].pop(level["price"], None)
                            if level["qty"]:
                                book[side][level["price"]] = level["qty"]
                        book[side] = dict(sorted(book[side].items(), reverse=best_last)[:10])
                    assert checksum(tuple(book["bids"].items()), tuple(book["asks"].items()), 1) == row["checksum"]
                    checked += 1


def test_ccxt_itself_does_not_check_krakens_sums():
    """Why the bridge's word on Kraken is weaker than a native feed's: told in docs/plugins.md."""
    assert ccxt.pro.kraken().options["watchOrderBook"]["checksum"] is False
