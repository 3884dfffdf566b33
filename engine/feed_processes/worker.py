"""A process of feeds: sockets, decoders and continuity here, normalised events to the engine. Started by `supervisor`.

`python -m engine.feed_processes.worker FD`: FD is its end of a socket pair. It ends when the engine's end closes.
"""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

import uvloop

from engine.domain.event import RateUsed
from engine.feed_processes.outbox import Outbox
from engine.feed_processes.wire import Batch, Order, Report, Told, Unframer, Venue, decode_order, framed
from engine.venues.feeds import build_feed
from engine.venues.limits import Limiters
from engine.venues.protocol import Feed

_REPORT_EVERY_S = 0.5
_HIGH_WATER = 4 * 1024 * 1024  # bytes that the engine has not read: it is late, and gets books whole from now on


class _Post(asyncio.Protocol):
    """The socket to the engine. One batch per turn of the loop."""

    def __init__(self) -> None:
        self.box = Outbox()
        self.order: asyncio.Future[Order] = asyncio.get_running_loop().create_future()
        self.closed = asyncio.Event()
        self._unframer = Unframer()
        self._transport: asyncio.Transport | None = None
        self._due = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without being a subclass
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        for body in self._unframer.feed(data):
            self.order.set_result(decode_order(body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.closed.set()

    def pause_writing(self) -> None:
        self.box.is_late = True

    def resume_writing(self) -> None:
        self.box.is_late = False
        self._flush()

    def tell(self, event: Told) -> None:
        self.box.take(event)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._due = False
        if events := self.box.empty():
            self._write(Batch(events, conflated=self.box.conflated))

    def report(self, reports: Sequence[Report]) -> None:
        if not self.box.is_late:
            self._write(Batch(self.box.empty(), list(reports), self.box.conflated))

    def _write(self, batch: Batch) -> None:
        if self._transport is not None:
            self._transport.write(framed(batch))


def _feed(venue: Venue, post: _Post, limiters: Limiters) -> Feed:
    return build_feed(
        venue.name,
        ws_base=venue.ws_base,
        rest_base=venue.rest_base,
        symbols=venue.symbols,
        sink=post.tell,
        clock_ns=time.monotonic_ns,  # one clock for all processes of a machine
        rng=Random(venue.seed),
        top_of=partial(post.box.top, venue.name),
        bad_frames=Path(venue.bad_frames),
        ccxt_id=venue.ccxt_id,
        levels=venue.levels,
        limiters=limiters,
    )


async def _report(post: _Post, feeds: Sequence[Feed]) -> None:
    while True:
        await asyncio.sleep(_REPORT_EVERY_S)
        found = [
            Report(venue=feed.venue, counters=dict(feed.counters()), health=feed.health(), clock=feed.clock())
            for feed in feeds
        ]
        post.report(found)


async def _run(end: socket.socket) -> None:
    _, post = await asyncio.get_running_loop().create_connection(_Post, sock=end)
    order = await post.order
    logging.basicConfig(level=order.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")

    def near(host: str, rule: str, used: float) -> None:
        post.tell(RateUsed(venue=host, name=rule, used=used, seen_ns=time.monotonic_ns()))

    limiters = Limiters(time.monotonic_ns, near)
    feeds = [_feed(venue, post, limiters) for venue in order.venues]
    works: list[Coroutine[Any, Any, object]] = [feed.run() for feed in feeds]
    tasks = [asyncio.ensure_future(work) for work in (*works, _report(post, feeds), post.closed.wait())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()  # a feed that ended by an error of ours ends the process: the engine hears of it
        task.cancel()


def main(fd: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine ends us by closing the socket, after it has stopped
    uvloop.run(_run(socket.socket(fileno=fd)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
