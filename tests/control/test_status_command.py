"""`premia status` against a real door: a table for people, JSON for machines, one line when nobody answers."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from engine.storage.watch_beat import WATCH_BEAT_FILE, WatchBeat, WatchHeart
from tests.control.conftest import USERS, open_house
from tests.control.desk import MemoryDesk

ROOT = Path(__file__).parent.parent.parent


async def premia(directory: Path, *arguments: str) -> tuple[int, str, str]:
    overlay = directory / "overlay.yaml"
    overlay.write_text(f"data_dir: {directory}\n", encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine", "status", "--overlay", str(overlay), *arguments),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    return process.returncode or 0, out.decode(), error.decode()


async def test_the_running_desk_in_a_table_and_as_json(tmp_path, monkeypatch):
    monkeypatch.setitem(USERS, "cli", "owner")
    async with open_house(tmp_path, MemoryDesk()):
        code, shown, _ = await premia(tmp_path)
        assert code == 0
        upbit = next(row for row in shown.splitlines() if row.startswith("upbit "))
        for part in ("ready", "2/2", "140.5", "12.0", "90.0", "9.5", "−3.5 ±1.5", "42%", "5/5"):
            assert part in upbit, part
        assert "upbit#2" in shown and "running" in shown
        [orders] = (row.split() for row in shown.splitlines() if "17 told" in row)
        assert orders[:5] == ["orders", "up", "17", "told", "310"]
        code, text, _ = await premia(tmp_path, "--json")
        assert code == 0
        body = json.loads(text)
        assert body["status"]["instance"] == "premia-test"
        assert {venue["venue"] for venue in body["venues"]} == {"upbit", "bithumb", "binance", "okx"}


async def test_an_engine_that_is_not_there_is_one_line_and_exit_1(tmp_path):
    code, shown, error = await premia(tmp_path)
    assert (code, shown) == (1, "") and error.startswith("premia: the engine does not answer at ")
    assert len(error.splitlines()) == 1
    now_ms = time.time_ns() // 1_000_000
    heart = WatchHeart(tmp_path / WATCH_BEAT_FILE)
    heart.beat(WatchBeat(pid=1, wall_ms=now_ms - 60_000, sight="missing", act="clean", act_ms=now_ms - 600_000))
    heart.close()
    _, _, error = await premia(tmp_path)
    assert "watchdog silent for 6" in error and "last act: clean 10 min ago" in error
