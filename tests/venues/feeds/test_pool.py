"""Many connections to one venue: sharding, rollover without a gap, bad connections, health."""

import json
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from engine.domain.event import BookDelta, BookLost, BookSnapshot, TradePrint
from engine.net.clock import ClockOffset
from engine.venues.bybit.dialect import BybitDialect
from engine.venues.bybit.feed import BybitDecoder
from engine.venues.dialect import LineLimits, Patience, frames_of
from engine.venues.native import Native
from engine.venues.pool import _by_venue_clock, halves, shards
from engine.venues.protocol import ConnectionHealth
from tests.venues.feeds.crowd import crowd
from tests.venues.feeds.rig import Listener, running
from tests.waiting import until


def speaking(max_symbols, connects_per_second=200.0, **more):
    """Bybit's dialect with limits of our own."""

    class Dialect(BybitDialect):
        limits = LineLimits(max_symbols=max_symbols, **more)

    Dialect.connects_per_second = connects_per_second
    return Native(decoder=BybitDecoder, dialect=Dialect)


class Story(Listener):
    """Every event of a symbol in order."""

    def __init__(self):
        super().__init__()
        self.sizes: dict[str, list[float]] = {}
        self.ids: dict[str, list[int]] = {}  # of trades
        self.lost: list[str] = []

    def take(self, event):
        if isinstance(event, BookSnapshot | BookDelta) and event.bids:
            self.sizes.setdefault(event.symbol, []).append(event.bids[0][1])
        elif isinstance(event, TradePrint):
            self.ids.setdefault(event.symbol, []).append(int(event.trade_id))
        elif isinstance(event, BookLost):
            self.lost.append(f"{event.symbol} {event.reason}")
        super().take(event)


@asynccontextmanager
async def pool(symbols, native, patience, **venue):
    async with crowd(**venue) as (there, base):
        more = {"speaks": native, "patience": patience, "listener": Story()}
        async with running("bybit", base.replace("http", "ws"), base, symbols, **more) as (feed, story):
            yield there, feed, story


def names(count):
    return tuple(f"C{number:03}USDT" for number in range(count))


CALM = Patience(silence_ms=60_000, dead_ms=5_000)


async def test_a_hundred_and_twenty_sockets_share_the_symbols():
    symbols = names(240)
    async with pool(symbols, speaking(2), CALM, every_s=0.5) as (there, feed, story):
        await until(lambda: story.all_synced(symbols), 30)
        assert len(there.sockets) == 120
        assert [len(carried) for carried in there.sockets.values()] == [2] * 120
        health = feed.health()
        assert [line.state for line in health] == ["up"] * 120
        assert sorted(symbol for line in health for symbol in line.symbols) == sorted(symbols)
        assert sorted(symbol for line in story.lines.values() for symbol in line) == sorted(symbols)
        assert story.told.count("up") == 1
        assert (feed.counters()["reconnects"], feed.counters()["connections"]) == (0, 120)


async def test_connects_keep_the_venues_rate():
    async with pool(names(4), speaking(1, connects_per_second=5.0), CALM) as (there, _feed, story):
        await until(lambda: there.opened >= 1)
        await until(lambda: story.all_synced(names(1)))
        assert there.opened <= 2
        await until(lambda: there.opened == 4)


async def test_a_rollover_loses_nothing_and_repeats_nothing():
    symbols, life = names(6), Patience(silence_ms=60_000, dead_ms=5_000, max_life_ms=700)
    async with pool(symbols, speaking(3), life) as (there, feed, story):
        await until(lambda: story.all_synced(symbols))
        await until(lambda: feed.counters()["rollovers"] >= 6, 20)
        await until(lambda: all(len(story.ids.get(symbol, [])) > 50 for symbol in symbols))
        assert story.lost == []
        assert story.told.count("up") == 1
        assert "down" not in story.told
        for symbol in symbols:
            ids = story.ids[symbol]
            assert ids == list(range(ids[0], ids[-1] + 1))  # none twice, none late, none missed
            # A size is its update's number: forward by one; a snapshot of the fresh connection may repeat the last.
            steps = {int(after - before) for before, after in pairwise(story.sizes[symbol])}
            assert steps <= {0, 1}
        assert feed.counters()["reconnects"] == 0
        assert len(there.sockets) <= 4


async def test_more_lost_books_than_a_connection_may_subscribe_anew_heal_on_a_fresh_one():
    native = speaking(50)
    native.dialect.asks_per_minute = 2.0  # ten at once, then one in half a minute
    symbols = names(40)
    async with pool(symbols, native, CALM) as (there, feed, story):
        await until(lambda: story.all_synced(symbols), 30)
        there.now += 3  # every book misses an update
        await until(lambda: len({line for line in story.lost if line.endswith(" gap")}) == 40, 30)
        await until(lambda: feed.counters()["rollovers"] == 1 and story.all_synced(symbols), 40)
        await until(lambda: len(there.sockets) == 1, 30)
        assert there.opened == 2 and "down" not in story.told
        assert feed.counters()["reconnects"] == 0


async def test_a_few_lost_books_stay_on_their_connection():
    native = speaking(50)
    native.dialect.asks_per_minute = 2.0
    symbols = names(4)
    async with pool(symbols, native, CALM) as (there, feed, story):
        await until(lambda: story.all_synced(symbols), 30)
        there.now += 3
        await until(lambda: len(story.lost) >= 4, 30)
        await until(lambda: story.all_synced(symbols), 30)
        assert there.opened == 1 and feed.counters()["rollovers"] == 0


async def test_a_replacement_that_never_delivers_is_given_up_and_the_old_one_goes_on():
    symbols = names(2)
    life = Patience(silence_ms=60_000, dead_ms=60_000, max_life_ms=500, hand_over_ms=300)
    async with pool(symbols, speaking(2), life) as (there, feed, story):
        there.deaf_from = 2
        await until(lambda: story.all_synced(symbols))
        await until(lambda: there.opened >= 2)
        await until(lambda: len(there.sockets) == 1)  # the replacement was closed
        had = len(story.ids[symbols[0]])
        await until(lambda: len(story.ids[symbols[0]]) > had + 10)
        assert story.lost == []
        assert [line.state for line in feed.health()] == ["up"]


async def test_symbols_of_a_connection_that_fails_again_and_again_are_split_until_the_bad_one_is_alone():
    symbols = names(8)
    async with pool(symbols, speaking(4), CALM) as (there, feed, story):
        there.poison = symbols[5]
        healthy = tuple(symbol for symbol in symbols if symbol != there.poison)
        await until(lambda: story.all_synced(healthy), 30)
        assert feed.counters()["moves"] >= 1

        def poisoned():
            return [line for line in feed.health() if there.poison in line.symbols]

        await until(lambda: [line.symbols for line in poisoned()] == [(symbols[5],)], 30)
        await until(lambda: "1008" in poisoned()[0].reason)
        assert story.all_synced(healthy)


async def test_a_connection_whose_frames_come_late_is_replaced():
    symbols = names(4)
    late = Patience(silence_ms=60_000, dead_ms=5_000, late_ms=300)
    async with pool(symbols, speaking(2), late) as (there, feed, story):
        await until(lambda: story.all_synced(symbols))
        await until(lambda: all((line.latency_p50_ms is not None) for line in feed.health()))
        await until(lambda: min(len(seen) for seen in story.ids.values()) > 150)
        slow = next(ws for ws, carried in there.sockets.items() if symbols[0] in carried)
        there.behind_ms[slow] = 2_000
        await until(lambda: feed.counters()["moves"] == 1, 20)
        await until(lambda: slow not in there.sockets)
        assert story.lost == []
        assert story.all_synced(symbols)


async def test_a_lively_connection_does_not_vouch_for_a_dead_one():
    symbols = names(4)
    async with pool(symbols, speaking(2), Patience(silence_ms=60_000, dead_ms=800)) as (there, feed, story):
        await until(lambda: story.all_synced(symbols))
        victim = next(ws for ws, carried in there.sockets.items() if symbols[0] in carried)
        victim._writer.transport.pause_reading()
        there.sockets[victim] = set()
        await until(lambda: f"{symbols[0]} reconnect" in story.lost)
        assert not [line for line in story.lost if line.startswith((symbols[2], symbols[3]))]
        assert "down" not in story.told  # the venue is there: half of its books are
        await until(lambda: story.all_synced(symbols))
        broken = next(line for line in feed.health() if symbols[0] in line.symbols)
        assert broken.reconnects == 1
        assert broken.reason.startswith("dead: nothing for")


async def test_a_dead_book_on_a_live_socket_is_told_by_its_trades():
    symbols = names(2)
    patience = Patience(silence_ms=60_000, second_look_ms=100, dead_ms=60_000)  # its silence alone would be believed
    async with pool(symbols, speaking(2), patience) as (there, feed, story):
        row = {"s": symbols[0], "b": [["99", "1"]], "a": [["101", "1"]], "u": 1, "seq": 1, "ts": 1}
        there.rest = [json.dumps({"retCode": 0, "result": row}).encode()]
        await until(lambda: story.all_synced(symbols))
        await until(lambda: min(len(seen) for seen in story.ids.values()) > 0 if len(story.ids) == 2 else False)
        there.bookless.add(symbols[0])  # trades go on
        await until(lambda: f"{symbols[0]} silent" in story.lost)
        assert feed.counters()["reconnects"] == 0
        there.bookless.clear()
        await until(lambda: story.all_synced(symbols))
        assert story.lost == [f"{symbols[0]} silent"]


async def test_health_tells_what_a_connection_does():
    symbols = names(2)
    async with pool(symbols, speaking(2), Patience(silence_ms=60_000, dead_ms=5_000)) as (_there, feed, story):
        await until(lambda: story.all_synced(symbols))
        await until(lambda: feed.health()[0].latency_p50_ms is not None)
        (line,) = feed.health()
        assert (line.venue, line.name, line.state, line.symbols) == ("bybit", "bybit-1", "up", symbols)
        assert 100 < line.frames_per_s < 1_000  # two symbols, book and trade, every 20 ms
        assert line.last_frame_age_ms is not None and line.last_frame_age_ms < 2_000
        assert line.connected_since_ms is not None
        assert (line.reconnects, line.gaps, line.resyncs, line.errors) == (0, 0, 0, 0)
        for channel in ("book", "trade"):
            age_ms = feed.age_ms(symbols[0], channel)
            assert age_ms is not None and age_ms < 2_000
        assert feed.age_ms(symbols[0], "ticker") is None  # the crowd sends none
        assert feed.age_ms("NOSUCH", "book") is None


SHARDS = [  # symbols, most, parts
    (0, 3, []),
    (1, 3, [1]),
    (3, 3, [3]),
    (4, 3, [2, 2]),
    (10, 4, [3, 3, 4]),
    (855, 300, [285, 285, 285]),
]


@pytest.mark.parametrize("count, most, parts", SHARDS)
def test_shards_are_few_even_and_in_order(count, most, parts):
    symbols = tuple(str(number) for number in range(count))
    found = shards(symbols, most)
    assert sorted(len(part) for part in found) == sorted(parts)
    assert tuple(symbol for part in found for symbol in part) == symbols


def test_halves():
    assert halves(("a", "b", "c")) == [("a", "b"), ("c",)]
    assert halves(("a",)) == [("a",)]


@pytest.mark.parametrize("max_args, max_bytes, most", [(10, 10_000, 10), (100, 60, 5), (3, 5, 1)])
def test_a_frame_holds_no_more_than_the_venue_takes(max_args, max_bytes, most):
    args = [f"topic.{number:04}" for number in range(25)]
    frames = frames_of(args, lambda part: ",".join(part).encode(), max_args, max_bytes)
    assert ",".join(frame.decode() for frame in frames) == ",".join(args)
    assert max(frame.count(b",") + 1 for frame in frames) == most
    assert all(len(frame) <= max_bytes or b"," not in frame for frame in frames)


@pytest.mark.parametrize("uncertainty_ms, told", [(5.0, (32.0, 52.0)), (99.0, (32.0, 52.0)), (497.0, (None, None))])
def test_a_latency_is_told_only_by_a_clock_that_is_known(uncertainty_ms, told):
    health = ConnectionHealth(
        venue="upbit",
        name="upbit-1",
        state="up",
        symbols=("KRW-BTC",),
        connected_since_ms=0,
        last_frame_age_ms=1.0,
        frames_per_s=10.0,
        reconnects=0,
        gaps=0,
        resyncs=0,
        errors=0,
        latency_p50_ms=20.0,
        latency_p99_ms=40.0,
        ping_rtt_ms=None,
        reason="",
    )
    clock = ClockOffset(offset_ms=12.0, uncertainty_ms=uncertainty_ms, samples=3, age_ms=10.0)
    found = _by_venue_clock(health, clock)
    assert (found.latency_p50_ms, found.latency_p99_ms) == told
