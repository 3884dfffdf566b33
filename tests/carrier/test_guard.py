"""The guard in its place: what it stops never reaches a venue's client, is kept as a refusal, and halts the desk."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.assemble import last_step
from engine.carrier import Carrier
from engine.desk import Desk
from engine.domain.effect import LatchChanged, Record, StoreSetting
from engine.domain.errors import VenueRefused, VenueUnavailable
from engine.domain.order import OrderRequest, OrderStatus
from engine.risk.last_step import LastStep
from engine.storage.latch import FileLatch
from tests.core.harness import Rig


class DurableAtOnce:
    """A journal whose disk takes no time."""

    def append(self, entry: object) -> "asyncio.Future[int]":
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        done.set_result(1)
        return done

    def note(self, entry: object) -> None:
        """Nobody waits for it."""


class Counter:
    """A venue's client that counts what would have been signed, and refuses it."""

    venue = "any"
    late_acceptance_ms = 1_000

    def __init__(self) -> None:
        self.placed: list[OrderRequest] = []

    async def place(self, order: OrderRequest) -> Any:
        self.placed.append(order)
        raise VenueRefused("counted", "it only counts")


async def execute(path: Path, rig: Rig, guard: LastStep | None, client: Counter) -> Carrier:
    """A tap on a premium, carried by the real carrier."""
    async with asyncio.TaskGroup() as tasks:
        desk = Desk(rig.state, lambda: rig.now_ns, dict)
        venues: Any = dict.fromkeys(rig.venues, client)
        journal: Any = DurableAtOnce()
        carrier = Carrier(desk, journal, venues, tasks, FileLatch(path / "latch.json"), lambda: rig.now_ns, guard)
        kept: list[object] = []
        desk.wire({**carrier.effects(), **dict.fromkeys((LatchChanged, Record, StoreSetting), kept.append)})
        rig.desk = desk
        token = rig.token(rig.premium(0.01))
        assert rig.tap(token).ok
        for _ in range(20):
            await asyncio.sleep(0)
    return carrier


class Repeated(Counter):
    """The request arrives twice; the second answer is that its client id is used."""

    async def place(self, order: OrderRequest) -> Any:
        self.placed.append(order)
        raise VenueRefused("duplicate", "this id is used")

    async def look_up(self, symbol: str, cid: str) -> Any:
        raise VenueUnavailable("not now")


async def test_a_used_client_id_says_that_the_order_is_there(tmp_path: Path) -> None:
    rig, client = Rig().ready(), Repeated()
    await execute(tmp_path, rig, None, client)
    [trade] = rig.state.live_trades.values()
    assert {order.status for order in trade.orders} == {OrderStatus.UNKNOWN}
    assert len(client.placed) == 2 and not trade.is_over, "it is looked up, and nothing is repaired meanwhile"


def strict(rig: Rig, **changes: object) -> LastStep:
    return LastStep(msgspec.structs.replace(last_step(rig.config).rules, **changes))


GUARDS = [  # why, what the guard allows, rule, level
    ("a market that nobody listed", {"allowed": {}}, "not_listed", 2),
    ("a collar of nothing", {"collar": Decimal("-0.5")}, "last_collar", 1),
    ("no book is fresh enough", {"reference_age_ms": -1}, "no_reference", 0),
    ("no order a minute", {"orders": 1}, "last_orders", 1),
    ("no money a minute", {"notional_krw": Decimal(1)}, "last_notional", 1),
    ("never twice", {"repeats": 0}, "repeated", 1),
]


@pytest.mark.parametrize("why, changes, rule, level", GUARDS, ids=[case[0] for case in GUARDS])
async def test_nothing_reaches_the_client(tmp_path, why, changes, rule, level):
    rig = Rig().ready()
    client = Counter()
    await execute(tmp_path, rig, strict(rig, **changes), client)
    desk = rig.desk
    assert client.placed == []
    assert desk.level == desk.state.level == level
    trade = list(rig.state.trades.values())[-1]
    assert {order.status for order in trade.orders} == {OrderStatus.NOT_PLACED}, "both legs, or none"
    assert rig.state.refusals[0].rule == rule and rig.state.refusals[0].numbers


async def test_the_configured_guard_lets_a_proper_trade_pass(tmp_path):
    rig = Rig().ready()
    client = Counter()
    await execute(tmp_path, rig, last_step(rig.config), client)
    desk = rig.desk
    assert {order.venue for order in client.placed} >= {"binance", "upbit"}
    assert desk.level == 0


async def test_without_the_guard_the_order_goes_out(tmp_path):
    rig = Rig().ready()
    client = Counter()
    await execute(tmp_path, rig, None, client)
    assert client.placed != []
