"""`make chaos-long`: fresh seeds until somebody stops it. The sums are kept in a file and go on with the next run."""

import argparse
import json
import logging
import signal
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

import msgspec
from msgspec import Struct

from chaos.faults import only_faults
from chaos.kept import STORM, Kept, keep
from chaos.run import Result, run

_FIRST = 1_000_000  # far from the seeds of every check
_TOLD_EVERY_S = 60.0


class Sums(Struct):
    """Everything so far."""

    next_seed: int = _FIRST
    seeds: int = 0
    virtual_hours: float = 0.0
    cpu_s: float = 0.0
    orders: int = 0
    kills: int = 0
    faults: int = 0
    violations: int = 0

    def add(self, result: Result) -> None:
        self.seeds += 1
        self.virtual_hours = round(self.virtual_hours + result.hours, 3)
        self.cpu_s = round(self.cpu_s + result.cpu_s, 2)
        self.orders += result.counts.get("venue orders", 0)
        self.kills += sum(count for name, count in result.counts.items() if name.startswith("kill."))
        self.faults += sum(only_faults(result.counts).values())
        self.violations += bool(result.violations)


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos.long", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0, help="virtual hours per seed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--for-s", type=float, default=float("inf"), help="end by itself after so long")
    parser.add_argument("--sums", type=Path, default=Path("var/chaos-long.json"))
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    asked.sums.parent.mkdir(parents=True, exist_ok=True)
    sums = msgspec.json.decode(asked.sums.read_bytes(), type=Sums) if asked.sums.exists() else Sums()
    until_s = time.monotonic() + asked.for_s
    for sign in (signal.SIGINT, signal.SIGTERM):  # a shell starts its background jobs deaf to the first
        signal.signal(sign, signal.default_int_handler)
    with ProcessPoolExecutor(asked.jobs, initializer=_leave_signals_to_the_parent) as pool:
        try:
            _play(asked, sums, pool, until_s)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            pool.shutdown(cancel_futures=True)
    print(json.dumps(msgspec.to_builtins(sums)))
    return 1 if sums.violations else 0


def _leave_signals_to_the_parent() -> None:
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)


def _play(asked: argparse.Namespace, sums: Sums, pool: ProcessPoolExecutor, until_s: float) -> None:
    running: set[Future[Result]] = set()
    told_s = time.monotonic()
    while running or time.monotonic() < until_s:
        while len(running) < 2 * asked.jobs and time.monotonic() < until_s:
            running.add(pool.submit(run, sums.next_seed, asked.hours))
            sums.next_seed += 1
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for result in sorted((each.result() for each in done), key=lambda result: result.seed):
            sums.add(result)
            _tell(result, asked.hours)
        asked.sums.write_bytes(msgspec.json.encode(sums))
        if time.monotonic() - told_s >= _TOLD_EVERY_S:
            told_s = time.monotonic()
            print(json.dumps(msgspec.to_builtins(sums)), file=sys.stderr)


def _tell(result: Result, hours: float) -> None:
    if result.violations:
        broken = Kept(STORM, result.seed, hours, result.violations[0])
        keep([broken])
        print(f"BROKEN {broken.why}\n  again: {broken.again}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
