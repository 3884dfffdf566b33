"""Desks of other configurations."""

from pathlib import Path

import pytest

from tests.core.harness import Rig

HERE = Path(__file__).parent


@pytest.fixture
def tether_rig() -> Rig:
    return Rig(HERE / "tether.yaml").ready()


@pytest.fixture
def hard_rig() -> Rig:
    return Rig(HERE / "hard.yaml").ready()
