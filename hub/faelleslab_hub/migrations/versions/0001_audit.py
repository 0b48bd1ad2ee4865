"""The audit chains: heads, events, their erasable personal part, and the opaque ids of accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0001_audit"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_chain",
        sa.Column("chain", sa.String(16), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("checkpoint_number", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit_event",
        sa.Column("chain", sa.String(16), sa.ForeignKey("audit_chain.chain"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.String(27), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(40), nullable=True),
        sa.Column("subject", sa.String(200), nullable=True),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("personal_hash", sa.String(64), nullable=True),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("ix_audit_event_actor", "audit_event", ["actor"])
    op.create_index("ix_audit_event_chain_type", "audit_event", ["chain", "type"])
    op.create_table(
        "audit_personal",
        sa.Column("chain", sa.String(16), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["chain", "seq"], ["audit_event.chain", "audit_event.seq"]),
    )
    op.create_table(
        "account_alias",
        sa.Column("alias", sa.String(40), primary_key=True),
        sa.Column("account", sa.String(200), nullable=False, unique=True),
    )


def downgrade() -> None:
    raise NotImplementedError("an audit chain is never taken back; restore a backup instead")
