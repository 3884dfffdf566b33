"""Every known fault holds on twenty seeds, and shows itself where its guard is gone."""

import logging
from collections.abc import Iterator

import pytest

from chaos.scenarios.registry import SCENARIOS, named
from chaos.scenarios.stage import Scenario
from engine.core import absent
from engine.execution import trade
from engine.market import view
from engine.risk import review

GUARDED, UNGUARDED = range(1, 21), range(1, 9)

by_name = pytest.mark.parametrize("scenario", SCENARIOS, ids=[f"{s.key} {s.name}" for s in SCENARIOS])


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Millions of lines of the engine's own log would be kept for a report that nobody reads."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@by_name
def test_it_holds(scenario: Scenario):
    broken = {seed: found for seed in GUARDED if (found := scenario.run(seed, True))}
    assert broken == {}, f"again: python -m chaos.scenarios --only {scenario.key} --first {min(broken)} --seeds 1"


@by_name
def test_it_shows_where_its_guard_is_gone(scenario: Scenario):
    found: list[str] = []
    for seed in UNGUARDED:
        found += scenario.run(seed, False)
        if scenario.shows(found):
            return
    raise AssertionError(f"no seed broke `{scenario.law}`: {found}")


@pytest.mark.parametrize("law", ["", "the scenario", "the scenario: none of them was met"])
def test_a_scenario_names_a_law_that_its_guard_keeps(law: str):
    with pytest.raises(ValueError, match="names no law"):
        Scenario(number=1, name="", fault="", guard="", law=law, run=lambda seed, guarded: [])


def test_what_is_wrong_with_the_scenario_proves_nothing():
    made = Scenario(number=1, name="", fault="", guard="", law="the", run=lambda seed, guarded: [])
    assert not made.shows([]) and not made.shows(["the scenario: none of them was met"])
    assert made.shows(["the scenario: none of them was met", "the law: broken"])


@pytest.mark.parametrize("key", ["10", "15b", "2b"])
def test_a_guard_that_was_taken_out_is_there_again(key: str):
    def rooms() -> list[dict[str, object]]:
        return [dict(vars(room)) for room in (absent, review, trade, view)]

    known = rooms()
    assert named(key).run(1, False) and rooms() == known


def test_the_list_of_known_faults_is_covered():
    assert {scenario.number for scenario in SCENARIOS} == set(range(1, 27))
    assert len({scenario.key for scenario in SCENARIOS}) == len(SCENARIOS)
