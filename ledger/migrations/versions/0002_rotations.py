"""Rotations, their journals, which version of a credential is current, groups, freezes."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _rotations()
    _credentials()
    _keeping_back()


def _rotations() -> None:
    op.create_table(
        "rotations",
        _text("id"),
        *(_text(name) for name in ("credential", "environment", "integration", "kind", "state")),
        *(_text(name, "") for name in ("wait", "words", "next_step")),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("back", "emergency", "contain_first")),
        *(_text(name, "") for name in ("old_version", "old_vendor_id", "new_version", "new_vendor_id")),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("not_before", _MOMENT, nullable=False),
        *(
            sa.Column(name, _MOMENT, nullable=True)
            for name in (
                "creating_at", "minted_at", "verified_at", "flipped_at", "served_at", "disabled_at", "closed_at",
                "compromised_at",
            )
        ),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("head_seq", _NUMBER, server_default="0", nullable=False),
        _text("head_hash"),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        _text("worker", ""),
        sa.Column("lease_until", _MOMENT, nullable=True),
        *(_text(name) for name in ("operator", "reason", "ticket", "due_window")),
        _text("facts", "{}"),
        sa.PrimaryKeyConstraint("id", name="pk_rotations"),
    )  # fmt: skip
    op.create_index("uq_rotations_open", "rotations", ["credential"], unique=True, **_only("closed_at IS NULL"))
    op.create_index("ix_rotations_due", "rotations", ["not_before"], unique=False, **_only("closed_at IS NULL"))
    op.create_index("ix_rotations_creating", "rotations", ["integration", "creating_at"], unique=False)
    op.create_table(
        "rotation_journal",
        _text("rotation"),
        sa.Column("seq", _NUMBER, nullable=False),
        *(_text(name) for name in ("previous", "hash", "payload", "at")),
        sa.PrimaryKeyConstraint("rotation", "seq", name="pk_rotation_journal"),
    )


def _credentials() -> None:
    op.create_table(
        "held_credentials",
        _text("credential"),
        _text("environment"),
        *(_text(name, "") for name in ("version", "vendor_id", "fingerprint")),
        sa.Column("minted_at", _MOMENT, nullable=True),
        sa.Column("first_seen_at", _MOMENT, nullable=False),
        sa.Column("flips", sa.Integer(), server_default="0", nullable=False),
        sa.Column("compromised_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("credential", name="pk_held_credentials"),
    )
    op.create_index("ix_held_credentials_environment", "held_credentials", ["environment"], unique=False)


def _keeping_back() -> None:
    op.create_table(
        "group_holds", _text("name"), _text("rotation"), sa.PrimaryKeyConstraint("name", name="pk_group_holds")
    )
    op.create_table(
        "freezes",
        sa.Column("id", _NUMBER, nullable=False),
        _text("reason"),
        _text("who"),
        sa.Column("frozen_at", _MOMENT, nullable=False),
        sa.Column("thawed_at", _MOMENT, nullable=True),
        _text("thawed_by", ""),
        sa.Column("only", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_freezes"),
    )
    op.create_index("uq_freezes_open", "freezes", ["only"], unique=True, **_only("thawed_at IS NULL"))


def _text(name: str, default: str | None = None) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _only(condition: str) -> dict[str, Any]:
    """Make an index of the rows that the condition holds for."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
