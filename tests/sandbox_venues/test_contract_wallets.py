"""Wallets and warnings are moved over the sandbox's own door and read back in each venue's own words."""

from typing import Any

import aiohttp
import ccxt.async_support as ccxt  # type: ignore[import-untyped]
import pytest

from sandbox.world import World, WorldConfig
from tests.sandbox_venues.conftest import client


async def ask(world: World, door: str, **order: Any) -> None:
    url = f"{world.urls['control']['rest']}/world/{door}"
    async with aiohttp.ClientSession() as session, session.post(url, json=order) as answer:
        assert answer.status == 200, await answer.text()


@pytest.mark.parametrize("venue", ["upbit", "bithumb"])
async def test_korean_wallets_pause_one_way_or_both(world, venue):
    exchange = client(world, venue)
    read = exchange.private_get_status_wallet if venue == "upbit" else exchange.private_get_v1_status_wallet

    async def states() -> dict[str, str]:
        return {row["currency"]: row["wallet_state"] for row in await read()}

    try:
        assert set((await states()).values()) == {"working"}
        await ask(world, "wallets", venue=venue, asset="XRP", deposits=False, withdrawals=False)
        await ask(world, "wallets", venue=venue, asset="ETH", network="ETH", withdrawals=False)
        await ask(world, "wallets", venue=venue, asset="BTC", deposits=False)
        said = await states()
        assert (said["XRP"], said["ETH"], said["BTC"], said["USDT"]) == (
            "paused",
            "deposit_only",
            "withdraw_only",
            "working",
        )
        await ask(world, "wallets", venue=venue, asset="ETH")
        assert (await states())["ETH"] == "working"
    finally:
        await exchange.close()


PUBLIC = {"bitget": "ERC20", "gate": "ARBEVM", "kucoin": "ARBITRUM"}


@pytest.mark.parametrize("venue", ["binance", "okx", *PUBLIC])
async def test_ccxt_reads_which_networks_are_open(venue):
    async with World(WorldConfig(seed=7, episodes=False, houses=(venue,))) as world:
        if venue in PUBLIC:
            exchange = getattr(ccxt, venue)({"enableRateLimit": False})
            rest = world.urls[venue]["rest"] + ("/api/v4" if venue == "gate" else "")
            exchange.urls["api"] = {
                name: dict.fromkeys(value, rest) if isinstance(value, dict) else rest
                for name, value in exchange.urls["api"].items()
            }
        else:
            exchange = client(world, venue)
        try:
            before = (await exchange.fetch_currencies())["ETH"]["networks"].values()
            assert before and all(network["deposit"] and network["withdraw"] for network in before)
            chain = PUBLIC.get(venue, "")
            await ask(world, "wallets", venue=venue, asset="ETH", network=chain, deposits=False)
            after = (await exchange.fetch_currencies())["ETH"]["networks"].values()
        finally:
            await exchange.close()
    assert [network["deposit"] for network in after].count(False) == 1
    assert all(network["withdraw"] for network in after)


async def test_warnings_in_each_venues_own_words(world):
    async def get(venue: str, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(world.urls[venue]["rest"] + path) as answer:
            return await answer.json()

    kinds = ["WARNING", "GLOBAL_PRICE_DIFFERENCES"]
    await ask(world, "warnings", venue="upbit", symbol="KRW-XRP", kinds=kinds)
    await ask(world, "warnings", venue="bithumb", symbol="KRW-ETH", kinds=["PRICE_DIFFERENCE_HIGH"])
    upbit = {row["market"]: row["market_event"] for row in await get("upbit", "/v1/market/all?is_details=true")}
    assert upbit["KRW-XRP"]["warning"] and upbit["KRW-XRP"]["caution"]["GLOBAL_PRICE_DIFFERENCES"]
    assert not upbit["KRW-BTC"]["warning"] and not any(upbit["KRW-BTC"]["caution"].values())
    bithumb = {row["market"]: row["market_warning"] for row in await get("bithumb", "/v1/market/all?isDetails=true")}
    assert (bithumb["KRW-ETH"], bithumb["KRW-XRP"]) == ("CAUTION", "NONE")
    rows = await get("bithumb", "/v1/market/virtual_asset_warning")
    assert [(row["market"], row["warning_type"]) for row in rows] == [("KRW-ETH", "PRICE_DIFFERENCE_HIGH")]
    await ask(world, "warnings", venue="bithumb", symbol="KRW-ETH")
    assert await get("bithumb", "/v1/market/virtual_asset_warning") == []
