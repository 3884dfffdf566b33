"""Real engine and watchdog at nine venues, then six accounts of perpetuals: ours is taken back, a person's rests."""

import asyncio
import os
import signal
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from engine.storage.latch import read_latch
from sandbox.stage import OWNER, Stage, StageConfig
from sandbox.trader import Door, SceneFailed
from sandbox.venues.floor import Floor
from sandbox.venues.opening import HOUSES, TRADED
from sandbox.venues.orders import End, Kind, Order, OrderRequest, Side, State
from sandbox.venues.rules import MarketRules
from sandbox.world import WorldConfig
from tests.waiting import until

_TIMES = {"order_timeout_ms": 10_000, "late_acceptance_ms": 3_000, "settle_margin_ms": 500, "max_book_age_ms": 5_000}
_OFF = {"mode": "off"}
PERPS = ("binance_usdm", "okx_swap", "bybit_linear", "gate_futures", "kucoin_futures", "bitget_futures")
WITH_PERPS = ("upbit", "binance", *PERPS)  # a desk of perpetuals alone knows no price of the won
QTY = Decimal("0.02")


def overlay(traded: tuple[str, ...]) -> dict[str, Any]:
    return {
        "record_events": False,
        "venues": {
            **{name: _TIMES for name in traded},
            **{name: {"enabled": False} for name in (*TRADED, *PERPS) if name not in traded},
            **({"okx": {**_TIMES, "also_watch": []}} if "okx" in traded else {}),
        },
        # So far off rests what nobody is to fill.
        "risk": {"overrides": {"max_collar": "0.05", "max_position_coin_usd": "100000"}},
        "strategies": {"spatial": _OFF, "kimchi": _OFF, "tether_bot": _OFF},
        "watchdog": {"missing_s": 8, "sweep_every_s": 1},
    }


def market(floor: Floor) -> MarketRules:
    return next(
        rules for rules in floor.rules.markets.values() if rules.base == "ETH" and rules.quote in ("KRW", "USDT")
    )


def far_below(floor: Floor) -> Decimal:
    """A price at which nobody sells within this test, on the venue's tick."""
    rules = market(floor)
    wanted = floor.exchange.book(rules.symbol)[0][0][0] * Decimal("0.97")
    return wanted // rules.tick_at(wanted) * rules.tick_at(wanted)


def rest_by_hand(floor: Floor) -> Order:
    """A person's own order in the venue's app, on the same account."""
    wish = OrderRequest(
        account="trader",
        symbol=market(floor).symbol,
        side=Side.BUY,
        kind=Kind.LIMIT,
        price=far_below(floor),
        qty=QTY / (perp.contract if (perp := market(floor).perp) else 1),
    )
    return floor.exchange.place(wish, floor.clock())


def ours(floor: Floor, foreign: Order) -> list[Order]:
    return [order for order in floor.exchange.orders.values() if order.id != foreign.id]


class Desk:
    def __init__(self, stage: Stage, traded: tuple[str, ...]) -> None:
        self.traded = traded
        self.door = Door(stage.control_socket, f"telegram:{OWNER.id}")
        self.stage = stage

    async def ready(self) -> bool:
        await asyncio.sleep(0.25)  # it is the desk's own loop that answers
        with suppress(aiohttp.ClientError, SceneFailed, TimeoutError):
            status = await self.door.get("/status")
            return len(status["venues"]) >= len(self.traded) and all(venue["ready"] for venue in status["venues"])
        return False

    async def rest_at(self, venue: str) -> None:
        """A limit order from the chat: previewed, then confirmed."""
        price = far_below(self.stage.world.floors[venue])
        asked = {
            "template": "limit",
            "side": "buy",
            "base": "ETH",
            "qty": str(QTY),
            "venue": venue,
            "price": str(price),
        }
        whose = {"user_id": OWNER.id, "chat_id": OWNER.id}
        planned = await self.door.post("/v1/parents/preview", f"preview-{venue}", {"order": asked, **whose})
        assert planned["ok"], planned
        tap = {"token": planned["body"]["token"], **whose}
        begun = await self.door.post("/v1/parents/confirm", f"confirm-{venue}", tap)
        assert begun["ok"], begun


@pytest.mark.timeout(600)
@pytest.mark.parametrize("traded", [TRADED, WITH_PERPS], ids=["nine", "perpetuals"])
async def test_ours_are_gone_everywhere_and_a_persons_own_still_rests(tmp_path: Path, traded: tuple[str, ...]):
    houses = tuple(name for name, house in HOUSES.items() if {*house.venues} & {*traded})
    world = WorldConfig(seed=5, episodes=False, houses=houses, step_s=0.05)
    async with Stage(StageConfig(world=world, run_dir=tmp_path, overlay=overlay(traded), traded=traded)) as stage:
        floors = {name: stage.world.floors[name] for name in traded}
        await until(lambda: all(floor.exchange.book(market(floor).symbol)[0] for floor in floors.values()), 30)
        foreign = {name: rest_by_hand(floor) for name, floor in floors.items()}
        await stage.watchdog.start()
        await stage.engine.start()
        desk = Desk(stage, traded)
        await until(desk.ready, 240)
        for name in traded:
            await desk.rest_at(name)
        for name, floor in floors.items():
            await until(partial(_rests, floor, foreign[name]), 60)

        os.kill(stage.engine.pid, signal.SIGSTOP)
        told = stage.data_dir / "watchdog.json"

        def clean() -> bool:
            news = msgspec.json.decode(told.read_bytes())["alerts"] if told.exists() else []
            return [alert["what"] for alert in news][-1:] == ["clean"]

        await until(clean, 120)
        for name, floor in floors.items():
            assert [(order.state, order.end) for order in ours(floor, foreign[name])] == [
                (State.CANCELLED, End.USER)
            ], name
            assert foreign[name].state is State.OPEN, f"the order of a person at {name} is {foreign[name].end}"
        news = msgspec.json.decode(told.read_bytes())["alerts"][-1]
        assert {name: at["cancelled"] for name, at in news["venues"].items()} == dict.fromkeys(traded, 1)
        assert read_latch(stage.data_dir / "latch.json").level == 2


def _rests(floor: Floor, foreign: Order) -> bool:
    return [order.state for order in ours(floor, foreign)] == [State.OPEN]
