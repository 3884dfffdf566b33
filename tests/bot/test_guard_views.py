"""A venue's dead-man timer and its latencies on its page, and the words when they change, in both languages."""

import pytest

from bot.views import notices, venues
from engine.control import messages as m
from tests.bot.market_figures import WALL_MS
from tests.bot.test_market_views import EN, KO, health, plain

TIMERS = [  # why, what is told, English, Korean
    ("running", {"armed_s": 30, "left_ms": 21_400}, "strikes in 21 s of 30", "21초 뒤 작동 (설정 30초)"),
    ("ready", {}, "timer ready; nothing of ours rests", "우리 미체결 주문이 없습니다"),
    ("shared", {"why": "2 open orders", "foreign": 2}, "2 open orders there are not ours", "미체결 주문 2건까지 취소"),
    ("refused", {"why": "<no>"}, "does not run: <no>", "타이머 꺼짐: <no>"),
]


@pytest.mark.parametrize("why, told, english, korean", TIMERS, ids=[case[0] for case in TIMERS])
def test_a_venues_page_tells_of_its_dead_man_timer(why, told, english, korean):
    view = health(countdown={"offered": True, **told})
    for reader, words in ((EN, english), (KO, korean)):
        assert words in plain(venues.one(reader, view, WALL_MS).text).replace("&lt;", "<").replace("&gt;", ">")
    assert "timer" not in venues.one(EN, health(), WALL_MS).text, "where the venue has none"


def pace(stage: str, path: str, p50: float, *, is_slow: bool = False) -> dict[str, object]:
    return {
        "stage": stage,
        "path": path,
        "count": 9,
        "p50_ms": p50,
        "p99_ms": p50 * 2,
        "usual_ms": 80.0,
        "is_slow": is_slow,
    }


def test_a_venues_page_tells_how_long_each_stage_takes():
    slow = pace("wire_ack", "native", 640.0, is_slow=True)
    view = health(paces=(pace("decision_wire", "native", 0.4), slow), slow="it is slow")
    english, korean = (plain(venues.one(reader, view, WALL_MS).text) for reader in (EN, KO))
    assert "⏱ decision → wire (own line): 0.4/0.8 ms, usually 80" in english
    assert "🐢 wire → answer (own line): 640/1,280 ms, usually 80: left out of routes" in english
    assert "🐢 전송 → 응답 (자체 회선): 640/1,280 ms, 평소 80: 경로에서 제외" in korean
    assert "slower than usual" in venues.venues(EN, [view], WALL_MS).text
    assert "🐢" not in venues.venues(EN, [health()], WALL_MS).text


SAID = [  # rule, numbers, English, Korean
    (
        "venue_slow",
        {"took_ms": "640", "usual_ms": "80", "stage": "wire_ack", "path": "native"},
        "wire → answer (own line): 640 ms, usually 80 ms",
        "전송 → 응답 (자체 회선): 640 ms, 평소 80 ms",
    ),
    (
        "venue_paced",
        {"took_ms": "82", "usual_ms": "80", "stage": "read", "path": "clock"},
        "question → answer (clock): 82 ms",
        "조회 → 응답 (시각): 82 ms",
    ),
    ("countdown_off", {"foreign": "3"}, "3 open orders there are not ours", "미체결 주문 3건까지"),
    ("countdown_on", {"seconds": "30"}, "30 s, renewed", "30초, 엔진이 살아 있는 동안"),
]


@pytest.mark.parametrize("rule, numbers, english, korean", SAID, ids=[case[0] for case in SAID])
def test_a_change_is_said_in_the_readers_words(rule, numbers, english, korean):
    view = m.AlertView(rule=rule, venue="okx", text="the engine's own sentence", numbers=numbers)
    for reader, words in ((EN, english), (KO, korean)):
        text = plain(notices.alert(reader, view, "warn").text)
        assert words in text and "OKX" in text and "own sentence" not in text
