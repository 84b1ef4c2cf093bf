"""Alembic runs inside the transaction that ledger/migrating.py holds, on SQLite and PostgreSQL alike."""

from alembic import context

from ledger import kms_schema, reconciliation_schema, rotation_schema  # noqa: F401 (they add their tables to the metadata)
from ledger.schema import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
