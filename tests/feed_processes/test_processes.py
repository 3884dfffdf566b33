"""Real processes, real sockets: two venues in two processes, one of them killed."""

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from random import Random

import pytest

from engine.domain.event import BookDelta, BookLost, BookSnapshot, FeedState
from engine.feed_processes.supervisor import FeedProcess, divide
from engine.feed_processes.wire import Batch, Unframer, Venue, framed
from engine.market.book import Book
from sandbox.world import World, WorldConfig
from tests.waiting import until

SYMBOLS = {"binance": "BTCUSDT", "okx": "BTC-USDT"}


class Seen:
    """The engine's side: its books, and what it was told of connections."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}
        self.states: list[FeedState] = []

    def take(self, event) -> None:
        match event:
            case BookSnapshot():
                self.book(event.venue).replace(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
            case BookDelta():
                self.book(event.venue).change(event.bids, event.asks, event.seen_ns, event.venue_ts_ms)
            case BookLost():
                self.book(event.venue).drop()
            case FeedState():
                self.states.append(event)
                if not event.connected:
                    self.book(event.venue).drop()

    def book(self, venue: str) -> Book:
        return self.books.setdefault(venue, Book())

    def lost(self, venue: str) -> list[str]:
        return [state.reason for state in self.states if state.venue == venue and not state.connected]


@asynccontextmanager
async def running(world: World, tmp_path, seen: Seen, processes: int):
    venues = [
        Venue(
            name=name,
            ws_base=world.urls[name]["ws"].split("/ws")[0].split("/stream")[0],
            rest_base=world.urls[name]["rest"],
            symbols=(symbol,),
            seed=1.0,
            bad_frames=str(tmp_path / f"{name}.jsonl"),
        )
        for name, symbol in SYMBOLS.items()
    ]
    made = [FeedProcess(part, seen.take, time.monotonic_ns, Random(1), "WARNING") for part in divide(venues, processes)]
    tasks = [asyncio.create_task(each.run()) for each in made]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_one_killed_process_takes_its_venue_and_no_other(tmp_path):
    seen = Seen()
    async with World(WorldConfig(seed=7, episodes=False)) as world, running(world, tmp_path, seen, 2) as (one, two):
        await until(lambda: all(seen.book(venue).synced for venue in SYMBOLS), 30)
        await until(lambda: all(each.feeds[venue].report for each, venue in ((one, "binance"), (two, "okx"))))
        assert one.feeds["binance"].counters()["frames"] > 0
        assert one.feeds["binance"].health()[0].state == "up"
        before = seen.book("okx").updates

        os.kill(one.pid, signal.SIGKILL)
        began = time.monotonic()
        await until(lambda: seen.lost("binance"))
        assert time.monotonic() - began < 2
        assert "-9" in seen.lost("binance")[0]
        assert not seen.book("binance").synced
        assert one.feeds["binance"].health() == ()

        await until(lambda: seen.book("binance").synced and one.starts == 2, 30)
        assert seen.lost("okx") == []
        assert seen.book("okx").updates > before
        pids = (one.pid, two.pid)
    for pid in pids:  # they end with the engine
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_nonsense_on_the_socket_ends_the_process_not_the_engine(tmp_path):
    body = framed(Batch([]))
    unframer = Unframer()
    assert [unframer.feed(body[at : at + 1]) for at in range(len(body))][-1] == [body[4:]]
    assert len(unframer.feed(body * 3)) == 3
    with pytest.raises(ValueError, match="at most"):
        unframer.feed(b"\xff" * 8)
