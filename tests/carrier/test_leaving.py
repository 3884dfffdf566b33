"""Before a clean stop what may rest keeps the timers armed: a stop that is not there any more may have gone off."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from engine.carrier import Carrier
from engine.desk import Desk
from engine.domain.effect import Cancel, LookUp, Record
from engine.domain.errors import VenueRefused
from engine.domain.order import OrderKind
from engine.storage.latch import FileLatch
from tests.carrier.test_guard import DurableAtOnce
from tests.core.harness import Rig
from tests.core.test_stops_at_venue import venue_keeps, waits


class Refusing:
    """Every cancel is refused: the order is not there."""

    async def cancel(self, symbol: str, cid: str, venue_order_id: str) -> None:
        raise VenueRefused("unknown", "no such order")


@pytest.mark.parametrize("kind, is_sure", [(OrderKind.STOP_LOSS, False), (OrderKind.LIMIT, True)])
async def test_a_refused_cancel_proves_nothing_of_a_stop(tmp_path: Path, kind: OrderKind, is_sure: bool) -> None:
    rig = venue_keeps(Rig().ready())
    [order] = waits(rig).live[0].orders
    order.request = structs.replace(order.request, kind=kind)
    async with asyncio.TaskGroup() as tasks:
        desk = Desk(rig.state, lambda: rig.now_ns, dict)
        unheard: list[object] = []
        desk.wire(dict.fromkeys((LookUp, Record, Cancel), unheard.append))
        venues: Any = dict.fromkeys(rig.venues, Refusing())
        journal: Any = DurableAtOnce()
        carrier = Carrier(desk, journal, venues, tasks, FileLatch(tmp_path / "latch.json"), lambda: rig.now_ns)
        assert await carrier.cancel_resting() is is_sure
