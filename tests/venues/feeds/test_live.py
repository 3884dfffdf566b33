"""The feeds against the local venues, on real sockets: what is right, what breaks, and how it heals."""

import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.venues.feeds.rig import SYMBOLS, running
from tests.waiting import until

DELTAS = ("binance", "okx")


@asynccontextmanager
async def desk(venue, **more):
    """A world, and one feed in it with every book standing."""
    async with World(WorldConfig(seed=11, episodes=False)) as world:
        rest = world.urls[venue]["rest"]
        async with running(venue, rest.replace("http", "ws"), rest, SYMBOLS[venue], **more) as (feed, listener):
            await until(lambda: listener.all_synced(SYMBOLS[venue]))
            yield world, feed, listener


async def rest_book(session, venue, rest, symbol, count=5):
    """The venue's own word, best first, without what is no level."""
    paths = {
        "upbit": f"/v1/orderbook?markets={symbol}",
        "bithumb": f"/v1/orderbook?markets={symbol}",
        "binance": f"/api/v3/depth?symbol={symbol}&limit=100",
        "okx": f"/api/v5/market/books?instId={symbol}&sz=100",
    }
    async with session.get(rest + paths[venue]) as answer:
        body = await answer.json(content_type=None)
    if venue in ("upbit", "bithumb"):
        units = body[0]["orderbook_units"]
        sides = [[(unit[f"{side}_price"], unit[f"{side}_size"]) for unit in units] for side in ("bid", "ask")]
    else:
        book = body["data"][0] if venue == "okx" else body
        sides = [[row[:2] for row in book[side]] for side in ("bids", "asks")]
    found = [[(float(price), float(size)) for price, size in side if float(price) and float(size)] for side in sides]
    return sorted(found[0], reverse=True)[:count], sorted(found[1])[:count]


async def until_equal_to_rest(world, venue, listener):
    """Both move every 100 ms: at some moment before the deadline they must be the same."""
    async with aiohttp.ClientSession() as session:
        for symbol in SYMBOLS[venue]:

            async def same(symbol=symbol):
                theirs = await rest_book(session, venue, world.urls[venue]["rest"], symbol)
                return listener.top(symbol) is not None and listener.levels(symbol, 5) == theirs

            await until(same)


@pytest.mark.parametrize("venue", SYMBOLS)
async def test_books_equal_rest_and_trades_come(venue):
    async with desk(venue) as (world, feed, listener):
        await until_equal_to_rest(world, venue, listener)
        await until(lambda: listener.trades and listener.alive)
        counters = feed.counters()
        assert (counters["errors"], counters["gaps"], counters["reconnects"]) == (0, 0, 0)
        assert listener.told[0] == "up"


@pytest.mark.parametrize("venue", DELTAS)
async def test_a_gap_loses_the_book_and_a_new_base_brings_it_back(venue):
    async with desk(venue) as (world, feed, listener):
        symbol = SYMBOLS[venue][0]
        world.floors[venue].faults.arm(Fault(kind="ws_gap", symbol=symbol))
        await until(lambda: f"lost {symbol} gap" in listener.told)
        await until(lambda: feed.counters()["resyncs"] == 1)
        assert (feed.counters()["gaps"], feed.counters()["reconnects"]) == (1, 0)
        await until_equal_to_rest(world, venue, listener)


@pytest.mark.parametrize("venue", SYMBOLS)
async def test_a_malformed_frame_is_counted_kept_and_healed(venue, tmp_path):
    kept = tmp_path / "bad_frames" / f"{venue}.jsonl"
    async with desk(venue, bad_frames=kept) as (world, feed, listener):
        symbol = SYMBOLS[venue][0]
        world.floors[venue].faults.arm(Fault(kind="ws_malformed", symbol=symbol))
        await until(lambda: f"lost {symbol} bad_frame" in listener.told)
        await until(lambda: feed.counters()["resyncs"] >= 1 and listener.all_synced(SYMBOLS[venue]))
        await until(kept.is_file)
        rows = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
        assert len(rows) == feed.counters()["errors"] == 1
        assert symbol in rows[0]["data"]
        await until_equal_to_rest(world, venue, listener)


@pytest.mark.parametrize("venue", SYMBOLS)
async def test_a_cut_socket_comes_back_with_whole_books(venue):
    async with desk(venue) as (world, feed, listener):
        world.floors[venue].faults.arm(Fault(kind="ws_disconnect"))
        await until(lambda: "down" in listener.told)
        assert all(f"lost {symbol} reconnect" in listener.told for symbol in SYMBOLS[venue])
        await until(lambda: listener.told.count("up") == 2 and listener.all_synced(SYMBOLS[venue]))
        assert feed.counters()["reconnects"] == 1
        await until_equal_to_rest(world, venue, listener)


@pytest.mark.parametrize("venue", SYMBOLS)
async def test_a_silent_pair_is_found_out_while_its_siblings_speak(venue):
    async with desk(venue) as (world, feed, listener):
        symbol = SYMBOLS[venue][0]
        world.floors[venue].faults.arm(Fault(kind="ws_silence", symbol=symbol))
        await until(lambda: any(line.startswith(f"lost {symbol}") for line in listener.told), 20)
        first = next(line for line in listener.told if line.startswith("lost"))
        assert first == f"lost {symbol} silent"
        world.floors[venue].faults.clear("ws_silence")
        await until(lambda: listener.all_synced(SYMBOLS[venue]), 30)
        await until_equal_to_rest(world, venue, listener)
        assert feed.counters()["reconnects"] == 0  # its siblings kept their books


async def test_a_pair_that_stays_silent_costs_the_connection_in_the_end():
    async with desk("binance") as (world, feed, listener):
        symbol = SYMBOLS["binance"][0]
        world.floors["binance"].faults.arm(Fault(kind="ws_silence", symbol=symbol))
        await until(lambda: listener.told.count(f"lost {symbol} silent") == 2, 30)
        await until(lambda: feed.counters()["reconnects"] == 1)


@pytest.mark.parametrize("venue", SYMBOLS)
async def test_a_socket_that_says_nothing_more_is_dead(venue):
    async with desk(venue) as (world, feed, listener):
        world.floors[venue].faults.arm(Fault(kind="ws_half_open"))
        await until(lambda: listener.told.count("up") == 2 and listener.all_synced(SYMBOLS[venue]), 20)
        assert feed.counters()["reconnects"] == 1


@pytest.mark.parametrize("venue", SYMBOLS)
async def test_a_crossed_book_heals(venue):
    async with desk(venue) as (world, feed, listener):
        symbol = SYMBOLS[venue][0]
        world.floors[venue].faults.arm(Fault(kind="ws_crossed", symbol=symbol))
        await until(lambda: f"lost {symbol} crossed" in listener.told)
        await until(lambda: feed.counters()["resyncs"] >= 1 and listener.all_synced(SYMBOLS[venue]))
        await until_equal_to_rest(world, venue, listener)


async def test_a_venue_that_refuses_sockets_is_asked_again():
    async with desk("upbit") as (world, feed, listener):
        world.floors["upbit"].faults.arm(Fault(kind="ws_refuse", ms=600))
        world.floors["upbit"].faults.arm(Fault(kind="ws_disconnect"))
        await until(lambda: listener.told.count("up") == 2 and listener.all_synced(SYMBOLS["upbit"]), 20)
        assert listener.told.count("down") == 1  # said once, however often the door stays shut
        assert feed.counters()["reconnects"] == 1


async def test_a_base_that_rest_refuses_is_asked_for_again():
    async with desk("binance") as (world, feed, listener):
        symbol = SYMBOLS["binance"][0]
        world.floors["binance"].faults.arm(Fault(kind="rest_outage", ms=700))
        world.floors["binance"].faults.arm(Fault(kind="ws_gap", symbol=symbol))
        await until(lambda: f"lost {symbol} gap" in listener.told)
        await until(lambda: feed.counters()["resyncs"] == 1, 20)
        await until_equal_to_rest(world, "binance", listener)
