"""`make crash KILLS=n`: real engines killed at named points; the last line is one JSON object."""

import argparse
import json
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from math import ceil
from pathlib import Path

import msgspec

from crash.points import POINTS
from crash.run import Result, Wish, play_alone
from sandbox.soak.__main__ import FUNDS
from sandbox.venues.opening import DESK, HOUSES, TRADED
from sandbox.world import WorldConfig

_TOLD = 8  # of the slowest starts
_STEP_S = 0.1  # between two looks at the tape: books are not what is on trial here
_PERPETUALS = ("binance_usdm",)  # the tenth account of "all": reconciled at each start, positions and funding too
_BESIDE_PERPETUALS = ("upbit", "binance")  # of "perps": bought at the one, sold at the other
_WITHOUT_SHIM = ("", *(point.name for point in POINTS if point.trigger != "call"))
_SHIM = Path(__file__).with_name("shim.c")


def build_shim(folder: Path) -> Path | None:
    """The library that notes and kills; None where there is no C compiler: then only what needs none is played."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    made = folder / "shim.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", made, _SHIM, "-ldl", "-lpthread"], check=True)
    return made


def rounds(asked: argparse.Namespace, folder: Path) -> Iterator[Wish]:
    """KILLS dealt out over rounds of `--per-round`, each a desk and a world of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    shim = build_shim(folder)
    if shim is None and (asked.power or asked.at not in _WITHOUT_SHIM):
        raise SystemExit("crash: a power cut, and an end at a system call, need a C compiler and Linux")
    left, seed = asked.kills, asked.seed
    while left > 0:
        run_dir = folder / f"seed-{seed}"
        run_dir.mkdir(parents=True)
        spot = {"all": TRADED, "desk": DESK, "perps": _BESIDE_PERPETUALS}[asked.houses]
        traded = spot if asked.houses == "desk" else (*spot, *_PERPETUALS)
        funds = {name: FUNDS["upbit" if "KRW" in HOUSES[name].money else "binance"] for name in spot}
        world = WorldConfig(seed=seed, funds=funds, step_s=_STEP_S, houses=traded)
        kills = min(left, asked.per_round)
        yield Wish(
            seed=seed,
            kills=kills,
            run_dir=run_dir,
            world=world,
            shim=shim,
            traded=traded,
            cuts_power=asked.power,
            trades_perpetuals=asked.houses == "perps",
            at=asked.at,
        )
        left, seed = left - kills, seed + 1


def results(asked: argparse.Namespace, folder: Path) -> Iterator[Result]:
    """One round at a time per job, none begun after `--for-s`; each is told as it ends."""
    until_s, wishes, running = time.monotonic() + asked.for_s, rounds(asked, folder), set[Future[Result]]()
    with ProcessPoolExecutor(asked.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        while True:
            while len(running) < asked.jobs and time.monotonic() < until_s and (wish := next(wishes, None)):
                running.add(pool.submit(play_alone, wish))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                result = each.result()
                end = "held" if not result.violations else "BROKEN"
                told = f"{result.counts['kills']} kills in {result.wall_s} s"
                print(f"seed {result.seed}: {told}, {end}", file=sys.stderr, flush=True)
                for violation in result.violations:
                    print(f"  {violation}", file=sys.stderr, flush=True)
                yield result


def summary(made: list[Result], wall_s: float) -> dict[str, object]:
    """Every round together."""
    begun = [each for result in made for each in result.begun]
    reached, missed, found, counts = (
        sum((getattr(result, name) for result in made), Counter[str]())
        for name in ("reached", "missed", "found", "counts")
    )
    return {
        "kills": counts["kills"],
        "rounds": len(made),
        "wall_s": round(wall_s, 1),
        "orders_at_venues": counts["orders_at_venues"],
        "orders_of_perpetuals": counts["orders_of_perpetuals"],
        "orders_planned": counts["orders_planned"],
        "trades": counts["trades"],
        "points": dict(sorted(reached.items())),
        "points_not_reached": dict(sorted(missed.items())),
        "under_way_at_the_end": dict(found.most_common()),
        "faults": sum(n for name, n in counts.items() if name.startswith("fault.")),
        "power": {name.removeprefix("power."): n for name, n in sorted(counts.items()) if name.startswith("power.")},
        "unsynced_writes": {"lost": counts["unsynced_writes_lost"], "kept": counts["unsynced_writes_kept"]},
        "open_at_venues": counts["open_at_venues"],
        "ledger_differences": counts["ledger_differences"],
        "restart_s": {
            "all": spread([each.seconds for each in begun]),
            "cold": spread([each.seconds for each in begun if each.is_cold]),
            "not_limited": spread([each.seconds for each in begun if not each.was_limited]),
        },
        "slowest_starts": [msgspec.to_builtins(each) for each in sorted(begun, key=lambda each: -each.seconds)[:_TOLD]],
        "violations": sum(len(result.violations) for result in made),
    }


def spread(seconds: list[float]) -> dict[str, float]:
    """p50, p99, the largest, and on how many they rest."""
    ordered = sorted(seconds)
    if not ordered:
        return {"count": 0}
    p50, p99 = (ordered[ceil(len(ordered) * share) - 1] for share in (0.50, 0.99))  # the nearest rank
    return {"p50": p50, "p99": p99, "max": ordered[-1], "count": len(ordered)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--per-round", type=int, default=30, help="kills of one desk before it is judged")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument(
        "--for-s", type=float, default=float("inf"), help="begin no round after so long, whatever KILLS says"
    )
    parser.add_argument("--jobs", type=int, default=2, help="desks side by side")
    parser.add_argument(
        "--power", action="store_true", help="each kill is a power cut: what was not synced may be gone"
    )
    parser.add_argument(
        "--at", default="", choices=[point.name for point in POINTS], help="kill there only (all points otherwise)"
    )
    parser.add_argument(
        "--houses", choices=("desk", "all", "perps"), default="desk", help="all: ten accounts; perps: spot against perp"
    )
    parser.add_argument("--keep", type=Path, help="folder of the runs' files (a temporary one otherwise)")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="premia-crash-") as temporary:
        made = list(results(asked, asked.keep or Path(temporary)))
    print(json.dumps(summary(made, time.monotonic() - began)))
    if not made:
        return 2  # nothing was played: nothing is proved
    return 1 if any(result.violations for result in made) else 0


if __name__ == "__main__":
    sys.exit(main())
