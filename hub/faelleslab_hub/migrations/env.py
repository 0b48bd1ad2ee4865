"""Run the revisions on the connection that `faelleslab_hub.database.upgrade` hands over, in its transaction."""

from alembic import context

from faelleslab_hub.database import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
