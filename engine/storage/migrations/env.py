"""What Alembic runs. `engine.storage.database` hands the connection in: there is no alembic.ini to keep in step."""

from alembic import context
from sqlalchemy import Connection

from engine.storage.models import Base


def run() -> None:
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
    )
    with context.begin_transaction():
        context.run_migrations()


run()
