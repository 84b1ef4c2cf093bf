"""The ledger's tables as this version of the code knows them; ledger/migrations brings a database here.

No column ever holds a credential's value. Texts that the audit recomputes are kept as text, letter by letter.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from ledger.moments import Moment

SCHEMA_VERSION = "0005"
VERSION_TABLE = "ledger_version"  # not Alembic's default name: Prefect uses that one in its own database

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Row numbers: PostgreSQL's bigint, SQLite's rowid.
NUMBER = BigInteger().with_variant(Integer, "sqlite")

IDENTITY = Table(
    "ledger_identity",
    METADATA,
    Column("only_row", Integer, primary_key=True, autoincrement=False),
    Column("ledger_id", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)

# What was recorded, in order. `at` and `payload` are text, because their letters are hashed.
CHAIN = Table(
    "chain",
    METADATA,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("previous", Text, nullable=False, unique=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("payload", Text, nullable=False),
    Column("at", Text, nullable=False),
)

CHAIN_HEAD = Table(
    "chain_head",
    METADATA,
    Column("only_row", Integer, primary_key=True, autoincrement=False),
    Column("seq", NUMBER, nullable=False),
    Column("hash", Text, nullable=False),
)

CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False),
    Column("at", Text, nullable=False),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("flow", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("prefect_run_id", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("opened_seq", NUMBER, ForeignKey("chain.seq"), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("lease_until", Moment, nullable=False),
    Column("sealed_seq", NUMBER, ForeignKey("chain.seq"), nullable=True),
    Column("sealed_at", Moment, nullable=True),
    Column("verdict", Text, nullable=True),
    Column("world", Text, nullable=True),
    Column("bundle_digest", Text, nullable=False, server_default=""),
    Index("ix_runs_opened_at", "opened_at"),
    Index(
        "ix_runs_unsealed",
        "lease_until",
        sqlite_where=text("sealed_seq IS NULL"),
        postgresql_where=text("sealed_seq IS NULL"),
    ),
)

PROBE_INTENTS = Table(
    "probe_intents",
    METADATA,
    Column("nonce", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("probe", Text, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("closed_at", Moment, nullable=True),
    Column("outcome", Text, nullable=True),
    Column("clean_up", Text, nullable=True),
    Column("cleaned_at", Moment, nullable=True),
    Index(
        "ix_probe_intents_left",
        "environment",
        sqlite_where=text("cleaned_at IS NULL"),
        postgresql_where=text("cleaned_at IS NULL"),
    ),
)

VERIFICATIONS = Table(
    "verifications",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("world", Text, nullable=False),
    Column("symptom", Text, nullable=False),
    Column("happened", Text, nullable=False),
    Column("took_ms", Integer, nullable=True),
    Column("at", Moment, nullable=False),
    Index("ix_verifications_environment", "environment", "target", "id"),
)

STEP_STATES = Table(
    "step_states",
    METADATA,
    Column("environment", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("world", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    PrimaryKeyConstraint("environment", "number"),
)

QUESTIONS = Table(
    "questions",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("integration", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("deadline", Moment, nullable=False),
    Column("answered_at", Moment, nullable=True),
    Column("who", Text, nullable=False, server_default=""),
    Column("seen", Boolean, nullable=True),
    Column("note", Text, nullable=False, server_default=""),
    Index(
        "uq_questions_open",
        "environment",
        "step",
        "integration",
        unique=True,
        sqlite_where=text("answered_at IS NULL"),
        postgresql_where=text("answered_at IS NULL"),
    ),
)

REHEARSALS = Table(
    "rehearsals",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("version", Text, nullable=False, index=True),
    Column("run_id", Text, nullable=False),
    Column("integrations", JSON, nullable=False),
    Column("at", Moment, nullable=False),
)

BLOCKERS = Table(
    "blockers",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("blocked_at", Moment, nullable=False),
    Column("unblocked_at", Moment, nullable=True),
    Index(
        "uq_blockers_open",
        "environment",
        "target",
        unique=True,
        sqlite_where=text("unblocked_at IS NULL"),
        postgresql_where=text("unblocked_at IS NULL"),
    ),
)

NOTES = Table(
    "notes",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("environment", Text, nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

TIMEOUTS = Table(
    "timeouts",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("environment", Text, nullable=False, index=True),
    Column("target", Text, nullable=False),
    Column("circumstance", Text, nullable=False),
    Column("took_ms", Integer, nullable=False),
    Column("bound_ms", Integer, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

GO_LIVES = Table(
    "go_lives",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("environment", Text, nullable=False, index=True),
    Column("date", Date, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

FINGERPRINTS = Table(
    "fingerprints",
    METADATA,
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("first_run_id", Text, nullable=False),
    Column("first_seen_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    PrimaryKeyConstraint("environment", "target", "field", "fingerprint"),
)

DUE_MOMENTS = Table(
    "due_moments",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("scheduled_at", Moment, nullable=False),
    Column("worker", Text, nullable=False, server_default=""),
    Column("token", Integer, nullable=False, server_default="0"),
    Column("lease_until", Moment, nullable=True),
    Column("finished_at", Moment, nullable=True),
    Column("outcome", Text, nullable=False, server_default=""),
    Index(
        "ix_due_moments_unfinished",
        "due_at",
        sqlite_where=text("finished_at IS NULL"),
        postgresql_where=text("finished_at IS NULL"),
    ),
)

ALERTS = Table(
    "alerts",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("key", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("runbook", Text, nullable=False),
    Column("raised_at", Moment, nullable=False),
    Column("sending_until", Moment, nullable=True),
    Column("sent_at", Moment, nullable=True),
    Column("times_sent", Integer, nullable=False, server_default="0"),
    Column("cleared_at", Moment, nullable=True),
    Column("urgency", Text, nullable=False, server_default="ticket"),
    Index(
        "uq_alerts_open",
        "key",
        unique=True,
        sqlite_where=text("cleared_at IS NULL"),
        postgresql_where=text("cleared_at IS NULL"),
    ),
)

# What was seen in Prefect's run history, which forgets: `ended_well_at` is empty where no good end was ever seen.
DEPLOYMENT_ENDS = Table(
    "deployment_ends",
    METADATA,
    Column("deployment", Text, primary_key=True),
    Column("ended_well_at", Moment, nullable=True),
    Column("looked_at", Moment, nullable=False),
)
