"""Orders by our own lines, by ccxt's raw endpoints and by ccxt's `create_order`: `python -m bench.orders --json`.

Three questions. How long from a decision (a request in hand) to the kernel's stamp of its first byte at the venue, one
order at a time, all three taking turns. How long from an intent over the disk to that stamp, one every 10 ms.
And how many orders a second the desk's carrier brings to a venue with the journal on: intent durable first (group
commit), then the last step's limits, the latch, the order, its `sent` and its report into the journal; the core is
told of orders that it has not planned. The peer calls `create_order`, as many at once, and writes nothing down. The
venue is a process of its own that accepts everything.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop
from msgspec.structs import replace

from bench import order_venue
from bench.order_peers import (
    NO_PEER,
    VENUES,
    CcxtPeer,
    client_id,
    lines_stand,
    our_orders,
    price_of,
    request,
    symbol_of,
)
from bench.order_sides import instrument, unbounded
from engine.assemble import core_config, last_step
from engine.carrier import Carrier
from engine.config import load
from engine.core.state import State
from engine.desk import Desk
from engine.domain.effect import Submit
from engine.domain.errors import JournalFailed
from engine.domain.event import (
    BookSnapshot,
    Event,
    InstrumentsLoaded,
    JournalState,
    OrderLost,
    OrderNotSent,
    OrderRefused,
    OrderReported,
)
from engine.garbage import sweep
from engine.storage.journal import Journal
from engine.storage.latch import FileLatch
from engine.venues.protocol import Orders
from engine.venues.registry import lines_of

_CONFIGS = Path(__file__).parent.parent / "configs"
_LOADED = {"binance": 512, "upbit": 32}  # by socket, by kept HTTP connections: orders under way at once
_OUTCOMES = (OrderReported, OrderRefused, OrderNotSent, OrderLost)
_PEER_AT_ONCE = 32
_WARM_UP = 30
_IN_A_ROW = 20
_EVERY_S = 0.01
_COMMIT_BYTES = 2 * (4_096 + 24)  # the WAL's frames of a lone entry: its page and the head's (2.2 on average)

Place = Callable[[int, int], Awaitable[object]]


class Venue:
    """The process that accepts, and what it saw."""

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=order_venue.serve, args=(theirs,), daemon=True
        )
        self.process.start()
        theirs.close()  # a venue that cannot start ends the pipe
        self.port = int(self._pipe.recv())

    async def waits_ns(self) -> list[int]:
        """Decision -> first byte of every order since the last question."""
        self._pipe.send("tell")
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pipe.fileno(), told.set)
        await told.wait()
        loop.remove_reader(self._pipe.fileno())
        os.set_blocking(self._pipe.fileno(), True)  # the loop has made it otherwise; a minute's waits come in pieces
        waits: list[int] = self._pipe.recv()
        return waits


class _Counting(Desk):
    """The desk, and how many orders have an outcome."""

    def __init__(self, state: State) -> None:
        super().__init__(state, time.monotonic_ns, dict)
        self.submitted = self.accepted = self.failed = 0
        self._moved = asyncio.Event()

    def handle(self, event: Event) -> None:
        super().handle(event)
        if isinstance(event, _OUTCOMES):
            self.accepted += isinstance(event, OrderReported)
            self.failed += not isinstance(event, OrderReported)
            self._moved.set()

    @property
    def under_way(self) -> int:
        return self.submitted - self.accepted - self.failed

    async def next_outcome(self) -> None:
        self._moved.clear()
        await self._moved.wait()


async def _opened(stack: AsyncExitStack, tasks: asyncio.TaskGroup, venue: str, path: str, port: int) -> Orders:
    """An order client whose line stands."""
    orders = our_orders(venue, path, port)
    stack.push_async_callback(orders.close)
    for line in lines_of([orders]):
        running = tasks.create_task(line.run())
        stack.callback(running.cancel)
    await lines_stand(orders)
    return orders


def _placer(orders: Orders, name: str) -> Place:
    """The request is in hand before the time begins; the peer's arguments are as well."""
    ready = request(name, 0, 0)
    return lambda decided_ns, number: orders.place(replace(ready, cid=client_id(decided_ns, number)))


async def one_by_one(venue: Venue, name: str, rounds: int, in_a_row: int) -> dict[str, list[int]]:
    """Decision -> wire in ns by way; after each turn of so many orders a pause lets everything come to rest."""
    found: dict[str, list[int]] = defaultdict(list)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        ways: dict[str, Place] = {}
        if name not in NO_PEER:
            peer = CcxtPeer(name, venue.port)
            stack.push_async_callback(peer.exchange.close)
            ways["create_order"] = peer.place
        for way, path in (("native", "native"), ("ccxt raw", "ccxt")):
            orders = await _opened(stack, tasks, name, path, venue.port)
            ways[way] = _placer(orders, name)
        for number in range(-_WARM_UP, rounds):
            if number == 0:
                gc.collect()
                gc.freeze()
            for way, place in ways.items():
                for _ in range(in_a_row):
                    await place(time.time_ns(), abs(number))
                found[way] += await venue.waits_ns() if number >= 0 else []
                if number < 0:
                    await venue.waits_ns()
                await asyncio.sleep(0.001)
        await stack.aclose()
    return found


async def _show_book(desk: Desk, venue: str) -> None:
    """What the last step holds a price against: the symbol's own book, never old."""
    symbol, mid = symbol_of(venue), float(price_of(venue))
    desk.handle(
        InstrumentsLoaded(
            venue=venue, instruments=(instrument(venue, symbol, "BTC", "USDT"),), seen_ns=time.monotonic_ns()
        )
    )
    while True:
        bids, asks = [(mid * 0.9999, 1.0)], [(mid * 1.0001, 1.0)]
        now_ns = time.monotonic_ns()
        desk.handle(BookSnapshot(venue=venue, symbol=symbol, bids=bids, asks=asks, venue_ts_ms=1, seen_ns=now_ns))
        await asyncio.sleep(0.5)


@asynccontextmanager
async def _desk_at(venue: Venue, name: str, folder: Path) -> AsyncIterator[tuple[Callable[[], None], _Counting]]:
    """What submits the next intent of one order by carrier and journal, and the desk that hears of it."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        orders = await _opened(stack, tasks, name, "native", venue.port)
        journal = Journal(folder / f"{name}.db", on_state=_failed)
        stack.callback(journal.close)
        list(journal.read_all(time.monotonic_ns()))
        journal.start(asyncio.get_running_loop())
        config = load(_CONFIGS, ())
        desk = _Counting(State(core_config(config)))
        desk.wire({})
        latch = FileLatch(folder / "latch")
        guard = unbounded(last_step(config), {name: frozenset({symbol_of(name)})})
        carry = Carrier(desk, journal, {name: orders}, tasks, latch, time.monotonic_ns, guard).effects()[Submit]
        for beside in (sweep(), _show_book(desk, name)):  # as the daemon does
            stack.callback(tasks.create_task(beside).cancel)

        def submit() -> None:
            desk.submitted += 1
            order = request(name, time.time_ns(), desk.submitted)
            carry(Submit(plan=None, orders=(order,), trigger_ns=time.monotonic_ns()))

        await venue.waits_ns()
        yield submit, desk
        await stack.aclose()


async def one_by_one_durable(venue: Venue, name: str, rounds: int, folder: Path) -> list[int]:
    """Intent -> durable -> first byte in ns, one order every 10 ms: what a desk's order meets that is not busy."""
    async with _desk_at(venue, name, folder) as (submit, desk):
        for number in range(-_WARM_UP, rounds):
            if number == 0:
                await venue.waits_ns()
            submit()
            while desk.under_way:
                await desk.next_outcome()
            await asyncio.sleep(_EVERY_S)
        return await venue.waits_ns()


def disk_alone(folder: Path, rounds: int) -> dict[str, float]:
    """What this disk takes to keep the pages of one intent, one every 10 ms: no journal's commit goes below it."""
    took_ns = []
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        for _ in range(rounds):
            began = time.perf_counter_ns()
            os.write(descriptor, bytes(_COMMIT_BYTES))
            os.fdatasync(descriptor)
            took_ns.append(time.perf_counter_ns() - began)
            time.sleep(_EVERY_S)
    finally:
        os.close(descriptor)
    return _row(took_ns)


async def under_load(venue: Venue, name: str, at_once: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Orders per second through carrier and journal."""
    async with _desk_at(venue, name, folder) as (submit, desk):
        began, cpu_began = time.monotonic(), time.process_time()
        while time.monotonic() - began < seconds or desk.under_way:
            while time.monotonic() - began < seconds and desk.under_way < at_once:
                submit()
            if desk.under_way:
                await desk.next_outcome()
        row = _summary(desk.accepted, desk.failed, time.monotonic() - began, await venue.waits_ns())
        row["cpu_us_per_order"] = round((time.process_time() - cpu_began) / max(1, desk.accepted) * 1e6, 1)
    return row


async def peer_under_load(venue: Venue, name: str, seconds: float) -> dict[str, Any]:
    """`create_order`, as many at once; nothing is written down."""
    peer = CcxtPeer(name, venue.port)
    done = 0

    async def one_after_the_other(ends: float) -> None:
        nonlocal done
        while time.monotonic() < ends:
            await peer.place(time.time_ns(), done)
            done += 1

    await peer.place(time.time_ns(), 0)
    await venue.waits_ns()
    began, cpu_began = time.monotonic(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(_PEER_AT_ONCE):
            tasks.create_task(one_after_the_other(began + seconds))
    row = _summary(done, 0, time.monotonic() - began, await venue.waits_ns())
    row["cpu_us_per_order"] = round((time.process_time() - cpu_began) / max(1, done) * 1e6, 1)
    await peer.exchange.close()
    return row


def _summary(accepted: int, failed: int, seconds: float, waits_ns: list[int]) -> dict[str, Any]:
    arrived = {"accepted": accepted, "failed": failed, "arrived": len(waits_ns), "seconds": round(seconds, 1)}
    return arrived | {"per_s": round(accepted / seconds)} | _row(waits_ns)


def _failed(state: JournalState) -> None:
    raise JournalFailed(state.reason)


def _row(samples_ns: list[int]) -> dict[str, float]:
    ordered = sorted(samples_ns)
    last = len(ordered) - 1
    return {name: round(ordered[int(last * share)] / 1000, 1) for name, share in (("p50", 0.5), ("p99", 0.99))}


def _waits_case(case: str, found: dict[str, list[int]]) -> dict[str, Any]:
    rows = {way: _row(samples) for way, samples in found.items()}
    ours = rows.pop("native")
    ratio = {way: round(row["p50"] / ours["p50"], 2) for way, row in rows.items()}
    return {"case": case, "unit": "us", "ours": ours, "peers": rows, "ratio": ratio}


async def measure(venue: Venue, rounds: int, seconds: float, folder: Path) -> list[dict[str, Any]]:
    cases = []
    for name in VENUES:
        for in_a_row, what in ((1, "one by one, rested"), (_IN_A_ROW, f"{_IN_A_ROW} in a row")):
            found = await one_by_one(venue, name, rounds // in_a_row, in_a_row)
            cases.append(_waits_case(f"{name}: decision -> wire, {what}", found))
    for name in _LOADED:
        (folder / "paced").mkdir(exist_ok=True)
        bare = disk_alone(folder / "paced", rounds)
        waits_ns = await one_by_one_durable(venue, name, rounds, folder / "paced")
        case = f"{name}: intent -> durable -> wire, one every 10 ms"
        cases.append({"case": case, "unit": "us", "ours": _row(waits_ns), "peers": {"the disk": bare}, "ratio": {}})
    for name, at_once in _LOADED.items():
        ours = await under_load(venue, name, at_once, seconds, folder)
        peer = await peer_under_load(venue, name, min(seconds, 10.0))
        case = f"{name}: orders/s accepted, journal on"
        ratio = {"create_order, no journal": round(ours["per_s"] / peer["per_s"], 2)}
        peers = {"create_order, no journal": peer}
        cases.append({"case": case, "unit": "orders/s; us", "ours": ours, "peers": peers, "ratio": ratio})
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--dir", type=Path, default=None, help="where the journal lies: durability costs what it costs")
    arguments = parser.parse_args()
    venue = Venue()
    try:
        with tempfile.TemporaryDirectory(dir=arguments.dir) as folder:
            cases = uvloop.run(measure(venue, arguments.rounds, arguments.seconds, Path(folder)))
    finally:
        venue.process.terminate()
    if not arguments.json:
        for case in cases:
            print(f"{case['case']:44} {case['ours']}  peers {case['peers']}  ratio {case['ratio']}")
    print(
        json.dumps({"bench": "orders", "load": round(os.getloadavg()[0], 1), "cores": os.cpu_count(), "cases": cases})
    )


if __name__ == "__main__":
    main()
