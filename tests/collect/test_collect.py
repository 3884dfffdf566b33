"""`premia collect` against local venues: what is stored is what was served, holes are named, a kill costs nothing."""

import asyncio
import csv
import gzip
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.dataset as ds  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import yaml
from aiohttp import web

from engine.collect.run import Collect, Wish
from engine.config import load
from engine.domain.errors import ConfigError
from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.waiting import until

REPOSITORY = Path(__file__).parent.parent.parent
SPOT = ("upbit", "bithumb", "binance", "okx")
COIN = {"upbit": "KRW-XRP", "bithumb": "KRW-XRP", "binance": "XRPUSDT", "okx": "XRP-USDT"}


async def start(tmp_path, places, *more, out="out"):
    path = tmp_path / "overlay.yaml"
    path.write_text(
        yaml.safe_dump({"venues": {name: {"rest_base": url, "ws_base": url} for name, url in places.items()}})
    )
    call = [sys.executable, "-m", "engine", "collect", "--config", str(REPOSITORY / "configs"), "--json"]
    call += ["--overlay", str(path), "--out", str(tmp_path / out), *more]
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*call, cwd=REPOSITORY, env=env, stdout=pipe, stderr=pipe)


async def collect(tmp_path, places, *more, out="out", overlays=(), symbols=None):
    """In this process, as the command does it: exit status, closing object, log."""
    path = tmp_path / "overlay.yaml"
    lines = {name: {"rest_base": url, "ws_base": url} for name, url in places.items()}
    for name, symbol in (symbols or {}).items():
        lines[name]["symbols"] = [symbol]
    path.write_text(yaml.safe_dump({"venues": lines}))
    said: dict[str, list[str]] = {}
    for name, value in zip(more[::2], more[1::2], strict=True):
        said.setdefault(name.removeprefix("--"), []).append(value)
    wish = Wish(
        out=tmp_path / out,
        venues=tuple(said.get("venue", ())),
        symbols=tuple(said.get("symbol", ())),
        kinds=tuple(said.get("kind", ["candles"])),
        since=said["since"][0],
        until=said.get("until", [""])[0],
    )
    work = Collect(load(REPOSITORY / "configs", (path, *overlays)), wish, time.time_ns() // 1_000_000)
    await work.run(lambda name, from_ms, to_ms: lambda at_ms: None)
    outcomes = msgspec.to_builtins(work.outcomes)
    failed = any(one["status"] in ("refused", "failed") for one in outcomes)
    return int(failed), {"series": outcomes, "rows": sum(one["rows"] for one in outcomes)}, str(outcomes)


def stored(folder):
    """By an independent reader: all rows of a folder of days."""
    files = sorted(folder.glob("date=*/data.parquet"))
    return [row for path in files for row in pq.read_table(path, partitioning=None).to_pylist()]


def series(tmp_path, venue, kind, symbol, out="out"):
    return tmp_path / out / f"venue={venue}" / f"kind={kind}" / f"symbol={symbol}"


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class Recorded:
    """Upbit's candle endpoint over another project's recorded minutes, and nothing else."""

    def __init__(self, path, begin, end):
        with gzip.open(path, "rt") as file:
            rows = [row for row in csv.reader(file) if begin <= row[0] < end]
        self.rows = [(at(row[0]), *map(float, row[1:])) for row in rows]
        self.asked = 0
        self.pause_s = 0.0

    async def serve(self):
        app = web.Application()
        app.router.add_get("/v1/market/all", self._markets)
        app.router.add_get("/v1/candles/minutes/1", self._minutes)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self):
        await self._runner.cleanup()

    async def _markets(self, _):
        return web.json_response([{"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin"}])

    async def _minutes(self, request):
        self.asked += 1
        await asyncio.sleep(self.pause_s)
        to_ms = int(datetime.fromisoformat(request.query["to"].replace("Z", "+00:00")).timestamp() * 1000)
        found = [row for row in self.rows if row[0] < to_ms][-int(request.query["count"]) :]
        names = ("opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume")
        body = []
        for row in reversed(found):
            start = datetime.fromtimestamp(row[0] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            body.append({"market": "KRW-BTC", "candle_date_time_utc": start, **dict(zip(names, row[1:], strict=True))})
        return web.json_response(body)


@pytest.fixture
async def recorded(shared):
    begin, end = "2024-09-24 12:00:00", "2024-09-26 12:00:00"
    found = Recorded(shared / "venues/_history/upbit-krwbtc-1m-part1.csv.gz", begin, end)
    missing = [row for row in found.rows if (row[0] // 60_000) % 300 in (7, 8, 100)]  # and some that nobody served
    found.rows = [row for row in found.rows if row not in missing]
    yield found, {"upbit": await found.serve()}, ("--venue", "upbit", "--since", begin, "--until", end)
    await found.close()


def holes_of(rows, begin, end):
    """Stretches of minutes without a row, merged; the independent word."""
    known = {row[0] for row in rows}
    found: list[Any] = []
    for minute in range(at(begin), at(end), 60_000):
        if minute not in known:
            if found and found[-1][1] == minute:
                found[-1][1] = minute + 60_000
            else:
                found.append([minute, minute + 60_000])
    return [tuple(each) for each in found]


def joined(rows):
    """Holes as stored, by day, merged over midnight."""
    found: list[Any] = []
    for row in rows:
        if found and found[-1][1] == row["from_ms"]:
            found[-1] = (found[-1][0], row["to_ms"])
        else:
            found.append((row["from_ms"], row["to_ms"]))
    return found


def check(tmp_path, recorded, asked, out="out"):
    rows = stored(series(tmp_path, "upbit", "candles-1m", "KRW-BTC", out))
    assert [tuple(row.values()) for row in rows] == recorded.rows
    holes = stored(series(tmp_path, "upbit", "candles-1m-holes", "KRW-BTC", out))
    assert joined(holes) == holes_of(recorded.rows, asked[3], asked[5])
    assert {row["reason"] for row in holes} == {"not served"}
    return len(joined(holes))


async def test_recorded_minutes_come_back_as_they_were_and_their_holes_are_marked(tmp_path, recorded):
    venue, places, asked = recorded
    status, closing, err = await collect(tmp_path, places, *asked, "--symbol", "KRW-BTC")
    assert status == 0, err
    holes = check(tmp_path, venue, asked)
    assert holes > 5
    one = closing["series"][0]
    assert (one["rows"], one["holes"], one["status"]) == (len(venue.rows), holes, "done")
    before = venue.asked
    status, closing, _ = await collect(tmp_path, places, *asked, "--symbol", "KRW-BTC")
    assert (status, closing["rows"], closing["series"][0]["holes"]) == (0, 0, holes)
    assert venue.asked == before  # what is stored is not asked for again
    table = ds.dataset(tmp_path / "out/venue=upbit/kind=candles-1m", partitioning="hive", exclude_invalid_files=True)
    assert sorted(set(table.to_table().column("date").to_pylist()))[0].startswith("2024-09-24")


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])  # the command itself, as a process
async def test_what_was_cut_goes_on_where_it_stopped(tmp_path, recorded, blow):
    venue, places, asked = recorded
    venue.pause_s = 0.15
    process = await start(tmp_path, places, *asked, "--symbol", "KRW-BTC")
    cut = 12 if blow == signal.SIGKILL else 4  # a kill behind the first write, in the middle of the next
    await until(lambda: venue.asked >= cut, 20)
    process.send_signal(blow)
    text, _ = await process.communicate()
    if blow == signal.SIGTERM:
        assert json.loads(text)["series"][0]["status"] == "stopped"
    kept = len(stored(series(tmp_path, "upbit", "candles-1m", "KRW-BTC")))
    assert 0 < kept < len(venue.rows)
    venue.pause_s = 0.0
    status, closing, err = await collect(tmp_path, places, *asked, "--symbol", "KRW-BTC")
    assert status == 0, err
    assert closing["rows"] == len(venue.rows) - kept
    check(tmp_path, venue, asked)


async def test_an_older_begin_and_a_later_end_join_what_is_there(tmp_path, recorded):
    venue, places, asked = recorded
    middle = ("--venue", "upbit", "--since", "2024-09-25 01:00:00", "--until", "2024-09-25 13:00:00")
    for wish in (middle, asked):
        status, _, err = await collect(tmp_path, places, *wish, "--symbol", "KRW-BTC")
        assert status == 0, err
    check(tmp_path, venue, asked)


async def test_four_venues_serve_candles_and_trades(tmp_path):
    async with World(WorldConfig(seed=11, episodes=False)) as world:
        places = {name: world.urls[name]["rest"] for name in SPOT}
        await until(lambda: all(len(_feed_trades(world, venue)) > 2 for venue in SPOT))
        for venue in SPOT:
            world.floors[venue].faults.arm(Fault(kind="rate_limit", scope="any", count=1))
        wish = ["--kind", "candles", "--kind", "trades", "--since", "5h"]
        for venue in SPOT:
            wish += ["--venue", venue]
        status, closing, said = await collect(tmp_path, places, *wish, symbols=COIN)
        assert status == 0, said
        for venue in SPOT:
            candles, trades = (one for one in closing["series"] if one["venue"] == venue)
            assert candles["retries"] + trades["retries"] >= 1  # a 429 is waited for
            rows = stored(series(tmp_path, venue, "candles-1m", COIN[venue]))
            minutes = [row["at_ms"] // 60_000 for row in rows]
            assert minutes == sorted(set(minutes))
            asked = (candles["to_ms"] - candles["from_ms"]) // 60_000
            assert candles["rows"] == len(rows) == asked - candles["hole_ms"] // 60_000
            assert all(row["low"] <= min(row["open"], row["close"]) for row in rows)
            assert (candles["holes"] > 0) == (venue in ("upbit", "bithumb"))  # only they leave quiet minutes out
            told = stored(series(tmp_path, venue, "trades", COIN[venue]))
            floor = {(trade.at_ms, str(number)) for number, trade in _feed_trades(world, venue)}
            assert told and {(row["at_ms"], row["id"]) for row in told} <= floor


def _feed_trades(world, venue):
    house = world._dialects[venue]
    feed = house._feeds["SPOT"] if venue == "okx" else house._feed
    return feed.days[COIN[venue]].trades


class Funding:
    """Binance USD-M's catalogue of one contract and its funding history, from recorded rates."""

    def __init__(self, path):
        with gzip.open(path, "rt") as file:
            rows = list(csv.reader(file))[1:]
        self.rows = [(int(datetime.fromisoformat(row[0]).timestamp() * 1000), float(row[1])) for row in rows]

    async def serve(self):
        app = web.Application()
        app.router.add_get("/fapi/v1/exchangeInfo", self._info)
        app.router.add_get("/fapi/v1/fundingRate", self._rates)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self):
        await self._runner.cleanup()

    async def _info(self, _):
        market: dict[str, object] = {
            "symbol": "XRPUSDT",
            "pair": "XRPUSDT",
            "contractType": "PERPETUAL",
            "status": "TRADING",
        }
        market |= {"baseAsset": "XRP", "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": 4}
        market |= {"quantityPrecision": 1, "filters": [], "deliveryDate": 4133404800000, "onboardDate": 1569398400000}
        return web.json_response({"symbols": [market]})

    async def _rates(self, request):
        since, limit = int(request.query["startTime"]), int(request.query["limit"])
        found = [row for row in self.rows if row[0] >= since][: min(limit, 7)]
        body = [
            {"symbol": "XRPUSDT", "fundingTime": ms, "fundingRate": str(rate), "markPrice": ""} for ms, rate in found
        ]
        return web.json_response(body)


async def test_funding_is_collected_page_by_page_and_a_missing_settlement_is_a_hole(tmp_path, shared):
    venue = Funding(shared / "venues/_history/perp-xrpusdt-8h-funding-part1.csv.gz")
    gone = venue.rows.pop(20)
    place = await venue.serve()
    overlay = tmp_path / "usdm.yaml"
    line = {"rest_base": place, "ws_base": place, "trade": False, "symbols": ["XRPUSDT"], "max_book_age_ms": 500}
    line |= {"maker_fee_bps": 2, "taker_fee_bps": 5, "fee_side": "quote", "orders_per_second": 1, "reads_per_second": 1}
    overlay.write_text(yaml.safe_dump({"venues": {"binance_usdm": line}}))
    last = datetime.fromtimestamp(venue.rows[-1][0] / 1000 + 1, UTC).isoformat()
    wish = ("--venue", "binance_usdm", "--kind", "funding", "--since", "2021-11-17T20:00", "--until", last)
    status, closing, err = await collect(tmp_path, {}, *wish, overlays=(overlay,))
    await venue.close()
    assert status == 0, err
    rows = stored(series(tmp_path, "binance_usdm", "funding", "XRPUSDT"))
    assert [(row["at_ms"], row["rate"]) for row in rows] == venue.rows
    holes = joined(stored(series(tmp_path, "binance_usdm", "funding-holes", "XRPUSDT")))
    assert [hole for hole in holes if hole[0] < gone[0] < hole[1]] == holes
    assert closing["series"][0]["pages"] > 5


async def test_a_symbol_that_the_venue_does_not_list_is_one_line_and_the_others_go_on(tmp_path):
    async with World(WorldConfig(seed=11, episodes=False, houses=("upbit",))) as world:
        wish = ("--venue", "upbit", "--symbol", "KRW-NO", "--symbol", "KRW-BTC", "--since", "1h")
        status, closing, _ = await collect(tmp_path, {"upbit": world.urls["upbit"]["rest"]}, *wish)
    assert status == 1
    assert [one["status"] for one in closing["series"]] == ["refused", "done"]
    assert closing["series"][0]["reason"] == "upbit lists no KRW-NO"


REFUSALS = [  # why, wish, what is said
    ("a venue that is not configured", {"venues": ("nowhere",)}, "no venue `nowhere`"),
    ("a time that is none", {"since": "yesterday"}, "no time: `yesterday`"),
    ("an end before the begin", {"since": "1h", "until": "2h"}, "nothing to collect"),
    ("a kind that is none", {"kinds": ("books",)}, "no kind `books`"),
    ("a timeframe that is none", {"timeframe": "7m"}, "no timeframe `7m`"),
]


@pytest.mark.parametrize("why, wish, says", REFUSALS, ids=[case[0] for case in REFUSALS])
def test_what_cannot_be_meant_is_refused_before_the_start(tmp_path, why, wish, says):
    with pytest.raises(ConfigError, match=says):
        Collect(load(REPOSITORY / "configs"), Wish(out=tmp_path, **wish), now_ms=at("2026-11-20"))


async def test_a_folder_that_cannot_be_written_is_a_named_failure(tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    async with World(WorldConfig(seed=11, episodes=False, houses=("upbit",))) as world:
        wish = ("--venue", "upbit", "--symbol", "KRW-BTC", "--since", "1h")
        status, closing, err = await collect(tmp_path, {"upbit": world.urls["upbit"]["rest"]}, *wish)
    assert status == 1, err
    assert str(tmp_path / "out") in closing["series"][0]["reason"]
