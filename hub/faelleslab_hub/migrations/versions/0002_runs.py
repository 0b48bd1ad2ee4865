"""Runs and their inspections."""

import sqlalchemy as sa
from alembic import op

from faelleslab_hub.database import UtcDateTime

revision = "0002_runs"
down_revision = "0001_audit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("tenant", sa.String(16), nullable=False),
        sa.Column("notebook", sa.String(160), nullable=False),
        sa.Column("notebook_sha256", sa.String(64), nullable=False),
        sa.Column("given", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=True),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("image", sa.String(200), nullable=True),
        sa.Column("submitted_by", sa.String(200), nullable=True),
        sa.Column("timeout_s", sa.Integer, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("stage", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(20), nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=True),
        sa.Column("ended_at", UtcDateTime, nullable=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("claim", sa.String(32), nullable=True),
        sa.Column("boot", sa.String(40), nullable=True),
        sa.Column("stopping", sa.String(20), nullable=True),
        sa.Column("exit_code", sa.Integer, nullable=True),
        sa.Column("message", sa.Text, nullable=True),
        sa.Column("result", sa.Text, nullable=True),
        # What no program of ours may write, no program at all may write.
        sa.CheckConstraint(
            "(state = 'PENDING' AND stage IN ('INSPECTING', 'WAITING') AND attempt = 0 AND reason IS NULL)"
            " OR (state = 'RUNNING' AND stage = 'EXECUTING' AND claim IS NOT NULL AND reason IS NULL)"
            " OR (state = 'SUCCEEDED' AND stage = 'ENDED' AND reason IS NULL AND exit_code = 0)"
            " OR (state = 'FAILED' AND stage = 'ENDED' AND reason IS NOT NULL AND exit_code <> 0)",
            name=op.f("ck_run_state"),
        ),
    )
    op.create_index("ix_run_stage_tenant", "run", ["stage", "tenant", "created_at"])
    op.create_index("ix_run_tenant_created", "run", ["tenant", "created_at"])
    op.create_table(
        "inspection",
        sa.Column("run_id", sa.String(32), sa.ForeignKey("run.id"), primary_key=True),
        sa.Column("tenant", sa.String(16), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("claim", sa.String(32), nullable=True),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("placed_at", UtcDateTime, nullable=True),
        sa.Column("outcome", sa.String(20), nullable=True),
        sa.Column("answer", sa.Text, nullable=True),
        sa.Column("cut", sa.Boolean, nullable=False),
    )
    op.create_index("ix_inspection_state", "inspection", ["state", "requested_at"])


def downgrade() -> None:
    raise NotImplementedError("runs are referred to by the audit chain; restore a backup instead")
