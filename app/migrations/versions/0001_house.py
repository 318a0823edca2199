"""The house as it first stands."""

from alembic import op

from app import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    schema.make(op.get_bind())


def downgrade() -> None:
    schema.unmake(op.get_bind())
