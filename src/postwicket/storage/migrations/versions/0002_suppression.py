"""Addresses that are not written to."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = "0001"

ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME: Final[TypeEngine[float]] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "suppression",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("message", ID),
        sa.Column("created", TIME, nullable=False),
        sa.Column("expires", TIME),
        sa.PrimaryKeyConstraint("address", "lane"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "suppression_ends",
        "suppression",
        ["expires"],
        sqlite_where=sa.text("expires IS NOT NULL"),
        postgresql_where=sa.text("expires IS NOT NULL"),
    )
