"""Sockets of Bitget, OKX swaps and Binance USD-M by a plain client: acks, refusals, chains that end in REST books."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from sandbox.world import World, WorldConfig
from tests.sandbox_venues.listening import Book, decode, listening, okx_apply, rest_book


@asynccontextmanager
async def house(name: str) -> AsyncIterator[World]:
    async with World(WorldConfig(seed=5, episodes=False, houses=(name,))) as world:
        yield world


async def get(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return decode(await answer.text())


def decoded(frames: list[aiohttp.WSMessage]) -> list[dict[str, Any]]:
    return [decode(frame.data) for frame in frames if frame.data != "pong"]


def has(count: int, wanted: Callable[[dict[str, Any]], object]) -> Callable[[list[aiohttp.WSMessage]], bool]:
    return lambda frames: sum(bool(wanted(frame)) for frame in decoded(frames)) >= count


def merge(book: Book, bids: Any, asks: Any) -> None:
    for side, rows in zip(book, (bids, asks), strict=True):
        for price, size in rows:
            if Decimal(size):
                side[Decimal(price)] = Decimal(size)
            else:
                side.pop(Decimal(price), None)


def bitget(op: str, *args: tuple[str, str, str]) -> str:
    named = [dict(zip(("instType", "channel", "instId"), arg, strict=True)) for arg in args]
    return json.dumps({"op": op, "args": named})


PATHS = {"SPOT": "/api/v2/spot/market/orderbook?", "USDT-FUTURES": "/api/v2/mix/market/merge-depth?productType=u&"}


@pytest.mark.parametrize("product", PATHS)
async def test_bitget_books_chain_by_pseq_and_end_in_the_rest_book(product):
    async with house("bitget") as world:
        path = f"{world.urls['bitget']['rest']}{PATHS[product]}symbol=BTCUSDT&limit=max"
        async with listening(world.urls["bitget"]["ws"], bitget("subscribe", (product, "books", "BTCUSDT"))) as heard:
            await heard.until(lambda frames: len(frames) >= 20)
            rest = (await get(path))["data"]
            frames = decoded(await heard.until(has(1, lambda f: "data" in f and f["data"][0]["seq"] == rest["seq"])))
    assert frames[0] == {
        "event": "subscribe",
        "arg": {"instType": product, "channel": "books", "instId": "BTCUSDT"},
    }
    assert [frame["action"] for frame in frames[1:]] == ["snapshot"] + ["update"] * (len(frames) - 2)
    book: Book = ({}, {})
    last_id = 0
    for (data,) in (frame["data"] for frame in frames[1:]):
        assert data["pseq"] == last_id and isinstance(data["ts"], str)
        last_id = data["seq"]
        merge(book, data["bids"], data["asks"])
    whole = ({Decimal(str(p)): Decimal(str(q)) for p, q in rest[side]} for side in ("bids", "asks"))
    assert book == tuple(whole)


async def test_bitget_answers_each_argument_and_a_wrong_product_is_silence():
    ask = bitget(
        "subscribe",
        ("USDT-FUTURES", "books", "NOPEUSDT"),
        ("USDT-FUTURES", "depth", "BTCUSDT"),
        ("USDC-FUTURES", "books", "BTCUSDT"),
        ("USDT-FUTURES", "ticker", "XRPUSDT"),
    )
    async with house("bitget") as world, listening(world.urls["bitget"]["ws"], ask, "ping", "{}", "{") as heard:
        frames = await heard.until(has(3, lambda f: "data" in f and "markPrice" in f["data"][0]))
        state = world.floors["bitget_futures"].perps["XRPUSDT"]
    said = decoded(frames)
    assert any(frame.data == "pong" for frame in frames)
    assert [frame.get("code") for frame in said if frame.get("event") == "error"] == [30001, 30016, 30003, 30003]
    assert {frame["arg"]["channel"] for frame in said if frame.get("event") == "subscribe"} == {"books", "ticker"}
    tickers = [frame for frame in said if "data" in frame]
    assert {frame["arg"]["channel"] for frame in tickers} == {"ticker"}
    row = tickers[-1]["data"][0]
    assert row["nextFundingTime"] == str(state.next_ms) and abs(Decimal(row["fundingRate"])) <= Decimal("0.003")
    assert abs(Decimal(row["markPrice"]) / state.mark - 1) < Decimal("0.001")


def okx(*args: tuple[str, str]) -> str:
    return json.dumps({"op": "subscribe", "args": [{"channel": channel, "instId": name} for channel, name in args]})


async def test_okx_swap_books_chain_and_end_in_the_rest_book():
    async with house("okx") as world:
        url = f"{world.urls['okx']['rest']}/api/v5/market/books?instId=ETH-USDT-SWAP&sz=400"
        async with listening(world.urls["okx"]["ws"], okx(("books", "ETH-USDT-SWAP"))) as heard:
            await heard.until(lambda frames: len(frames) >= 20)
            rest = (await get(url))["data"][0]
            frames = decoded(
                await heard.until(has(1, lambda f: "data" in f and f["data"][0]["seqId"] == rest["seqId"]))
            )
        rules = (await get(f"{world.urls['okx']['rest']}/api/v5/public/instruments?instType=SWAP"))["data"]
    book: Book = ({}, {})
    last_id = 0
    for frame in frames[1:]:
        last_id = okx_apply(book, last_id, frame)
    assert (last_id, book) == (rest["seqId"], rest_book(rest))
    sizes = {row["instId"]: (row["ctVal"], row["ctValCcy"], row["settleCcy"], row["ctType"]) for row in rules}
    assert sizes["BTC-USDT-SWAP"] == ("0.01", "BTC", "USDT", "linear")
    assert {name: size[0] for name, size in sizes.items()} == {
        "BTC-USDT-SWAP": "0.01",
        "ETH-USDT-SWAP": "0.1",
        "XRP-USDT-SWAP": "100",
    }


async def test_okx_says_funding_marks_and_indices_of_swaps_alone():
    swaps = [(channel, "XRP-USDT-SWAP") for channel in ("funding-rate", "mark-price")]
    ask = okx(*swaps, ("index-tickers", "XRP-USDT"), ("mark-price", "XRP-USDT"), ("index-tickers", "DOGE-USDT"))
    async with house("okx") as world, listening(world.urls["okx"]["ws"], ask) as heard:
        frames = decoded(await heard.until(has(6, lambda f: "data" in f)))
        state = world.floors["okx_swap"].perps["XRP-USDT-SWAP"]
    assert [frame["code"] for frame in frames if frame.get("event") == "error"] == ["60018", "60018"]
    rows = {frame["arg"]["channel"]: frame["data"][0] for frame in frames if "data" in frame}
    assert set(rows) == {"funding-rate", "mark-price", "index-tickers"}
    funding = rows["funding-rate"]
    assert int(funding["nextFundingTime"]) - int(funding["fundingTime"]) == state.interval_ms == 4 * 3_600_000
    assert int(funding["fundingTime"]) == state.next_ms
    assert abs(Decimal(rows["mark-price"]["markPx"]) / Decimal(rows["index-tickers"]["idxPx"]) - 1) < Decimal("0.01")


async def test_binance_futures_diffs_chain_by_pu_and_join_the_rest_book():
    async with house("binance_usdm") as world:
        rest = world.urls["binance_usdm"]["rest"]
        async with listening(f"{world.urls['binance_usdm']['ws']}?streams=btcusdt@depth@100ms") as heard:
            await heard.until(lambda frames: len(frames) >= 4)
            base = await get(f"{rest}/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
            await heard.until(lambda frames: len(frames) >= 25)
            again = await get(f"{rest}/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
            frames = await heard.until(has(1, lambda f: f["data"]["u"] >= again["lastUpdateId"]))
    book, last_id = rest_book(base), None
    for frame in (each["data"] for each in decoded(frames)):
        if frame["u"] < base["lastUpdateId"] or frame["u"] > again["lastUpdateId"]:
            continue
        if last_id is None:
            assert frame["U"] <= base["lastUpdateId"] <= frame["u"]
        else:
            assert frame["pu"] == last_id
        last_id = frame["u"]
        merge(book, frame["b"], frame["a"])
    assert (last_id, book) == (again["lastUpdateId"], rest_book(again))


async def test_binance_futures_streams_are_split_by_path():
    async with house("binance_usdm") as world:
        rest = world.urls["binance_usdm"]["rest"].replace("http", "ws")
        ask = {"method": "SUBSCRIBE", "params": ["ethusdt@markPrice@1s", "ethusdt@bookTicker"], "id": 9}
        async with listening(f"{rest}/public/ws", json.dumps(ask), "[") as heard:
            public = decoded(await heard.until(has(3, lambda f: f.get("e") == "bookTicker")))
        streams = "ethusdt@aggTrade/ethusdt@markPrice@1s/ethusdt@ticker/ethusdt@depth@100ms"
        async with listening(f"{rest}/market/stream?streams={streams}") as heard:
            market = decoded(
                await heard.until(
                    lambda frames: (
                        {f["stream"].partition("@")[2] for f in decoded(frames)}
                        >= {"aggTrade", "markPrice@1s", "ticker"}
                    )
                )
            )
        state = world.floors["binance_usdm"].perps["ETHUSDT"]
        async with aiohttp.ClientSession() as session, session.get(world.urls["binance_usdm"]["rest"] + "/ws") as old:
            assert old.status == 404  # the path that knew no halves has ended
    assert public[0] == {"result": None, "id": 9} and "error" in public[1]
    assert {frame["e"] for frame in public[2:]} == {"bookTicker"}  # the mark lives on the other half
    marks = [frame["data"] for frame in market if "markPrice" in frame["stream"]]
    assert not any("depth" in frame["stream"] for frame in market)
    assert marks[-1]["T"] == state.next_ms and marks[-1]["e"] == "markPriceUpdate"
    volumes = [frame["data"] for frame in market if frame["stream"].endswith("@ticker")]
    assert Decimal(volumes[-1]["q"]) > 0 and volumes[-1]["e"] == "24hrTicker"
