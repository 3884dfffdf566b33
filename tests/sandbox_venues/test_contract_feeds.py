"""The sockets: subscribe rules, books that equal REST, chains without a gap; ccxt.pro as a second client."""

import asyncio
import json

import aiohttp
import ccxt.pro  # type: ignore[import-untyped]
import pytest

from tests.sandbox_venues.conftest import SYMBOLS, client
from tests.sandbox_venues.listening import (
    DEADLINE_SECONDS,
    Book,
    binance_apply,
    decode,
    listening,
    okx_apply,
    rest_book,
    units,
)


def ticketed(*codes, kind="orderbook", form="DEFAULT", **options):
    return json.dumps([{"ticket": "t"}, {"type": kind, "codes": list(codes), **options}, {"format": form}])


async def get(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return decode(await answer.text())


@pytest.mark.parametrize("venue, levels", [("upbit", 30), ("bithumb", 15)])
async def test_korean_book_is_whole_binary_and_equals_rest(world, venue, levels):
    async with listening(world.urls[venue]["ws"], ticketed("KRW-BTC", "KRW-NOPE", "krw-eth")) as heard:
        await heard.until(lambda frames: len(frames) >= 3)
        rest = (await get(f"{world.urls[venue]['rest']}/v1/orderbook?markets=KRW-BTC"))[0]
        stamp = rest["timestamp"]

        def same(frame):
            return decode(frame.data)["timestamp"] // (1000 if venue == "bithumb" else 1) == stamp

        frames = await heard.until(lambda frames: any(same(f) for f in frames) or len(frames) > 40)
    assert all(frame.type is aiohttp.WSMsgType.BINARY for frame in frames)
    decoded = [decode(frame.data) for frame in frames]
    assert {frame["code"] for frame in decoded} == {"KRW-BTC"}
    assert decoded[0]["stream_type"] == "SNAPSHOT" and decoded[-1]["stream_type"] == "REALTIME"
    assert {len(frame["orderbook_units"]) for frame in decoded} == {levels}
    twin = next(d for d, f in zip(decoded, frames, strict=True) if same(f))
    assert units(twin) == tuple(side[:levels] for side in units(rest))


async def test_upbit_spellings(world):
    async with listening(world.urls["upbit"]["ws"], ticketed("KRW-BTC.1")) as heard:
        text = (await heard.until(lambda frames: bool(frames)))[0].data.decode()
    assert '"ask_price":9.' in text and "E7," in text  # large prices carry an exponent
    async with listening(world.urls["upbit"]["ws"], ticketed("KRW-BTC.1", form="SIMPLE")) as heard:
        simple = decode((await heard.until(lambda frames: bool(frames)))[0].data)
    assert set(simple) == {"ty", "cd", "tms", "tas", "tbs", "obu", "st", "lv"} and len(simple["obu"]) == 1


async def test_bithumb_sizes_have_four_decimals_and_micros(world):
    async with listening(world.urls["bithumb"]["ws"], ticketed("KRW-BTC")) as heard:
        frame = decode((await heard.until(lambda frames: bool(frames)))[0].data)
    assert all(size == round(size, 4) for side in units(frame) for _, size in side)
    assert frame["timestamp"] > 1_000_000 * 1_700_000_000


async def test_second_request_replaces_the_first_and_ping_is_answered(world):
    async with listening(world.urls["upbit"]["ws"], ticketed("KRW-BTC"), ticketed("KRW-XRP"), "PING") as heard:
        frames = await heard.until(lambda frames: len(frames) >= 8)
    decoded = [decode(frame.data) for frame in frames]
    assert {"status": "UP"} in decoded
    replaced = [frame["code"] for frame in decoded if frame.get("stream_type") == "REALTIME"]
    assert set(replaced) == {"KRW-XRP"}


async def test_bithumb_ignores_snake_case_options(world):
    snake = ticketed("KRW-BTC", is_only_snapshot=True)
    async with listening(world.urls["bithumb"]["ws"], snake) as heard:
        await heard.until(lambda frames: len(frames) >= 4)
    camel = ticketed("KRW-BTC", isOnlySnapshot=True)
    async with listening(world.urls["bithumb"]["ws"], camel, "PING") as heard:
        frames = await heard.until(lambda frames: len(frames) >= 2)
    assert [decode(frame.data).get("stream_type") for frame in frames] == ["SNAPSHOT", None]


WRONG = [("{}", "WRONG_FORMAT"), ('[{"type":"orderbook"}]', "NO_TICKET"), ('[{"ticket":"x"}]', "NO_TYPE")]


@pytest.mark.parametrize("text, name", [*WRONG, ('[{"ticket":"x"},{"type":"orderbook"}]', "NO_CODES")])
@pytest.mark.parametrize("venue", ["upbit", "bithumb"])
async def test_a_wrong_request_is_named_and_closed(world, venue, text, name):
    async with listening(world.urls[venue]["ws"], text) as heard:
        frames = await heard.until(lambda frames: len(frames) >= 2)
    assert decode(frames[0].data)["error"]["name"] == name
    assert frames[1].type is aiohttp.WSMsgType.CLOSE and frames[1].data == 1000


async def test_binance_diffs_join_the_rest_book(world):
    stream = f"{world.urls['binance']['stream']}?streams=btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker"
    async with listening(stream) as heard:
        await heard.until(lambda frames: len(frames) >= 5)
        rest = await get(f"{world.urls['binance']['rest']}/api/v3/depth?symbol=BTCUSDT&limit=1000")
        await heard.until(lambda frames: len(frames) >= 40)
        again = await get(f"{world.urls['binance']['rest']}/api/v3/depth?symbol=BTCUSDT&limit=1000")

        def is_there(frame):
            return decode(frame.data)["data"].get("u", 0) >= again["lastUpdateId"]

        frames = await heard.until(lambda frames: any("depthUpdate" in f.data and is_there(f) for f in frames))
    book, last_id = rest_book(rest), rest["lastUpdateId"]
    for frame in map(lambda f: decode(f.data)["data"], frames):
        if frame.get("e") == "depthUpdate" and frame["u"] <= again["lastUpdateId"]:
            last_id = binance_apply(book, last_id, frame)
    assert book == rest_book(again)
    channels = {decode(frame.data)["stream"].split("@", 1)[1] for frame in frames}
    assert channels == {"depth@100ms", "trade", "bookTicker"}


async def test_binance_subscribes_by_message(world):
    ask = {"method": "SUBSCRIBE", "params": ["ethusdt@depth@100ms"], "id": 7}
    async with listening(world.urls["binance"]["ws"], json.dumps(ask)) as heard:
        frames = await heard.until(lambda frames: len(frames) >= 3)
    assert decode(frames[0].data) == {"result": None, "id": 7}
    assert decode(frames[1].data)["s"] == "ETHUSDT"  # on /ws a frame comes without its stream's name


async def test_okx_books_chain_and_equal_rest(world):
    ask = {"op": "subscribe", "args": [{"channel": "books", "instId": s} for s in ("BTC-USDT", "NO-USDT")]}
    async with listening(world.urls["okx"]["ws"], json.dumps(ask), "ping") as heard:
        await heard.until(lambda frames: len(frames) >= 25)
        rest = (await get(f"{world.urls['okx']['rest']}/api/v5/market/books?instId=BTC-USDT&sz=400"))["data"][0]
        frames = await heard.until(lambda frames: f'"seqId":{rest["seqId"]}' in frames[-1].data)
    assert any(frame.data == "pong" for frame in frames)
    decoded = [decode(frame.data) for frame in frames if frame.data != "pong"]
    assert [frame.get("code") for frame in decoded if frame.get("event") == "error"] == ["60018"]
    book: Book = ({}, {})
    last_id = 0
    for frame in (frame for frame in decoded if "action" in frame):
        last_id = okx_apply(book, last_id, frame)
        assert frame["data"][0]["checksum"] == 0
    assert (last_id, book) == (rest["seqId"], rest_book(rest))


async def test_our_own_order_is_in_the_book_and_our_taking_is_gone_from_it(world):
    floor = world.floors["upbit"]
    bids = floor.exchange.book("KRW-BTC")[0]
    exchange = client(world, "upbit")
    try:
        await exchange.load_markets()
        improved = float(bids[0][0]) + 1000
        await exchange.create_order("BTC/KRW", "limit", "buy", 0.001, improved)
        assert floor.exchange.book("KRW-BTC")[0][0][0] >= bids[0][0]
        before = dict(floor.exchange.book("KRW-BTC")[1])
        await exchange.create_order("BTC/KRW", "market", "buy", 1, 10_000)
        taken = floor.exchange.orders[2].fills
        after = dict(floor.exchange.book("KRW-BTC")[1])
        assert taken and any(after.get(fill.price) != before.get(fill.price) for fill in taken)
    finally:
        await exchange.close()


@pytest.mark.parametrize("venue", list(SYMBOLS))
async def test_ccxt_pro_watches_the_book(world, venue):
    exchange = client(world, venue, kind=ccxt.pro)
    ws = world.urls[venue]["ws"]
    exchange.urls["api"]["ws"] = {
        "upbit": ws,
        "bithumb": {"public": ws, "publicGen2": ws, "publicV2": ws},
        "binance": {"spot": ws},
        "okx": ws.removesuffix("/public"),
    }[venue]
    exchange.options["watchOrderBook"] = exchange.options.get("watchOrderBook", {}) | {"checksum": False}
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            for _ in range(5):
                book = await exchange.watch_order_book(SYMBOLS[venue])
        assert book["bids"][0][0] < book["asks"][0][0]
    finally:
        await exchange.close()
