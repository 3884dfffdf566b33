"""Perpetuals of four houses: ccxt and our feed say what the floor says; a no has its own shape."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import pytest

from sandbox.faults import Fault
from sandbox.world import World, WorldConfig
from tests.sandbox_venues.agreement import watching
from tests.sandbox_venues.conftest import client as with_key
from tests.sandbox_venues.test_contract_books import CASES, COINS, IDS, Case
from tests.waiting import until

NAMES = ("bitget_futures", "okx swap", "binance_usdm", "bybit_linear")
PERPS = [dict(zip(IDS, CASES, strict=True))[name] for name in NAMES]
HOUR_MS = 3_600_000
perps = pytest.mark.parametrize("case", PERPS, ids=NAMES)


@asynccontextmanager
async def reading(case: Case) -> AsyncIterator[tuple[World, Any]]:
    """A house and ccxt without a key."""
    async with World(WorldConfig(seed=11, episodes=False, houses=(case.house,))) as world:
        rest = world.urls[case.venue]["rest"]
        reader = case.kind({"enableRateLimit": False, "options": case.options})
        reader.timeout_on_exit = 0
        case.point(reader, rest, rest.replace("http", "ws"))
        try:
            await reader.load_markets()
            yield world, reader
        finally:
            await reader.close()


@perps
async def test_funding_mark_and_turnover_are_the_floors(case):
    async with reading(case) as (world, reader):
        floor = world.floors[case.venue]
        world.player.cancel()  # the market stands still: what is read is what is there
        for coin, symbol in zip(COINS, case.symbols, strict=True):
            unified, state = case.market.format(coin), floor.perps[symbol]
            rate = await reader.fetch_funding_rate(unified)
            assert Decimal(str(rate["fundingRate"])) == state.funding_rate
            assert rate["fundingTimestamp"] == state.next_ms
            told = rate if rate["markPrice"] is not None else await reader.fetch_mark_price(unified)
            assert Decimal(str(told["markPrice"])) == state.mark
        rates = await reader.fetch_funding_rates([case.market.format(coin) for coin in COINS])
        assert len(rates) == len(COINS)
        assert {state.interval_ms // HOUR_MS for state in floor.perps.values()} == {4, 8}


@perps
async def test_funding_history_is_whole_and_the_same_twice(case):
    async with reading(case) as (world, reader):
        state = world.floors[case.venue].perps[case.symbols[2]]
        unified, last_ms = case.market.format("XRP"), state.next_ms - state.interval_ms
        rows = await reader.fetch_funding_rate_history(unified, limit=50)
        stamps = [row["timestamp"] for row in rows]
        assert stamps == list(range(last_ms - 49 * state.interval_ms, last_ms + 1, state.interval_ms))
        assert Decimal(str(rows[-1]["fundingRate"])) == state.settled_rate
        assert len({row["fundingRate"] for row in rows}) > 20 and all(abs(row["fundingRate"]) < 0.003 for row in rows)
        again = await reader.fetch_funding_rate_history(unified, limit=50)
        assert [row["fundingRate"] for row in again] == [row["fundingRate"] for row in rows]
        if case.house != "bitget":  # it pages by number, not by time
            since = await reader.fetch_funding_rate_history(unified, stamps[30], 100)
            assert [row["timestamp"] for row in since] == stamps[30:]


@perps
async def test_our_feed_tells_the_perpetuals_of_the_floor(case):
    async with watching(case.house, case.venue, case.symbols, speed=4.0) as pair:
        told = pair.heard.perps
        await until(lambda: set(told) == set(case.symbols))
        await until(lambda: all(each.interval_ms and each.mark and each.index for each in told.values()))
        for symbol, state in pair.floor.perps.items():
            assert (told[symbol].interval_ms, told[symbol].next_funding_ms) == (state.interval_ms, state.next_ms)
            assert told[symbol].mark == pytest.approx(float(state.mark), rel=1e-3)
            assert told[symbol].index == pytest.approx(float(state.index), rel=1e-3)
            assert abs(told[symbol].funding_rate or 1.0) <= 0.003


TOO_MANY = (ccxt.DDoSProtection, ccxt.RateLimitExceeded)
NOES = [
    ("429", Fault(kind="rate_limit", scope="query"), TOO_MANY),
    ("418", Fault(kind="ban", scope="query"), TOO_MANY),
    ("a page", Fault(kind="http_error", scope="query", status=502), (ccxt.ExchangeNotAvailable,)),
    ("maintenance", Fault(kind="maintenance"), (ccxt.ExchangeNotAvailable,)),
    ("outage", Fault(kind="rest_outage"), (ccxt.NetworkError,)),
]


@perps
async def test_every_no_reaches_ccxt_in_the_venues_own_shape(case):
    async with reading(case) as (world, reader):
        faults, unified = world.floors[case.venue].faults, case.market.format("BTC")
        for why, fault, errors in NOES:
            faults.arm(fault)
            with pytest.raises(errors):
                await reader.fetch_order_book(unified)
            faults.clear()
            assert (await reader.fetch_order_book(unified))["bids"], why
        reader.markets[unified]["id"] = "NOPE"
        with pytest.raises(ccxt.ExchangeError, match=UNKNOWN[case.house]):
            await reader.fetch_order_book(unified)


UNKNOWN = {"bitget": "40034", "bybit": "10001", "okx": "51001", "binance_usdm": "-1121"}
FULL = {
    "bitget": ("/api/v2/public/time", 20, "x-mbx-used-remain-limit"),
    "okx": ("/api/v5/public/instruments?instType=SWAP", 20, ""),
    "binance_usdm": ("/fapi/v1/depth?symbol=BTCUSDT&limit=1000", 120, "X-MBX-USED-WEIGHT-1M"),
}


@pytest.mark.parametrize("house", FULL)
async def test_a_full_window_is_429_and_headers_count_towards_it(house):
    path, calls, header = FULL[house]
    async with World(WorldConfig(seed=11, episodes=False, houses=(house,)), lambda: 1_790_000_000_000) as world:
        url = world.urls[house]["rest"] + path
        async with aiohttp.ClientSession() as session:
            counts = []
            for _ in range(calls):
                async with session.get(url) as answer:
                    assert answer.status == 200
                    counts.append(int(answer.headers[header]) if header else 0)
            async with session.get(url) as answer:
                assert answer.status == 429
    if house == "binance_usdm":
        assert counts == list(range(20, 2_401, 20))  # weight 20 each
    elif house == "bitget":
        assert counts == list(range(19, -1, -1))  # what is left


async def test_an_okx_account_in_spot_mode_takes_no_order_on_a_swap(world):
    exchange = with_key(world, "okx")
    exchange.options["fetchMarkets"] = {"types": ["spot", "swap"]}
    try:
        await exchange.load_markets()
        with pytest.raises(ccxt.AccountNotEnabled, match="51010"):
            await exchange.create_order("BTC/USDT:USDT", "limit", "buy", 1, 60_000, {"tdMode": "cash"})
        assert not world.floors["okx"].exchange.orders and not world.floors["okx_swap"].exchange.orders
    finally:
        await exchange.close()


async def test_okx_tells_index_and_borrowing_to_anyone(world):
    async def get(path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(world.urls["okx"]["rest"] + path) as answer:
            return (await answer.json())["data"]

    rows = await get("/api/v5/market/index-tickers?instId=ETH-USDT")
    assert [row["instId"] for row in rows] == ["ETH-USDT"] and Decimal(rows[0]["idxPx"]) > 0
    basic = {
        row["ccy"]: Decimal(row["rate"]) for row in (await get("/api/v5/public/interest-rate-loan-quota"))[0]["basic"]
    }
    assert set(basic) == {"USDT", *COINS} and all(0 < rate < Decimal("0.01") for rate in basic.values())
