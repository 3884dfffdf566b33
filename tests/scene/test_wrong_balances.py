"""The real engine and an account that tells nonsense: nothing is booked, no order leaves, then trading goes on."""

from decimal import Decimal

import aiohttp
import pytest

from sandbox.faults import Fault
from sandbox.stage import Stage, StageConfig
from sandbox.world import WorldConfig
from tests.scene.test_nine_traded import OVERLAY
from tests.scene.test_order_streams import HOUSES, Ears
from tests.waiting import until

ILL = "upbit"


class Watch(Ears):
    async def is_stopped(self) -> bool:
        self.seen["status"] = status = await self.ask("/status")
        return bool(status) and not next(v for v in status["venues"] if v["venue"] == ILL)["ready"]

    async def booked(self) -> dict[tuple[str, str], Decimal]:
        """What the engine's own ledger says, by venue and asset."""
        return {(row["venue"], row["asset"]): Decimal(row["ledger"]) for row in await self.door.get("/balances")}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["balance_zero", "balance_empty", "balance_lag"])
async def test_a_wrong_account_stops_its_venue_and_books_nothing(tmp_path, kind):
    world = WorldConfig(seed=5, episodes=False, houses=HOUSES, step_s=0.05)
    venues = {name: rules for name, rules in OVERLAY["venues"].items() if name in HOUSES}
    config = StageConfig(world=world, run_dir=tmp_path, overlay=OVERLAY | {"venues": venues}, traded=HOUSES)
    async with Stage(config) as stage, aiohttp.ClientSession() as session:
        await stage.engine.start()
        desk, floor = Watch(stage, session), stage.world.floors[ILL]
        await until(desk.ready, 120.0)

        floor.faults.arm(Fault(kind=kind, symbol="BTC", behind_ms=3_600_000))
        await until(desk.is_stopped, 60.0)
        before, placed, asked = await desk.booked(), len(floor.exchange.orders), floor.faults.shown[kind]

        async def asked_again() -> bool:
            await desk.premium("okx")  # a trade that it would make, were the account sound
            return floor.faults.shown[kind] >= asked + 3

        await until(asked_again, 60.0)
        assert len(floor.exchange.orders) == placed and await desk.booked() == before
        assert before[ILL, "BTC"] == floor.ledger.balance("trader", "BTC").total > 0

        floor.faults.clear()
        await until(desk.ready, 60.0)
        await until(lambda: desk.balanced(1), 90.0)
        await desk.door.post("/strategies/kimchi/mode", "test-off", {"mode": "off"})
        await until(desk.at_rest, 60.0)
        for (venue, asset), amount in (await desk.booked()).items():
            assert amount == stage.world.floors[venue].ledger.balance("trader", asset).total, (venue, asset)
        assert stage.engine.exit_code is None
