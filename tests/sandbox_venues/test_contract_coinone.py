"""Coinone's own manners: acknowledged nonsense, asks worst first, errors in HTTP 200, pages where a path is unknown."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import pytest

from sandbox.faults import Fault
from sandbox.venues.wallets import Wallet
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.agreement import watching
from tests.sandbox_venues.listening import listening
from tests.sandbox_venues.test_contract_books import cut, fresh, point_coinone, truth_of
from tests.sandbox_venues.test_contract_recovery import BY_ID, HURRIED
from tests.waiting import until

PING = '{"request_type":"PING"}'


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(WorldConfig(seed=7, episodes=False, houses=("coinone",))) as world:
        yield world


def topic(base: str, channel: str = "ORDERBOOK", verb: str = "SUBSCRIBE") -> str:
    pair = {"quote_currency": "KRW", "target_currency": base}
    return json.dumps({"request_type": verb, "channel": channel, "topic": pair, "format": "DEFAULT"})


async def get(world: World, path: str) -> tuple[int, dict[str, str], str]:
    url = world.urls["coinone"]["rest"] + path
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, dict(answer.headers), await answer.text()


def said(frames: list[Any]) -> list[dict[str, Any]]:
    return [json.loads(frame.data) for frame in frames]


def books(frames: list[Any]) -> list[dict[str, Any]]:
    return [each["data"] for each in said(frames) if each["response_type"] == "DATA"]


async def test_a_book_is_whole_asks_worst_first_and_equals_rest_under_the_same_id(world):
    async with listening(world.urls["coinone"]["ws"], topic("btc")) as heard:
        await heard.until(lambda frames: len(books(frames)) >= 3)
        rest = json.loads((await get(world, "/public/v2/orderbook/KRW/BTC?size=16"))[2])
        frames = await heard.until(lambda frames: books(frames)[-1]["id"] >= rest["id"])
    kinds = [each["response_type"] for each in said(frames)]
    assert kinds[:2] == ["CONNECTED", "SUBSCRIBED"] and set(kinds[2:]) == {"DATA"}
    first, *later = books(frames)
    assert int(first["id"]) // 1_000 - first["timestamp"] == 10_000
    assert all(int(book["id"]) // 1_000 == book["timestamp"] for book in later)
    assert all(int(old["id"]) < int(new["id"]) for old, new in pairwise([first, *later]))
    for book in later:
        asks, bids = ([float(row["price"]) for row in book[side]] for side in ("asks", "bids"))
        assert asks == sorted(asks, reverse=True) and bids == sorted(bids, reverse=True) and min(asks) > max(bids)
        assert len(asks) == len(bids) == 16 and book["target_currency"] == "BTC"
    twin = next(book for book in [first, *later] if book["id"] == rest["id"])
    assert (twin["bids"], twin["asks"][::-1]) == (rest["bids"], rest["asks"])


async def test_an_unknown_pair_is_acknowledged_then_refused_without_its_name_and_the_socket_lives(world):
    wrong_case = topic("BTC").replace('"SUBSCRIBE"', '"subscribe"')
    async with listening(world.urls["coinone"]["ws"], topic("NOPE"), wrong_case, "{", PING) as heard:
        frames = said(await heard.until(lambda frames: len(frames) >= 6))
    assert [each["response_type"] for each in frames] == ["CONNECTED", "SUBSCRIBED", "ERROR", "ERROR", "ERROR", "PONG"]
    assert [each.get("error_code") for each in frames][2:5] == [160012, 160011, 160000]
    assert "NOPE" not in json.dumps(frames[2])


async def test_after_unsubscribing_the_topic_is_silent_and_the_others_go_on(world):
    async with listening(world.urls["coinone"]["ws"], topic("BTC"), topic("ETH")) as heard:
        await heard.until(lambda frames: len({book["target_currency"] for book in books(frames)}) == 2)
        await heard.ws.send_str(topic("BTC", verb="UNSUBSCRIBE"))

        def after(frames: list[Any]) -> list[dict[str, Any]]:
            kinds = [each["response_type"] for each in said(frames)]
            return books(frames[kinds.index("UNSUBSCRIBED") :]) if "UNSUBSCRIBED" in kinds else []

        frames = await heard.until(lambda frames: len(after(frames)) >= 6)
    assert {book["target_currency"] for book in after(frames)} == {"ETH"}


async def test_rest_says_no_within_200_and_counts_calls(world):
    for path, code in [
        ("/public/v2/orderbook/KRW/NOPE", "108"),
        ("/public/v2/orderbook/KRW/BTC?size=7", "107"),
        ("/public/v2/markets/USD", "107"),
    ]:
        status, _, text = await get(world, path)
        error = json.loads(text)
        assert (status, error["result"], error["error_code"]) == (200, "error", code)
    status, headers, text = await get(world, "/public/v2/nowhere")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and "<html>" in text
    left = [int((await get(world, "/public/v2/currencies"))[1]["Public-Ratelimit-Remaining"]) for _ in range(3)]
    assert left == [left[0], left[0] - 1, left[0] - 2] and left[0] < 1_200


async def test_ticks_minimums_and_wallets_are_the_floors(world):
    floor = world.floors["coinone"]
    units = json.loads((await get(world, "/public/v2/range_units/KRW/XRP"))[2])["range_price_units"]
    bands = sorted(floor.rules.markets["KRW-XRP"].bands, key=lambda band: band.from_price)
    assert [(float(u["range_min"]), float(u["price_unit"])) for u in units] == [
        (float(band.from_price), float(band.tick)) for band in bands
    ]
    assert all(old["next_range_min"] == new["range_min"] for old, new in pairwise(units))
    listed = json.loads((await get(world, "/public/v2/markets/KRW"))[2])["markets"]
    assert {f"KRW-{each['target_currency']}": float(each["min_order_amount"]) for each in listed} == {
        symbol: float(rules.min_notional) for symbol, rules in floor.rules.markets.items()
    }
    client = ccxt.coinone({"enableRateLimit": False})
    point_coinone(client, world.urls["coinone"]["rest"], "")
    try:
        assert {f"{coin}/KRW" for coin in ("BTC", "ETH", "XRP", "USDT")} == set(await client.load_markets())
        floor.wallets.set("ETH", "ETH", Wallet(deposits=False))
        coins = await client.fetch_currencies()
        assert (coins["ETH"]["deposit"], coins["ETH"]["withdraw"]) == (False, True)
        assert (coins["XRP"]["deposit"], coins["XRP"]["withdraw"]) == (True, True)
    finally:
        await client.close()


NOES = [("rate_limit", 429, "error_code"), ("ban", 429, "error_code"), ("http_error", 502, "<html>")]


@pytest.mark.parametrize("kind, status, text", NOES, ids=[case[0] for case in NOES])
async def test_a_no_on_request_is_shown_once(world, kind, status, text):
    world.floors["coinone"].faults.arm(Fault(kind=kind, scope="query", status=502))
    answer = await get(world, "/public/v2/currencies")
    assert answer[0] == status and text in answer[2]
    assert (await get(world, "/public/v2/currencies"))[0] == 200


async def test_maintenance_closes_sockets_and_answers_503_until_it_ends(world):
    faults = world.floors["coinone"].faults
    async with listening(world.urls["coinone"]["ws"], topic("BTC")) as heard:
        await heard.until(lambda frames: bool(books(frames)))
        faults.arm(Fault(kind="maintenance"))
        frames = await heard.until(lambda _: False)  # until it is closed
    assert frames[-1].type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert (await get(world, "/public/v2/currencies"))[0] == 503
    with pytest.raises(aiohttp.WSServerHandshakeError):
        async with listening(world.urls["coinone"]["ws"]):
            raise AssertionError("the socket opened")
    faults.clear("maintenance")
    assert (await get(world, "/public/v2/currencies"))[0] == 200


async def test_a_clock_that_is_off_shows_in_server_time(world):
    async def server_ms() -> int:
        return int(json.loads((await get(world, "/public/v2/ticker_new/KRW/BTC"))[2])["server_time"])

    before = await server_ms()
    world.floors["coinone"].faults.arm(Fault(kind="clock_offset", offset_ms=-90_000))
    assert -90_000 <= await server_ms() - before < -80_000


async def test_a_clock_set_back_makes_ids_fall_and_our_books_are_condemned_then_whole_again():
    """Ids are times: after the step every frame looks old, until the book is proved dead by REST and asked anew."""
    case = BY_ID["coinone"]
    async with watching("coinone", "coinone", case.symbols, speed=4.0, patience=HURRIED) as pair:
        truth = truth_of(pair, case.places, case.depth)
        await fresh(pair)
        stepped_ms = pair.clock() - 1_800_000
        pair.floor.faults.arm(Fault(kind="clock_offset", offset_ms=-3_600_000))
        await until(lambda: {line.partition(" ")[0] for line in pair.heard.lost} == set(case.symbols), 20)

        def healed() -> bool:
            after = Counter(symbol for symbol, stamp in pair.heard.pages if stamp < stepped_ms)
            return min(after[symbol] for symbol in case.symbols) >= 5

        await until(healed, 20)
    common = [key for key in pair.heard.pages if key in truth]
    assert [key for key in common if cut(pair.heard.pages[key], case.depth) not in truth[key]] == []
    assert len(common) >= 15
