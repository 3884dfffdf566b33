"""The real engine: private streams tell of fills before a look-up is due; without them trades end all the same."""

from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
import pytest

from sandbox.faults import Fault
from sandbox.stage import Stage, StageConfig
from sandbox.world import WorldConfig
from tests.scene.test_nine_traded import OVERLAY, Desk
from tests.waiting import until

HOUSES = ("upbit", "okx")  # both acknowledge a placement before it meets the book


class Ears(Desk):
    async def all_up(self) -> bool:
        self.seen["venues"] = venues = await self.ask("/v1/venues") or []
        streams = [venue["order_stream"] for venue in venues if venue["venue"] in HOUSES]
        return len(streams) == len(HOUSES) and all(found and found["state"] == "up" for found in streams)

    async def ready(self) -> bool:
        self.seen["status"] = status = await self.ask("/status")
        return bool(status) and len(status["venues"]) == len(HOUSES) and all(v["ready"] for v in status["venues"])

    async def balanced(self, count: int) -> bool:
        trades = await self.ask("/trades") or []
        self.seen["trades"] = trades
        done = [trade for trade in trades if trade["state"] == "closed" and trade["outcome"] == "balanced"]
        if len(done) < count:
            await self.premium("okx")
        return len(done) >= count


@pytest.mark.timeout(300)
async def test_the_streams_hurry_and_are_not_needed(tmp_path):
    world = WorldConfig(seed=5, episodes=False, houses=HOUSES, step_s=0.05)
    overlay = OVERLAY | {"record_events": True}
    overlay["venues"] = {name: rules for name, rules in OVERLAY["venues"].items() if name in HOUSES}
    config = StageConfig(world=world, run_dir=tmp_path, overlay=overlay, traded=HOUSES)
    async with Stage(config) as stage, aiohttp.ClientSession() as session:
        await stage.engine.start()
        desk = Ears(stage, session)
        await until(desk.ready, 120.0)
        await until(desk.all_up, 60.0)
        await until(lambda: desk.balanced(1), 90.0)
        heard = len(desk.seen["trades"])
        for venue in HOUSES:
            stage.world.floors[venue].faults.arm(Fault(kind="orders_silence"))
        await until(lambda: desk.balanced(heard + 1), 90.0)
        await desk.door.post("/strategies/kimchi/mode", "test-off", {"mode": "off"})
        await until(desk.at_rest, 60.0)
        for row in await desk.door.get("/balances"):
            held = stage.world.floors[row["venue"]].ledger.balance("trader", row["asset"]).total
            assert Decimal(row["ledger"]) == held, row
        await stage.engine.stop()
    lines = (stage.data_dir / "events.jsonl").read_bytes().splitlines()
    by_stream, looked_up = ends([msgspec.json.decode(line) for line in lines])
    assert by_stream, "no order's end was told by a stream"
    assert looked_up, "no order's end was found by a look-up"


def ends(lines: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Orders whose end a stream told before anything was looked up, and those whose end a look-up found."""
    asked: set[str] = set()
    over: dict[str, bool] = {}
    for line in lines:
        event = line["event"]
        if event["type"] == "OrderReported" and event["report"]["status"] in ("filled", "cancelled"):
            over.setdefault(event["report"]["cid"], bool(event["by_stream"]) and event["report"]["cid"] not in asked)
        asked |= {effect["cid"] for effect in line["effects"] if effect["type"] == "LookUp"}
    return [cid for cid, told in over.items() if told], [cid for cid, told in over.items() if not told]
