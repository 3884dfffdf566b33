"""Connections that live a second, against the local venues: nobody who reads the feed may notice."""

import pytest

from engine.venues.dialect import Patience
from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.venues.feeds.rig import running
from tests.waiting import until

SHORT_LIVED = Patience(silence_ms=60_000, dead_ms=5_000, max_life_ms=700)
VENUES = {  # venue -> its server, symbols
    "upbit": ("upbit", ("KRW-BTC", "KRW-ETH")),
    "binance": ("binance", ("BTCUSDT", "ETHUSDT")),
    "okx": ("okx", ("BTC-USDT", "ETH-USDT")),
    "bybit_linear": ("bybit", ("BTCUSDT", "ETHUSDT")),
    "gate_futures": ("gate", ("BTC_USDT", "ETH_USDT")),
    "bitget": ("bitget", ("BTCUSDT", "ETHUSDT")),
}


def addresses(world, venue):
    rest = world.urls[venue]["rest"]
    return rest.replace("http", "ws"), rest


@pytest.mark.parametrize("venue", VENUES)
async def test_books_and_trades_outlive_their_connections(venue):
    house, symbols = VENUES[venue]
    async with World(WorldConfig(seed=11, episodes=False, houses=(house,))) as world:
        ws, rest = addresses(world, venue)
        async with running(venue, ws, rest, symbols, patience=SHORT_LIVED) as (feed, heard):
            await until(lambda: heard.all_synced(symbols))
            await until(lambda: feed.counters()["rollovers"] >= 2 and feed.counters()["connections"] == 1, 20)
            counters = feed.counters()
            assert (counters["errors"], counters["gaps"], counters["reconnects"]) == (0, 0, 0)
            assert not [line for line in heard.told if line.startswith(("lost", "down"))]
            assert heard.all_synced(symbols)
            ids = [(trade.symbol, trade.trade_id) for trade in heard.trades]
            assert len(ids) == len(set(ids)) > 0


async def test_a_venue_that_announces_its_end_is_left_in_time():
    symbols = VENUES["okx"][1]
    async with World(WorldConfig(seed=11, episodes=False, houses=("okx",))) as world:
        ws, rest = addresses(world, "okx")
        async with running("okx", ws, rest, symbols) as (feed, heard):
            await until(lambda: heard.all_synced(symbols))
            (line,) = feed._lines.values()
            line.stream.on_message(b'{"event":"notice","code":"64008","msg":"upgrade","connId":"a4d3ae55"}', 1)
            await until(lambda: feed.counters()["rollovers"] == 1 and feed.counters()["connections"] == 1)
            assert [line.name for line in feed.health()] == ["okx-2"]
            assert not [line for line in heard.told if line.startswith(("lost", "down"))]


@pytest.mark.parametrize("venue", ["binance", "upbit"])
async def test_the_clock_of_a_venue_is_known_with_its_uncertainty(venue):
    symbols = VENUES[venue][1]
    async with World(WorldConfig(seed=11, episodes=False, houses=(venue,))) as world:
        world.floors[venue].faults.arm(Fault(kind="clock_offset", offset_ms=7_000, ms=60_000))
        ws, rest = addresses(world, venue)
        async with running(venue, ws, rest, symbols) as (feed, _heard):
            await until(lambda: feed.clock() is not None)
            await until(lambda: feed.clock().samples >= 2)
            found = feed.clock()
            assert abs(found.offset_ms - 7_000) <= found.uncertainty_ms + 1
            assert found.uncertainty_ms < (100 if venue == "binance" else 600)  # Date headers know whole seconds
