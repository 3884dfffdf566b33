"""The simulation itself: it repeats, its laws hold, and each law is broken where its guard is gone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from chaos import streams
from chaos.careless import Mute
from chaos.faults import Fates
from chaos.long import Sums
from chaos.run import run
from chaos.world import Seams
from engine.venues.protocol import OrderTold

ROOT = Path(__file__).parent.parent.parent


def test_the_laws_hold():
    results = [run(seed, 2.0) for seed in (101, 102, 103)]
    assert [result.violations for result in results] == [[], [], []]
    assert sum(result.counts["venue orders"] for result in results) > 20, (
        "a storm in which nobody trades proves nothing"
    )


def test_only_what_is_simulated_counts_as_hours():
    """A start, the openings and a calm: two minutes, though the clock said 1,000 s before the first of them."""
    assert 0 < run(101, 0.0).hours < 0.1


def test_sums_count_what_went_wrong_and_nothing_else():
    """Neither orders nor what persons did, and no restart that only shows what a restart changes."""
    at_rest = run(101, 0.0)
    assert at_rest.counts["restarts at rest"] == 3 and not any(name.startswith("kill.") for name in at_rest.counts)
    wrong = {"kill.any time": 2, "kill.before the send": 3, "place.late": 5, "query.lost": 7, "spell.kill": 11}
    right = {"venue orders": 100, "order.entry": 100, "person.pause": 100, "stop.cancelled": 100, "stream.renewed": 100}
    sums = Sums()
    sums.add(msgspec.structs.replace(at_rest, counts=wrong | right | {"restarts at rest": 3}))
    assert (sums.orders, sums.kills, sums.faults) == (100, 5, 28)


def trace_and_orders(seed: int, hash_seed: str) -> tuple[str, int]:
    code = (
        f"import logging; logging.disable(50); from chaos.run import run; played = run({seed}, 0.5); "
        "print(played.trace, played.counts['venue orders'])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, timeout=120)
    trace, orders = done.stdout.decode().split()
    return trace, int(orders)


def test_a_seed_replays_the_whole_run_in_another_process():
    """With perpetuals and without; of a run in which nobody trades the order of a set changes nothing."""
    found = {seed: trace_and_orders(seed, "1") for seed in (9, 10)}
    assert all(len(trace) == 16 and orders >= 20 for trace, orders in found.values()), found
    assert found == {seed: trace_and_orders(seed, "2") for seed in found}
    assert found[9] != found[10]


def test_without_cancels_the_storm_breaks_a_law():
    """One careless seam in a whole storm; the others stand beside their faults in chaos/scenarios."""
    broken: list[str] = []
    for seed in range(201, 221):
        broken += run(seed, 0.5, Seams(orders=Mute)).violations
        if any(line.startswith("liveness") for line in broken):
            return
    raise AssertionError(f"no seed broke it: {broken}")


def test_a_stream_whose_half_word_is_believed_breaks_a_law(monkeypatch):
    """A fee that a frame does not carry is not zero."""

    def whole(report, is_whole):
        return OrderTold(report=report, is_whole=True)

    monkeypatch.setattr(Fates, "frame", lambda fates: "half")
    assert [run(seed, 0.5).violations for seed in range(301, 305)] == [[]] * 4
    monkeypatch.setattr(streams, "OrderTold", whole)
    broken: list[str] = []
    for seed in range(301, 331):
        broken += run(seed, 0.5).violations
        if any("ledger" in line for line in broken):
            return
    raise AssertionError(f"no seed broke it: {broken}")


def test_the_command_prints_one_object_and_its_exit_code_says_whether_all_held():
    argv = [sys.executable, "-m", "chaos", "--seeds", "2", "--hours", "1", "--first", "31", "--json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=120)
    said = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0 and said["violations"] == 0
    assert said["seeds"] == 2 and said["virtual_hours"] > 2 and said["orders"] > 0


def test_a_second_leg_follows_the_hard_one_on_every_seed_that_trades():
    """Of either strategy with two legs: where the storm has none of them, that policy is not simulated."""
    hard = [run(seed, 2.0).counts for seed in (501, 502, 503, 504)]
    assert all(counts["order.second"] for counts in hard if counts["order.entry"] > 20)
    assert sum(counts["order.second"] for counts in hard) > 20
