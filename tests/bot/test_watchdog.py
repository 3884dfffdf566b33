"""What the watchdog wrote reaches everybody once, while the engine says nothing at all."""

import time

import msgspec
import pytest

from bot.views import guard
from bot.views.reader import Reader
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
