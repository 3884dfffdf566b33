"""Frame in hand -> order bytes at the venue's socket: `python -m bench.tick_to_order --json`.

Our whole path: decode, book, strategy, plan, risk review, journal, order client, loopback socket. The peer does what a
script on ccxt does: ccxt.pro's handler takes the same frame, a comparison of two numbers decides, ccxt's `create_order`
sends. They take turns in one process against one sink in another; a time ends when the kernel has put the first byte of
the first order into the sink's socket. The frame wakes nobody: it is in hand when the time begins.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import tempfile
import time
from contextlib import AsyncExitStack
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench import order_sink
from bench.order_peers import lines_stand
from bench.order_sides import HIGH, LOW, CcxtSide, NoJournal, OurSide
from engine.config import Config, load
from engine.domain.errors import JournalFailed
from engine.domain.event import JournalState
from engine.garbage import sweep
from engine.storage import database
from engine.storage.journal import Journal
from engine.storage.writer import Writer
from engine.venues.registry import lines_of

_CONFIGS = Path(__file__).parent.parent / "configs"
_OVERLAY = """
instance: bench
execution: {auto_cooldown_ms: 0}
strategies:
  spatial: {mode: auto, params: {coins: [BTC], groups: [[binance, okx]], min_net: 0.0005, rebalance_charge: 0}}
  kimchi: {mode: "off"}
  tether_bot: {mode: "off"}
"""
_PATIENCE_S = 5
_REST_S = 0.007  # with what follows an order some 10 ms from one to the next: nothing is under way, caches are cold


class Stamps:
    """Arrival times from the sink's process. The loop sleeps until one comes, as it does on any socket."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._came: asyncio.Queue[int] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(pipe.fileno(), self._read)

    def _read(self) -> None:
        self._came.put_nowait(int(self._pipe.recv()))

    async def next(self) -> int:
        """Wall clock, ns, at which the next placement's first byte arrived. Raises TimeoutError."""
        async with asyncio.timeout(_PATIENCE_S):
            return await self._came.get()


async def _our_round(side: OurSide, stamps: Stamps) -> tuple[int, int]:
    """(frame -> Submit effect, frame -> first byte of the first order at the sink) in ns."""
    side.take(side.next_frame(LOW))
    side.refresh()
    await asyncio.sleep(_REST_S)
    frame = side.next_frame(HIGH)
    began_ns, began_wall_ns = time.monotonic_ns(), time.time_ns()
    side.take(frame)
    try:
        first_ns = await stamps.next()
        await stamps.next()  # the other leg
    except TimeoutError:
        raise RuntimeError(f"no order arrived at the sink: {side.why_not()}") from None
    await asyncio.sleep(0.002)  # answers come in
    await side.rest()
    return side.submitted_ns - began_ns, first_ns - began_wall_ns


async def _their_round(side: CcxtSide, stamps: Stamps) -> int:
    await side.take(side.next_frame(LOW))
    await asyncio.sleep(_REST_S)
    frame = side.next_frame(HIGH)
    began_wall_ns = time.time_ns()
    await side.take(frame)
    first_ns = await stamps.next()
    await asyncio.sleep(0.002)
    return first_ns - began_wall_ns


def _config(folder: Path, base: str) -> Config:
    overlay = folder / "bench.yaml"
    overlay.write_text(_OVERLAY, encoding="utf-8")
    config = load(_CONFIGS, (overlay,))
    venues = {
        name: msgspec.structs.replace(
            venue, rest_base=base, ws_base="ws" + base.removeprefix("http"), orders_per_second=Decimal(10**6)
        )
        for name, venue in config.venues.items()
        if venue.trade  # an address for venues that are only watched would be one too many
    }
    return msgspec.structs.replace(config, venues=venues)


def _failed(state: JournalState) -> None:
    raise JournalFailed(state.reason)


def _store_problem(problem: str) -> None:
    if problem:
        raise JournalFailed(problem)


async def measure(rounds: int, port: int, pipe: Connection, folder: Path) -> dict[str, list[int]]:
    """Samples in ns by case; a fifth of the rounds before them warms everything up."""
    base = f"http://127.0.0.1:{port}"
    config = _config(folder, base)
    stamps = Stamps(pipe)
    found: dict[str, list[int]] = {"decided": [], "bare": [], "durable": [], "peer": []}
    async with AsyncExitStack() as stack:
        journal = Journal(folder / "journal.db", on_state=_failed)
        stack.callback(journal.close)
        list(journal.read_all(time.monotonic_ns()))
        journal.start(asyncio.get_running_loop())
        engine = database.create(database.sqlite_url(folder / "premia.db"))
        stack.push_async_callback(engine.dispose)
        writer = Writer(engine, on_problem=_store_problem)
        await writer.open()
        peer = CcxtSide(base)
        stack.push_async_callback(peer.exchange.close)
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(writer.run())
            stack.callback(tasks.create_task(sweep()).cancel)  # as the daemon does
            sides = {
                "bare": OurSide(config, tasks, NoJournal(), writer, folder / "latch"),
                "durable": OurSide(config, tasks, journal, writer, folder / "latch"),
            }
            for venue in [venue for side in sides.values() for venue in side.venues.values()]:
                stack.push_async_callback(venue.close)
                for line in lines_of([venue]):
                    stack.callback(tasks.create_task(line.run()).cancel)
                await lines_stand(venue)
            for number in range(-(rounds // 5), rounds):
                for case, side in sides.items():
                    decided_ns, wire_ns = await _our_round(side, stamps)
                    found[case].append(wire_ns)
                    found["decided"].append(decided_ns)
                found["peer"].append(await _their_round(peer, stamps))
                if number < 0:
                    for samples in found.values():
                        samples.clear()
            writing.cancel()
            await stack.aclose()
    return found


def _row(samples: list[int]) -> dict[str, float]:
    ordered = sorted(samples)
    last = len(ordered) - 1
    return {name: round(ordered[int(last * share)] / 1000, 1) for name, share in (("p50", 0.5), ("p99", 0.99))}


def report(found: dict[str, list[int]]) -> dict[str, Any]:
    peer = _row(found["peer"])
    cases = []
    for key, case in (
        ("decided", "frame -> decided (Submit)"),
        ("bare", "frame -> order at the socket, no journal"),
        ("durable", "frame -> order at the socket, journal (fsync)"),
    ):
        ours = _row(found[key])
        # The peer has no decision worth the name: it is compared with where both send.
        peers = {} if key == "decided" else {"ccxt.pro": peer}
        ratio = {name: round(row["p50"] / ours["p50"], 2) for name, row in peers.items()}
        cases.append({"case": case, "unit": "us", "ours": ours, "peers": peers, "ratio": ratio})
    return {"bench": "tick_to_order", "load": round(os.getloadavg()[0], 1), "cores": os.cpu_count(), "cases": cases}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--dir", type=Path, default=None, help="where to write: durability costs what this disk costs")
    arguments = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    sink = multiprocessing.get_context("spawn").Process(target=order_sink.serve, args=(theirs,), daemon=True)
    sink.start()
    theirs.close()  # a sink that cannot start ends the pipe
    port = int(ours.recv())
    try:
        with tempfile.TemporaryDirectory(dir=arguments.dir) as folder:
            result = report(uvloop.run(measure(arguments.rounds, port, ours, Path(folder))))
    finally:
        sink.terminate()
    if not arguments.json:
        for case in result["cases"]:
            print(f"{case['case']:46} {case['ours']}  peers {case['peers']}  ratio {case['ratio']}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
