"""The ledger's tables about rotations. Values never enter them: documents have names, credentials have fingerprints."""

from sqlalchemy import Boolean, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from ledger.moments import Moment
from ledger.schema import METADATA, NUMBER

# One row per rotation: the journal's head, the lease and the state, changed together or not at all.
ROTATIONS = Table(
    "rotations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("credential", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("integration", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("wait", Text, nullable=False, server_default=""),
    Column("words", Text, nullable=False, server_default=""),
    Column("next_step", Text, nullable=False, server_default=""),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("back", Boolean, nullable=False),
    Column("emergency", Boolean, nullable=False),
    Column("contain_first", Boolean, nullable=False),
    Column("old_version", Text, nullable=False, server_default=""),
    Column("old_vendor_id", Text, nullable=False, server_default=""),
    Column("new_version", Text, nullable=False, server_default=""),
    Column("new_vendor_id", Text, nullable=False, server_default=""),
    Column("opened_at", Moment, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("creating_at", Moment, nullable=True),
    Column("minted_at", Moment, nullable=True),
    Column("verified_at", Moment, nullable=True),
    Column("flipped_at", Moment, nullable=True),
    Column("served_at", Moment, nullable=True),
    Column("disabled_at", Moment, nullable=True),
    Column("closed_at", Moment, nullable=True),
    Column("compromised_at", Moment, nullable=True),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("head_seq", NUMBER, nullable=False, server_default="0"),
    Column("head_hash", Text, nullable=False),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("worker", Text, nullable=False, server_default=""),
    Column("lease_until", Moment, nullable=True),
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("due_window", Text, nullable=False),
    Column("facts", Text, nullable=False, server_default="{}"),
    Index(
        "uq_rotations_open",
        "credential",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index(
        "ix_rotations_due",
        "not_before",
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index("ix_rotations_creating", "integration", "creating_at"),
)

# What was intended, seen and decided, in order. `at` and `payload` are text, because their letters are hashed.
ROTATION_JOURNAL = Table(
    "rotation_journal",
    METADATA,
    Column("rotation", Text, nullable=False),
    Column("seq", NUMBER, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("at", Text, nullable=False),
    PrimaryKeyConstraint("rotation", "seq"),
)

# Which version of a credential is current. This row, moved by compare-and-set, is the flip.
HELD_CREDENTIALS = Table(
    "held_credentials",
    METADATA,
    Column("credential", Text, primary_key=True),
    Column("environment", Text, nullable=False, index=True),
    Column("version", Text, nullable=False, server_default=""),
    Column("vendor_id", Text, nullable=False, server_default=""),
    Column("fingerprint", Text, nullable=False, server_default=""),
    Column("minted_at", Moment, nullable=True),
    Column("first_seen_at", Moment, nullable=False),
    Column("flips", Integer, nullable=False, server_default="0"),
    Column("compromised_at", Moment, nullable=True),
)

# Of each group one rotation at a time: whoever has the row.
GROUP_HOLDS = Table(
    "group_holds",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("rotation", Text, nullable=False),
)

FREEZES = Table(
    "freezes",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("frozen_at", Moment, nullable=False),
    Column("thawed_at", Moment, nullable=True),
    Column("thawed_by", Text, nullable=False, server_default=""),
    Column("only", Integer, nullable=False, server_default="1"),
    Index(
        "uq_freezes_open",
        "only",
        unique=True,
        sqlite_where=text("thawed_at IS NULL"),
        postgresql_where=text("thawed_at IS NULL"),
    ),
)
