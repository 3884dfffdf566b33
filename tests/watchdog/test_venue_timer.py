"""The real engine against the sandbox: its loop hangs while an order rests at Gate, and Gate itself cancels it."""

import asyncio
import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.stage import OWNER, Stage, StageConfig
from sandbox.trader import Door
from sandbox.venues.orders import Order, State
from sandbox.world import WorldConfig
from tests.waiting import until

_TIMES = {"order_timeout_ms": 10_000, "max_book_age_ms": 5_000}
DESK: dict[str, Any] = {
    "venues": {"gate": {**_TIMES, "countdown_s": 6}, "upbit": _TIMES},
    "strategies": {name: {"mode": "off"} for name in ("spatial", "kimchi", "tether_bot")},
}


async def rest_an_order(stage: Stage, door: Door) -> Order:
    """A rung far below the market, asked for and tapped as in the chat."""
    wish = {"template": "ladder", "side": "buy", "base": "ETH", "qty": "0.02", "venue": "gate", "parts": 1}
    bids, _ = stage.world.floors["gate"].exchange.book("ETH_USDT")
    order = wish | {"price": str(round(bids[0][0] * Decimal("0.99"), 1)), "over_ms": 3_600_000}
    body = {"order": order, "user_id": OWNER.id, "chat_id": OWNER.id}
    drawn = await door.post("/v1/parents/preview", "preview", body)
    assert drawn["ok"], drawn
    tapped = {"token": drawn["body"]["token"], "user_id": OWNER.id, "chat_id": OWNER.id}
    begun = await door.post("/v1/parents/confirm", "confirm", tapped)
    assert begun["ok"], begun
    exchange = stage.world.floors["gate"].exchange
    await until(lambda: len(exchange.orders) == 1, 30)
    [placed] = exchange.orders.values()
    return placed


async def gate(door: Door) -> dict[str, Any]:
    return dict(next(venue for venue in await door.get("/v1/venues") if venue["venue"] == "gate"))


async def vwap_is_planned(door: Door) -> None:
    """The door finds the hours of the day itself: they are read from the venue while it is asked again."""
    wish = {"template": "vwap", "side": "buy", "base": "ETH", "qty": "0.05", "venue": "upbit", "over_ms": 3_600_000}
    body = {"order": wish, "user_id": OWNER.id, "chat_id": OWNER.id}
    rules: list[str] = []

    async def is_planned() -> bool:
        drawn = await door.post("/v1/parents/preview", f"vwap-{len(rules)}", body)
        rules.append(drawn["rule"])
        return bool(drawn.get("ok"))

    await until(is_planned, 90)
    assert set(rules) <= {"", "curve_pending"}, rules


@pytest.mark.timeout(300)
async def test_a_hung_engine_is_struck_and_a_clean_stop_is_not(tmp_path: Path) -> None:
    world = WorldConfig(seed=11, episodes=False, houses=("upbit", "gate"))
    config = StageConfig(world=world, run_dir=tmp_path, overlay=DESK, traded=("upbit", "gate"))
    async with Stage(config) as stage:
        door = Door(stage.control_socket, f"telegram:{OWNER.id}")
        await stage.engine.start()
        await door.until("/status", lambda status: status["ready"], 60, "reconciled desk")
        placed = await rest_an_order(stage, door)

        async def is_armed() -> bool:
            return bool((await gate(door))["countdown"]["armed_s"] == 6)

        await until(is_armed, 30)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await until(lambda: loop.time() - begun > 8, 30)
        assert placed.state is State.OPEN, "a living engine renews it: eight seconds are longer than six"

        told = {(pace["stage"], pace["path"]) for pace in (await gate(door))["paces"]}
        timed = {("decision_wire", "ccxt"), ("wire_ack", "ccxt")}
        assert timed & told in (timed, set()), "a second in which the loop itself was late counts for nothing"
        assert (await door.get("/metrics/live"))["send_to_ack_us"]["count"] == 1
        await vwap_is_planned(door)

        os.kill(stage.engine.pid, signal.SIGSTOP)
        await until(lambda: placed.state is State.CANCELLED, 60)
        assert not placed.fills
        os.kill(stage.engine.pid, signal.SIGCONT)
        await door.until("/v1/parents", lambda orders: orders[0]["state"] == "done", 60, "end of the order")

        async def is_disarmed() -> bool:
            return bool((await gate(door))["countdown"]["armed_s"] == 0)

        await until(is_disarmed, 60)
        await stage.engine.stop()
        assert stage.engine.exit_code == 0
