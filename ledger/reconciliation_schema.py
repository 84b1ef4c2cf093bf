"""The ledger's tables about reconciliation. A row is written once, and its entry in the chain, `seq`, says the same.

The one thing that changes afterwards is `ended_seq`: the entry that ended what the row says. Counts that were collected
anew go with their row.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from ledger.moments import Moment
from ledger.schema import METADATA, NUMBER

_IN_FORCE = text("ended_seq IS NULL")

# What a vendor counted in a window, as a JSON list. The windows of one target and section never overlap.
COLLECTED_COUNTS = Table(
    "collected_counts",
    METADATA,
    Column("seq", NUMBER, ForeignKey("chain.seq"), primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("section", Text, nullable=False),
    Column("window_start", Moment, nullable=False),
    Column("window_end", Moment, nullable=False),
    Column("counts", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_collected_counts_windows", "environment", "target", "section", "window_start"),
)

# What a month's comparison came to, as often as that changed. `standing` is FINAL or PROVISIONAL.
RECONCILIATIONS = Table(
    "reconciliations",
    METADATA,
    Column("seq", NUMBER, ForeignKey("chain.seq"), primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("targets", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("standing", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("environment", "month", "number", name="uq_reconciliations_number"),
)

# Which run posts a revision; `posted_at` once it is out. No fact of the chain: what it says is whether to try again.
MONTH_POSTS = Table(
    "month_posts",
    METADATA,
    Column("environment", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Text, nullable=False),
    Column("posted_at", Moment, nullable=True),
)

WAIVERS = Table(
    "waivers",
    METADATA,
    Column("seq", NUMBER, ForeignKey("chain.seq"), primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", Text, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("ended_seq", NUMBER, ForeignKey("chain.seq"), nullable=True),
    Index(
        "uq_waivers_in_force",
        "environment",
        "subject",
        unique=True,
        sqlite_where=_IN_FORCE,
        postgresql_where=_IN_FORCE,
    ),
)

WAIVER_WITHDRAWALS = Table(
    "waiver_withdrawals",
    METADATA,
    Column("seq", NUMBER, ForeignKey("chain.seq"), primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

INVESTIGATIONS = Table(
    "investigations",
    METADATA,
    Column("seq", NUMBER, ForeignKey("chain.seq"), primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("ended_seq", NUMBER, ForeignKey("chain.seq"), nullable=True),
    Index(
        "uq_investigations_open",
        "environment",
        "month",
        "target",
        unique=True,
        sqlite_where=_IN_FORCE,
        postgresql_where=_IN_FORCE,
    ),
)

# What was said in an investigation, in order; owner and due day are as they stand from then on.
INVESTIGATION_NOTES = Table(
    "investigation_notes",
    METADATA,
    Column("seq", NUMBER, ForeignKey("chain.seq"), primary_key=True, autoincrement=False),
    Column("investigation", NUMBER, ForeignKey("investigations.seq"), nullable=False, index=True),
    Column("owner", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

SIGN_OFFS = Table(
    "sign_offs",
    METADATA,
    Column("seq", NUMBER, ForeignKey("chain.seq"), primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("environment", "month", "number", name="uq_sign_offs_number"),
)
