"""Each law of the storm is broken where its guard is gone: a law that cannot fail says nothing."""

import logging
from collections.abc import Iterator

import pytest

from chaos.run import run
from engine.risk import review, rules


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def breaks(law: str, seeds: range, hours: float) -> list[str]:
    """What the first seed breaks that breaks this law. Fails where none does."""
    broken: list[str] = []
    for seed in seeds:
        found = run(seed, hours).violations
        broken += found
        if any(line.startswith(law) for line in found):
            return found
    raise AssertionError(f"no seed broke `{law}`: {broken}")


def test_entries_to_a_venue_that_does_not_agree_break_a_law(monkeypatch):
    kept = tuple(rule for rule in rules.RULES if rule.__name__ != "_venue")
    assert len(kept) == len(rules.RULES) - 1
    monkeypatch.setattr(review, "RULES", kept)
    found = breaks("no send while unreconciled", range(401, 431), 1.0)
    assert any("(entry)" in line and "agreed False" in line for line in found), found
