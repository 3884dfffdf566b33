"""Another price for what rests leaves only where a new order might: past the last step and the latch."""

import asyncio
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.assemble import last_step
from engine.carrier import Carrier
from engine.desk import Desk
from engine.domain.account_event import Amended
from engine.domain.effect import Amend, LatchChanged, Record, StoreSetting
from engine.domain.errors import OutcomeUnknown, VenueRefused
from engine.domain.parent import Template
from engine.risk.last_step import LastStep
from engine.storage.latch import FileLatch, write_latch
from tests.carrier.test_guard import DurableAtOnce
from tests.core.harness import Rig
from tests.core.test_following import follow

PRICE = D(139_900_000)


class Client:
    """A venue's client that notes what it was asked, and answers as it is told."""

    venue = "upbit"
    late_acceptance_ms = 1_000

    def __init__(self, answer: Exception | None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, D, D]] = []

    async def amend(self, symbol: str, cid: str, venue_order_id: str, qty: D, price: D) -> None:
        self.asked.append((cid, qty, price))
        if self.answer is not None:
            raise self.answer


async def moved(path: Path, guard: LastStep | None, answer: Exception | None, level: int = 0) -> tuple[Client, Amended]:
    """An order that rests is asked to move, through the real carrier; what the venue's client heard, and the event."""
    rig, client = Rig().ready(), Client(answer)
    parent = follow(rig, Template.LIMIT, "0.005", parts=0)
    rig.run_for(1_000)
    order = parent.live[0].orders[0]
    heard: list[Any] = []
    async with asyncio.TaskGroup() as tasks:
        desk = Desk(rig.state, lambda: rig.now_ns, dict)
        journal: Any = DurableAtOnce()
        venues: Any = dict.fromkeys(rig.venues, client)
        carrier = Carrier(desk, journal, venues, tasks, FileLatch(path / "latch.json"), lambda: rig.now_ns, guard)
        kinds = (LatchChanged, Record, StoreSetting)
        desk.wire({**dict.fromkeys(carrier.effects(), heard.append), **dict.fromkeys(kinds, heard.append)})
        handle = desk.handle

        def hear(event: Any) -> None:
            heard.append(event)
            handle(event)

        desk.handle = hear  # type: ignore[method-assign]
        if level:
            change = LatchChanged(level=level, reason="by another", actor="watchdog", wall_ms=1)
            write_latch(path / "latch.json", change)
        effect = Amend(
            cid=order.request.cid,
            venue="upbit",
            symbol="KRW-BTC",
            venue_order_id="",
            qty=order.request.qty,
            price=PRICE,
        )
        carrier.effects()[Amend](effect)
        for _ in range(20):
            await asyncio.sleep(0)
    [event] = [each for each in heard if isinstance(each, Amended)]
    return client, event


def strict(**changes: object) -> LastStep:
    return LastStep(msgspec.structs.replace(last_step(Rig().config).rules, **changes))


async def test_a_proper_price_leaves_once_with_its_whole_size(tmp_path):
    client, event = await moved(tmp_path, last_step(Rig().config), None)
    assert [(qty, price) for _, qty, price in client.asked] == [(D("0.005"), PRICE)]
    assert (event.price, event.reason) == (PRICE, "")


STOPPED = [  # why, guard, level of the latch, in the reason
    ("the collar", {"collar": D("-0.5")}, 0, "last step: "),
    ("no order a minute", {"orders": 0}, 0, "last step: "),
    ("the latch of another process", {}, 2, "halted at L2"),
]


@pytest.mark.parametrize("why, guard, level, reason", STOPPED, ids=[case[0] for case in STOPPED])
async def test_what_must_not_leave_does_not(tmp_path, why, guard, level, reason):
    client, event = await moved(tmp_path, strict(**guard), None, level)
    assert client.asked == [] and event.reason.startswith(reason)


@pytest.mark.parametrize("answer", [VenueRefused("no", "ended"), OutcomeUnknown("no answer")], ids=["no", "unknown"])
async def test_what_is_no_clear_yes_is_said(tmp_path, answer):
    client, event = await moved(tmp_path, None, answer)
    assert len(client.asked) == 1 and event.reason
