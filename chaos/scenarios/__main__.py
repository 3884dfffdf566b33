"""`make chaos-scenarios`: the known faults on many seeds, on some without guards; the last line is one JSON object."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from msgspec import Struct

from chaos.kept import Kept, keep
from chaos.scenarios.registry import SCENARIOS, named

_AT_ONCE = 20  # seeds of one piece of work


class Found(Struct, frozen=True):
    """What a run of seeds of one scenario showed."""

    key: str
    guarded: bool
    seeds: int
    broken: list[tuple[int, str]]  # seed and first violation
    by_law: int  # how many broke the law that the scenario names
    cpu_s: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos.scenarios", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--unguarded", type=int, default=5, help="seeds without the guard")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--only", nargs="*", default=[], help="numbers of faults, as they are printed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="write seeds that fail to tests/regressions")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    wanted = [s.key for s in SCENARIOS if not asked.only or s.key in asked.only]
    work = [
        (key, guarded, first, min(_AT_ONCE, asked.first + count - first))
        for key in wanted
        for guarded, count in ((True, asked.seeds), (False, asked.unguarded))
        for first in range(asked.first, asked.first + count, _AT_ONCE)
    ]
    found = list(_done(work, asked.jobs))
    table = _table(found, wanted)
    if asked.keep:
        keep(Kept(each.key, seed, 0.0, line) for each in found if each.guarded for seed, line in each.broken)
    print(json.dumps(table))
    return 1 if table["broken"] or table["toothless"] else 0


def _done(work: list[tuple[str, bool, int, int]], jobs: int) -> Iterable[Found]:
    if jobs <= 1:
        yield from (play(*each) for each in work)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(play, *zip(*work, strict=True))


def play(key: str, guarded: bool, first: int, count: int) -> Found:
    scenario, began_s = named(key), time.process_time()
    broken, by_law = [], 0
    for seed in range(first, first + count):
        violations = scenario.run(seed, guarded)
        if violations:
            broken.append((seed, violations[0]))
            by_law += scenario.shows(violations)
    return Found(key, guarded, count, broken, by_law, time.process_time() - began_s)


def _table(found: list[Found], wanted: list[str]) -> dict[str, int | float]:
    broken, toothless = 0, []
    for key in wanted:
        scenario = named(key)
        with_guard = [each for each in found if each.key == key and each.guarded]
        without = [each for each in found if each.key == key and not each.guarded]
        seeds, shown = sum(each.seeds for each in with_guard), sum(each.seeds for each in without)
        failed = [line for each in with_guard for line in each.broken]
        by_law = sum(each.by_law for each in without)
        print(
            f"{key:3} {scenario.name:34} {seeds - len(failed):5}/{seeds} hold; without its guard "
            f"{sum(len(each.broken) for each in without)}/{shown} break, {by_law} by the law",
            file=sys.stderr,
        )
        for seed, line in failed:
            print(f"   {line}\n   again: {Kept(key, seed, 0.0, line).again}", file=sys.stderr)
        broken += len(failed)
        if shown and not by_law:
            toothless.append(key)
            print(f"   no seed broke `{scenario.law}`", file=sys.stderr)
    return {
        "scenarios": len(wanted),
        "runs": sum(each.seeds for each in found),
        "broken": broken,
        "toothless": len(toothless),
        "cpu_s": round(sum(each.cpu_s for each in found), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
