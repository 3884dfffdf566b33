"""Every seed that once broke a law holds."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.kept import STORM, Kept, keep, read
from chaos.run import run
from chaos.scenarios.registry import named


@pytest.fixture
def silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("kept", read(), ids=lambda kept: f"{kept.kind}-{kept.seed}")
def test_it_holds_now(kept: Kept):
    broken = run(kept.seed, kept.hours).violations if kept.kind == STORM else named(kept.kind).run(kept.seed, True)
    assert broken == [], f"again: {kept.again}"


def test_a_failing_seed_is_kept_once_and_names_its_line(tmp_path: Path):
    place = tmp_path / "seeds.txt"
    place.write_text("# none yet\n")
    found = [Kept("storm", 7, 0.5, "liveness: not\n at rest"), Kept("12", 3, 0.0, "others' orders: gone")]
    assert keep(found, place) == 2 and keep(found, place) == 0
    assert read(place) == [Kept("storm", 7, 0.5, "liveness: not at rest"), found[1]]
    assert found[0].again == "python -m chaos --first 7 --seeds 1 --hours 0.5 --jobs 1"
    assert found[1].again == "python -m chaos.scenarios --only 12 --first 3 --seeds 1 --jobs 1"
