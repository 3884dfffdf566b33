"""Opening the SQL store: SQLite by default, PostgreSQL by URL; the schema is brought to its newest form first."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_S = 1.0  # a foreign lock that lasts longer is a problem to tell; the hot path never waits here


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def create(url: str) -> AsyncEngine:
    """`url` is sqlite+aiosqlite:///<path> or postgresql+asyncpg://…; nothing is opened yet."""
    if not url.startswith("sqlite"):
        return create_async_engine(url, pool_pre_ping=True)
    engine = create_async_engine(url, connect_args={"timeout": _BUSY_S})

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _durable(connection: Any, _: object) -> None:
        # Settings, audit and notices live here: FULL, as in the journal. The writer groups what waits into one commit.
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


async def migrate(engine: AsyncEngine) -> None:
    """Apply every migration that is not yet there, all or none. Before trading: it may take as long as it takes."""
    async with engine.begin() as connection:
        if connection.dialect.name == "sqlite":  # its driver begins no transaction for a CREATE or ALTER by itself
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        await connection.run_sync(_upgrade)


def _upgrade(connection: sa.Connection) -> None:
    command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: sa.Connection) -> Config:
    """For Alembic's own commands (`check`, `revision`) on this connection."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def upsert(dialect: str, table: sa.Table) -> Any:
    """INSERT … ON CONFLICT of the primary key DO UPDATE every other column. Both databases spell it alike."""
    made = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    rest = {column.name: made.excluded[column.name] for column in table.columns if not column.primary_key}
    return made.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=rest)
