"""A recorded log of events gives the same effects again, byte for byte, in another process with another hash seed."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from engine.domain.command import Halt, Mode, ResumeConfirm, ResumeRequest, SetAlerts, SetMode, SetParams, UndoSetting
from engine.domain.event import RateUsed
from tests.core.conftest import HERE
from tests.core.harness import OVERLAY, ROOT, Rig
from tests.core.venue_model import Outcome


def play(events: Path) -> None:
    """An eventful hour: trades, a failed leg, a lost answer, settings, a crash, a halt and its end."""
    rig = Rig(HERE / "two_worlds.yaml", events=events).ready()
    rig.execute()
    rig.settle()
    rig.execute(Outcome(), Outcome(answer="refused"), Outcome(answer="lost"), ratio=0.011)
    rig.settle()
    rig.ask(SetParams(strategy="kimchi", changes=b'{"min_net": "0.004"}'))
    rig.ask(UndoSetting(strategy="kimchi"))
    rig.ask(SetMode(strategy="spatial", mode=Mode.AUTO))
    rings = b'{"thresholds": [{"id": "t1", "figure": "k_usdt", "side": "above", "level": "0.005"}]}'
    rig.ask(SetAlerts(owner="desk", version=0, settings=rings))
    rig.handle(RateUsed(venue="okx", name="rest", used=0.9, seen_ns=rig.now_ns))
    rig.set_book("okx", "BTC-USDT", 100_900)
    rig.set_book("bithumb", "KRW-BTC", 141_900_000)
    rig.settle()
    rig.execute(Outcome(), Outcome(answer="lost", reaches=False), ratio=0.012)
    rig.run_for(300)
    assert {("k_usdt", "warn"), ("rate_budget", "warn")} <= set(rig.alerts())
    rig.restart()
    rig.settle()
    rig.ask(Halt(level=2, reason="a tap"))
    rig.run_for(1_000)
    rig.show_all()
    rig.ask(ResumeRequest(token="a"))
    rig.ask(ResumeConfirm(token="a"))
    rig.run_for(16_000)
    assert rig.log is not None
    rig.log.close()


def replay(events: Path, hash_seed: str) -> "subprocess.CompletedProcess[str]":
    overlays = [OVERLAY, HERE / "two_worlds.yaml"]
    extra = [part for path in overlays for part in ("--overlay", str(path))]
    return subprocess.run(
        [sys.executable, "-m", "engine", "replay", str(events), "--config", str(ROOT / "configs"), *extra],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        timeout=100,
        check=False,
    )


def test_a_log_replays_byte_for_byte(tmp_path: Path):
    events = tmp_path / "events.jsonl"
    play(events)
    for hash_seed in ("1", "4242"):
        done = replay(events, hash_seed)
        assert done.returncode == 0, done.stderr
    lines = events.read_bytes().count(b"\n")
    assert done.stdout.startswith(f"{lines} events ")
    assert lines > 1_000


def test_two_recordings_of_one_run_are_the_same(tmp_path: Path):
    play(tmp_path / "one.jsonl")
    play(tmp_path / "two.jsonl")
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


@pytest.mark.parametrize("old, new", [(b'"rate":"1395"', b'"rate":"1396"'), (b'"level":2', b'"level":1')])
def test_a_changed_log_is_found_out(tmp_path: Path, old: bytes, new: bytes):
    events = tmp_path / "events.jsonl"
    play(events)
    text = events.read_bytes()
    at = text.index(old)
    events.write_bytes(text[:at] + new + text[at + len(old) :])
    done = replay(events, "7")
    assert done.returncode == 1
    assert "differs" in done.stderr
    assert Decimal(done.stderr.split(":")[1]) > 0
