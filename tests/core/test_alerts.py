"""What rings, for whom, how often: thresholds with hysteresis, signs, intervals, venues away, quiet hours, silences."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.core import watching
from engine.core.state import encode
from engine.domain import event as ev
from engine.domain.alerting import DESK, AlertSettings, Quiet, Silence, Threshold
from engine.domain.command import SetAlerts, UndoAlerts
from engine.domain.effect import Notice, Reply, StoreSetting
from engine.domain.event import SettingStored
from engine.domain.market import FeeSide, Instrument, Product
from engine.domain.money import TickBand
from engine.domain.view import AlertView
from tests.core.harness import Rig

USER = "telegram:1001"
HOUR_MS = 3_600_000


def heard(rig: Rig, rule: str) -> list[AlertView]:
    notices = [effect for effect in rig.of(Notice) if effect.kind == "alert"]
    views = [msgspec.json.decode(notice.body, type=AlertView) for notice in notices]
    return [view for view in views if view.rule == rule]


def wish(level: str = "0.01", **more: Any) -> Threshold:
    return Threshold(**{"id": "t1", "figure": "k_usdt", "side": "above", "level": Decimal(level), **more})


def keep(rig: Rig, owner: str = DESK, **settings: Any) -> Reply:
    version = rig.state.audience.owner(owner).version
    made = encode(AlertSettings(**settings))
    return rig.ask(SetAlerts(owner=owner, version=version, settings=made), actor=USER)


def premium(rig: Rig, ratio: float, wait_ms: int = 2_300) -> None:
    rig.set_book("upbit", "KRW-BTC", round(140_000_000 * (1 + ratio), -3))
    for _ in range(wait_ms // 100):
        rig.show_all()
        rig.run_for(100)


# thresholds


def test_a_threshold_rings_once_and_again_only_after_it_came_back():
    rig = Rig().ready()
    assert keep(rig, thresholds=(wish(hysteresis=Decimal("0.002"), coin="BTC", venue="upbit"),)).ok
    premium(rig, 0.005)
    assert heard(rig, "k_usdt") == []
    premium(rig, 0.012)
    premium(rig, 0.0095)
    premium(rig, 0.013)
    [first] = heard(rig, "k_usdt")
    assert (first.venue, first.coin, first.kind, first.only) == ("upbit", "BTC", "premium", "")
    assert float(first.numbers["value"]) == pytest.approx(0.012, abs=1e-4)
    premium(rig, 0.007)
    premium(rig, 0.012)
    assert len(heard(rig, "k_usdt")) == 2


def test_below_is_the_mirror_of_above():
    rig = Rig().ready()
    keep(rig, thresholds=(wish("-0.005", side="below"),))
    premium(rig, -0.004)
    assert heard(rig, "k_usdt") == []
    premium(rig, -0.008)
    assert len(heard(rig, "k_usdt")) == 1


def test_a_stale_premium_rings_for_nobody():
    rig = Rig().ready()
    keep(rig, thresholds=(wish(),))
    rig.handle(ev.FeedState(venue="binance", connected=False, reason="cut", seen_ns=rig.now_ns))
    rig.handle(ev.FeedState(venue="okx", connected=False, reason="cut", seen_ns=rig.now_ns))
    rig.set_book("upbit", "KRW-BTC", 143_000_000)
    rig.run_for(2_500)
    assert heard(rig, "k_usdt") == []


def test_the_tether_and_the_fx_basis_ring_too():
    rig = Rig().ready()
    keep(
        rig,
        thresholds=(
            wish("0.002", id="a", figure="tether", venue="upbit"),
            wish("0.002", id="b", figure="k_fx", venue="upbit"),
        ),
    )
    premium(rig, 0.0)
    assert [(view.venue, view.symbol) for view in heard(rig, "tether")] == [("upbit", "USDT")]
    assert len(heard(rig, "k_fx")) == 1


def test_a_persons_threshold_is_for_that_person():
    rig = Rig().ready()
    assert keep(rig, USER, thresholds=(wish(),)).ok
    premium(rig, 0.02)
    assert {view.only for view in heard(rig, "k_usdt")} == {USER}
    assert all(view.heard.keys() == {USER} for view in heard(rig, "k_usdt"))


# perpetuals

PERP = Instrument(
    venue="okx",
    symbol="DOGE-USDT-SWAP",
    base="DOGE",
    quote="USDT",
    ticks=(TickBand(Decimal(0), Decimal("0.00001")),),
    qty_step=Decimal(1),
    min_qty=Decimal(1),
    min_notional=Decimal(0),
    maker_fee_bps=Decimal(2),
    taker_fee_bps=Decimal(5),
    fee_side=FeeSide.QUOTE,
    product=Product.PERP,
    contract_size=Decimal(1000),
)


def fund(rig: Rig, rate: float, interval_h: int = 8, mark: float = 0.2) -> None:
    rig.handle(ev.InstrumentsLoaded(venue="okx", instruments=(PERP,), seen_ns=rig.now_ns))
    state = ev.PerpState(
        venue="okx",
        symbol=PERP.symbol,
        mark=mark,
        index=0.2,
        funding_rate=rate,
        interval_ms=interval_h * HOUR_MS,
        next_funding_ms=rig.wall_ms + HOUR_MS,
        seen_ns=rig.now_ns,
    )
    rig.handle(state)
    rig.run_for(2_300)


def test_funding_and_basis_ring_as_rates_per_year_and_ratios():
    rig = Rig().ready()
    keep(
        rig,
        thresholds=(
            wish("0.5", id="a", figure="funding", hysteresis=Decimal("0.05")),
            wish("0.01", id="b", figure="basis", coin="DOGE"),
        ),
    )
    fund(rig, 0.0004)  # 43.8 %
    assert heard(rig, "funding") == [] == heard(rig, "basis")
    fund(rig, 0.0005, mark=0.2021)
    [view] = heard(rig, "funding")
    assert (view.venue, view.symbol, view.coin, view.kind) == ("okx", PERP.symbol, "DOGE", "funding")
    assert float(view.numbers["value"]) == pytest.approx(0.5475)
    assert len(heard(rig, "basis")) == 1


def test_a_sign_flip_counts_beyond_its_least():
    rig = Rig().ready()
    for rate in (0.0003, 0.00001, -0.00001, -0.0003, -0.0004, 0.0003):
        fund(rig, rate)
    assert [view.numbers["figure"] for view in heard(rig, "sign_flip")] == ["funding", "funding"]


def test_the_premium_flips_too():
    rig = Rig().ready()
    for ratio in (0.006, -0.006):
        premium(rig, ratio)
    flips = heard(rig, "sign_flip")
    assert ("upbit", "BTC", "k_usdt") in [(view.venue, view.coin, view.numbers["figure"]) for view in flips]


def test_an_interval_that_changes_rings_and_outlives_the_process():
    rig = Rig().ready()
    fund(rig, 0.0001, 8)
    rig.run_for(62_000)
    assert [s.name for s in rig.of(StoreSetting)] == [watching.INTERVALS]
    rig.restart()
    rig.run_until(lambda: all(held.ready for held in rig.state.venues.values()), 5_000)
    fund(rig, 0.0001, 4)
    [view] = heard(rig, "interval_changed")
    assert (view.numbers, view.kind) == ({"before_h": "8", "interval_h": "4"}, "interval")
    [change] = rig.state.watch.intervals.changes()
    assert (change.symbol, change.interval_ms) == (PERP.symbol, 4 * HOUR_MS)


# venues


def severities(rig: Rig, rule: str) -> list[str]:
    return [severity for found, severity in rig.alerts() if found == rule]


def cut(rig: Rig, connected: bool) -> None:
    rig.handle(ev.FeedState(venue="okx", connected=connected, reason="cut", seen_ns=rig.now_ns))


def test_a_venue_that_goes_is_told_at_once_and_critically_after_a_minute():
    rig = Rig().ready()
    cut(rig, False)
    assert severities(rig, "venue_down") == ["warn"]
    cut(rig, False)  # a second word of the same
    rig.run_for(59_000)
    assert severities(rig, "venue_down") == ["warn"]
    rig.run_for(1_500)
    assert severities(rig, "venue_down") == ["warn", "crit"]
    rig.run_for(120_000)
    assert severities(rig, "venue_down") == ["warn", "crit"], "once"
    cut(rig, True)
    [back] = heard(rig, "venue_up")
    assert severities(rig, "venue_up") == ["info"]
    assert float(back.numbers["away_s"]) == pytest.approx(180.5, abs=0.5)


def test_a_short_absence_is_no_emergency():
    rig = Rig().ready()
    cut(rig, False)
    rig.run_for(50_000)
    cut(rig, True)
    rig.run_for(20_000)
    assert severities(rig, "venue_down") == ["warn"]
    cut(rig, False)
    rig.run_for(59_000)
    assert severities(rig, "venue_down") == ["warn", "warn"], "the minute begins anew"


def test_a_rate_budget_warns_once_at_80_percent():
    rig = Rig().ready()
    for used in (0.7, 0.85, 0.95, 0.7, 0.9, 0.5, 0.81):
        rig.handle(ev.RateUsed(venue="okx", name="rest", used=used, seen_ns=rig.now_ns))
    assert severities(rig, "rate_budget") == ["warn", "warn"]


# quiet hours and silences


def local_min(rig: Rig) -> int:
    return rig.state.local_min


def quiet_now(rig: Rig, minutes: int = 5, **more: Any) -> Quiet:
    return Quiet(from_min=local_min(rig), until_min=(local_min(rig) + minutes) % 1_440, **more)


def test_quiet_hours_hold_back_and_count_but_not_what_is_critical():
    rig = Rig().ready()
    keep(rig, USER, quiet=quiet_now(rig))
    cut(rig, False)
    [down] = heard(rig, "venue_down")
    assert down.heard == {DESK: 0, USER: -1}
    rig.run_for(61_000)
    crit = heard(rig, "venue_down")[-1]
    assert crit.heard == {DESK: 0, USER: 1}, "it rings, and says that one was held back"
    cut(rig, True)
    rig.run_for(5 * 60_000)
    [note] = heard(rig, "held_back")
    assert (note.only, note.numbers["count"]) == (USER, "1")


def test_only_an_explicit_word_holds_back_what_is_critical():
    rig = Rig().ready()
    keep(rig, USER, quiet=quiet_now(rig, crit=True))
    cut(rig, False)
    rig.run_for(61_000)
    assert [view.heard[USER] for view in heard(rig, "venue_down")] == [-1, -1]


def test_quiet_hours_of_the_desk_are_everybodys_who_has_none():
    rig = Rig().ready()
    keep(rig, quiet=quiet_now(rig))
    keep(rig, USER, quiet=Quiet(from_min=(local_min(rig) + 60) % 1440, until_min=(local_min(rig) + 120) % 1440))
    cut(rig, False)
    assert heard(rig, "venue_down")[0].heard == {DESK: -1, USER: 0}


def test_quiet_hours_over_midnight():
    night = Quiet(from_min=23 * 60, until_min=7 * 60)
    assert [night.holds(minute) for minute in (0, 419, 420, 1_379, 1_380, 1_439)] == [
        True,
        True,
        False,
        False,
        True,
        True,
    ]


SILENCES = [  # why, silence, held
    ("its kind", {"kind": "venue"}, True),
    ("another kind", {"kind": "premium"}, False),
    ("its venue", {"kind": "venue", "venue": "okx"}, True),
    ("another venue", {"kind": "venue", "venue": "upbit"}, False),
    ("another coin", {"kind": "venue", "coin": "BTC"}, False),
    ("over since", {"kind": "venue", "until_ms": 1}, False),
]


@pytest.mark.parametrize("why, silence, held", SILENCES, ids=[case[0] for case in SILENCES])
def test_a_silence_is_of_a_kind_a_venue_a_coin_and_a_time(why, silence, held):
    rig = Rig().ready()
    keep(rig, USER, silences=(Silence(**silence),))
    cut(rig, False)
    assert (heard(rig, "venue_down")[0].heard[USER] == -1) == held


def test_trades_cannot_be_silenced():
    with pytest.raises(ValueError, match="kind must be one of"):
        Silence(kind="desk")


# settings


def test_settings_are_versioned_stored_undoable_and_outlive_the_process():
    rig = Rig().ready()
    keep(rig, thresholds=(wish("0.01"),))
    keep(rig, thresholds=(wish("0.02"),))
    assert [(s.name, s.version) for s in rig.of(StoreSetting)] == [("alerts.desk", 1), ("alerts.desk", 2)]
    rig.restart()
    rig.run_for(3_000)
    view = rig.state.audience.view(DESK)
    assert (view.version, view.settings.thresholds[0].level, view.can_undo) == (2, Decimal("0.02"), True)
    for level in (Decimal("0.01"), None):
        assert rig.ask(UndoAlerts(owner=DESK, version=rig.state.audience.owner(DESK).version)).ok
        found = rig.state.audience.view(DESK).settings.thresholds
        assert (found[0].level if found else None) == level
    again = rig.ask(UndoAlerts(owner=DESK, version=4))
    assert (again.ok, again.rule) == (False, "nothing_to_undo")


REFUSED = [  # why, owner, version, settings, rule
    ("somebody else's", "telegram:2", 0, AlertSettings(), "not_yours"),
    ("somebody was faster", DESK, 7, AlertSettings(), "moved"),
    ("no settings", DESK, 0, {"thresholds": 3}, "bad_parameter"),
    ("an unknown field", DESK, 0, {"threshold": []}, "bad_parameter"),
    (
        "a figure that is none",
        DESK,
        0,
        {"thresholds": [{**msgspec.to_builtins(wish()), "figure": "x"}]},
        "bad_parameter",
    ),
    (
        "a level that is none",
        DESK,
        0,
        {"thresholds": [{**msgspec.to_builtins(wish()), "level": "NaN"}]},
        "bad_parameter",
    ),
]


@pytest.mark.parametrize("why, owner, version, settings, rule", REFUSED, ids=[case[0] for case in REFUSED])
def test_what_is_refused_changes_nothing(why, owner, version, settings, rule):
    rig = Rig().ready()
    reply = rig.ask(SetAlerts(owner=owner, version=version, settings=encode(settings)), actor=USER)
    assert (reply.ok, reply.rule) == (False, rule)
    assert rig.of(StoreSetting) == [] and rig.state.audience.view(DESK).version == 0


def test_a_stored_version_that_cannot_be_read_is_told_and_the_one_before_holds():
    rig = Rig().ready()
    keep(rig, thresholds=(wish(),))
    rig.handle(SettingStored(name="alerts.desk", version=9, value=b"{}", seen_ns=rig.now_ns))
    assert ("bad_setting", "warn") in rig.alerts()
    assert rig.state.audience.view(DESK).version == 1


def test_a_preview_says_what_would_ring_now():
    rig = Rig().ready()
    premium(rig, 0.012)
    settings = AlertSettings(
        thresholds=(
            wish(),
            wish("0.02", id="t2"),
            wish("0.1", id="t3", figure="funding"),
            wish("0", id="t4", figure="tether"),
        )
    )
    rings, calm, unknown, tether = watching.readings(rig.state, settings)
    assert rings.rings and rings.subject == "BTC upbit" and rings.value == pytest.approx(0.012, abs=1e-4)
    assert not calm.rings and calm.subjects == 2
    assert (unknown.value, unknown.rings, unknown.subjects) == (None, False, 0)
    assert tether.rings
    assert rig.of(StoreSetting) == []


def test_a_round_of_many_rings_tells_a_dozen_and_counts_the_others():
    rig = Rig().ready()
    many = tuple(wish("-0.5", id=f"t{number}") for number in range(20))
    keep(rig, thresholds=many)
    premium(rig, 0.0)
    [more] = heard(rig, "more_alerts")
    assert len(heard(rig, "k_usdt")) == 12 and more.numbers == {"count": str(40 - 12)}
