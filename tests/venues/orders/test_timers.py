"""Venues with a dead-man timer: what rests is cancelled unless it is set again, and stays where it is disarmed."""

import asyncio
import time
from decimal import Decimal as D

import pytest

from engine.domain.order import OrderStatus, Side, TimeInForce
from engine.venues.protocol import DeadMan
from sandbox.venues.orders import State
from sandbox.world import World, WorldConfig
from tests.venues.orders.test_against_sandbox import Trader
from tests.waiting import until

LEAST_S = {"okx": 10, "gate": 5, "gate_futures": 5, "kucoin": 5, "binance_usdm": 1}
HOUSES = ("okx", "gate", "kucoin", "binance_usdm")


@pytest.mark.timeout(180)
async def test_a_timer_strikes_unless_it_is_set_again_or_disarmed() -> None:
    async with World(WorldConfig(seed=7, episodes=False, houses=HOUSES)) as world:

        async def rests_and_is_struck(venue: str) -> None:
            trader = await Trader(world, venue).start()
            timer = trader.orders
            assert isinstance(timer, DeadMan) and trader.orders.abilities.countdown
            wish = trader.wish(Side.BUY, TimeInForce.GTC, away=D("-0.2"))
            await trader.orders.place(wish)
            [placed] = trader.floor.exchange.orders.values()
            await timer.arm(60)
            began = time.monotonic()
            await timer.arm(1)  # less than the venue takes
            await until(lambda: placed.state is State.CANCELLED, 60)
            assert time.monotonic() - began >= LEAST_S[venue] - 0.1
            assert (await trader.settled(wish.cid)).status is OrderStatus.CANCELLED

            again = trader.wish(Side.BUY, TimeInForce.GTC, away=D("-0.2"))
            await trader.orders.place(again)
            await timer.arm(60)
            await timer.arm(0)
            assert (await trader.orders.look_up(trader.symbol, again.cid)).status is OrderStatus.OPEN
            await trader.orders.cancel(trader.symbol, again.cid, "")
            await trader.close()

        async with asyncio.TaskGroup() as tasks:
            for venue in LEAST_S:
                tasks.create_task(rests_and_is_struck(venue))
