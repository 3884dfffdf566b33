"""The library that notes and kills, compiled once for all."""

from pathlib import Path

import pytest

from crash.__main__ import build_shim


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = build_shim(tmp_path_factory.mktemp("shim"))
    if made is None:
        pytest.skip("no C compiler, or not Linux")
    return made
