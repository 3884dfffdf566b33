"""Nine spot venues with accounts in one engine: all reconcile, each trades, and the ledger is theirs to the digit."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

import aiohttp
import pytest

from sandbox.stage import OWNER, Stage, StageConfig
from sandbox.trader import Door, SceneFailed
from sandbox.venues.opening import TRADED
from sandbox.world import WorldConfig
from tests.waiting import until

LATER = ("coinone", "bybit", "kucoin", "gate", "bitget")
# A machine that is busy with other things may take its time: no answer is given up before ten seconds.
_TIMES = {"order_timeout_ms": 10_000, "late_acceptance_ms": 3_000, "settle_margin_ms": 500, "max_book_age_ms": 5_000}
_MUCH = "1000000000000"
OVERLAY: dict[str, Any] = {
    "venues": {
        **{name: _TIMES for name in TRADED},
        **{name: {"enabled": False} for name in ("bybit_linear", "kucoin_futures", "gate_futures", "bitget_futures")},
        "okx": {**_TIMES, "also_watch": []},
    },
    "risk": {
        "overrides": {"cooldown_ms": 200, "max_notional_per_minute_krw": _MUCH, "max_orders_per_minute": 1_000_000}
    },
    "execution": {"auto_cooldown_ms": 300, "reconcile_every_s": 5},
    "strategies": {
        "spatial": {"mode": "off"},
        "tether_bot": {"mode": "off"},
        "kimchi": {
            "mode": "auto",
            "params": {
                "coins": ["ETH"],
                "korean": ["upbit", "bithumb", "coinone"],
                "global": ["binance", "okx", "bybit", "kucoin", "gate", "bitget"],
                "max_notional_krw": 500_000,
            },
        },
    },
}


class Desk:
    """What the test asks of the running engine and its world."""

    def __init__(self, stage: Stage, session: aiohttp.ClientSession) -> None:
        self._control = stage.world.urls["control"]["rest"]
        self._session = session
        self.door = Door(stage.control_socket, f"telegram:{OWNER.id}")
        self.seen: dict[str, Any] = {}

    async def premium(self, venue: str) -> None:
        """A Korean venue becomes dear, another one cheap: bought abroad, sold in Korea."""
        bps = 150 if venue == "coinone" else -150
        body = {"coin": "ETH", "bps": bps, "seconds": 4, "venue": venue}
        async with self._session.post(f"{self._control}/world/premium", json=body) as answer:
            assert answer.status == 200

    async def ask(self, path: str) -> Any:
        """What the door says, four times a second at most: it is the desk's own loop that answers. None: nothing."""
        await asyncio.sleep(0.25)
        with suppress(aiohttp.ClientError, SceneFailed, TimeoutError):
            return await self.door.get(path)
        return None

    async def all_ready(self) -> bool:
        self.seen["status"] = status = await self.ask("/status")
        return bool(status) and len(status["venues"]) >= 9 and all(venue["ready"] for venue in status["venues"])

    async def balanced_at(self, venue: str) -> bool:
        trades = await self.ask("/trades") or []
        self.seen["trades"] = trades
        found = [t for t in trades if t["outcome"] == "balanced" and any(leg["venue"] == venue for leg in t["legs"])]
        if not found:
            await self.premium(venue)
        return bool(found)

    async def at_rest(self) -> bool:
        status = await self.ask("/status")
        self.seen["status"] = status
        return bool(status) and not status["working_trades"] and not status["unknown_orders"] and status["ready"]


@pytest.mark.timeout(600)
async def test_nine_venues_trade_and_their_ledgers_agree(tmp_path):
    world = WorldConfig(seed=5, episodes=False, houses=TRADED, step_s=0.05)
    config = StageConfig(world=world, run_dir=tmp_path, overlay=OVERLAY, traded=TRADED)
    async with Stage(config) as stage, aiohttp.ClientSession() as session:
        await stage.engine.start()
        desk = Desk(stage, session)
        await until(desk.all_ready, 240.0)
        assert {v["venue"] for v in desk.seen["status"]["venues"] if v["ready"]} == set(TRADED)
        for venue in LATER:
            await until(partial(desk.balanced_at, venue), 120.0)
        await desk.door.post("/strategies/kimchi/mode", "test-off", {"mode": "off"})
        await until(desk.at_rest, 120.0)
        assert not desk.seen["status"]["dead_letters"]
        floors = stage.world.floors
        for row in await desk.door.get("/balances"):
            held = floors[row["venue"]].ledger.balance("trader", row["asset"]).total
            assert Decimal(row["ledger"]) == held, row
        placed = [(venue, order) for venue in TRADED for order in floors[venue].exchange.orders.values()]
        assert {venue for venue, order in placed if order.filled} >= set(LATER)
        ids = [(venue, order.client_id) for venue, order in placed]
        assert len(ids) == len(set(ids)) and all(order.state.value != "open" for _, order in placed)
