"""What every test may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine stops for longer than the 200 ms that an example may take by default: no test here is about time.
settings.register_profile("premia", deadline=None)
# `make check` judges a change by the same examples every time; `make test` goes on looking for new ones, and
# ARGS=--hypothesis-profile=hunt looks for as long as it takes.
settings.register_profile("check", deadline=None, derandomize=True)
settings.register_profile("hunt", deadline=None, max_examples=3_000)
settings.load_profile("premia")

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Other projects' recordings, which are read where they lie; a test that needs them skips where they are absent."""
    place = Path(os.environ.get("PREMIA_SHARED", REPOSITORY.parent / "shared"))
    if not place.is_dir():
        pytest.skip(f"no recordings at {place}; set PREMIA_SHARED")
    return place
