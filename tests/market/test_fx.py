from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine.domain.event import FxRate
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.market.fx import HOUR_MS, Fx, FxRules, market_open

NOW_NS = 1_000_000 * NS_PER_S


def wall(text):
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp() * 1_000) - 9 * HOUR_MS


OPEN = wall("2026-11-18 12:00")
CLOSED = wall("2026-11-22 12:00")


@pytest.mark.parametrize(
    "seoul_time, is_open",
    [
        ("2026-11-16 08:59", False),  # Monday
        ("2026-11-16 09:00", True),
        ("2026-11-16 23:59", True),
        ("2026-11-17 01:59", True),
        ("2026-11-17 02:00", False),
        ("2026-11-17 08:59", False),
        ("2026-11-20 23:00", True),  # Friday
        ("2026-11-21 01:59", True),
        ("2026-11-21 02:00", False),
        ("2026-11-21 12:00", False),
        ("2026-11-22 23:00", False),
        ("2026-11-23 01:00", False),
    ],
)
def test_when_korean_won_is_quoted(seoul_time, is_open):
    assert market_open(wall(seoul_time)) is is_open


H = 3_600
CASES = [  # why, (rate, age in s) of each source, wall clock, rate, usable, degraded
    ("no source", [], OPEN, 0.0, False, "none"),
    ("one fresh source", [("1380", 0)], OPEN, 1380.0, True, "one source"),
    ("two agree", [("1380", 0), ("1382", 5)], OPEN, 1381.0, True, ""),
    ("three: the median", [("1380", 0), ("1382", 0), ("1386", 0)], OPEN, 1382.0, True, ""),
    ("just agreeing", [("1000", 0), ("1005", 0)], OPEN, 1002.5, True, ""),
    ("farther than 0.5 % apart", [("1380", 0), ("1388", 0)], OPEN, 1384.0, False, "disagreement"),
    ("an old one is left out", [("1380", 0), ("1500", 601)], OPEN, 1380.0, True, "one source"),
    ("all old while the market trades", [("1380", 601), ("1382", 700)], OPEN, 1380.0, False, "stale"),
    ("old over the weekend is right", [("1380", 60 * H), ("1382", 61 * H)], CLOSED, 1381.0, True, ""),
    ("older than 72 h is not", [("1380", 72 * H + 1)], CLOSED, 1380.0, False, "stale"),
]


@pytest.mark.parametrize("why, rates, wall_ms, rate, usable, degraded", CASES, ids=[case[0] for case in CASES])
def test_view(why, rates, wall_ms, rate, usable, degraded):
    fx = Fx(FxRules())
    for number, (value, age_s) in enumerate(rates):
        seen_ns = NOW_NS - age_s * NS_PER_S
        fx.take(FxRate(source=f"s{number}", rate=Decimal(value), as_of_ms=0, seen_ns=seen_ns))
    view = fx.view(NOW_NS, wall_ms)
    assert (view.rate, view.usable, view.degraded) == (rate, usable, degraded)


def test_a_newer_word_of_a_source_replaces_its_older_one():
    fx = Fx(FxRules())
    fx.take(FxRate(source="a", rate=Decimal(1_300), as_of_ms=0, seen_ns=NOW_NS - 5 * NS_PER_S))
    fx.take(FxRate(source="a", rate=Decimal(1_380), as_of_ms=0, seen_ns=NOW_NS - 250 * NS_PER_MS))
    view = fx.view(NOW_NS, OPEN)
    assert (view.rate, view.age_ms, view.sources) == (1_380.0, 250, ("a",))
