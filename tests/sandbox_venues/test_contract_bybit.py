"""Bybit's own manners: acks per socket, one counter per symbol, depths, candles and settlements by page."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import aiohttp
import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import pytest

from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.listening import listening
from tests.sandbox_venues.test_contract_books import point_bybit

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(WorldConfig(seed=7, episodes=False, houses=("bybit",))) as world:
        yield world


@pytest.fixture
async def client(world) -> AsyncIterator[Any]:
    client = ccxt.bybit({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot", "linear"]}}})
    point_bybit(client, world.urls["bybit"]["rest"], "")
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


async def get(world: World, path: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    url = f"{world.urls['bybit']['rest']}/v5/market/{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, dict(answer.headers), await answer.json()


def said(frames: list[Any]) -> list[dict[str, Any]]:
    return [json.loads(frame.data) for frame in frames]


def of_topic(frames: list[Any], topic: str) -> list[dict[str, Any]]:
    return [each for each in said(frames) if each.get("topic") == topic]


def ask(op: str, *topics: str) -> str:
    return json.dumps({"op": op, "args": topics, "req_id": "7"})


def merged(sides: tuple[dict[str, str], dict[str, str]], data: dict[str, Any]) -> None:
    for side, rows in zip(sides, (data["b"], data["a"]), strict=True):
        for price, size in rows:
            side.pop(price, None)
            if Decimal(size):
                side[price] = size


@pytest.mark.parametrize("venue, category", [("bybit", "spot"), ("bybit_linear", "linear")])
async def test_snapshot_and_deltas_on_one_counter_equal_rest_and_depth_one_is_their_top(world, venue, category):
    deep, top = "orderbook.200.BTCUSDT", "orderbook.1.BTCUSDT"
    async with listening(world.urls[venue]["ws"], ask("subscribe", deep, top)) as heard:
        await heard.until(lambda frames: len(of_topic(frames, deep)) >= 8)
        rest = (await get(world, f"orderbook?category={category}&symbol=BTCUSDT&limit=1000"))[2]["result"]
        frames = await heard.until(lambda frames: of_topic(frames, top)[-1]["data"]["u"] > rest["u"])
    first, *deltas = of_topic(frames, deep)
    assert first["type"] == "snapshot" and {each["type"] for each in deltas} == {"delta"}
    assert all(new["data"]["u"] == old["data"]["u"] + 1 for old, new in pairwise([first, *deltas]))
    tops = {each["data"]["seq"]: each for each in of_topic(frames, top)}
    assert {each["type"] for each in tops.values()} == {"snapshot"}
    sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
    compared = 0
    for each in [first, *deltas]:
        merged(sides, each["data"])
        best = (max(sides[0], key=Decimal), min(sides[1], key=Decimal))
        if (twin := tops.get(each["data"]["seq"])) is not None:
            assert (twin["data"]["b"][0][0], twin["data"]["a"][0][0]) == best
            compared += 1
        if each["data"]["u"] == rest["u"]:
            assert sides == (dict(rest["b"]), dict(rest["a"]))
    assert compared >= 8 and any(each["data"]["u"] == rest["u"] for each in [first, *deltas])


async def test_acks_name_the_request_and_a_wrong_topic_refuses_the_whole_frame(world):
    many = [f"orderbook.{depth}.{coin}USDT" for depth in (1, 50, 200, 1000) for coin in ("BTC", "ETH", "XRP")]
    frames_sent = (
        ask("subscribe", "publicTrade.BTCUSDT", "orderbook.50.NOPEUSDT"),
        ask("subscribe", "orderbook.7.BTCUSDT"),
        ask("dance"),
        "{",
        '{"op":"ping","req_id":"8"}',
    )
    async with listening(world.urls["bybit"]["ws"], *frames_sent, ask("subscribe", *many)) as heard:
        spot = said(await heard.until(lambda frames: len(frames) >= 6))
    assert [each["success"] for each in spot] == [False, False, False, False, True, False]
    assert "NOPEUSDT" in spot[0]["ret_msg"] and spot[0]["req_id"] == "7"
    assert (spot[4]["ret_msg"], spot[4]["req_id"]) == ("pong", "8")
    assert spot[5]["ret_msg"] == "args size >10"
    async with listening(world.urls["bybit_linear"]["ws"], ask("subscribe", *many)) as heard:
        linear = said(await heard.until(lambda frames: len({each.get("topic") for each in said(frames)}) > len(many)))
    assert linear[0]["success"] and {each["topic"] for each in linear[1:]} == set(many)


async def test_after_unsubscribing_the_topic_is_silent_and_a_new_subscribe_starts_with_a_snapshot(world):
    book, other = "orderbook.50.BTCUSDT", "orderbook.50.ETHUSDT"
    async with listening(world.urls["bybit"]["ws"], ask("subscribe", book, other)) as heard:
        await heard.until(lambda frames: of_topic(frames, book) and of_topic(frames, other))
        await heard.ws.send_str(ask("unsubscribe", book))
        await heard.until(lambda frames: said(frames)[-1].get("op") == "unsubscribe")
        gone = len(heard.frames)
        await heard.until(lambda frames: len(of_topic(frames[gone:], other)) >= 4)
        assert not of_topic(heard.frames[gone:], book)
        await heard.ws.send_str(ask("subscribe", book))
        await heard.until(lambda frames: len(of_topic(frames[gone:], book)) >= 2)
    assert [each["type"] for each in of_topic(heard.frames[gone:], book)][:2] == ["snapshot", "delta"]


async def test_candles_are_whole_newest_first_and_the_same_twice(world, client):
    now_ms = int((await get(world, "time"))[2]["time"])
    since = (now_ms - 6 * HOUR_MS) // HOUR_MS * HOUR_MS
    rows = await client.fetch_ohlcv("BTC/USDT", "1m", since, 300)
    assert [row[0] for row in rows] == list(range(since, since + 300 * MINUTE_MS, MINUTE_MS))
    assert all(low <= min(first, last) and high >= max(first, last) for _, first, high, low, last, _ in rows)
    assert sum(row[5] > 0 for row in rows) > 250
    assert await client.fetch_ohlcv("BTC/USDT", "1m", since, 300) == rows
    hours = await client.fetch_ohlcv("BTC/USDT:USDT", "1h", since, 5)
    minutes = await client.fetch_ohlcv("BTC/USDT:USDT", "1m", since, 300)
    for number, hour in enumerate(hours):
        within = minutes[number * 60 : number * 60 + 60]
        traded = [row for row in within if row[5]]
        assert hour[2] == max(row[2] for row in traded) and hour[5] == pytest.approx(sum(row[5] for row in within))
    path = f"kline?category=spot&symbol=BTCUSDT&interval=1&start={since}&end={since + 9 * MINUTE_MS}"
    raw = (await get(world, path))[2]["result"]["list"]
    assert [int(row[0]) for row in raw] == [since + n * MINUTE_MS for n in range(9, -1, -1)]


WRONG = [
    "orderbook?category=spot&symbol=NOPE",
    "orderbook?category=option&symbol=BTCUSDT",
    "orderbook?category=linear&symbol=BTCUSDT&limit=1001",
    "kline?category=spot&symbol=BTCUSDT&interval=7",
    "kline?category=spot&symbol=BTCUSDT&interval=1&limit=1001",
    "funding/history?category=linear&symbol=BTCUSDT&startTime=1700000000000",
    "funding/history?category=spot&symbol=BTCUSDT",
]


@pytest.mark.parametrize("path", WRONG)
async def test_a_wrong_parameter_is_10001_within_200(world, path):
    status, headers, answer = await get(world, path)
    assert (status, answer["retCode"], answer["result"]) == (200, 10_001, {})
    assert int(headers["X-Bapi-Limit-Status"]) < int(headers["X-Bapi-Limit"])


async def test_contracts_and_tickers_are_the_floors(world, client):
    spot = (await get(world, "tickers?category=spot&symbol=BTCUSDT"))[2]["result"]["list"][0]
    assert "markPrice" not in spot
    for coin in ("BTC", "ETH", "XRP"):
        state = world.floors["bybit_linear"].perps[f"{coin}USDT"]
        row = (await get(world, f"instruments-info?category=linear&symbol={coin}USDT"))[2]["result"]["list"][0]
        assert row["fundingInterval"] * MINUTE_MS == state.interval_ms
        ticker = (await get(world, f"tickers?category=linear&symbol={coin}USDT"))[2]["result"]["list"][0]
        assert int(ticker["fundingIntervalHour"]) * HOUR_MS == state.interval_ms
        assert int(ticker["nextFundingTime"]) == state.next_ms
        rules = world.floors["bybit_linear"].rules.markets[f"{coin}USDT"]
        market = client.market(f"{coin}/USDT:USDT")
        assert market["precision"]["price"] == float(rules.bands[-1].tick)
        assert market["precision"]["amount"] == float(rules.lot) and market["contractSize"] == 1


async def test_maintenance_closes_sockets_and_answers_503_until_it_ends(world):
    faults = world.floors["bybit"].faults
    async with listening(world.urls["bybit"]["ws"], ask("subscribe", "orderbook.50.BTCUSDT")) as heard:
        await heard.until(lambda frames: len(frames) >= 3)
        faults.arm(Fault(kind="maintenance"))
        frames = await heard.until(lambda _: False)  # until it is closed
    assert frames[-1].type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    url = f"{world.urls['bybit']['rest']}/v5/market/time"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 503 and "<html>" in await answer.text()
    faults.clear("maintenance")
    assert (await get(world, "time"))[0] == 200


async def test_a_clock_that_is_off_shows_in_server_time_date_and_frames(world):
    right_ms = int((await get(world, "time"))[2]["time"])
    world.floors["bybit_linear"].faults.arm(Fault(kind="clock_offset", offset_ms=90_000))
    world.floors["bybit"].faults.arm(Fault(kind="clock_offset", offset_ms=90_000))
    _, headers, answer = await get(world, "time")
    assert 90_000 <= answer["time"] - right_ms < 100_000
    assert 89_000 <= parsedate_to_datetime(headers["Date"]).timestamp() * 1_000 - right_ms < 100_000
    topics = ("orderbook.50.BTCUSDT", "tickers.BTCUSDT")
    async with listening(world.urls["bybit_linear"]["ws"], ask("subscribe", *topics)) as heard:
        frames = await heard.until(lambda frames: all(len(of_topic(frames, topic)) >= 3 for topic in topics))
    assert all(90_000 <= of_topic(frames, topic)[-1]["ts"] - right_ms < 120_000 for topic in topics)


@pytest.mark.parametrize("kind, status", [("rate_limit", 200), ("ban", 403)])
async def test_too_many_visits_of_an_account_are_a_word_and_those_of_an_address_a_ban(world, kind, status):
    world.floors["bybit"].faults.arm(Fault(kind=kind, scope="query"))
    found, _, answer = await get(world, "time")
    assert (found, answer["retCode"]) == (status, 10_006)
    assert (await get(world, "time"))[0] == 200
