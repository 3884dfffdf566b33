"""`make chaos SEEDS=n JOBS=2`: seeds, virtual hours, faults, violations; the last line is one JSON object."""

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from chaos.faults import only_faults
from chaos.kept import STORM, Kept, keep
from chaos.run import Flat, Result, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--hours", type=float, default=1.0, help="virtual hours per seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write seeds that fail to tests/regressions")
    parser.add_argument("--log", action="store_true", help="show the engine's own log")
    asked = parser.parse_args()
    if not asked.log:
        logging.disable(logging.CRITICAL)
    began = time.perf_counter()
    results = list(_results(asked))
    took_s = time.perf_counter() - began  # of the clock on the wall: the seeds of two jobs run side by side
    failed = [Kept(STORM, result.seed, asked.hours, result.violations[0]) for result in results if result.violations]
    if asked.keep:
        keep(failed)
    print(json.dumps(_summary(results, took_s)))
    return 1 if any(result.violations for result in results) else 0


def _results(asked: argparse.Namespace) -> Iterable[Result]:
    seeds = range(asked.first, asked.first + asked.seeds)
    if asked.jobs <= 1:
        found = (run(seed, asked.hours) for seed in seeds)
        for result in found:
            _tell(result, asked)
            yield result
        return
    with ProcessPoolExecutor(asked.jobs) as pool:
        for result in pool.map(run, seeds, [asked.hours] * len(seeds)):
            _tell(result, asked)
            yield result


def _tell(result: Result, asked: argparse.Namespace) -> None:
    if asked.json and not result.violations:
        return
    end = "held" if not result.violations else "BROKEN"
    print(
        f"seed {result.seed}: {result.hours} h in {result.wall_s} s, {result.counts.get('venue orders', 0)} orders, "
        f"trace {result.trace}, {end}",
        file=sys.stderr,
    )
    for violation in result.violations:
        print(f"  {violation}", file=sys.stderr)
    if result.violations:
        print(f"  again: {Kept(STORM, result.seed, asked.hours, '').again}", file=sys.stderr)


def _summary(results: list[Result], took_s: float) -> dict[str, object]:
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(result.counts)
    return {
        "seeds": len(results),
        "virtual_hours": round(sum(result.hours for result in results), 2),
        "wall_s": round(took_s, 1),
        "cpu_s": round(sum(result.cpu_s for result in results), 1),
        "orders": counts["venue orders"],
        "roles": _of("order.", counts),
        "persons": _of("person.", counts),
        "moves": counts["amend"],
        "hedges_closed": counts["hedges closed"],
        "faults": only_faults(counts),
        "violations": sum(len(result.violations) for result in results),
        "flat": {
            name: max((getattr(result.flat, name) for result in results), default=0) for name in Flat.__struct_fields__
        },
        "slowest_settled_s": max((result.settled_s for result in results), default=0),
    }


def _of(kind: str, counts: Counter[str]) -> dict[str, int]:
    return {name.removeprefix(kind): n for name, n in sorted(counts.items()) if name.startswith(kind)}


if __name__ == "__main__":
    sys.exit(main())
