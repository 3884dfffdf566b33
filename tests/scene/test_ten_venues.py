"""The real engine against every house at once: all books usable, all rules known, both boards whole."""

import asyncio
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from sandbox.stage import OWNER, Stage, StageConfig
from sandbox.trader import Door, SceneFailed
from sandbox.venues.opening import HOUSES
from sandbox.world import WorldConfig
from tests.waiting import until

COINS = {"BTC", "ETH", "XRP"}
PERPS = {"binance_usdm", "bitget_futures", "bybit_linear", "gate_futures", "kucoin_futures", "okx"}


@pytest.mark.timeout(600)
async def test_ten_venues_stand_in_one_engine(tmp_path):
    houses = tuple(name for name in HOUSES if name != "kraken")
    world = WorldConfig(seed=5, episodes=False, houses=houses, step_s=0.05)
    async with Stage(StageConfig(world=world, run_dir=tmp_path)) as stage:
        await stage.engine.start()
        door = Door(stage.control_socket, f"telegram:{OWNER.id}")
        seen: dict[str, Any] = {}

        async def whole():
            await asyncio.sleep(0.25)  # it is the desk's own loop that answers
            with suppress(aiohttp.ClientError, SceneFailed, TimeoutError):
                venues = await door.get("/v1/venues")
                seen["venues"] = {venue["venue"]: venue for venue in venues}
                return all(
                    venue["connected"] and venue["books_usable"] == venue["books"] and venue["rules"]["markets"]
                    for venue in venues
                )

        # A busy machine lets one book in forty-two be late at many an instant; one at which none is shows them all.
        await until(whole, 180.0)
        assert len(seen["venues"]) == 14
        assert {name for name, venue in seen["venues"].items() if venue["trades"]} == {
            "upbit",
            "bithumb",
            "binance",
            "okx",
        }
        assert all(venue["clock_offset_ms"] is not None for venue in seen["venues"].values() if venue["connections"])

        async def funded():
            rows = (await door.get("/v1/funding"))["rows"]
            seen["funding"] = [row for row in rows if row["interval_ms"] and row["next_funding_ms"] and row["mark"]]
            return {row["venue"] for row in seen["funding"]} == PERPS

        await until(funded, 60.0)
        assert {row["coin"] for row in seen["funding"]} == COINS
        hours = {(row["venue"], row["coin"]): row["interval_ms"] // 3_600_000 for row in seen["funding"]}
        assert all(found == (4 if coin == "XRP" else 8) for (_, coin), found in hours.items())

        async def both_sides():
            seen["board"] = (await door.get("/v1/premiums"))["rows"]
            return (
                len({row["korean"] for row in seen["board"]}) == 3 and len({row["coin"] for row in seen["board"]}) == 3
            )

        await until(both_sides, 60.0)
        assert {row["coin"] for row in seen["board"]} == COINS
        assert {row["korean"] for row in seen["board"]} == {"upbit", "bithumb", "coinone"}
        metrics = await door.get("/metrics/live")
        assert metrics["rss_mb"] < 300
