"""The first schema: runs and their chain, probes, day 1, due moments, alerts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _runs_and_chain()
    _verification()
    _wiring()
    _due_and_alerts()


def _runs_and_chain() -> None:
    op.create_table(
        "ledger_identity",
        sa.Column("only_row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ledger_id", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("only_row", name="pk_ledger_identity"),
    )
    op.create_table(
        "chain",
        sa.Column("seq", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_chain"),
        sa.UniqueConstraint("hash", name="uq_chain_hash"),
        sa.UniqueConstraint("previous", name="uq_chain_previous"),
    )
    op.create_table(
        "chain_head",
        sa.Column("only_row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("only_row", name="pk_chain_head"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("seq", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_checkpoints"),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("prefect_run_id", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("opened_seq", _NUMBER, nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("lease_until", _MOMENT, nullable=False),
        sa.Column("sealed_seq", _NUMBER, nullable=True),
        sa.Column("sealed_at", _MOMENT, nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("world", sa.Text(), nullable=True),
        sa.Column("bundle_digest", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["opened_seq"], ["chain.seq"], name="fk_runs_opened_seq"),
        sa.ForeignKeyConstraint(["sealed_seq"], ["chain.seq"], name="fk_runs_sealed_seq"),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_index("ix_runs_opened_at", "runs", ["opened_at"], unique=False)
    op.create_index("ix_runs_unsealed", "runs", ["lease_until"], unique=False, **_only("sealed_seq IS NULL"))


def _verification() -> None:
    op.create_table(
        "probe_intents",
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("probe", sa.Text(), nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("closed_at", _MOMENT, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("clean_up", sa.Text(), nullable=True),
        sa.Column("cleaned_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("nonce", name="pk_probe_intents"),
    )
    op.create_index(
        "ix_probe_intents_left", "probe_intents", ["environment"], unique=False, **_only("cleaned_at IS NULL")
    )
    op.create_table(
        "verifications",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("world", sa.Text(), nullable=False),
        sa.Column("symptom", sa.Text(), nullable=False),
        sa.Column("happened", sa.Text(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_verifications"),
    )
    op.create_index("ix_verifications_environment", "verifications", ["environment", "target", "id"], unique=False)


def _wiring() -> None:
    op.create_table(
        "step_states",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=False),
        sa.Column("world", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("environment", "number", name="pk_step_states"),
    )
    op.create_table(
        "questions",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("deadline", _MOMENT, nullable=False),
        sa.Column("answered_at", _MOMENT, nullable=True),
        sa.Column("who", sa.Text(), server_default="", nullable=False),
        sa.Column("seen", sa.Boolean(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_questions"),
    )
    op.create_index(
        "uq_questions_open",
        "questions",
        ["environment", "step", "integration"],
        unique=True,
        **_only("answered_at IS NULL"),
    )
    op.create_table(
        "rehearsals",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("integrations", sa.JSON(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rehearsals"),
    )
    op.create_index("ix_rehearsals_version", "rehearsals", ["version"], unique=False)
    op.create_table(
        "blockers",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("blocked_at", _MOMENT, nullable=False),
        sa.Column("unblocked_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_blockers"),
    )
    op.create_index(
        "uq_blockers_open", "blockers", ["environment", "target"], unique=True, **_only("unblocked_at IS NULL")
    )
    op.create_table(
        "notes",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
    )
    op.create_index("ix_notes_environment", "notes", ["environment"], unique=False)
    op.create_table(
        "timeouts",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("circumstance", sa.Text(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("bound_ms", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_timeouts"),
    )
    op.create_index("ix_timeouts_environment", "timeouts", ["environment"], unique=False)
    op.create_table(
        "go_lives",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_go_lives"),
    )
    op.create_index("ix_go_lives_environment", "go_lives", ["environment"], unique=False)
    op.create_table(
        "fingerprints",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("first_run_id", sa.Text(), nullable=False),
        sa.Column("first_seen_at", _MOMENT, nullable=False),
        sa.Column("last_seen_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("environment", "target", "field", "fingerprint", name="pk_fingerprints"),
    )


def _due_and_alerts() -> None:
    op.create_table(
        "due_moments",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("scheduled_at", _MOMENT, nullable=False),
        sa.Column("worker", sa.Text(), server_default="", nullable=False),
        sa.Column("token", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", _MOMENT, nullable=True),
        sa.Column("finished_at", _MOMENT, nullable=True),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_due_moments"),
        sa.UniqueConstraint("idempotency_key", name="uq_due_moments_idempotency_key"),
    )
    op.create_index(
        "ix_due_moments_unfinished", "due_moments", ["due_at"], unique=False, **_only("finished_at IS NULL")
    )
    op.create_table(
        "alerts",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("runbook", sa.Text(), nullable=False),
        sa.Column("raised_at", _MOMENT, nullable=False),
        sa.Column("sending_until", _MOMENT, nullable=True),
        sa.Column("sent_at", _MOMENT, nullable=True),
        sa.Column("times_sent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cleared_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("uq_alerts_open", "alerts", ["key"], unique=True, **_only("cleared_at IS NULL"))


def _only(condition: str) -> dict[str, Any]:
    """Make an index of the rows that the condition holds for."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
