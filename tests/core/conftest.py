"""Desks of other configurations."""

from pathlib import Path

import pytest

from tests.core.harness import Rig

HERE = Path(__file__).parent


@pytest.fixture
def tether_rig() -> Rig:
    return Rig(HERE / "tether.yaml").ready()


@pytest.fixture(params=["hard.yaml", "pair.yaml"])
def hard_rig(request: pytest.FixtureRequest) -> Rig:
    """The strategy's own policy, and one pair's."""
    return Rig(HERE / request.param).ready()
