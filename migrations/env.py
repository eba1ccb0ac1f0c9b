"""Where Alembic finds the database and the tables: what it does is done on the connection it is given."""

from alembic import context

from budget.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
