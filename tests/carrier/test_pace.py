"""Latencies: taken where an order leaves, told to the core but for a second in which our own loop was late."""

from pathlib import Path
from typing import Any

import pytest

from engine.domain.errors import VenueUnavailable
from engine.domain.money import NS_PER_MS
from engine.latencies import Latencies
from engine.risk.latency import Stage
from engine.venues.departure import left
from tests.carrier.test_guard import Counter, execute
from tests.core.harness import Rig
from tests.test_overload import Hand, started


class Leaving(Counter):
    """Its orders' bytes leave before the venue refuses them."""

    async def place(self, order: Any) -> Any:
        left("native")
        return await super().place(order)


class Away(Counter):
    """Nothing ever leaves."""

    async def place(self, order: Any) -> Any:
        raise VenueUnavailable("nobody is there")


@pytest.mark.parametrize(
    "client, stages", [(Leaving, {Stage.DECISION_WIRE, Stage.WIRE_ACK}), (Away, set())], ids=["left", "never left"]
)
async def test_an_order_that_left_is_timed_by_venue_and_path(tmp_path: Path, client: type[Counter], stages: set[Stage]):
    rig = Rig().ready()
    carrier = await execute(tmp_path, rig, None, client())
    told = carrier.latencies.drain(rig.now_ns)
    assert {(event.path, Stage(event.stage)) for event in told} == {("native", stage) for stage in stages}
    if stages:
        assert {event.venue for event in told} <= set(rig.venues) and all(min(event.us) >= 0 for event in told)
    assert carrier.latencies.drain(rig.now_ns) == [], "each is told once"


@pytest.mark.parametrize("lag_ms, is_told", [(0, True), (49, True), (51, False)])
def test_a_second_in_which_our_own_loop_was_late_counts_for_nothing(tmp_path: Path, lag_ms: int, is_told: bool):
    hand = Hand()
    shell = started(tmp_path, hand)
    latencies = Latencies()
    shell.carrier = type("Carried", (), {"latencies": latencies})()
    latencies.take("binance", "native", Stage.WIRE_ACK, 900)
    shell.worst_lag_ns = lag_ms * NS_PER_MS
    shell._tell_latencies(hand.now_ns)
    paces = shell.desk.state.watch.latency.of("binance")
    assert [(path, stage) for path, stage, _ in paces] == ([("native", Stage.WIRE_ACK)] if is_told else [])
    assert latencies.drain(hand.now_ns) == [], "nor later"
