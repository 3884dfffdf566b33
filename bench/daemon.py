"""The whole desk on one core under ten venues' frames: `python -m bench.daemon --json` (`--seconds 600` for the pause).

Real feeds (sockets, pools, decoders), the real door, core, strategies with their configured parameters, and ticks with
boards and alerts, in one process pinned to one core. A process on another core plays `bench.tapes` over loopback: 10
venues x 200 symbols. Left out: journal, SQL and the control door, for no order is placed and nobody asks.

A rate is held when as many frames were handled as sent, and the slowest hundredth of the last ones was on its way for
less than 250 ms. The machine may be shared: `cpu_us_per_frame`, by the process's own CPU clock, is disturbed less, and
pauses are told in parts: the longest time between two signs of life (frames handled, or beats of 1 ms), the same in
the `peace_s` seconds in which the machine itself did not stand still (`bench.witness`; null where the kernel lets
nobody be first), the longest stand-still, the most that the process worked between two signs (`cpu`), the longest turn
of the loop, and by the CPU clock the longest tick and garbage collection.
"""

import argparse
import asyncio
import gc
import json
import logging
import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from bench.desk_load import LoadedDesk
from bench.tapes import VENUES
from bench.venue_load import serve
from bench.witness import Witness, longest_in_peace, peace_s
from engine.garbage import resident_mb, sweep

_HELD_SHARE, _HELD_LATE_MS = 0.985, 250
_STEADY_RATE = 5_000
_TICK_S = 0.1
_START_S = 300


class Pauses:
    """How long the loop was away. A beat asks to be called every millisecond; handled frames are signs of life too."""

    def __init__(self, desk: LoadedDesk, witness: Witness) -> None:
        self._desk, self._witness = desk, witness
        self.turn_ms = self.tick_ms = self.gc_ms = 0.0
        self._collecting = 0.0
        self._began_ns = 0
        gc.callbacks.append(self._on_gc)

    async def watch(self) -> None:
        """A turn of the loop serves every socket that is ready: under a burst it is long without a pause in it."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            self.turn_ms, last = max(self.turn_ms, (now - last) * 1e3 - 1), now
            self._desk.sign(time.monotonic_ns())

    async def tick(self) -> None:
        while True:
            began = time.thread_time()
            self._desk.tick()
            self.tick_ms = max(self.tick_ms, (time.thread_time() - began) * 1e3)
            await asyncio.sleep(_TICK_S)

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "stop":
            self.gc_ms = max(self.gc_ms, (now - self._collecting) * 1e3)
        self._collecting = now

    def reset(self) -> None:
        self._desk.longest_ns = self._desk.longest_cpu_ns = 0
        self._desk.pauses = []
        self._witness.spans()
        self._began_ns = time.monotonic_ns()
        self.turn_ms = self.tick_ms = self.gc_ms = 0.0

    def told(self) -> dict[str, float | None]:
        stood = self._witness.spans()
        is_told = self._witness.is_alone
        return {
            "wall": round(self._desk.longest_ns / 1e6, 1),
            "in_peace": round(longest_in_peace(self._desk.pauses, stood) / 1e6, 1) if is_told else None,
            "peace_s": round(peace_s(self._began_ns, time.monotonic_ns(), stood)) if is_told else None,
            "machine": round(max((until - since for since, until in stood), default=0) / 1e6, 1),
            "cpu": round(self._desk.longest_cpu_ns / 1e6, 1),
            "turn_wall": round(self.turn_ms, 1),
            "tick_cpu": round(self.tick_ms, 2),
            "gc_cpu": round(self.gc_ms, 2),
        }


async def _count(pipe: Connection) -> tuple[int, int]:
    """(frames sent, books open) of the other side."""
    pipe.send("count")
    found: tuple[int, int] = await asyncio.to_thread(pipe.recv)
    return found


async def _run_at(desk: LoadedDesk, pipe: Connection, pauses: Pauses, rate: int, seconds: float) -> dict[str, Any]:
    pipe.send(rate)
    await asyncio.sleep(1.0)
    sent_before, _ = await _count(pipe)
    desk.forget()
    pauses.reset()
    began, used = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    sent, _ = await _count(pipe)
    lasted, used = time.monotonic() - began, time.process_time() - used
    late = sorted(desk.late_ms[-max(100, len(desk.late_ms) // 4) :])
    spent = sorted(desk.spent_ns)
    late_p99 = late[len(late) * 99 // 100] if late else float("inf")
    books = max(1, desk.books)
    sent -= sent_before
    return {
        "asked_per_s": rate,
        "sent_per_s": round(sent / lasted),
        "handled_per_s": round(desk.books / lasted),
        "held": desk.books >= sent * _HELD_SHARE and sent >= rate * lasted * 0.95 and late_p99 < _HELD_LATE_MS,
        "late_ms": {"p50": round(late[len(late) // 2], 1), "p99": round(late_p99, 1)} if late else {},
        "to_evaluated_us": {
            "p50": round(spent[len(spent) // 2] / 1e3, 1) if spent else None,
            "p99": round(spent[len(spent) * 99 // 100] / 1e3, 1) if spent else None,
        },
        "cpu_us_per_frame": round(used / books * 1e6, 2),
        "cpu_share": round(used / lasted, 3),
        "longest_pause_ms": pauses.told(),
        "rss_mb": resident_mb(),
    }


async def measure(
    pipe: Connection, witness: Witness, symbols: int, rates: list[int], step_s: float, seconds: float
) -> dict[str, Any]:
    ports, rest_port = pipe.recv()
    before_mb = resident_mb()
    desk = LoadedDesk(symbols, ports, rest_port)
    pauses = Pauses(desk, witness)
    tasks = [asyncio.ensure_future(feed.run()) for feed in desk.feeds]
    tasks += [asyncio.ensure_future(pauses.tick()), asyncio.ensure_future(pauses.watch())]
    pipe.send(2_000)
    deadline = time.monotonic() + _START_S
    while desk.synced() < symbols * len(VENUES):
        await asyncio.sleep(0.5)
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {desk.synced()} books after {_START_S} s")
    tasks.append(asyncio.ensure_future(sweep()))
    await asyncio.sleep(0.2)
    steady = await _run_at(desk, pipe, pauses, _STEADY_RATE, seconds)
    print(steady, file=sys.stderr, flush=True)
    steps: list[dict[str, Any]] = []
    for rate in rates:
        steps.append(await _run_at(desk, pipe, pauses, rate, step_s))
        print(steps[-1], file=sys.stderr, flush=True)
        if not steps[-1]["held"]:
            break  # what is behind already only falls farther behind
    held = [step["handled_per_s"] for step in steps if step["held"]]
    pipe.send("end")
    for task in tasks:
        task.cancel()
    counted = [feed.counters() for feed in desk.feeds]
    return {
        "bench": "daemon",
        "books": desk.synced(),
        "highest_held_per_s": max(held, default=0),
        "rss_mb": {"before": before_mb, "with_books": steady["rss_mb"]},
        "steady": steady | {"seconds": seconds},
        "steps": steps,
        "effects": desk.effects,
        "errors": {name: sum(found[name] for found in counted) for name in ("errors", "gaps", "reconnects", "resyncs")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="as every bench: the last line is one JSON object")
    parser.add_argument("--symbols", type=int, default=200, help="per venue")
    parser.add_argument("--seconds", type=float, default=20, help="at 5,000 frames/s; 600 for the figure of the table")
    parser.add_argument("--step-seconds", type=float, default=5, help="at each of the rates")
    parser.add_argument("--rates", type=int, nargs="*", default=[10_000, 15_000, 20_000, 25_000, 30_000, 40_000])
    parser.add_argument("--core", type=int, default=0, help="the measured process's; the load takes the next one")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    load = context.Process(target=serve, args=(theirs, options.symbols, (options.core + 1) % (os.cpu_count() or 1)))
    load.start()
    witness = Witness(options.core)
    os.sched_setaffinity(0, {options.core})
    try:
        result = uvloop.run(
            measure(ours, witness, options.symbols, options.rates, options.step_seconds, options.seconds)
        )
    finally:
        witness.close()
        load.terminate()
        load.join()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
