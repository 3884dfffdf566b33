"""What is changed at run time is checked whole, versioned, stored, undoable, and outlives the process."""

from decimal import Decimal

import msgspec
import pytest

from engine.domain.command import Command, Mode, SetCurve, SetMode, SetParams, UndoSetting
from engine.domain.effect import Notice, StoreSetting
from engine.domain.event import SettingStored
from tests.core.harness import Rig

HEAVY = ((Decimal(-5), Decimal(1)), (Decimal(5), Decimal(2)))
CURVE = ((Decimal(-5), Decimal(1)), (Decimal(0), Decimal("0.5")), (Decimal(5), Decimal(0)))


def min_net(rig: Rig) -> float:
    value: float = rig.state.strategies["kimchi"].params.min_net
    return value


def mode_of(rig: Rig, name: str) -> str:
    return str(rig.state.strategies[name].mode)


def set_min_net(rig: Rig, value: str) -> None:
    changes = msgspec.json.encode({"min_net": value})
    reply = rig.ask(SetParams(strategy="kimchi", changes=changes))
    assert reply.ok, reply.text


def undo(rig: Rig, name: str = "kimchi") -> bool:
    return rig.ask(UndoSetting(strategy=name)).ok


def test_a_change_is_a_new_version_stored_and_told():
    rig = Rig().ready()
    set_min_net(rig, "0.004")
    assert (min_net(rig), rig.state.strategies["kimchi"].version) == (0.004, 1)
    (stored,) = rig.of(StoreSetting)
    assert (stored.name, stored.version, stored.actor) == ("strategy.kimchi", 1, "telegram:1001")
    assert [notice.key for notice in rig.of(Notice) if notice.kind == "settings"] == ["strategy.kimchi"]


def test_a_change_works_at_once():
    rig = Rig().ready()
    rig.premium(0.006)
    set_min_net(rig, "0.02")
    rig.run_for(16_000)
    rig.show_all()
    assert rig.state.by_key == {}


def test_undo_goes_one_further_back_each_time():
    rig = Rig().ready()
    set_min_net(rig, "0.004")
    set_min_net(rig, "0.005")
    rig.ask(SetMode(strategy="kimchi", mode=Mode.ALERT))
    assert undo(rig) and rig.state.strategies["kimchi"].mode is Mode.CONFIRM
    assert undo(rig) and min_net(rig) == 0.004
    assert undo(rig) and min_net(rig) == 0.003
    assert not undo(rig)
    assert rig.state.strategies["kimchi"].version == 6


def test_a_change_after_an_undo_returns_to_what_was_in_force():
    rig = Rig().ready()
    set_min_net(rig, "0.004")
    undo(rig)
    set_min_net(rig, "0.006")
    assert undo(rig) and min_net(rig) == 0.003


def test_settings_and_their_history_outlive_the_process():
    rig = Rig().ready()
    set_min_net(rig, "0.004")
    set_min_net(rig, "0.005")
    rig.ask(SetMode(strategy="spatial", mode=Mode.AUTO))
    rig.restart()
    assert min_net(rig) == 0.005
    assert mode_of(rig, "spatial") == "auto"
    assert undo(rig) and min_net(rig) == 0.004
    rig.restart()
    assert undo(rig) and min_net(rig) == 0.003
    assert undo(rig, "spatial") and mode_of(rig, "spatial") == "off"
    assert not undo(rig)


def test_a_curve_is_replaced_and_undone():
    rig = Rig().ready()
    before = rig.state.strategies["tether_bot"].params.curve
    assert rig.ask(SetCurve(strategy="tether_bot", points=CURVE)).ok
    assert rig.state.strategies["tether_bot"].params.curve == CURVE
    rig.restart()
    assert rig.state.strategies["tether_bot"].params.curve == CURVE
    assert undo(rig, "tether_bot")
    assert rig.state.strategies["tether_bot"].params.curve == before


BAD = [
    ("out of range", SetParams(strategy="kimchi", changes=b'{"min_net": "2"}'), "bad_parameter"),
    ("unknown name", SetParams(strategy="kimchi", changes=b'{"minimum": 1}'), "bad_parameter"),
    ("wrong type", SetParams(strategy="kimchi", changes=b'{"coins": 7}'), "bad_parameter"),
    ("no JSON", SetParams(strategy="kimchi", changes=b"{"), "bad_parameter"),
    ("no object", SetParams(strategy="kimchi", changes=b"[1]"), "bad_parameter"),
    ("unknown strategy", SetParams(strategy="lunar", changes=b"{}"), "unknown_strategy"),
    ("one point", SetCurve(strategy="tether_bot", points=CURVE[:1]), "bad_parameter"),
    ("falling premium", SetCurve(strategy="tether_bot", points=CURVE[::-1]), "bad_parameter"),
    (
        "weight above one",
        SetCurve(strategy="tether_bot", points=(*CURVE[:1], (Decimal(1), Decimal(2)))),
        "bad_parameter",
    ),
    ("no curve there", SetCurve(strategy="kimchi", points=CURVE), "unknown_strategy"),
    ("nobody's mode", SetMode(strategy="lunar", mode=Mode.OFF), "unknown_strategy"),
    ("nobody's undo", UndoSetting(strategy="lunar"), "unknown_strategy"),
]


@pytest.mark.parametrize("why, command, rule", BAD, ids=[case[0] for case in BAD])
def test_a_bad_change_is_refused_with_its_reason_and_changes_nothing(why: str, command: Command, rule: str):
    rig = Rig().ready()
    before = {name: (held.params, held.mode, held.version) for name, held in rig.state.strategies.items()}
    reply = rig.ask(command)
    assert (reply.ok, reply.rule) == (False, rule)
    assert len(reply.text) > 10
    assert rig.of(StoreSetting) == []
    assert {name: (held.params, held.mode, held.version) for name, held in rig.state.strategies.items()} == before


def test_a_stored_setting_that_no_longer_fits_is_told_and_left():
    rig = Rig()
    rig.settings["strategy.kimchi", 1] = b'{"mode": "auto", "params": {"gone": 1}, "parent": 0}'
    rig.settings["strategy.unheard", 1] = b"{}"
    rig.ready()
    assert min_net(rig) == 0.003
    assert ("bad_setting", "warn") in rig.alerts()


def test_a_mode_is_not_changed_by_a_refused_change():
    rig = Rig().ready()
    broken = msgspec.json.encode({"mode": "auto", "params": {"min_net": "7"}, "parent": 0})
    rig.handle(SettingStored(name="strategy.kimchi", version=1, value=broken, seen_ns=rig.now_ns))
    assert rig.state.strategies["kimchi"].mode is Mode.CONFIRM
