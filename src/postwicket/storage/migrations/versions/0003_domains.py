"""Domains and their DKIM keys."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0003"
down_revision = "0002"

ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME: Final[TypeEngine[float]] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "domain",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("verified", TIME),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dkim_key",
        sa.Column("id", ID, nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("selector", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("private_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("active_from", TIME),
        sa.Column("active_until", TIME),
        sa.Column("remove_after", TIME),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("domain", "selector"),
        sqlite_autoincrement=True,
    )
