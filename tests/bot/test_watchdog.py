"""What the watchdog wrote reaches everybody once, while the engine says nothing at all."""

import time

import msgspec
import pytest

from bot.views import boards, guard
from bot.views.reader import Reader
from engine.control.messages import StatusView, WatchdogView
from tests.bot.desk import TestDesk
from tests.bot.rig import OWNER, VIEWER, open_house

NOW = time.time_ns() // 1_000_000


def alert(what: str, at_ms: int = NOW, **more: object) -> dict[str, object]:
    return {"id": at_ms, "what": what, "silent_s": 17, "level": 2, "venues": {}, "problem": "", **more}


async def test_it_is_told_once_to_everybody_with_the_engine_gone(tmp_path):
    path = tmp_path / "watchdog.json"
    old = alert("trouble", NOW - 3 * 86_400_000)
    path.write_bytes(msgspec.json.encode({"alerts": [old, alert("acting")]}))
    async with open_house(tmp_path) as house, house.bot():
        await house.phone.finds(VIEWER, "no sign of life for 17 s")
        await house.phone.finds(OWNER, "17초 동안 응답하지 않습니다")
        venues = {"upbit": {"cancelled": 2, "open": 0, "error": ""}}
        more = [old, alert("acting"), alert("clean", NOW + 1, venues=venues)]
        path.write_bytes(msgspec.json.encode({"alerts": more}))
        await house.phone.finds(VIEWER, "Cancelled by the watchdog: 2")
        texts = [message.text for message in await house.phone.chat(VIEWER)]
    async with open_house(tmp_path) as house, house.bot():
        await house.phone.finds(VIEWER, "cannot be reached")
        again = [message.text for message in await house.phone.chat(VIEWER)]
    assert sum("no sign of life" in text for text in texts + again) == 1
    assert not any("cannot prove" in text for text in texts + again), "history of days ago"


async def test_a_damaged_file_takes_nothing_with_it(tmp_path):
    path = tmp_path / "watchdog.json"
    path.write_bytes(b'{"alerts": [{"id"')
    async with open_house(tmp_path) as house, house.bot():
        await house.phone.finds(VIEWER, "cannot be reached")
        path.write_bytes(msgspec.json.encode({"alerts": [alert("back")]}))
        await house.phone.finds(VIEWER, "engine is back")


@pytest.mark.parametrize("language", ["ko", "en"])
def test_trouble_names_what_may_still_rest(language):
    reader = Reader(user_id=1, role="owner", language=language, zone="Asia/Seoul")
    venues = {"upbit": guard.AtVenue(open=2, error="<html>"), "okx": guard.AtVenue(cancelled=1)}
    made = guard.watchdog(reader, guard.WatchdogAlert(id=1, what="trouble", venues=venues, problem="the latch"))
    assert "2" in made.text and "&lt;html&gt;" in made.text and "the latch" in made.text
    assert "OKX" not in made.text


DOGS = [  # why, what its file says, Korean, English
    (
        "it watches",
        {"alive": True, "sight": "alive"},
        "감시견 작동 중: 엔진 정상",
        "Watchdog alive: the engine is there",
    ),
    (
        "it has acted",
        {"alive": True, "sight": "missing", "act": "clean", "act_ms": NOW},
        "모두 취소함",
        "all cancelled",
    ),
    ("it is gone", {"alive": False, "act": "back"}, "감시견이 응답하지 않습니다", "Watchdog is silent"),
]


@pytest.mark.parametrize("why, told, korean, english", DOGS, ids=[case[0] for case in DOGS])
def test_the_status_tells_of_it_in_both_languages(why, told, korean, english):
    status = StatusView.model_validate(msgspec.to_builtins(TestDesk().status()))
    assert "감시견" not in boards.status(reader("ko"), status).text, "where none ever ran nothing is said"
    view = status.model_copy(update={"watchdog": WatchdogView(known=True, **told)})
    assert korean in boards.status(reader("ko"), view).text
    shown = boards.status(reader("en"), view)
    assert english in shown.text
    later = view.model_copy(update={"watchdog": WatchdogView(known=True, beat_age_ms=900, **told)})
    assert boards.status(reader("en"), later).core == shown.core, "its age alone edits no pinned card"


def reader(language: str) -> Reader:
    return Reader(user_id=1, role="owner", language=language, zone="Asia/Seoul")
