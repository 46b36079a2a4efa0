"""The schema, once, for both engines: every table and index, in SQLAlchemy Core.

Alembic's versions bring a database here, and a test proves that their sum is this file.  The
running server does not import it: hot statements are in `sql/`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

# SQLite's row id is spelled INTEGER and nothing else; PostgreSQL needs eight bytes for queue ids.
Id: Final = BigInteger().with_variant(Integer(), "sqlite")
Time: Final[TypeEngine[float]] = Double().with_variant(REAL(), "sqlite")  # seconds since 1970, UTC

metadata: Final = MetaData()

account: Final = Table(
    "account",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("suspended", Integer, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("password_over_smtp", Integer, nullable=False),
    Column("messages_per_day", Integer),
    Column("recipients_per_day", Integer),
    Column("recipients_per_message", Integer),
    Column("message_size", Integer),
    Column("created", Time, nullable=False),
    Column("lane", Text, nullable=False, server_default="transactional"),
    # The id of a removed account is never given again: usage and app passwords refer to it.
    sqlite_autoincrement=True,
)

grant: Final = Table(
    "grant_",  # "grant" is a word of SQL
    metadata,
    Column("account", Id, nullable=False),
    Column("pattern", Text, nullable=False),
    PrimaryKeyConstraint("account", "pattern"),
    sqlite_with_rowid=False,
)

app_password: Final = Table(
    "app_password",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Id, nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("created", Time, nullable=False),
    Column("last_used", Time),
    Column("last_peer", Text, nullable=False),
    Column("revoked", Time),
    sqlite_autoincrement=True,
)

message: Final = Table(
    "message",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account", Text, nullable=False),
    Column("sender", Text, nullable=False),  # "" is the empty return path
    Column("declared", Integer),  # SIZE= of MAIL
    Column("body_type", Text, nullable=False),
    Column("smtputf8", Integer, nullable=False),
    Column("ret", Text, nullable=False),
    Column("envid", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("received", Time, nullable=False),
    Column("expires", Time, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("demands", Text, nullable=False, server_default=""),  # JSON, "" for none
)

body: Final = Table(
    "body",  # a row goes when the bytes are let go; the message stays to be asked about
    metadata,
    Column("message", Id, primary_key=True, autoincrement=False),
    Column("file", Text),  # below the body store's folder; then `data` is NULL
    Column("size", Integer, nullable=False),
    Column("data", LargeBinary),
)

OPEN: Final = "state IN ('queued', 'deferred', 'uncertain', 'held')"

delivery: Final = Table(
    "delivery",
    metadata,
    Column("message", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("notify", Text, nullable=False),
    Column("orcpt", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Time),  # next attempt, or the end of the claim; NULL when final or held
    Column("was_due", Time),  # while claimed: what `due` was
    Column("claimed_by", Integer),
    Column("warned", Integer, nullable=False),
    Column("route", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("urgency", Integer, nullable=False, server_default="10"),  # lower first: policy/lane.py
    Column("site", Text, nullable=False, server_default=""),
    Column("why", Text, nullable=False, server_default=""),  # what it waits for, in words
    PrimaryKeyConstraint("message", "number"),
    # The claim leads, so that one index finds what is due, what a slot holds, and ended leases;
    # urgency is next, so that a million newsletters are not in the way of one invoice.
    Index(
        "delivery_due",
        "claimed_by",
        "urgency",
        "due",
        sqlite_where=text("due IS NOT NULL"),
        postgresql_where=text("due IS NOT NULL"),
    ),
    # `queue list` shows the oldest that are not finished, whatever was finished before them.
    Index(
        "delivery_open",
        "message",
        "number",
        sqlite_where=text(OPEN),
        postgresql_where=text(OPEN),
    ),
    Index(
        "delivery_captured",
        "message",
        sqlite_where=text("state = 'captured'"),
        postgresql_where=text("state = 'captured'"),
    ),
    sqlite_with_rowid=False,
)

attempt: Final = Table(
    "attempt",
    metadata,
    Column("message", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("count", Integer, nullable=False),  # 1 is the delivery's first
    Column("at", Time, nullable=False),
    Column("seconds", Time, nullable=False),
    Column("route", Text, nullable=False),
    Column("remote", Text, nullable=False),
    Column("tls", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("transcript", Text, nullable=False),
    Column("trust", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("message", "number", "count"),
    sqlite_with_rowid=False,
)

entry: Final = Table(
    "entry",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Time, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("message", Id),
    Column("data", Text, nullable=False),  # JSON
    Index(
        "ix_entry_message",
        "message",
        sqlite_where=text("message IS NOT NULL"),
        postgresql_where=text("message IS NOT NULL"),
    ),
)

usage: Final = Table(
    "usage",
    metadata,
    Column("account", Id, nullable=False),
    Column("minute", Integer, nullable=False),  # minutes since 1970
    Column("messages", Integer, nullable=False),
    Column("recipients", Integer, nullable=False),
    PrimaryKeyConstraint("account", "minute"),
    sqlite_with_rowid=False,
)

usage_total: Final = Table(
    "usage_total",  # the sum of the account's rows in `usage`, as of `minute`
    metadata,
    Column("account", Id, primary_key=True, autoincrement=False),
    Column("minute", Integer, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("recipients", Integer, nullable=False),
)

suppression: Final = Table(
    "suppression",
    metadata,
    Column("address", Text, nullable=False),  # canonical
    Column("lane", Text, nullable=False),  # "" is every lane
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("message", Id),
    Column("created", Time, nullable=False),
    Column("expires", Time),
    PrimaryKeyConstraint("address", "lane"),
    Index(
        "suppression_ends",
        "expires",
        sqlite_where=text("expires IS NOT NULL"),
        postgresql_where=text("expires IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

search: Final = Table(
    "search",
    metadata,
    Column("key", Id, nullable=False),  # time and hash of a word: see words.py
    Column("message", Id, nullable=False),
    PrimaryKeyConstraint("key", "message"),
    sqlite_with_rowid=False,
)

domain: Final = Table(
    "domain",
    metadata,
    Column("name", Text, primary_key=True),
    Column("token", Text, nullable=False),
    Column("created", Time, nullable=False),
    Column("verified", Time),
    sqlite_with_rowid=False,
)

dkim_key: Final = Table(
    "dkim_key",
    metadata,
    Column("id", Id, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("selector", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("private_sealed", LargeBinary, nullable=False),
    Column("public", Text, nullable=False),
    Column("created", Time, nullable=False),
    Column("active_from", Time),
    Column("active_until", Time),
    Column("remove_after", Time),
    UniqueConstraint("domain", "selector"),
    sqlite_autoincrement=True,
)

tls_result: Final = Table(
    "tls_result",  # one row for each kind of session of a day; only its count changes
    metadata,
    Column("day", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("policy_type", Text, nullable=False),
    Column("policy", Text, nullable=False),  # JSON
    Column("mx_patterns", Text, nullable=False),  # JSON
    Column("sending_ip", Text, nullable=False),
    Column("receiving_mx", Text, nullable=False),
    Column("receiving_ip", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint(
        "day",
        "domain",
        "policy_type",
        "policy",
        "mx_patterns",
        "sending_ip",
        "receiving_mx",
        "receiving_ip",
        "result",
    ),
    sqlite_with_rowid=False,
)

tls_report: Final = Table(
    "tls_report",  # the report of a day and domain: one node sends it
    metadata,
    Column("day", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("claimed_until", Time, nullable=False),
    Column("sent", Time),
    PrimaryKeyConstraint("day", "domain"),
    sqlite_with_rowid=False,
)
