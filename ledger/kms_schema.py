"""The ledger's tables about KMS checks: what each check saw, where each part stands, golden ciphertexts.

Goldens, their retirements and people's judgements are facts with an entry in the chain (ledger/facts.py). Checks, standings and
trials are what a run measured: the run's sealed bundle is their evidence, and old checks go.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from ledger.moments import Moment
from ledger.schema import METADATA, NUMBER

_IN_FORCE = text("ended_seq IS NULL")
_OPEN = text("ended_at IS NULL")

# One check of one target. `parts` is a JSON list (ledger/kms_checks.py).
KMS_CHECKS = Table(
    "kms_checks",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("operations", Integer, nullable=False),
    Column("parts", Text, nullable=False),
    Index("ix_kms_checks_moments", "environment", "target", "at"),
)

# Where a part stands now (domain/kms_standing.py). `recent` and `changes` are JSON lists.
KMS_STANDINGS = Table(
    "kms_standings",
    METADATA,
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("standing", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("recent", Text, nullable=False),
    Column("still_due", Integer, nullable=False),
    Column("changes", Text, nullable=False),
    Column("last_passed_at", Moment, nullable=True),
    PrimaryKeyConstraint("environment", "target", "part"),
)

# How often a part failed with a class, since the ledger began: a counter for metrics.
KMS_FAULT_COUNTS = Table(
    "kms_fault_counts",
    METADATA,
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("fault_class", Text, nullable=False),
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint("environment", "target", "part", "fault_class"),
)

# A time for which a part was DOWN; `fault` is what put it there.
KMS_SPELLS = Table(
    "kms_spells",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("fault", Text, nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=True),
    Column("run_id", Text, nullable=False),
    Index(
        "uq_kms_spells_open", "environment", "target", "part", unique=True,
        sqlite_where=_OPEN, postgresql_where=_OPEN,
    ),
)  # fmt: skip

# What a person said of a spell: whether there was trouble, or a false alarm.
KMS_JUDGEMENTS = Table(
    "kms_judgements",
    METADATA,
    Column("seq", NUMBER, ForeignKey("chain.seq"), primary_key=True, autoincrement=False),
    Column("spell", NUMBER, nullable=False),
    Column("judged", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("ended_seq", NUMBER, ForeignKey("chain.seq"), nullable=True),
    Index("uq_kms_judgements_in_force", "spell", unique=True, sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE),
)

# A ciphertext that must still open. `slot` tells wrapped keys of one version apart; it is empty for what was minted.
KMS_GOLDENS = Table(
    "kms_goldens",
    METADATA,
    Column("seq", NUMBER, ForeignKey("chain.seq"), primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("ciphertext", Text, nullable=False),
    Column("plaintext_sha256", Text, nullable=False),
    Column("context", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("ended_seq", NUMBER, ForeignKey("chain.seq"), nullable=True),
    Index(
        "uq_kms_goldens_in_force", "environment", "target", "key_name", "key", "version", "source", "slot", unique=True,
        sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE,
    ),
)  # fmt: skip

# Somebody said that nothing needs a version any more, or a wrapped key: then `slot` names it, and `version` is empty.
KMS_GOLDEN_RETIREMENTS = Table(
    "kms_golden_retirements",
    METADATA,
    Column("seq", NUMBER, ForeignKey("chain.seq"), primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

# The last time that a golden was decrypted, and when it last opened. `fault` is empty where it opened.
KMS_GOLDEN_TRIALS = Table(
    "kms_golden_trials",
    METADATA,
    Column("golden", NUMBER, ForeignKey("kms_goldens.seq"), primary_key=True, autoincrement=False),
    Column("tried_at", Moment, nullable=False),
    Column("opened_at", Moment, nullable=True),
    Column("fault", Text, nullable=False),
)
