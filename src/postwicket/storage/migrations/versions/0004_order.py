"""What is claimed first, why something waits, what mail demands, and results of TLS."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0004"
down_revision = "0003"

TIME: Final[TypeEngine[float]] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    """Add columns and tables; what waits keeps its place in its lane."""
    _columns()
    _urgency()
    _tls()


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=default)


def _columns() -> None:
    op.add_column("account", _text("lane", "transactional"))
    op.add_column("message", _text("demands"))
    op.add_column("attempt", _text("trust"))
    op.add_column(
        "delivery", sa.Column("urgency", sa.Integer(), nullable=False, server_default="10")
    )
    op.add_column("delivery", _text("site"))
    op.add_column("delivery", _text("why"))


def _urgency() -> None:
    op.execute(
        "UPDATE delivery SET urgency = 30"
        " WHERE message IN (SELECT id FROM message WHERE lane = 'bulk')"
    )
    op.drop_index("delivery_due", "delivery")
    op.create_index(
        "delivery_due",
        "delivery",
        ["claimed_by", "urgency", "due"],
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    )


def _tls() -> None:
    key = (
        "day",
        "domain",
        "policy_type",
        "policy",
        "mx_patterns",
        "sending_ip",
        "receiving_mx",
        "receiving_ip",
        "result",
    )
    op.create_table(
        "tls_result",
        *(sa.Column(name, sa.Text(), nullable=False) for name in key),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(*key),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tls_report",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("claimed_until", TIME, nullable=False),
        sa.Column("sent", TIME),
        sa.PrimaryKeyConstraint("day", "domain"),
        sqlite_with_rowid=False,
    )
