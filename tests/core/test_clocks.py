"""A venue whose clock is ten minutes off: told with its figure, no new trade there, and back when it agrees."""

import msgspec
import pytest

from engine.domain.account_event import ClockRead
from engine.domain.effect import Notice
from tests.core.harness import Rig


def read(rig: Rig, offset_ms: int, uncertainty_ms: int = 20) -> None:
    word = ClockRead(venue="upbit", offset_ms=offset_ms, uncertainty_ms=uncertainty_ms, seen_ns=rig.now_ns)
    rig.handle(word)
    rig.show_all()


@pytest.mark.parametrize("offset_ms, uncertainty_ms", [(600_000, 20), (-600_000, 20), (0, 4_000)])
def test_no_new_trade_begins_where_clocks_are_apart(offset_ms: int, uncertainty_ms: int) -> None:
    rig = Rig().ready()
    read(rig, offset_ms, uncertainty_ms)
    refused = rig.tap(rig.token(rig.premium(0.01)))
    assert (refused.ok, refused.rule) == (False, "clock_off")
    read(rig, 150)
    assert rig.tap(rig.token(rig.found(), name="again")).ok
    assert ("clock_off" in {name for name, _ in rig.alerts()}) is bool(offset_ms), "one slow answer alone rings nobody"


def test_a_slow_answer_that_no_other_confirms_is_forgotten() -> None:
    rig = Rig().ready()
    read(rig, 0, 4_000)
    rig.run_for(61_000)
    rig.show_all()
    assert rig.tap(rig.token(rig.premium(0.01))).ok and rig.alerts() == []


def test_it_is_told_once_with_its_figure_and_told_when_it_agrees() -> None:
    rig = Rig().ready()
    for _ in range(4):
        read(rig, 600_000)
    [told] = [msgspec.json.decode(each.body) for each in rig.of(Notice) if each.kind == "alert"]
    assert (told["rule"], told["venue"]) == ("clock_off", "upbit")
    assert (
        told["numbers"] == {"offset_ms": "600000", "uncertain_ms": "20", "limit_ms": "2000"}
        and "600.0 s ahead" in told["text"]
    )
    read(rig, 0)
    read(rig, 0)
    assert rig.alerts() == [("clock_off", "crit"), ("clock_agrees", "info")]
