"""The first schema: accounts, messages, deliveries, journal, usage, search."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None

ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME: Final[TypeEngine[float]] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    """Make every table."""
    _accounts()
    _messages()
    _deliveries()
    _delivery_indexes()
    _attempts()
    _journal()
    _usage()


def _accounts() -> None:
    op.create_table(
        "account",
        sa.Column("id", ID, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("suspended", sa.Integer(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("password_over_smtp", sa.Integer(), nullable=False),
        sa.Column("messages_per_day", sa.Integer()),
        sa.Column("recipients_per_day", sa.Integer()),
        sa.Column("recipients_per_message", sa.Integer()),
        sa.Column("message_size", sa.Integer()),
        sa.Column("created", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("address"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "app_password",
        sa.Column("id", ID, nullable=False),
        sa.Column("account", ID, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("last_used", TIME),
        sa.Column("last_peer", sa.Text(), nullable=False),
        sa.Column("revoked", TIME),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_app_password_account", "app_password", ["account"])
    op.create_table(
        "grant_",
        sa.Column("account", ID, nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "pattern"),
        sqlite_with_rowid=False,
    )


def _messages() -> None:
    op.create_table(
        "body",
        sa.Column("message", ID, autoincrement=False, nullable=False),
        sa.Column("file", sa.Text()),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("message"),
    )
    op.create_table(
        "message",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("declared", sa.Integer()),
        sa.Column("body_type", sa.Text(), nullable=False),
        sa.Column("smtputf8", sa.Integer(), nullable=False),
        sa.Column("ret", sa.Text(), nullable=False),
        sa.Column("envid", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("received", TIME, nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _deliveries() -> None:
    op.create_table(
        "delivery",
        sa.Column("message", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("notify", sa.Text(), nullable=False),
        sa.Column("orcpt", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", TIME),
        sa.Column("was_due", TIME),
        sa.Column("claimed_by", sa.Integer()),
        sa.Column("warned", sa.Integer(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("message", "number"),
        sqlite_with_rowid=False,
    )


def _delivery_indexes() -> None:
    op.create_index(
        "delivery_captured",
        "delivery",
        ["message"],
        sqlite_where=sa.text("state = 'captured'"),
        postgresql_where=sa.text("state = 'captured'"),
    )
    op.create_index(
        "delivery_due",
        "delivery",
        ["claimed_by", "due"],
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    )
    op.create_index(
        "delivery_open",
        "delivery",
        ["message", "number"],
        sqlite_where=sa.text("state IN ('queued', 'deferred', 'uncertain', 'held')"),
        postgresql_where=sa.text("state IN ('queued', 'deferred', 'uncertain', 'held')"),
    )


def _attempts() -> None:
    op.create_table(
        "attempt",
        sa.Column("message", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("seconds", TIME, nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("tls", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("transcript", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("message", "number", "count"),
        sqlite_with_rowid=False,
    )


def _journal() -> None:
    op.create_table(
        "entry",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", ID),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_entry_at", "entry", ["at"])
    op.create_index(
        "ix_entry_message",
        "entry",
        ["message"],
        sqlite_where=sa.text("message IS NOT NULL"),
        postgresql_where=sa.text("message IS NOT NULL"),
    )
    op.create_table(
        "search",
        sa.Column("key", ID, nullable=False),
        sa.Column("message", ID, nullable=False),
        sa.PrimaryKeyConstraint("key", "message"),
        sqlite_with_rowid=False,
    )


def _usage() -> None:
    op.create_table(
        "usage",
        sa.Column("account", ID, nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "minute"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_total",
        sa.Column("account", ID, autoincrement=False, nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
