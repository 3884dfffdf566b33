"""The boards, the venues and the alert settings through the door, from the real core."""

import msgspec
import pytest

from engine.control import boards
from engine.control import messages as m
from engine.control.client import DoorRefused
from engine.domain import alerting, board
from tests.control.conftest import OWNER, STRANGER, TRADER, VIEWER

MIRRORS = [
    *((getattr(board, name), getattr(boards, name)) for name in (
        "InputView ExecutableView PremiumView TurnView TetherView LeftOut PremiumBoard FundingView EdgeView"
        " IntervalChange LoanView LockView WarningView FundingBoard ConnectionView OrderStreamView RateUse FeeView"
        " VenueHealth"
    ).split()),
    *((getattr(alerting, name), getattr(boards, name)) for name in (
        "Threshold Quiet Silence AlertSettings AlertsView Reading AlertsPreview"
    ).split()),
]  # fmt: skip


@pytest.mark.parametrize("struct, message", MIRRORS, ids=[pair[0].__name__ for pair in MIRRORS])
def test_messages_mirror_the_domain(struct, message):
    assert tuple(message.model_fields) == struct.__struct_fields__


def test_settings_as_delivered_are_the_same_on_both_sides():
    message = m.AlertSettings()
    assert msgspec.json.decode(message.model_dump_json(), type=alerting.AlertSettings) == alerting.AlertSettings()


async def test_the_premium_board_crosses_whole(door, desk):
    found = await door.reads(VIEWER).premiums("btc")
    assert (
        found.model_dump()
        == m.PremiumBoard.model_validate_json(msgspec.json.encode(desk.premiums("BTC", 100))).model_dump()
    )
    assert {row.coin for row in found.rows} == {"BTC"} and found.sizes_krw == (1e6, 1e7, 1e8)
    assert all(len(row.executable) == 6 and len(row.inputs) == 4 for row in found.rows)
    assert (await door.reads(VIEWER).premiums("eth")).rows == ()
    assert len((await door.reads(VIEWER).premiums("btc", 1)).rows) == 1
    [row] = (await door.reads(VIEWER).premiums()).rows
    best = max(found.rows, key=lambda pair: abs(pair.k_usdt))
    assert (row.korean, row.world, row.executable) == (best.korean, best.world, ()), "one pair per coin, no depth"


async def test_the_funding_board_crosses_whole(door):
    found = await door.reads(VIEWER).funding()
    assert [(row.coin, row.venue) for row in found.rows] == [
        (coin, venue) for coin in ("BTC", "DOGE", "SHIB") for venue in ("binance", "okx")
    ]
    assert found.rows[0].annual == pytest.approx(0.1095)
    assert [row.coin for row in (await door.reads(VIEWER).funding("shib")).rows] == ["SHIB", "SHIB"]
    assert found.edges[0].short == "okx"


async def test_a_venue_says_how_its_wires_are(door):
    upbit = next(v for v in await door.reads(VIEWER).venues() if v.venue == "upbit")
    assert (upbit.connected, upbit.frames_per_s, upbit.reconnects, upbit.gaps) == (True, 140.5, 2, 4)
    assert (upbit.latency_p50_ms, upbit.latency_p99_ms, upbit.ping_rtt_ms) == (12.0, 90.0, 9.5)
    assert (upbit.clock_offset_ms, upbit.clock_uncertainty_ms) == (-3.5, 1.5)
    assert [(use.name, use.used) for use in upbit.rate_use] == [("market", 0.42)]
    assert [line.name for line in upbit.connections] == ["upbit#1", "upbit#2"]
    assert (upbit.rules.markets, upbit.rules.taker_bps) == (2, 5.0)
    told = upbit.order_stream
    assert told and (told.state, told.told, told.reconnects, told.alive_age_ms) == ("up", 17, 6, 310.0)
    okx = next(v for v in await door.reads(VIEWER).venues() if v.venue == "okx")
    assert (okx.frames_per_s, okx.clock_offset_ms, okx.connections, okx.order_stream) == (None, None, (), None)


WISH = m.Threshold.model_validate({"id": "t1", "figure": "k_usdt", "side": "above", "level": "0.01"})


async def test_alert_settings_are_previewed_changed_and_undone(door):
    wanted = m.AlertSettings(thresholds=(WISH,), quiet=m.Quiet(from_min=1380, until_min=420))
    shown = await door.commands(TRADER).preview_alerts("desk", wanted)
    preview = m.AlertsPreview.model_validate(shown.body)
    assert preview.new == wanted and preview.version == 0 and preview.readings[0].subjects == 2
    assert (await door.reads(TRADER).alerts("desk")).version == 0, "a preview changes nothing"

    made = await door.commands(TRADER).set_alerts("desk", 0, wanted)
    assert made.ok and m.AlertsView.model_validate(made.body).settings == wanted
    assert (await door.commands(OWNER).set_alerts("desk", 0, wanted)).rule == "moved"
    undone = await door.commands(OWNER).undo_alerts("desk", 1)
    assert undone.ok and (await door.reads(VIEWER).alerts("desk")).settings == m.AlertSettings()


async def test_who_may_change_whose(door):
    mine = m.AlertSettings(silences=(m.Silence(kind="venue"),))
    assert (await door.commands(VIEWER).set_alerts("desk", 0, mine)).rule == "role"
    assert (await door.commands(VIEWER).set_alerts("mine", 0, mine)).ok
    assert (await door.reads(VIEWER).alerts("mine")).owner == VIEWER
    assert (await door.reads(TRADER).alerts("mine")).settings == m.AlertSettings()
    assert (await door.commands(OWNER).set_alerts(VIEWER, 1, mine)).rule == "not_yours"
    with pytest.raises(DoorRefused, match="actor"):
        await door.reads(STRANGER).alerts("desk")


async def test_an_owner_lets_a_market_out_of_quarantine_and_it_is_audited(door, desk):
    rig = desk.rig
    rig.set_book("okx", "BTC-USDT", 130_000)
    rig.run_for(2_000)
    [out] = [o for o in (await door.reads(VIEWER).premiums("BTC")).left_out if o.venue == "okx"]
    assert out.symbol == "BTC-USDT" and out.reason.startswith("priced +")
    word = "same contract address, checked"
    assert (await door.commands(TRADER).release_market("okx", "BTC-USDT", word)).rule == "role"
    assert (await door.commands(OWNER).release_market("okx", "ETH-USDT", word)).rule == "not_quarantined"
    assert (await door.commands(OWNER).release_market("okx", "BTC-USDT", word)).ok
    rig.run_for(5_000)
    assert (await door.reads(VIEWER).premiums("BTC")).left_out == ()
    rows = (await door.reads(OWNER).audit()).rows
    assert [(row.actor, row.ok, row.rule) for row in rows if row.command == "ReleaseMarket"] == [
        (OWNER, True, ""),
        (OWNER, False, "not_quarantined"),
        (TRADER, False, "role"),
    ]
    assert word in rows[0].body


BAD = [  # why, changes of a threshold
    ("a figure that is none", {"figure": "moon"}),
    ("a side that is none", {"side": "over"}),
    ("a level beyond reason", {"level": "1e9"}),
    ("no hysteresis", {"hysteresis": "0"}),
]


@pytest.mark.parametrize("why, changes", BAD, ids=[case[0] for case in BAD])
async def test_bad_settings_are_refused_with_a_sentence(door, why, changes):
    wrong = m.AlertSettings(thresholds=(m.Threshold.model_validate({**WISH.model_dump(), **changes}),))
    for answer in (
        await door.commands(OWNER).preview_alerts("desk", wrong),
        await door.commands(OWNER).set_alerts("desk", 0, wrong),
    ):
        assert (answer.ok, answer.rule) == (False, "bad_parameter")
        assert next(iter(changes)) in answer.text
