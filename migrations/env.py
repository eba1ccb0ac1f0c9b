"""Where Alembic finds the database and the tables."""

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from budget.storage.tables import metadata

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
