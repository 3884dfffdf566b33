"""A start that ends while it brings the schema to its newest form: all of it is there afterwards, or none."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.storage import database


class Ended(Exception):
    """In the place of a SIGKILL."""


def ended_after(last: int) -> Callable[..., None]:
    left = [None] * last

    def strike(*_: object) -> None:
        if not left:
            raise Ended
        left.pop()

    return strike


async def statements(path: Path) -> int:
    """How many a whole migration has."""
    engine = database.create(database.sqlite_url(path))
    seen: list[str] = []
    sa.event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    await database.migrate(engine)
    await engine.dispose()
    return len(seen)


async def test_ended_at_any_statement_it_begins_again(tmp_path):
    """Found by `make crash`: killed in its first second, no later start found a schema that it could go on with."""
    count = await statements(tmp_path / "whole.db")
    assert count > 20
    for last in range(0, count, 3):
        path = tmp_path / f"{last}.db"
        engine = database.create(database.sqlite_url(path))
        sa.event.listen(engine.sync_engine, "before_cursor_execute", ended_after(last))
        with pytest.raises(Ended):
            await database.migrate(engine)
        await engine.dispose()
        again = database.create(database.sqlite_url(path))
        await database.migrate(again)
        await again.dispose()
