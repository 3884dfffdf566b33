"""A core that fails in a step: nothing is sent, nothing decided, and whoever runs the process hears of it."""

import pytest

from engine.domain.errors import InvariantBroken
from engine.domain.event import Tick, VenueFailed
from tests.core.harness import Rig


def test_a_step_that_fails_ends_the_desk():
    """picows writes down what its callback raised and goes on: the next step would run on half a State."""
    rig = Rig().ready()
    told: list[str] = []
    rig.desk.on_broken = lambda: told.append("broken")
    with pytest.raises(KeyError):
        rig.desk.handle(VenueFailed(venue="nowhere", call="balances", reason="", seen_ns=rig.now_ns))
    assert told == ["broken"]
    assert rig.desk.level == 2
    with pytest.raises(InvariantBroken):
        rig.desk.handle(Tick(seen_ns=rig.now_ns, wall_ms=rig.wall_ms, local_day=0))
    rig.restart()
    rig.run_for(3_000)
    assert rig.desk.level == 0
