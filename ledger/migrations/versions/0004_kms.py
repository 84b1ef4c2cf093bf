"""KMS checks, standings of their parts, spells and judgements, golden ciphertexts and their trials; how urgent an alert is."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PART = ("environment", "target", "part")


def upgrade() -> None:
    _checks()
    _spells()
    _goldens()
    # Until now whatever was open was sent as a ticket.
    op.add_column("alerts", sa.Column("urgency", sa.Text(), nullable=False, server_default="ticket"))


def _checks() -> None:
    op.create_table(
        "kms_checks",
        sa.Column("id", _NUMBER, nullable=False),
        *_texts("environment", "target", "run_id"),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("operations", sa.Integer(), nullable=False),
        *_texts("parts"),
        sa.PrimaryKeyConstraint("id", name="pk_kms_checks"),
    )
    op.create_index("ix_kms_checks_moments", "kms_checks", ["environment", "target", "at"])
    op.create_table(
        "kms_standings",
        *_texts(*_PART, "standing"),
        sa.Column("since", _MOMENT, nullable=False),
        *_texts("recent"),
        sa.Column("still_due", sa.Integer(), nullable=False),
        *_texts("changes"),
        sa.Column("last_passed_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint(*_PART, name="pk_kms_standings"),
    )
    op.create_table(
        "kms_fault_counts",
        *_texts(*_PART, "fault_class"),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(*_PART, "fault_class", name="pk_kms_fault_counts"),
    )


def _spells() -> None:
    op.create_table(
        "kms_spells",
        sa.Column("id", _NUMBER, nullable=False),
        *_texts(*_PART, "fault"),
        sa.Column("began_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        *_texts("run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_kms_spells"),
    )
    op.create_index("uq_kms_spells_open", "kms_spells", [*_PART], unique=True, **_where("ended_at"))
    _fact(
        "kms_judgements",
        sa.Column("spell", _NUMBER, nullable=False),
        *_texts("judged", "who", "note"),
        *_ended("kms_judgements"),
    )
    op.create_index("uq_kms_judgements_in_force", "kms_judgements", ["spell"], unique=True, **_where("ended_seq"))


def _goldens() -> None:
    named = ("environment", "target", "key_name", "key", "version", "source", "slot")
    _fact("kms_goldens", *_texts(*named, "ciphertext", "plaintext_sha256", "context"), *_ended("kms_goldens"))
    op.create_index("uq_kms_goldens_in_force", "kms_goldens", [*named], unique=True, **_where("ended_seq"))
    _fact("kms_golden_retirements", *_texts("environment", "target", "key_name", "version", "slot", "who", "reason"))
    op.create_table(
        "kms_golden_trials",
        sa.Column("golden", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("tried_at", _MOMENT, nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=True),
        *_texts("fault"),
        sa.PrimaryKeyConstraint("golden", name="pk_kms_golden_trials"),
        sa.ForeignKeyConstraint(["golden"], ["kms_goldens.seq"], name="fk_kms_golden_trials_golden"),
    )


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


def _where(column: str) -> dict[str, Any]:
    still = sa.text(f"{column} IS NULL")
    return {"sqlite_where": still, "postgresql_where": still}
