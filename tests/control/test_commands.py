"""Commands: who may, once per request id, every deed in the audit."""

import asyncio
import json
import socket
import sqlite3
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from engine.control.client import Door, DoorUnavailable
from engine.control.messages import CurvePreview, TokenView
from engine.control.server import ControlServer
from engine.domain import command as given
from engine.domain.errors import ConfigError
from engine.storage import database
from engine.storage.queries import Queries
from engine.storage.writer import Writer
from engine.strategies import curve
from tests.control.conftest import OWNER, STRANGER, TRADER, VIEWER, open_house
from tests.waiting import until

CURVE = ((Decimal(-5), Decimal(1)), (Decimal("-1.5"), Decimal("0.5")), (Decimal(0), Decimal("0.2")))

# what                  call                                                                    least role
COMMANDS: list[tuple[str, Any, str]] = [
    ("halt", lambda c: c.halt(2, "drill"), VIEWER),
    ("confirm", lambda c: c.confirm("tok", 2, 2), TRADER),
    ("issue token", lambda c: c.issue_token("o1", 2, 2), TRADER),
    ("skip", lambda c: c.skip("o1"), TRADER),
    ("mute", lambda c: c.mute("kimchi:BTC:binance>upbit", 30), TRADER),
    ("mode", lambda c: c.set_mode("kimchi", "auto"), TRADER),
    ("params", lambda c: c.set_params("kimchi", {"min_net": "0.003"}), OWNER),
    ("undo", lambda c: c.undo("kimchi"), OWNER),
    ("curve", lambda c: c.set_curve("tether_bot", CURVE), OWNER),
    ("resume 1", lambda c: c.request_resume(), OWNER),
    ("resume 2", lambda c: c.confirm_resume("tok"), OWNER),
    ("accept", lambda c: c.accept_balances("upbit"), OWNER),
    ("resolve", lambda c: c.resolve_unknown("c1", "support says no"), OWNER),
    ("resolve filled", lambda c: c.resolve_unknown("c1", "in the app", "", Decimal(1), Decimal(2)), OWNER),
    ("retry", lambda c: c.retry_dead_letter("t7"), OWNER),
    ("close", lambda c: c.close_dead_letter("t7", "sold by hand"), OWNER),
]
LADDER = [STRANGER, VIEWER, TRADER, OWNER]


@pytest.mark.parametrize("what, call, least", COMMANDS, ids=[case[0] for case in COMMANDS])
async def test_role_table(house, door, desk, what, call, least):
    for actor in LADDER:
        before = len(desk.asked)
        answer = await call(door.commands(actor))
        reached = len(desk.asked) - before
        assert reached == (1 if LADDER.index(actor) >= LADDER.index(least) else 0), actor
        if not reached:
            assert (answer.ok, answer.rule) == (False, "actor" if actor == STRANGER else "role")
    await house.writer.flush()  # a halt does not wait for its row
    page = await door.reads(VIEWER).audit()
    assert (len(page.rows), page.intact) == (len(LADDER), True)
    assert [row.role for row in reversed(page.rows)] == ["", "viewer", "trader", "owner"]


async def test_the_desk_hears_who_asked_for_what(door, desk):
    answer = await door.commands(TRADER).set_mode("kimchi", "auto", request_id="tap-1")
    assert (answer.ok, answer.text, answer.body) == (True, "kimchi is now auto", {"version": 1})
    assert desk.asked == [("tap-1", TRADER, "trader", given.SetMode(strategy="kimchi", mode=given.Mode.AUTO))]
    await door.commands(OWNER).set_params("kimchi", {"min_net": "0.003", "venues": ["upbit"]})
    assert desk.params == {"min_net": "0.003", "venues": ["upbit"]}
    await door.commands(OWNER).set_curve("tether_bot", CURVE)
    assert [(point.premium_pct, point.weight) for point in desk.curve] == list(CURVE)


async def test_a_repeated_request_is_answered_and_not_done_again(door, desk):
    commands = door.commands(TRADER)
    token = TokenView.model_validate((await commands.issue_token("o1", 2, 2, Decimal("0.5"))).body)
    assert (token.fraction, token.profit_krw) == (Decimal("0.5"), Decimal("4140.5"))
    first = await commands.confirm(token.token, 2, 2, request_id="tap-1")
    assert [await commands.confirm(token.token, 2, 2, request_id="tap-1") for _ in range(3)] == [first] * 3
    assert desk.executed == ["o1"]


async def test_of_many_at_once_one_is_done(door, desk):
    taps = [door.commands(TRADER).set_mode("kimchi", "off", request_id="tap-1") for _ in range(20)]
    answers = await asyncio.gather(*taps)
    assert len(desk.asked) == 1
    assert all(answer == answers[0] for answer in answers)


async def test_many_callers_at_once_are_each_audited(door, desk):
    commands = door.commands(TRADER)
    answers = await asyncio.gather(*[commands.mute(f"k{n}", n % 5) for n in range(60)])
    assert all(answer.ok for answer in answers)
    assert {command.key for _, _, _, command in desk.asked} == {f"k{n}" for n in range(60)}
    page = await door.reads(VIEWER).audit(limit=100)
    assert (len(page.rows), page.intact, page.checked) == (60, True, 60)


async def test_a_restart_remembers_what_was_answered(tmp_path, desk):
    async with open_house(tmp_path, desk) as house, Door(socket=house.socket) as door:
        first = await door.commands(OWNER).set_params("kimchi", {"min_net": "0.004"}, request_id="tap-1")
    async with open_house(tmp_path, desk) as house, Door(socket=house.socket) as door:
        assert await door.commands(OWNER).set_params("kimchi", {"min_net": "0.004"}, request_id="tap-1") == first
        assert len(desk.asked) == 1
        theirs = await door.commands(TRADER).set_mode("kimchi", "off", request_id="tap-1")
        assert (theirs.ok, theirs.rule) == (False, "request_id")
        assert (await door.reads(VIEWER).audit()).checked == 1  # one deed, one row


async def test_the_desks_refusals_keep_their_words(door, desk, house):
    statuses = {}
    for why, call in (
        ("gone", door.commands(TRADER).skip("o404")),
        ("unknown_strategy", door.commands(TRADER).set_mode("martingale", "auto")),
        ("unknown_token", door.commands(TRADER).confirm("tok", 2, 2)),
        ("nothing_to_undo", door.commands(OWNER).undo("kimchi")),
    ):
        answer = await call
        assert (answer.ok, answer.rule) == (False, why)
        assert answer.text
    connector = aiohttp.UnixConnector(str(house.socket))
    async with aiohttp.ClientSession(connector=connector) as session:
        for path in ("/opportunities/o404/skip", "/strategies/kimchi/undo"):
            headers = {"X-Premia-Actor": OWNER, "X-Request-Id": path}
            async with session.post("http://premia" + path, headers=headers) as got:
                statuses[path] = (got.status, (await got.json())["rule"])
    assert statuses == {
        "/opportunities/o404/skip": (410, "gone"),
        "/strategies/kimchi/undo": (409, "nothing_to_undo"),
    }
    page = await door.reads(VIEWER).audit()
    assert len(page.rows) == 6
    assert not any(row.ok for row in page.rows)


BROKEN: list[tuple[str, str, dict[str, str], Any]] = [  # why, path, headers, body
    ("no request id", "/strategies/kimchi/mode", {}, {"mode": "off"}),
    ("no such mode", "/strategies/kimchi/mode", {"X-Request-Id": "a"}, {"mode": "yolo"}),
    ("no body", "/halt", {"X-Request-Id": "a"}, None),
    ("level 0 is no halt", "/halt", {"X-Request-Id": "a"}, {"level": 0}),
    ("one point", "/curves/tether_bot/set", {"X-Request-Id": "a"}, {"points": [{"premium_pct": "1", "weight": "1"}]}),
    ("more than all", "/opportunities/o1/token", {"X-Request-Id": "a"}, {"user_id": 1, "chat_id": 1, "fraction": "2"}),
    ("not a number", "/opportunities/o1/token", {"X-Request-Id": "a"}, {"user_id": "x", "chat_id": 1}),
    ("evidence of nothing", "/dlq/t7/close", {"X-Request-Id": "a"}, {"evidence": ""}),
    ("a request id like a novel", "/halt", {"X-Request-Id": "a" * 101}, {"level": 2}),
]


@pytest.mark.parametrize("why, path, headers, body", BROKEN, ids=[case[0] for case in BROKEN])
async def test_what_is_not_understood_reaches_nobody(house, desk, why, path, headers, body):
    connector = aiohttp.UnixConnector(str(house.socket))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.post("http://premia" + path, headers={"X-Premia-Actor": OWNER, **headers}, json=body) as got:
            said = await got.json()
    assert (got.status, said["rule"]) == (422, "bad_request")
    assert said["text"]
    assert desk.asked == []


async def test_preview_changes_nothing_and_says_what_would_be(door, desk):
    answer = await door.commands(VIEWER).preview_curve("tether_bot", CURVE)
    preview = CurvePreview.model_validate(answer.body)
    # At -1.5 %: the present tiers give 0.6 (between 0.7 at -2 and 0.5 at -1), the new curve 0.5; equity 10 M KRW.
    assert (preview.premium_pct, preview.weight_now) == (-1.5, 0.5)
    assert [preview.weight_old, preview.weight_new] == pytest.approx([0.6, 0.5])
    assert [preview.target_krw_old, preview.target_krw_new] == pytest.approx([6_000_000, 5_000_000])
    assert [(p.premium_pct, p.weight) for p in preview.new] == list(CURVE)
    assert (desk.asked, desk.version) == ([], 0)
    falling = await door.commands(VIEWER).preview_curve(
        "tether_bot", ((Decimal(1), Decimal(1)), (Decimal(0), Decimal(0)))
    )
    assert (falling.ok, falling.rule) == (False, "bad_parameter")
    assert "rise" in falling.text
    assert (await door.commands(VIEWER).preview_curve("kimchi", CURVE)).rule == "no_curve"
    assert (await door.commands(STRANGER).preview_curve("tether_bot", CURVE)).rule == "actor"


async def test_resume_takes_two_steps(door, desk):
    await door.commands(VIEWER).halt(2, "I saw something")
    assert (await door.reads(VIEWER).halt()).reason == "I saw something"
    early = await door.commands(OWNER).confirm_resume("guess")
    assert (early.ok, early.rule, desk.level) == (False, "stale_confirm", 2)
    asked = await door.commands(OWNER).request_resume()
    assert (await door.commands(OWNER).confirm_resume(asked.body["token"])).ok
    assert desk.level == 0


async def test_the_audit_shows_parameters_and_hides_tokens(door):
    token = TokenView.model_validate((await door.commands(TRADER).issue_token("o1", 2, 2)).body).token
    await door.commands(TRADER).confirm(token, 2, 2)
    await door.commands(OWNER).set_params("kimchi", {"min_net": "0.003"})
    rows = {row.command: row for row in (await door.reads(VIEWER).audit()).rows}
    assert token not in "".join(row.body for row in rows.values())
    assert json.loads(rows["Confirm"].body)["token"] == token[:6] + "…"
    assert json.loads(rows["SetParams"].body) == {"strategy": "kimchi", "changes": {"min_net": "0.003"}}


async def test_a_changed_audit_shows(door, house, tmp_path):
    for level in (1, 2):
        await door.commands(OWNER).halt(level)
    await house.writer.flush()
    assert (await door.reads(VIEWER).audit()).intact
    foreign = sqlite3.connect(tmp_path / "desk.db")
    foreign.execute("UPDATE audit SET actor = 'telegram:1' WHERE id = 2")
    foreign.commit()
    foreign.close()
    page = await door.reads(VIEWER).audit()
    assert (page.intact, page.broken_at) == (False, 2)


async def test_a_halt_waits_for_no_database(tmp_path, desk):
    async with open_house(tmp_path, desk) as house, Door(socket=house.socket) as door:
        foreign = sqlite3.connect(tmp_path / "desk.db", isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        answer = await asyncio.wait_for(door.commands(VIEWER).halt(3, "fire"), 0.9)  # the writer's patience is 1 s
        assert (answer.ok, desk.level) == (True, 3)
        await until(lambda: house.writer.problem)
        refused = await door.commands(TRADER).set_mode("kimchi", "auto")
        assert (refused.ok, refused.rule) == (False, "storage")
        assert desk.modes["kimchi"] is given.Mode.CONFIRM
        assert (await door.reads(VIEWER).health()).storage != "ok"
        foreign.execute("ROLLBACK")
        foreign.close()
        await until(lambda: not house.writer.problem)
        assert (await door.commands(TRADER).set_mode("kimchi", "auto")).ok
        assert [row.command for row in (await door.reads(VIEWER).audit()).rows] == ["SetMode", "SetMode", "Halt"]


async def test_tcp_asks_for_the_token(tmp_path, desk, unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with open_house(tmp_path, desk, unused_tcp_port, "s3cret"):
        async with Door(url=url, token="s3cret") as door:
            await until(lambda: answers(door))
            assert (await door.commands(OWNER).halt(1)).ok
        for wrong in ("", "s3cre", "S3CRET", "s3cret2"):
            async with Door(url=url, token=wrong) as door:
                answer = await door.commands(OWNER).halt(2)
                assert (answer.ok, answer.rule, desk.level) == (False, "token", 1)


async def answers(door: Door) -> bool:
    try:
        await door.reads(VIEWER).health()
    except DoorUnavailable:
        return False
    return True


async def test_an_engine_that_is_not_there_is_said(tmp_path):
    async with Door(socket=tmp_path / "nobody.sock") as door:
        with pytest.raises(DoorUnavailable):
            await door.reads(VIEWER).status()
        with pytest.raises(DoorUnavailable):
            await door.commands(OWNER).halt(2)


async def test_an_address_that_cannot_be_had_is_one_line(tmp_path, desk, unused_tcp_port):
    engine = database.create(database.sqlite_url(tmp_path / "desk.db"))
    taken = socket.create_server(("127.0.0.1", unused_tcp_port))
    for named, path, port, token in (
        ("PREMIA_CONTROL_TOKEN", tmp_path / "a.sock", unused_tcp_port, ""),
        ("control.tcp_port", tmp_path / "a.sock", unused_tcp_port, "s3cret"),
        ("control.socket", tmp_path / ("x" * 120), 0, ""),
    ):
        server = ControlServer(desk, Writer(engine, on_problem=print), Queries(engine, "UTC"), {}, curve)
        with pytest.raises(ConfigError, match=named):
            await server.serve(path, port, token)
    taken.close()
