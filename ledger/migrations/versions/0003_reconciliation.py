"""Counts that were collected, revisions of months and their posts, waivers, investigations, sign-offs."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _what_was_counted()
    _waivers()
    _investigations()
    _fact(
        "sign_offs",
        *_texts("environment", "month"),
        sa.Column("number", sa.Integer(), nullable=False),
        *_texts("digest", "who", "note"),
        sa.UniqueConstraint("environment", "month", "number", name="uq_sign_offs_number"),
    )


def _what_was_counted() -> None:
    _fact(
        "collected_counts",
        *_texts("environment", "target", "section"),
        sa.Column("window_start", _MOMENT, nullable=False),
        sa.Column("window_end", _MOMENT, nullable=False),
        *_texts("counts"),
    )
    op.create_index(
        "ix_collected_counts_windows", "collected_counts", ["environment", "target", "section", "window_start"]
    )
    _fact(
        "reconciliations",
        *_texts("environment", "month"),
        sa.Column("number", sa.Integer(), nullable=False),
        *_texts("digest", "document", "targets", "verdict", "standing"),
        sa.UniqueConstraint("environment", "month", "number", name="uq_reconciliations_number"),
    )
    op.create_table(
        "month_posts",
        *_texts("environment", "month"),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        *_texts("run_id"),
        sa.Column("posted_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("environment", "month", "number", name="pk_month_posts"),
    )


def _waivers() -> None:
    _fact("waivers", *_texts("environment", "subject", "who", "reason", "until", "ticket"), *_ended("waivers"))
    op.create_index("uq_waivers_in_force", "waivers", ["environment", "subject"], unique=True, **_IN_FORCE)
    _fact("waiver_withdrawals", *_texts("environment", "subject", "who", "reason"))


def _investigations() -> None:
    _fact("investigations", *_texts("environment", "month", "target"), *_ended("investigations"))
    op.create_index(
        "uq_investigations_open", "investigations", ["environment", "month", "target"], unique=True, **_IN_FORCE
    )
    _fact(
        "investigation_notes",
        sa.Column("investigation", _NUMBER, nullable=False),
        *_texts("owner", "due", "note", "who"),
        sa.ForeignKeyConstraint(["investigation"], ["investigations.seq"], name="fk_investigation_notes_investigation"),
    )
    op.create_index("ix_investigation_notes_investigation", "investigation_notes", ["investigation"])


def _fact(table: str, *parts: sa.schema.SchemaItem) -> None:
    """Make a table whose rows each belong to one entry of the chain."""
    op.create_table(
        table,
        sa.Column("seq", _NUMBER, autoincrement=False, nullable=False),
        *parts,
        *_texts("run_id"),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["seq"], ["chain.seq"], name=f"fk_{table}_seq"),
    )


def _ended(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("ended_seq", _NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["ended_seq"], ["chain.seq"], name=f"fk_{table}_ended_seq"),
    )


def _texts(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


_ONLY_OPEN = sa.text("ended_seq IS NULL")
_IN_FORCE: dict[str, Any] = {"sqlite_where": _ONLY_OPEN, "postgresql_where": _ONLY_OPEN}
