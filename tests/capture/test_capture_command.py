"""`premia capture` as a process against the local venues; what it writes, `premia frames` reads."""

import asyncio
import json
import os
import resource
import signal
import sys
from pathlib import Path

import pytest
import yaml
import zstandard

from engine.frames import run as run_frames
from sandbox.world import World, WorldConfig
from tests.waiting import until

REPOSITORY = Path(__file__).parent.parent.parent
VENUES = ("upbit", "binance", "okx")


def overlay(world, tmp_path):
    venues = {
        name: {"rest_base": world.urls[name]["rest"], "ws_base": world.urls[name]["rest"].replace("http", "ws")}
        for name in world.sockets
    }
    path = tmp_path / "overlay.yaml"
    path.write_text(yaml.safe_dump({"venues": venues, "data_dir": str(tmp_path / "var")}))
    return path


async def start(world, tmp_path, *more, venues=VENUES, before=None):
    call = [sys.executable, "-m", "engine", "capture", "--config", str(REPOSITORY / "configs"), "--json"]
    call += ["--overlay", str(overlay(world, tmp_path)), "--out", str(tmp_path / "out"), *more]
    for venue in venues:
        call += ["--venue", venue]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *call,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=pipe,
        stderr=pipe,
        preexec_fn=before,
    )


def files(tmp_path, venue, kind="raw"):
    return sorted((tmp_path / "out" / venue / kind).glob("*.jsonl.zst"))


def size(tmp_path, venue):
    return sum(path.stat().st_size for path in files(tmp_path, venue))


def rows(tmp_path, venue, kind):
    found = []
    for path in files(tmp_path, venue, kind):
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as text:
            found += [json.loads(line) for line in text.read().splitlines()]
    return found


def played(capsys, tmp_path, venue):
    status = run_frames(venue, files(tmp_path, venue), as_json=True)
    return status, json.loads(capsys.readouterr().out)


async def test_what_is_captured_is_what_the_venue_said(tmp_path, capsys):
    async with World(WorldConfig(seed=11, episodes=False)) as world:
        process = await start(world, tmp_path)
        await until(lambda: all(size(tmp_path, venue) > 12_000 for venue in VENUES), 20)
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-2000:]
    closing = json.loads(out.splitlines()[-1])
    assert closing["final"] is True
    for venue in VENUES:
        status, result = played(capsys, tmp_path, venue)
        said = closing["venues"][venue]
        assert (status, result["errors"], result["gaps"]) == (0, 0, 0)
        assert all(book["synced"] for book in result["books"].values())
        raw = rows(tmp_path, venue, "raw")
        assert said["frames"] == len(raw)
        assert result["frames"] == sum(row["dir"] == "in" and row["conn"].startswith("ws") for row in raw)
        assert [row["mono_ns"] for row in raw] == sorted(row["mono_ns"] for row in raw)
        assert all(abs(row["ns"] / 1e9 - row["t"]) < 1e-5 for row in raw)
        last = {row["symbol"]: row for row in rows(tmp_path, venue, "books")}
        assert set(last) == set(result["books"])
        for symbol, book in result["books"].items():  # the rows are the decoders' books, level by level
            for side in ("bids", "asks"):
                assert [[float(x) for x in level] for level in book[side]] == last[symbol][side][:10]
        assert len(rows(tmp_path, venue, "trades")) == said["trade_rows"] > 0


async def test_a_kill_costs_the_last_moment_and_the_next_life_goes_on(tmp_path, capsys):
    async with World(WorldConfig(seed=11, episodes=False)) as world:
        process = await start(world, tmp_path, venues=["binance"])
        await until(lambda: size(tmp_path, "binance") > 8_000, 20)
        process.kill()
        await process.communicate()
        newest = files(tmp_path, "binance")[-1]
        with newest.open("r+b") as file:  # the kill came in the middle of a block
            file.truncate(newest.stat().st_size - 7)
        process = await start(world, tmp_path, venues=["binance"])
        await until(lambda: len(files(tmp_path, "binance")) > 1 and size(tmp_path, "binance") > 16_000, 20)
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert json.loads(out.splitlines()[-1])["venues"]["binance"]["torn"] == 1
    status, result = played(capsys, tmp_path, "binance")
    assert (status, result["errors"], result["gaps"]) == (0, 0, 0)
    assert all(book["synced"] for book in result["books"].values())


async def test_a_file_system_that_takes_no_more_is_one_line_and_exit_1(tmp_path):
    def limit():
        # Of any one file: EFBIG in the middle of a block, and several blocks later than the first.
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    async with World(WorldConfig(seed=11, episodes=False)) as world:
        process = await start(world, tmp_path, venues=["upbit"], before=limit)
        said: list[bytes] = []
        async with asyncio.timeout(60):
            while not any(b"out/upbit/raw error=File too large" in line for line in said):
                said.append(await process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
    assert b"out/upbit/raw" not in err  # told once, not retold
    assert json.loads(out.splitlines()[-1])["venues"]["upbit"]["stopped"] is True
    assert process.returncode == 1
    assert rows(tmp_path, "upbit", "raw")  # what was written before is whole


async def test_a_venue_of_ccxt_is_captured_by_its_line_in_the_configuration(tmp_path):
    async with World(WorldConfig(seed=11, episodes=False, houses=("kraken",))) as world:
        process = await start(world, tmp_path, venues=["kraken"])
        await until(lambda: len(rows(tmp_path, "kraken", "books")) > 30, 30)
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()[-2000:]
    books = rows(tmp_path, "kraken", "books")
    assert {row["symbol"] for row in books} == {"BTC/USDT", "ETH/USDT", "XRP/USDT"}
    assert all(len(row["bids"]) == len(row["asks"]) == 20 for row in books)  # 25 by book_levels, the top 20 written
    said = json.loads(out.splitlines()[-1])["venues"]["kraken"]
    assert (said["books"], said["errors"], said["reconnects"]) == (3, 0, 0)


@pytest.mark.parametrize("venue", ["nowhere"])
async def test_a_venue_that_is_not_configured_is_one_line_and_exit_2(tmp_path, venue):
    async with World(WorldConfig(seed=11, episodes=False)) as world:
        process = await start(world, tmp_path, venues=[venue])
        _, err = await process.communicate()
    assert process.returncode == 2
    assert err.decode().count("\n") == 1
    assert "nowhere" in err.decode()
