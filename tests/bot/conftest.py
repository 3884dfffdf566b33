from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.rig import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A Bot API server and files; engine and bot are started by the test."""
    async with open_house(tmp_path) as opened:
        yield opened
