"""A disk that is full for longer than memory lasts, under a live feed: what follows the hole stands by itself."""

import asyncio
import errno
import json
import os
import signal

import pytest
import yaml
import zstandard

from engine.capture.run import Capture, Wish
from engine.capture.track import Rotation
from engine.config import load
from engine.frames import run as run_frames
from sandbox.world import World, WorldConfig
from tests.conftest import REPOSITORY
from tests.waiting import until


class Disk:
    def __init__(self):
        self.is_full = False

    def write(self, fd, data, offset):
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(fd, data, offset)


def rows(folder):
    for path in sorted(folder.glob("*.zst")):
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as text:
            yield from map(json.loads, text.read().splitlines())


@pytest.mark.parametrize("venue", ["binance", "okx"])  # a REST base; a snapshot on the socket
async def test_books_are_asked_for_anew_behind_a_hole(tmp_path, capsys, venue):
    disk = Disk()
    async with World(WorldConfig(seed=11, episodes=False, houses=(venue,))) as world:
        rest = world.urls[venue]["rest"]
        lines = {venue: {"rest_base": rest, "ws_base": rest.replace("http", "ws")}}
        (tmp_path / "overlay.yaml").write_text(yaml.safe_dump({"venues": lines}))
        config = load(REPOSITORY / "configs", (tmp_path / "overlay.yaml",))
        rotation = Rotation(max_waiting=100_000, write=disk.write)
        capture = Capture(config, Wish(out=tmp_path, venues=(venue,), rotation=rotation, progress_every_s=0.1))
        held = capture.venues[venue]
        tally = held.raw.tally
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(capture.run(lambda progress: None))
            await until(lambda: tally.stored > 20 and held.markets.synced == len(config.venues[venue].symbols))
            disk.is_full = True
            await until(lambda: tally.lost > 20, 30)
            disk.is_full = False
            await until(lambda: not held.raw.is_stopped)
            stored = tally.stored
            await until(lambda: tally.stored > stored + 60 and held.markets.synced == len(config.venues[venue].symbols))
            os.kill(os.getpid(), signal.SIGTERM)
            await running
    assert tally.stops == 1
    files = sorted((tmp_path / venue / "raw").glob("*.zst"))
    assert run_frames(venue, files, as_json=True) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["errors"], result["gaps"]) == (0, 0)  # nothing behind the hole was played onto what was before
    assert all(book["synced"] for book in result["books"].values())
    last = {row["symbol"]: row for row in rows(tmp_path / venue / "books")}
    for symbol, book in result["books"].items():  # and it is the book that the live decoder ended with
        for side in ("bids", "asks"):
            assert [[float(x) for x in level] for level in book[side]] == last[symbol][side][:10]
