"""`make demo ARGS="--headless --json"`: real processes and sockets, a scripted trader; each step of the scene holds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
SHARED = Path(os.environ.get("PREMIA_SHARED", REPOSITORY.parent / "shared")) / "venues"

TAPES = [  # why, tape
    ("seeded market", "seeded"),
    ("Binance's recorded frames", SHARED / "binance" / "ws-spot-20240808-btcusdt-346s.jsonl.gz"),
    ("Upbit's recorded frames", SHARED / "upbit" / "ws-20210405-10sym-120s.jsonl.gz"),
]


@pytest.mark.timeout(540)
@pytest.mark.parametrize("why, tape", TAPES, ids=[why for why, _ in TAPES])
def test_scene_holds(tmp_path, why, tape):
    if isinstance(tape, Path) and not tape.exists():
        pytest.skip(f"no recording at {tape}")
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "sandbox.demo",
            "--headless",
            "--json",
            "--tape",
            str(tape),
            "--keep",
            str(tmp_path / "run"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    said = ended.stdout.strip().splitlines()
    logs = "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted((tmp_path / "run").glob("*.log")))
    assert said, ended.stderr
    result = json.loads(said[-1])
    assert [step for step in result["steps"] if not step["ok"]] == [], logs
    assert ended.returncode == 0
    assert result["ok"]
    assert result["orders"] > 0
    assert result["fills"] > 0
    assert result["unknowns_resolved"] > 0
    assert result["update_to_card_ms"]["count"] > 0
    assert {key: value for key, value in result["ledger_difference"].items() if float(value)} == {}
    print("\n".join(said))
