"""A few real engines killed at named points, judged by the venues' own records. The long run is `make crash`."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from crash.points import POINTS, draw

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.timeout(600)  # about 70 s; a desk on a busy machine is given its time to settle
def test_a_few_kills_lose_nothing_and_double_nothing():
    call = [sys.executable, "-m", "crash", "--kills", "6", "--per-round", "3", "--seed", "3"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3_000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["violations"] == 0
    assert said["kills"] == 6
    assert said["orders_at_venues"], "a run without an order proves nothing"
    assert sum(said["points"].values()) > sum(said["points_not_reached"].values())


@pytest.mark.timeout(600)
def test_kills_meet_orders_of_perpetuals_too():
    """Spot against perpetual: every order by the venues' own records, and the position by the clearing's."""
    call = [sys.executable, "-m", "crash", "--houses", "perps", "--kills", "12", "--per-round", "6", "--seed", "5"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3_000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["kills"], said["violations"]) == (12, 0)
    assert said["orders_of_perpetuals"], "a run without an order of a perpetual proves nothing of them"


def test_every_point_is_drawn():
    random = Random(1)
    assert {draw(random, has_shim=True).point.name for _ in range(500)} == {point.name for point in POINTS}
    assert {draw(random, has_shim=False).point.trigger for _ in range(100)} == {"order", "moment"}
    assert {draw(random, True, "before the send").point.name for _ in range(20)} == {"before the send"}
