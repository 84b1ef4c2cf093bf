"""When each deployment was last seen to end well, and when its runs were last looked at."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "deployment_ends",
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("ended_well_at", _MOMENT, nullable=True),
        sa.Column("looked_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("deployment", name="pk_deployment_ends"),
    )
