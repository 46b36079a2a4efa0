"""Alembic's way in: runs the versions on the connection that `migrate` has opened."""

from __future__ import annotations

from alembic import context

from postwicket.storage.schema import metadata


def run() -> None:
    """Run what is missing."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        # SQLite can roll tables back; a migration that is cut short leaves nothing behind.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if hasattr(context, "config"):  # else it is only being looked at, by pytest for example
    run()
